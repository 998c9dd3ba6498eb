"""Who speaks, after a person has named them."""

from __future__ import annotations

import pytest

from onevoice.pipeline.speakers import everybody
from onevoice.types import Segment, Speaker, Transcript

HEARD = Transcript(
    language="en",
    duration=9.0,
    speakers=(
        Speaker(id="S1", pitch_hz=110.0, seconds=4.0),
        Speaker(id="S2", pitch_hz=210.0, seconds=3.0),
    ),
    segments=(
        Segment(id="a", start=0, end=3, speaker="S1", text="One."),
        Segment(id="b", start=3, end=4, speaker="S1", text="Two."),
        Segment(id="c", start=5, end=8, speaker="S2", text="Three."),
    ),
)


@pytest.mark.parametrize(
    ("speakers", "known"),
    [
        ("S1 S1 S2", {"S1": 110.0, "S2": 210.0}),
        ("Ann Ann S2", {"S2": 210.0, "Ann": 110.0}),
        ("S1 Ann S2", {"S1": 110.0, "S2": 210.0, "Ann": 110.0}),
        ("S1 Ann Ann", {"S1": 110.0, "Ann": 210.0}),
        ("S2 S2 S2", {"S2": 210.0}),
    ],
)
def test_everybody(speakers: str, known: dict[str, float]) -> None:
    segments = [
        Segment(id=s.id, start=s.start, end=s.end, speaker=name, text=s.text)
        for s, name in zip(HEARD.segments, speakers.split(), strict=True)
    ]
    found = everybody(HEARD, segments)
    assert {speaker.id: speaker.pitch_hz for speaker in found} == known


def test_a_sentence_that_a_person_added_has_nobodys_pitch() -> None:
    added = Segment(id="x", start=8, end=9, speaker="Bo", text="Four.")
    (*_, new) = everybody(HEARD, [*HEARD.segments, added])
    assert new == Speaker(id="Bo", pitch_hz=None, seconds=1.0)
