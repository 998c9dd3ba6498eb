"""Saying a translation with fewer characters, and knowing whether that worked."""

from __future__ import annotations

from onevoice.engines.base import CancelToken
from onevoice.engines.translation import prompts
from onevoice.engines.translation.candidates import Candidate, Chat, longest_answer
from onevoice.engines.translation.checks import clean, find_problems
from onevoice.engines.translation.wording import shield, unshield

_TEMPERATURE = 0.6
_KEPT_SHARE = 0.35
"""An answer with less than this of the wanted length has dropped the meaning, not the filler."""
_TIGHTER = 0.85
"""Models overrun a length they are told: each retry asks for less."""


def shorter(
    model: Chat,
    text: str,
    previous: str,
    *,
    source: str,
    target: str,
    budget: int,
    attempts: int,
    cancel: CancelToken,
) -> Candidate:
    """The best shorter form of ``previous``.

    An answer counts when it is shorter than ``previous`` and the checks find nothing worse in
    it. The longest answer within the budget wins, since it says most; without one, the shortest
    answer; without any, ``previous`` itself. Beyond the budget, "too_long" is a problem.
    """
    known = set(find_problems(text, previous, source=source, target=target))
    best = Candidate(previous, ("too_long",))
    for number in range(attempts):
        cancel.check()
        answer = model.complete(
            prompts.shorten(
                shield(best.text),
                language=target,
                budget=max(4, int(budget * _TIGHTER ** min(number, 2))),
            ),
            max_tokens=longest_answer(previous, target),
            temperature=_TEMPERATURE if number else 0.0,
            seed=number,
            grammar=prompts.grammar(target, strict=True),
        )
        said = unshield(clean(answer.text, previous), previous)
        found = find_problems(text, said, source=source, target=target, shortened=True)
        if answer.cut or set(found) - known or len(said) >= len(best.text):
            continue
        if len(said) < _KEPT_SHARE * min(budget, len(previous)):
            continue
        if len(said) <= budget:
            return Candidate(said, found)
        best = Candidate(said, ("too_long", *found))
    return best
