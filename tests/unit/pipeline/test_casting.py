"""One voice a speaker, by pitch, the same at every run."""

from __future__ import annotations

import itertools

from onevoice.engines.base import Voice
from onevoice.pipeline.casting import cast
from onevoice.types import Speaker

LOW = Voice(name="low", language="es", sex="male", pitch_hz=110)
HIGH = Voice(name="high", language="es", sex="female", pitch_hz=210)
SANTA = Voice(name="santa", language="es", sex="male", pitch_hz=70)
VOICES = (HIGH, LOW, SANTA)


def test_by_sex_and_pitch() -> None:
    assert cast([Speaker(id="S1", pitch_hz=118)], VOICES) == {"S1": "low"}
    assert cast([Speaker(id="S1", pitch_hz=90)], VOICES) == {"S1": "low"}, "near enough"
    assert cast([Speaker(id="S1", pitch_hz=72)], VOICES) == {"S1": "santa"}
    assert cast([Speaker(id="S1", pitch_hz=230)], VOICES) == {"S1": "high"}


def test_an_unknown_pitch_gets_the_preferred_voice() -> None:
    assert cast([Speaker(id="S1")], VOICES) == {"S1": "high"}


def test_two_speakers_share_no_voice_while_there_are_others() -> None:
    people = [Speaker(id=f"S{i}", pitch_hz=115, seconds=10 - i) for i in range(1, 4)]
    assert cast(people, VOICES) == {"S1": "low", "S2": "santa", "S3": "high"}
    four = [*people, Speaker(id="S4", pitch_hz=115, seconds=1)]
    assert cast(four, VOICES)["S4"] == "low"


def test_the_order_of_speakers_does_not_matter() -> None:
    people = [
        Speaker(id="S1", pitch_hz=120, seconds=3),
        Speaker(id="S2", pitch_hz=119, seconds=30),
        Speaker(id="S3", pitch_hz=220, seconds=8),
    ]
    casts = [cast(order, VOICES) for order in itertools.permutations(people)]
    assert all(c == casts[0] for c in casts)
    assert casts[0]["S2"] == "low"


def test_a_chosen_voice_is_given_and_taken() -> None:
    people = [Speaker(id="S1", pitch_hz=115), Speaker(id="S2", pitch_hz=115)]
    assert cast(people, VOICES, fixed={"S2": "low"}) == {"S1": "santa", "S2": "low"}
