"""Reading a model's answer to a window of lines, and finding which of its lines are surely right.

An answer is taken line by line: the id must be one that was asked for, and there only once. What
belongs to a line is checked on its own, and the lines are checked against their neighbours: a
model that merges two lines goes on one line off, with the ids all in order.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

from onevoice.engines.translation.checks import (
    asks,
    badness,
    breaks_glossary,
    find_problems,
    foreign_names,
    text_weight,
)
from onevoice.engines.translation.numbers import missing_numbers
from onevoice.engines.translation.romanize import sounds_like
from onevoice.engines.translation.wording import has_words

_THOUGHT = re.compile(r"\A.*</think>|<think>.*\Z", re.DOTALL)
"""What comes before an answer, also where the template of the chat opened the tag."""
_NUMBERED = re.compile(r"^\W{0,2}(\d{1,9})\s*[.:)\]|-]+\s*(\S.*)$", re.MULTILINE | re.ASCII)
_ID = re.compile(r"\s*(\d{1,9})\s*", re.ASCII)
_OF_LETTERS = frozenset({"latin_words", "latin_names", "wrong_script", "wrong_language"})
_SHIFTED = 0.8
"""How much better, in sum, neighbouring lines must fit before a run of lines counts as shifted.

Measured on made-up translations of 260 English sentences whose lengths vary by 22 % (one standard
deviation): of lines shifted by a merge, 94 % are found in windows of 20, 85 % in windows of 10 and
half in windows of 5. Of right lines less than 1 % are suspected in Spanish, up to 2.4 % in Korean;
they cost another question.
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
    text = without_thought(answer)
    entries = _entries(text)
    if not entries and "{" not in text:
        entries = [(int(m[1]), m[2]) for m in _NUMBERED.finditer(text) if int(m[1]) in ids]
        if not entries and len(ids) == 1 and text:
            entries = [(ids[0], text)]
    times = Counter(number for number, _ in entries)
    return {n: said for n, said in entries if n in ids and times[n] == 1 and said.strip()}


def without_thought(answer: str) -> str:
    """The answer without what a reasoning model wrote before it."""
    text = answer.strip()
    return text if _load(text) is not None else _THOUGHT.sub("", text).strip()


def _entries(text: str) -> list[tuple[int, str]]:
    whole = _load(text)
    values = [whole] if isinstance(whole, dict | list) else _scattered(text)
    return [entry for value in values for entry in _entries_in(value)]


def _entries_in(value: Any, deeper: int = 6) -> Iterator[tuple[int, str]]:
    """Entries of a decoded value: of ``lines``, or of what the model called or wrapped them."""
    if isinstance(value, list):
        for item in value if deeper else ():
            yield from _entries_in(item, deeper - 1)
        return
    entry = _entry(value)
    if entry is not None:
        yield entry
    elif isinstance(value, dict) and deeper:
        listed = value.get("lines")
        if isinstance(listed, dict):  # {"1": "…", "2": "…"}
            listed = [{"id": key, "text": said} for key, said in listed.items()]
        for inner in [listed] if listed is not None else value.values():
            if isinstance(inner, dict | list):
                yield from _entries_in(inner, deeper - 1)


def _load(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _scattered(text: str) -> list[Any]:
    """Every complete JSON object with an id, wherever it stands."""
    decoder = json.JSONDecoder()
    found: list[Any] = []
    position = text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            value, end = None, position + 1
        if value is not None:
            found.append(value)
        position = text.find("{", end)
    return found


def _entry(value: Any) -> tuple[int, str] | None:
    if not isinstance(value, dict):
        return None
    number, text = value.get("id"), value.get("text")
    if isinstance(number, str) and (digits := _ID.fullmatch(number)):
        number = int(digits[1])
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
    rest = _without(answer, [becomes for _, becomes in terms])
    if rest != answer and _OF_LETTERS.intersection(found):
        # A name that must stay in its own letters is no mistake.
        about = find_problems(text, rest, source=source, target=target, shortened=True)
        found = [name for name in found if name not in _OF_LETTERS]
        found += [name for name in about if name in _OF_LETTERS]
    if "source_echoed" in found and not has_words(_without(text, [b for a, b in terms if a == b])):
        found.remove("source_echoed")
    if familiar:
        found = [name for name in found if name != "impolite"]
    if "empty" not in found and breaks_glossary(answer, terms):
        found.append("glossary")
    return tuple(sorted(found, key=lambda name: -badness([name])))


def _without(text: str, terms: Sequence[str]) -> str:
    """The text without these terms, in whatever case."""
    for term in sorted(filter(None, terms), key=len, reverse=True):
        text = re.sub(re.escape(term), " ", text, flags=re.IGNORECASE)
    return text


def shifted(answers: Sequence[str], cost: Cost) -> set[int]:
    """Indexes of answers that look like those of the lines next to them.

    For each direction the run of lines is sought whose answers would fit one line off better by
    the most (the maximum-sum subarray; Kadane). A single line never counts: two lines may well
    have like answers. Two lines count that would fit as much better the other way round.
    """
    suspects = _exchanged(answers, cost)
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


def _exchanged(answers: Sequence[str], cost: Cost) -> set[int]:
    """Lines with each other's answers.

    Measured like :data:`_SHIFTED`: two of three exchanges are found in windows of 20, and less
    than 0.5 % of right lines are suspected.
    """
    given = [i for i, answer in enumerate(answers) if answer]
    own = {i: cost(i, answers[i]) for i in given}
    found: set[int] = set()
    for i, j in combinations(given, 2):
        gain = own[i] + own[j] - cost(i, answers[j]) - cost(j, answers[i])
        if gain > _SHIFTED:
            found |= {i, j}
    return found


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
    """How badly a translation fits a line: by their lengths, its numbers, names and question.

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
        turned = asks(text, any_form=True) != asks(answer, any_form=True)
        return length + len(numbers) + _missing_names(text, answer) + 0.5 * turned

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
