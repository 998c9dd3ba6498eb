"""What the loop between fit, translator and synthesizer changed, line by line."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from onevoice.pipeline.speech import Spoken
from onevoice.timing import Fit


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of one round, the first being 1.

    ``shortened``: the text of the line ``id``; ``before`` and ``after`` are the rates of its
    fastest phrase. ``respoken``: the phrase ``id``, at a higher speed; ``before`` and ``after``
    are what is left to stretch of the samples.
    """

    kind: Literal["shortened", "respoken"]
    id: str
    round: int
    before: float
    after: float


def rates(spoken: Sequence[Spoken], fit: Fit) -> dict[str, float]:
    """The rate of each line's fastest phrase, by line."""
    owner = {speech.id: speech.line for speech in spoken}
    fastest: dict[str, float] = {}
    for placed in fit.placements:
        line = owner[placed.line]
        fastest[line] = max(fastest.get(line, 0.0), placed.rate)
    return fastest


def shortened(
    ids: Collection[str], number: int, before: Mapping[str, float], after: Mapping[str, float]
) -> list[Change]:
    """The lines that got another text in round ``number``, in order of their ids."""
    return [
        Change(
            kind="shortened",
            id=id_,
            round=number,
            before=round(before[id_], 4),
            after=round(after.get(id_, 0.0), 4),
        )
        for id_ in sorted(ids)
    ]


def respoken(
    spoken: Sequence[Spoken], chosen: Mapping[str, Spoken], fit: Fit, number: int
) -> list[Change]:
    """The phrases for which a faster recording was chosen in round ``number``."""
    length = {placed.line: placed.length for placed in fit.placements}
    return [
        Change(
            kind="respoken",
            id=speech.id,
            round=number,
            before=round(speech.seconds / length[speech.id], 4),
            after=round(chosen[speech.id].seconds / length[speech.id], 4),
        )
        for speech in spoken
        if chosen[speech.id].rate != speech.rate and length[speech.id] > 0
    ]
