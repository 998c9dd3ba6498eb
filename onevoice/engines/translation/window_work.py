"""One window of lines: asked for, judged line by line, and asked for again where it is wrong.

Lines that are surely right are kept, and only the others are asked for again, in smaller windows
and at last one by one in a stricter frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from onevoice import languages
from onevoice.engines.base import TranslationResult
from onevoice.engines.translation import window_prompts as prompts
from onevoice.engines.translation.checks import badness, clean, text_weight
from onevoice.engines.translation.chrf import chrf
from onevoice.engines.translation.window_answers import (
    Cost,
    by_length_and_facts,
    judge,
    parse_lines,
    shifted,
)
from onevoice.engines.translation.window_cutting import (
    Cut,
    Numbered,
    examples_for,
    scene_of,
    share,
    together,
)
from onevoice.engines.translation.wording import has_words, shield, tidy, unshield
from onevoice.errors import EngineFailed, OneVoiceError
from onevoice.types import Summary, Usage

_GOOD_ENOUGH = 1.0
"""Badness up to which an answer is kept; see :data:`checks.WEIGHTS`."""
_MISFITS = frozenset({"length", "numbers_lost", "question_lost"})
"""What is found wrong with a line that has another line's translation."""
_DUBIOUS = 3
"""Where one line in so many is a misfit, no line of the answer is sure."""
_SHRINK = 4
"""Windows of a repair are so many times smaller than those before."""
_TIGHTER = 0.85
"""Models overrun a length they are told: each retry asks for less."""
_KEPT_SHARE = 0.35
"""A shortened line below this share of the wanted length has dropped the meaning."""
_TIGHT = 0.7
_REVIEWS = 2
"""A review that does not come back is asked for once more; a bad one leaves the draft."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a chat model wrote, and what that used. ``refused``: it declined to answer."""

    text: str
    refused: bool = False
    usage: tuple[Usage, ...] = ()


class Chat(Protocol):
    """A chat model as it is used here; called from several threads where windows run at once."""

    def ask(
        self,
        messages: list[dict[str, str]],
        *,
        schema: dict[str, Any],
        longest: int,
        attempt: int,
        what: str,
    ) -> Reply:
        """Answer in the form of ``schema``, which need not be enforced.

        ``longest`` is how many characters an honest answer has at most; ``attempt`` counts from
        1: a model that always says the same should say something else at the next.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is asked of the model, of every line alike."""

    verb: prompts.Verb
    source: str
    target: str
    summary: Summary


@dataclass(frozen=True, slots=True)
class Candidate:
    """The best answer to a line so far. ``settled``: it need not be asked for again."""

    text: str
    problems: tuple[str, ...]
    settled: bool = False


Done = tuple[list[TranslationResult], OneVoiceError | None]
"""Results of a window, and what broke it off."""


@dataclass
class _Window:
    """A window in work: what was found and used so far, by number of the line."""

    lines: list[Numbered]
    found: dict[int, Candidate] = field(default_factory=dict)
    usage: dict[int, list[Usage]] = field(default_factory=dict)
    refused: bool = False


class Work:
    """One window of one task, from the first question to its last line."""

    def __init__(self, chat: Chat, how: Cut, task: Task, lines: Sequence[Numbered]) -> None:
        self._chat = chat
        self._how = how
        self._task = task
        self._lines = lines

    def do(self, lines: list[Numbered]) -> Done:
        """The window's results; when it broke off, those before the first unfinished line."""
        window = _Window([line for line in lines if self._is_wanted(line)])
        asked = {line.number for line in window.lines}
        error: OneVoiceError | None = None
        try:
            self._ask_until_settled(window)
        except OneVoiceError as exc:
            error = exc
        results: list[TranslationResult] = []
        for line in lines:
            if line.number in asked:
                found = window.found.get(line.number)
                if error is not None and (found is None or not found.settled):
                    break
                results.append(self._result(line, found, window))
            else:
                text = tidy(line.request.previous) or line.text
                results.append(TranslationResult(id=line.request.id, text=text))
        return results, error

    def _is_wanted(self, line: Numbered) -> bool:
        """Is there anything to do: words, and for shortening too many of them?"""
        request = line.request
        if self._task.verb == "shorten":
            wanted = request.budget is not None and len(tidy(request.previous)) > request.budget
        else:
            wanted = has_words(line.text)
        # A rewrite cannot be put together from parts.
        return wanted and len(_told(line)) <= 2 * self._how.characters

    def _ask_until_settled(self, window: _Window) -> None:
        attempts = self._how.attempts
        if self._task.verb == "review":
            attempts = min(attempts, _REVIEWS)
        waiting = window.lines
        for attempt in range(1, attempts + 1):
            if attempt == 1:
                size = len(waiting)
            elif attempt == attempts:
                size = 1
            else:
                size = math.ceil(len(window.lines) / _SHRINK ** (attempt - 1))
            for first in range(0, len(waiting), max(1, size)):
                self._ask(window, waiting[first : first + size], attempt)
            waiting = [ln for ln in waiting if not _settled(window.found.get(ln.number))]
            if not waiting:
                return
        # A line alone may be what no model answers to; many that are not are the model's fault.
        told = len(window.lines) > 1 or len(self._lines) == 1
        if not window.found and not window.refused and self._task.verb == "translate" and told:
            first_line = window.lines[0]
            raise EngineFailed(
                f"the language model gave no usable answer to {len(window.lines)} lines from "
                f"{first_line.text[:40]!r} on",
                hint="use a model that follows instructions, or another engine",
            )

    def _ask(self, window: _Window, lines: list[Numbered], attempt: int) -> None:
        task = self._task
        alone = attempt > 1 and len(lines) == 1
        known = {n: found.text for n, found in window.found.items() if found.settled}
        items = {line.number: self._item(line, attempt) for line in lines}
        overlap = 0 if alone else self._how.overlap
        terms = dict.fromkeys(term for line in lines for term in line.request.terms)
        examples = examples_for(lines, self._how.characters)
        summary = task.summary
        longest = self._how.context
        scene = scene_of(
            lines, self._lines, overlap=overlap, longest=longest, known=known, items=items
        )
        heard = {item.get("speaker") for item in scene}
        chat = prompts.messages(
            task.verb,
            scene,
            source=task.source,
            target=task.target,
            film={} if alone else prompts.describe(
                synopsis=shield(summary.synopsis),
                register=summary.register,
                terms=[shield(term) for term in summary.terms],
                speakers={
                    shield(name): shield(note)
                    for name, note in summary.speakers.items()
                    if shield(name) in heard
                },
            ),
            glossary=_shielded(terms),
            examples=() if alone else _shielded(examples),
            alone=alone,
        )  # fmt: skip
        size = sum(len(line.text) + len(line.request.previous) for line in lines)
        reply = self._chat.ask(
            chat,
            schema=prompts.schema(task.verb),
            longest=2 * size + 60 * len(lines) + 100,
            attempt=attempt,
            what=_what(lines),
        )
        window.refused = window.refused or reply.refused
        for line, used in zip(
            lines, share(reply.usage, [len(ln.text) for ln in lines]), strict=True
        ):
            window.usage.setdefault(line.number, []).extend(used)
        said = {} if reply.refused else parse_lines(reply.text, [line.number for line in lines])
        self._take(window, lines, said, attempt)

    def _take(
        self, window: _Window, lines: list[Numbered], said: dict[int, str], attempt: int
    ) -> None:
        """Judge the answers and keep, for each line, the best one so far."""
        answers = [
            unshield(clean(tidy(said.get(line.number, "")), line.text), _told(line))
            for line in lines
        ]
        suspects = shifted(answers, self._cost(lines, answers)) if len(lines) > 1 else set()
        found = [
            self._candidate(line, answer) if answer else None
            for line, answer in zip(lines, answers, strict=True)
        ]
        judged = [candidate for candidate in found if candidate is not None]
        misfits = sum(bool(_MISFITS & set(candidate.problems)) for candidate in judged)
        fresh_text = self._task.verb == "translate" and len(judged) > 2
        if fresh_text and misfits * _DUBIOUS >= len(judged):
            suspects = set(range(len(lines)))
        for index, (line, fresh) in enumerate(zip(lines, found, strict=True)):
            if fresh is None:
                continue
            before = window.found.get(line.number)
            if before is not None and before.text == fresh.text:
                # The same answer to another question: it is what the model means.
                problems = tuple(name for name in fresh.problems if name != "shifted")
                window.found[line.number] = replace(fresh, problems=problems, settled=True)
                continue
            if index in suspects:
                fresh = replace(fresh, problems=("shifted", *fresh.problems), settled=False)
            if before is None or self._better(line, fresh, before):
                window.found[line.number] = fresh

    def _candidate(self, line: Numbered, answer: str) -> Candidate | None:
        """The answer with its problems; None when it is no shorter form of the line."""
        task, request = self._task, line.request
        problems = self._problems(line, answer)
        if task.verb == "translate":
            return Candidate(answer, problems, settled=badness(problems) <= _GOOD_ENOUGH)
        previous = tidy(request.previous)
        known = self._problems(line, previous)
        if task.verb == "review":
            worse = badness(problems) > badness(known)
            kept = Candidate(previous, known) if worse else Candidate(answer, problems)
            return replace(kept, settled=True)
        budget = request.budget or len(previous)
        dropped = len(answer) < _KEPT_SHARE * min(budget, len(previous))
        if set(problems) - set(known) - {"too_long"} or len(answer) >= len(previous) or dropped:
            return None
        return Candidate(answer, problems, settled="too_long" not in problems)

    def _problems(self, line: Numbered, answer: str) -> tuple[str, ...]:
        task, request = self._task, line.request
        found = judge(
            line.text,
            answer,
            source=task.source,
            target=task.target,
            terms=request.terms,
            shortened=task.verb == "shorten" or self._is_tight(line),
            familiar=task.summary.register == "informal",
        )
        # A translator only wishes for its budget; what must be shorter is known after speaking.
        limited = task.verb != "translate" and request.budget is not None
        if limited and len(answer) > (request.budget or 0):
            return (*found, "too_long")
        return found

    def _is_tight(self, line: Numbered) -> bool:
        """Does the budget ask for much less than the usual length?"""
        budget = line.request.budget
        a_syllable = 2.2 if languages.is_cjk(self._task.target) else 1.0
        return budget is not None and budget * a_syllable < _TIGHT * text_weight(line.text)

    def _better(self, line: Numbered, fresh: Candidate, before: Candidate) -> bool:
        if badness(fresh.problems) != badness(before.problems):
            return badness(fresh.problems) < badness(before.problems)
        # Of two that are too long the shorter one is nearer.
        return self._task.verb == "shorten" and len(fresh.text) < len(before.text)

    def _cost(self, lines: list[Numbered], answers: list[str]) -> Cost:
        task = self._task
        if task.verb == "translate":
            texts = [line.text for line in lines]
            return by_length_and_facts(texts, answers, source=task.source, target=task.target)
        return lambda index, answer: 1.0 - chrf(answer, lines[index].request.previous)

    def _item(self, line: Numbered, attempt: int) -> dict[str, Any]:
        request, task = line.request, self._task
        item: dict[str, Any] = {"id": line.number}
        if request.speaker:
            item["speaker"] = shield(request.speaker)
        item["text"] = shield(line.text)
        if task.verb != "translate":
            item["previous"] = shield(tidy(request.previous))
        if request.budget is not None:
            tighter = _TIGHTER ** (attempt - 1) if task.verb == "shorten" else 1.0
            unit = prompts.unit_of(task.target)
            item[f"max_{unit}"] = max(4, int(request.budget * tighter))
        return item

    def _result(
        self, line: Numbered, found: Candidate | None, window: _Window
    ) -> TranslationResult:
        rewritten = self._task.verb != "translate"
        if rewritten and (found is None or "shifted" in found.problems):
            previous = tidy(line.request.previous)
            found = Candidate(previous, self._problems(line, previous))
        if found is None:
            found = Candidate("", ("refused" if window.refused else "empty",))
        return TranslationResult(
            id=line.request.id,
            text=found.text,
            problems=tuple(sorted(dict.fromkeys(found.problems), key=lambda p: -badness([p]))),
            usage=together(window.usage.get(line.number, [])),
        )


def _told(line: Numbered) -> str:
    """What of a line the model was shown, and may repeat."""
    return line.text + line.request.previous


def _settled(found: Candidate | None) -> bool:
    return found is not None and found.settled


def _shielded(
    pairs: Sequence[tuple[str, str]] | dict[tuple[str, str], None],
) -> list[tuple[str, str]]:
    return [(shield(a), shield(b)) for a, b in pairs]


def _what(lines: Sequence[Numbered]) -> str:
    first = lines[0].text
    start = first if len(first) <= 40 else f"{first[:39]}…"
    return f"the line {start!r}" if len(lines) == 1 else f"{len(lines)} lines from {start!r} on"
