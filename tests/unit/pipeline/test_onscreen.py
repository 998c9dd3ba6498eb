"""Marks and limits from what the picture shows."""

from __future__ import annotations

import math

import pytest

from onevoice.config import VisionSettings
from onevoice.pipeline.onscreen import Said, latest_ends, marked
from onevoice.types import Glance, Segment, Sight

SETTINGS = VisionSettings()


def segment(start: float, end: float, *, on_screen: bool = True) -> Segment:
    return Segment(id="a", start=start, end=end, speaker="S1", text="x", on_screen=on_screen)


def sight(*faces: float, cuts: tuple[float, ...] = ()) -> Sight:
    """A look every half second."""
    return Sight(cuts=cuts, glances=tuple(Glance(time=i / 2, face=f) for i, f in enumerate(faces)))


@pytest.mark.parametrize(
    ("faces", "start", "end", "expected"),
    [
        ((0.3, 0.3, 0.3, 0.3), 0.0, 1.5, True),
        ((0, 0, 0, 0), 0.0, 1.5, False),
        ((0.3, 0.3, 0, 0), 0.0, 1.5, True),  # half of it
        ((0.3, 0, 0, 0), 0.0, 1.5, False),
        ((0.09, 0.09, 0.09, 0.09), 0.0, 1.5, False),  # too far away for a mouth to be seen
        ((0.3, 0, 0, 0.3), 0.6, 0.9, False),  # between two looks
        ((0, 0.3, 0.3, 0), 0.6, 0.9, True),
    ],
)
def test_marks(faces: tuple[float, ...], start: float, end: float, expected: bool) -> None:
    (made,) = marked([segment(start, end, on_screen=not expected)], sight(*faces), SETTINGS)
    assert made.on_screen is expected


def test_a_look_at_another_shot_says_nothing() -> None:
    seen = sight(0.3, 0.3, 0, 0, cuts=(0.55,))
    (made,) = marked([segment(0.6, 0.9)], seen, SETTINGS)
    assert not made.on_screen


def test_where_nobody_looked_marks_stay() -> None:
    for given in (True, False):
        (made,) = marked([segment(60, 61, on_screen=given)], sight(0.3, 0.3), SETTINGS)
        assert made.on_screen is given


def test_settings_decide_what_is_seen() -> None:
    seen = sight(0.2, 0, 0, 0)
    lenient = VisionSettings(min_share=0.25)
    assert marked([segment(0, 1.5)], seen, lenient)[0].on_screen
    assert not marked([segment(0, 1.5)], seen, VisionSettings(min_share=0.25, min_face=0.25))[
        0
    ].on_screen


def said(start: float, end: float, speaker: str, on_screen: bool = True) -> Said:
    return Said(start=start, end=end, speaker=speaker, on_screen=on_screen)


A = said(1.0, 3.0, "S1")


@pytest.mark.parametrize(
    ("following", "cuts", "limit"),
    [
        (said(4.0, 5.0, "S2"), (3.5,), 3.5),
        (said(4.0, 5.0, "S2"), (3.2, 3.7), 3.7),  # the shot between them belongs to nobody
        (said(4.0, 5.0, "S2"), (2.9,), 3.0),  # recognised ends are not exact
        (said(4.0, 5.0, "S2"), (2.0,), math.inf),  # the source ran over it, too
        (said(4.0, 5.0, "S2"), (4.1,), 4.1),  # nor are recognised starts
        (said(4.0, 5.0, "S2"), (4.5,), math.inf),  # both in one shot
        (said(4.0, 5.0, "S2", False), (3.5,), math.inf),
        (said(4.0, 5.0, "S1"), (3.5,), math.inf),
        (said(2.0, 5.0, "S2"), (1.9,), math.inf),  # they spoke at once
        (said(4.0, 5.0, "S2"), (), math.inf),
    ],
)
def test_limits(following: Said, cuts: tuple[float, ...], limit: float) -> None:
    assert latest_ends([A, following], cuts) == (limit, math.inf)


def test_limits_come_in_the_order_of_the_lines() -> None:
    lines = [said(4.0, 5.0, "S2"), A]
    assert latest_ends(lines, (3.5,)) == (math.inf, 3.5)
    assert latest_ends([], (3.5,)) == ()
