"""Reading a model's answer to a window of lines, and finding which of its lines are surely right.

An answer is taken line by line: the id must be one that was asked for, and there only once. What
belongs to a line is checked on its own, and the lines are checked against their neighbours: a
model that merges two lines goes on one line off, with the ids all in order.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from onevoice.engines.translation.checks import (
    breaks_glossary,
    find_problems,
    foreign_names,
    latin_words,
    text_weight,
)
from onevoice.engines.translation.numbers import missing_numbers
from onevoice.engines.translation.romanize import sounds_like

_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_NUMBERED = re.compile(r"^\W{0,2}(\d+)\s*[.:)\]|-]+\s*(\S.*)$", re.MULTILINE)
_SHIFTED = 0.8
"""How much better, in sum, neighbouring lines must fit before a run of lines counts as shifted.

Measured on made-up translations of 260 English sentences whose lengths vary by 22 % (one standard
deviation): of lines shifted by a merge, 94 % are found in windows of 20, 85 % in windows of 10 and
half in windows of 5; of right lines, less than 1 % are suspected.
"""
_WORST_RATIO = 2.0
_ENOUGH = 4
"""Lines whose lengths tell something of the two languages."""

Cost = Callable[[int, str], float]
"""How badly an answer fits the line at an index; 0 is a perfect fit."""


def parse_lines(answer: str, ids: Sequence[int]) -> dict[int, str]:
    """The texts by id: of ids that were asked for, and that the answer has exactly once.

    JSON as it was asked for, else whatever complete entries can be found in it (an answer that
    was cut, or wrapped in words); without any, numbered lines of plain text; for a single line at
    last the plain answer itself.
    """
    text = _THINKING.sub("", answer).strip()
    entries = _entries(text)
    if not entries and "{" not in text:
        entries = [(int(m[1]), m[2]) for m in _NUMBERED.finditer(text) if int(m[1]) in ids]
        if not entries and len(ids) == 1 and text:
            entries = [(ids[0], text)]
    known = [number for number, _ in entries]
    return {n: said for n, said in entries if n in ids and known.count(n) == 1 and said.strip()}


def _entries(text: str) -> list[tuple[int, str]]:
    whole = _load(text)
    listed = whole.get("lines") if isinstance(whole, dict) else whole
    if isinstance(listed, dict):  # {"1": "…", "2": "…"}
        listed = [{"id": key, "text": value} for key, value in listed.items()]
    if not isinstance(listed, list):
        listed = _scattered(text)
    return [entry for entry in map(_entry, listed) if entry is not None]


def _load(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _scattered(text: str) -> list[Any]:
    """Every complete JSON object with an id, wherever it stands."""
    decoder = json.JSONDecoder()
    found: list[Any] = []
    position = text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
        except ValueError:
            value, end = None, position + 1
        if isinstance(value, dict):
            lines = value.get("lines")
            found += lines if isinstance(lines, list) else [value]
        position = text.find("{", end)
    return found


def _entry(value: Any) -> tuple[int, str] | None:
    if not isinstance(value, dict):
        return None
    number, text = value.get("id"), value.get("text")
    if isinstance(number, str) and number.strip().isdigit():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int) or not isinstance(text, str):
        return None
    return number, text


def judge(
    text: str,
    answer: str,
    *,
    source: str,
    target: str,
    terms: Sequence[tuple[str, str]] = (),
    shortened: bool = False,
    familiar: bool = False,
) -> tuple[str, ...]:
    """What is wrong with the answer to one line, the worst first.

    ``familiar``: people talk informally in this film, so plain Korean is no mistake.
    """
    found = list(find_problems(text, answer, source=source, target=target, shortened=shortened))
    kept = {word for _, becomes in terms for word in latin_words(becomes)}
    if kept.issuperset(latin_words(answer)):
        # A name that must stay in its own letters is no mistake.
        found = [name for name in found if name not in ("latin_words", "latin_names")]
    if familiar:
        found = [name for name in found if name != "impolite"]
    if "empty" not in found and breaks_glossary(answer, terms):
        found.append("glossary")
    return tuple(found)


def shifted(answers: Sequence[str], cost: Cost) -> set[int]:
    """Indexes of answers that look like those of the lines next to them.

    For each direction the run of lines is sought whose answers would fit one line off better by
    the most (the maximum-sum subarray; Kadane). A single line never counts: two lines may well
    have like answers.
    """
    suspects: set[int] = set()
    for offset in (-1, 1):
        gains = [
            cost(i, answers[i]) - cost(i, answers[i + offset])
            if 0 <= i + offset < len(answers) and answers[i] and answers[i + offset]
            else 0.0
            for i in range(len(answers))
        ]
        first, last, gain = _best_run(gains)
        if gain > _SHIFTED and last - first >= 1:
            # The line that the run ends at gave its answer away, or lost it.
            suspects.update(range(first, last + 1))
            suspects.update(i for i in (first - 1, last + 1) if 0 <= i < len(answers))
    return suspects


def _best_run(gains: Sequence[float]) -> tuple[int, int, float]:
    best = (0, 0, 0.0)
    start, total = 0, 0.0
    for index, gain in enumerate(gains):
        if total <= 0.0:
            start, total = index, 0.0
        total += gain
        if total > best[2]:
            best = (start, index, total)
    return best


def by_length_and_facts(
    texts: Sequence[str], answers: Sequence[str], *, source: str, target: str
) -> Cost:
    """How badly a translation fits a line: by their lengths, its numbers and its names.

    The usual ratio of lengths between two languages is taken from the window itself.
    """
    given = [(text, answer) for text, answer in zip(texts, answers, strict=True) if answer]
    # Of the window as a whole: a shift leaves that as it is, and spoils every mean of ratios.
    whole = " ".join(text for text, _ in given), " ".join(answer for _, answer in given)
    usual = _ratio(*whole) if len(given) >= _ENOUGH else 0.0

    def cost(index: int, answer: str) -> float:
        text = texts[index]
        length = min(_WORST_RATIO, abs(_ratio(text, answer) - usual))
        numbers = missing_numbers(text, answer, source=source, target=target)
        return length + len(numbers) + _missing_names(text, answer)

    return cost


def _ratio(text: str, answer: str) -> float:
    return math.log((text_weight(answer) + 6) / (text_weight(text) + 6))


def _missing_names(text: str, answer: str) -> float:
    """Names of the source that the answer neither has nor sounds like; half a point each."""
    said = answer.casefold()
    hangul = any("가" <= c <= "힣" for c in answer)
    names = [name for name in foreign_names(text) if len(name) > 3]
    lost = [n for n in names if n not in said and not (hangul and sounds_like(n, answer))]
    return 0.5 * len(lost)
