"""Searching for a good answer: ask, check, ask again otherwise, choose.

A small model answers most sentences well at its first, greedy attempt and fails the rest in a
few ways that checks can name. Retries change what made it fail: the hint goes when it leaked,
the letters are restricted when foreign ones came, then chance is allowed, with fixed seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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

    @property
    def badness(self) -> float:
        return badness(self.problems)


@dataclass(frozen=True, slots=True)
class Attempt:
    """How to ask: with or without hint and examples, in which letters, with how much chance."""

    hint: bool = False
    strict: bool = False
    examples: bool = True
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
        """The first answer without a problem; else the least bad one.

        Among equals the one that translates back closest is taken; that is asked only of lines
        that are in trouble, because it costs another answer each.
        """
        found = [self._ask(text, hint, Attempt(hint=bool(hint)))]
        for attempt in self._plan(bool(hint), retries):
            if found[-1].badness <= _GOOD_ENOUGH:
                return found[-1]
            self._cancel.check()
            if any("repetition" in c.problems or "cut_off" in c.problems for c in found):
                attempt = Attempt(
                    strict=True,
                    temperature=attempt.temperature,
                    seed=attempt.seed,
                    repeat_penalty=1.15,
                )
            found.append(self._ask(text, hint, attempt))
        return self._choose(text, found)

    def best(self, text: str, *, hint: str) -> Candidate:
        """The best of five: fewest problems, then the closest back-translation."""
        found = [self._ask(text, hint, Attempt(hint=bool(hint)))]
        for seed in range(1, _BEST_OF):
            self._cancel.check()
            attempt = Attempt(
                hint=bool(hint) and seed % 2 == 0, temperature=_TEMPERATURE, seed=seed
            )
            found.append(self._ask(text, hint, attempt))
        return self._choose(text, found)

    def _plan(self, hinted: bool, retries: int) -> Iterator[Attempt]:
        if hinted:
            yield Attempt()
            retries -= 1
        for number in range(max(0, retries)):
            if number == 0:
                yield Attempt(strict=True)
            else:
                yield Attempt(strict=True, temperature=_TEMPERATURE, seed=number)

    def _ask(self, text: str, hint: str, attempt: Attempt) -> Candidate:
        safe = shield(text)
        chat = prompts.translate(
            safe,
            source=self._source,
            target=self._target,
            hint=shield(hint) if attempt.hint else "",
            synopsis=shield(self._synopsis),
            examples=attempt.examples,
        )
        answer = self._model.complete(
            chat,
            max_tokens=longest_answer(text, self._target),
            temperature=attempt.temperature,
            seed=attempt.seed,
            grammar=prompts.grammar(self._target, strict=attempt.strict),
            repeat_penalty=attempt.repeat_penalty,
        )
        said = unshield(clean(answer.text), text)
        problems = find_problems(text, said, source=self._source, target=self._target)
        return Candidate(said, ("cut_off", *problems) if answer.cut else problems)

    def _choose(self, text: str, found: list[Candidate]) -> Candidate:
        found = faithful_names(text, list(dict.fromkeys(found)))
        least = min(c.badness for c in found)
        finalists = [c for c in found if c.badness == least]
        if len(finalists) == 1:
            return finalists[0]
        return closest(text, finalists, self._back)

    def _back(self, answer: str) -> str:
        chat = prompts.translate(shield(answer), source=self._target, target=self._source)
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
