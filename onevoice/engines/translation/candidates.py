"""Searching for a good answer: ask, check, ask again otherwise, choose.

A small model answers most sentences well at its first, greedy attempt and fails the rest in a
few ways that checks can name. Retries change what made it fail: the hint goes when it leaked,
the letters are restricted when foreign ones came, then chance is allowed, with fixed seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from onevoice import languages
from onevoice.engines.base import CancelToken
from onevoice.engines.translation import prompts
from onevoice.engines.translation.checks import (
    badness,
    clean,
    find_problems,
    foreign_names,
    latin_words,
)
from onevoice.engines.translation.chrf import chrf
from onevoice.engines.translation.model import Completion
from onevoice.engines.translation.romanize import sounds_like
from onevoice.engines.translation.wording import shield, unshield

_TEMPERATURE = 0.6
_BEST_OF = 5
_GOOD_ENOUGH = 0.5
"""Badness up to which a first answer is not worth a second."""
_DOUBTFUL = 3
"""So many answers, clean and all in doubt, are enough to choose from."""
_UNSURE = -0.7
"""Mean log-probability under which most answers were wrong (Korean, 24 sentences)."""


class Chat(Protocol):
    """The part of :class:`~onevoice.engines.translation.model.LocalModel` used here."""

    def complete(
        self,
        messages: list[dict[str, str]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        grammar: str = "",
        repeat_penalty: float = 1.0,
    ) -> Completion: ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """An answer and what the checks find wrong with it."""

    text: str
    problems: tuple[str, ...] = ()
    sure: bool = field(default=True, compare=False)
    """The model found its own answer likely."""

    @property
    def badness(self) -> float:
        return badness(self.problems)


@dataclass(frozen=True, slots=True)
class Attempt:
    """How to ask: with the hint or not, in which letters, with how much chance."""

    style: prompts.Style = "full"
    hint: bool = False
    strict: bool = False
    temperature: float = 0.0
    seed: int = 0
    repeat_penalty: float = 1.0


class Search:
    """Looks for the best translation of single sentences of one language pair."""

    def __init__(
        self, model: Chat, *, source: str, target: str, synopsis: str, cancel: CancelToken
    ) -> None:
        self._model = model
        self._source = source
        self._target = target
        self._synopsis = synopsis
        self._cancel = cancel

    def first_clean(self, text: str, *, hint: str, retries: int) -> Candidate:
        """The first answer that has no problem and that the model is sure of; else the best one.

        Among equals the one that translates back closest is taken; that is asked only of lines
        that are in trouble, because it costs another answer each.
        """
        found = [self._ask(text, hint, self._first(hint))]
        for attempt in self._plan(bool(hint), retries):
            clean_ones = [c for c in found if c.badness <= _GOOD_ENOUGH]
            if clean_ones and (clean_ones[-1].sure or len(clean_ones) == _DOUBTFUL):
                break
            self._cancel.check()
            if any("repetition" in c.problems or "cut_off" in c.problems for c in found):
                attempt = replace(attempt, repeat_penalty=1.15)
            found.append(self._ask(text, hint, attempt))
        if found[-1].sure and found[-1].badness <= _GOOD_ENOUGH:
            return found[-1]
        return self._choose(text, found)

    def best(self, text: str, *, hint: str) -> Candidate:
        """The best of five: fewest problems, then the closest back-translation."""
        found = [self._ask(text, hint, self._first(hint))]
        for attempt in self._plan(bool(hint), _BEST_OF - 1):
            self._cancel.check()
            found.append(self._ask(text, hint, attempt))
        return self._choose(text, found)

    def _first(self, hint: str) -> Attempt:
        style = "full" if hint else prompts.first_style(self._target)
        return Attempt(style=style, hint=bool(hint))

    def _plan(self, hinted: bool, retries: int) -> list[Attempt]:
        """Other words first, then chance: without the hint, in stricter letters, by seed."""
        first = prompts.first_style(self._target)
        other = Attempt(style=prompts.other_style(self._target), strict=True)
        plan = [Attempt(style=first)] if hinted else [other]
        chances = range(1, 1 + max(0, retries - len(plan)))
        plan += [
            Attempt(style=first, strict=True, temperature=_TEMPERATURE, seed=seed)
            for seed in chances
        ]
        return plan[:retries]

    def _ask(self, text: str, hint: str, attempt: Attempt) -> Candidate:
        safe = shield(text)
        chat = prompts.translate(
            safe,
            source=self._source,
            target=self._target,
            hint=shield(hint) if attempt.hint else "",
            synopsis=shield(self._synopsis),
            style=attempt.style,
        )
        answer = self._model.complete(
            chat,
            max_tokens=longest_answer(text, self._target),
            temperature=attempt.temperature,
            seed=attempt.seed,
            grammar=prompts.grammar(self._target, strict=attempt.strict),
            repeat_penalty=attempt.repeat_penalty,
        )
        said = unshield(clean(answer.text, text), text)
        problems = find_problems(text, said, source=self._source, target=self._target)
        problems = ("cut_off", *problems) if answer.cut else problems
        return Candidate(said, problems, sure=answer.confidence > _UNSURE)

    def _choose(self, text: str, found: list[Candidate]) -> Candidate:
        found = faithful_names(text, list(dict.fromkeys(found)))
        least = min(c.badness for c in found)
        finalists = [c for c in found if c.badness == least]
        if len(finalists) == 1:
            return finalists[0]
        return closest(text, finalists, self._back)

    def _back(self, answer: str) -> str:
        chat = prompts.translate(
            shield(answer), source=self._target, target=self._source, style="short"
        )
        limit = longest_answer(answer, self._source)
        grammar = prompts.grammar(self._source)
        return clean(self._model.complete(chat, max_tokens=limit, grammar=grammar).text)


def closest(text: str, found: list[Candidate], back: Callable[[str], str]) -> Candidate:
    """The candidate whose back-translation is most like the source (chrF); the first of equals."""
    return max(found, key=lambda candidate: chrf(back(candidate.text), text))


def faithful_names(text: str, found: list[Candidate]) -> list[Candidate]:
    """Leave out answers that respell a name beyond recognition.

    Where one answer kept a name in Latin letters, another in the target's own must sound like
    it: "칼리나" is no Canada. Names kept in Latin letters are made speakable later on.
    """
    kept = {word for c in found for word in latin_words(c.text)}
    names = [word for word in kept if word.lower() in foreign_names(text)]
    if not names:
        return found
    good = [
        c
        for c in found
        if all(name in latin_words(c.text) or sounds_like(name, c.text) for name in names)
    ]
    return good or found


def longest_answer(text: str, target: str) -> int:
    """Tokens that any honest translation of ``text`` fits into."""
    # A Hangul syllable takes up to two tokens of a model trained on English and Chinese.
    per_character = 1.1 if languages.is_cjk(languages.base(target)) else 0.8
    widened = sum(2.2 if ord(c) >= 0x1100 else 1.0 for c in text)
    return 24 + int(per_character * widened)
