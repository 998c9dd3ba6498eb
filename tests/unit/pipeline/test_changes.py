"""What a round changed, from the fits before and after it."""

from __future__ import annotations

from dataclasses import replace

from onevoice.pipeline.changes import Change, rates, respoken, shortened
from onevoice.pipeline.speech import Spoken
from onevoice.pipeline.store import Artifact
from onevoice.timing import Fit
from onevoice.types import Placement


def spoken(id_: str, seconds: float, rate: float = 1.0) -> Spoken:
    return Spoken(
        id=id_,
        line=id_.partition("/")[0],
        text="x",
        said="x",
        rate=rate,
        audio=Artifact(digest="0" * 64, size=1),
        seconds=seconds,
    )


def placed(id_: str, length: float, natural: float) -> Placement:
    return Placement(line=id_, start=0.0, length=length, natural=natural)


SPOKEN = [spoken("s1/1", 1.0), spoken("s1/2", 2.6), spoken("s2", 3.0)]
FIT = Fit(placements=(placed("s1/1", 1.0, 1.0), placed("s1/2", 2.0, 2.6), placed("s2", 2.5, 3.0)))


def test_a_line_is_as_fast_as_its_fastest_phrase() -> None:
    assert rates(SPOKEN, FIT) == {"s1": 1.3, "s2": 1.2}


def test_shortened_lines_have_their_rates_before_and_after() -> None:
    """Also where the shorter text makes one phrase of two."""
    after = rates([spoken("s1", 3.3)], Fit(placements=(placed("s1", 3.0, 3.3),)))
    assert shortened({"s1": None}, 2, rates(SPOKEN, FIT), after) == [
        Change(kind="shortened", id="s1", round=2, before=1.3, after=1.1)
    ]


def test_respoken_phrases_have_what_is_left_to_stretch() -> None:
    chosen = {speech.id: speech for speech in SPOKEN}
    assert respoken(SPOKEN, chosen, FIT, 1) == []
    chosen["s2"] = replace(SPOKEN[2], rate=1.2, seconds=2.4)
    assert respoken(SPOKEN, chosen, FIT, 3) == [
        Change(kind="respoken", id="s2", round=3, before=1.2, after=0.96)
    ]
