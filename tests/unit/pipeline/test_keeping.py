"""What keeps its original sound: rules over lines and level curves."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from onevoice.audio import Interval
from onevoice.pipeline.keeping import (
    CLEAR,
    FRAME,
    beside_speech,
    level_curve,
    mark_languages,
    mark_songs,
    sounding,
    voices_between,
    widen_kept,
    with_voices,
)
from onevoice.types import Segment

RATE = 48_000


def line(start: float, end: float, text: str = "Words.", **more: object) -> Segment:
    fields = {"id": f"s{round(start * 10):04d}", "speaker": "S1", **more}
    return Segment(start=start, end=end, text=text, **fields)  # type: ignore[arg-type]


def curve(seconds: float, *sounds: tuple[float, float, float]) -> NDArray[np.float32]:
    """A level curve: silence, and the level (dBFS) of each (start, end, level)."""
    loud = np.full(round(seconds / FRAME), -90.0, np.float32)
    for start, end, level in sounds:
        loud[round(start / FRAME) : round(end / FRAME)] = level
    return loud


def voices(loud: NDArray[np.float32], *segments: Segment, under_db: float = 20) -> list[Interval]:
    return voices_between(sounding(loud, segments, under_db=under_db), segments)


# --- what is written ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("♪ Happy birthday to you ♪", "song"),
        ("Happy 🎵 birthday", "song"),
        ("[Music]", "sound"),
        ("(laughs) [applause].", "sound"),
        ("*sighs*", "sound"),
        ("（笑）", "sound"),
        ("He left (as ever) early.", ""),
        ("[Music] Good evening.", ""),
        ("F sharp, B flat.", ""),
        ("", ""),
    ],
)
def test_lines_that_are_written_as_a_sound(text: str, reason: str) -> None:
    (marked,) = mark_songs([line(0, 1, text)])
    assert (marked.keep, marked.reason) == (bool(reason), reason)


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        (("es",), ["es"]),
        (("es-419",), ["es"]),
        (("fr",), []),
        (("fr", "de"), ["de"]),
        (("other",), ["es", "de"]),
        ((), []),
    ],
)
def test_lines_in_other_languages(wanted: tuple[str, ...], kept: list[str]) -> None:
    lines = [line(0, 1), line(2, 3, language="es"), line(4, 5, language="de")]
    marked = mark_languages(lines, wanted)
    assert [s.language for s in marked if s.keep] == kept
    assert all(s.reason == ("language" if s.keep else "") for s in marked)


# --- what sounds between the lines ----------------------------------------------------------


def test_a_laugh_between_two_lines_is_a_voice() -> None:
    loud = curve(10, (1, 3, -25), (4, 4.3, -28), (4.5, 5, -30), (7, 9, -25))
    assert voices(loud, line(1, 3), line(7, 9)) == [(3.9, 5.1)]


@pytest.mark.parametrize(
    "sound",
    [
        (4.0, 4.3, -25.0),  # a click, a breath
        (4.0, 6.0, -50.0),  # what is left of the music
        (3.0, 3.6, -25.0),  # the end of the line, where the recogniser's times are short
        (6.5, 7.0, -25.0),  # the same before a line
        (1.5, 2.5, -25.0),  # inside a line
    ],
)
def test_what_is_no_voice(sound: tuple[float, float, float]) -> None:
    loud = curve(10, (1, 3, -25), (7, 9, -25), sound)
    assert voices(loud, line(1, 3), line(7, 9)) == []


def test_a_song_that_runs_on_from_a_line_is_a_voice_up_to_the_next_line() -> None:
    loud = curve(12, (1, 9, -25))
    assert voices(loud, line(1, 3), line(7, 9)) == [(3.0, 7.0)]


def test_how_quiet_a_voice_may_be_is_measured_from_the_lines() -> None:
    loud = curve(10, (1, 3, -45), (4, 6, -55))
    assert voices(loud, line(1, 3)) == [(3.9, 6.1)]
    assert voices(loud, line(1, 3), under_db=5) == []
    assert voices(curve(10, (4, 6, -20)), line(1, 3)) == []  # nothing is known of the lines


def test_voices_become_kept_entries_of_whoever_speaks_nearest() -> None:
    segments = with_voices([line(1, 3), line(7, 9, speaker="S2")], [(0.2, 0.8), (5.5, 6.5)])
    assert [(s.id, s.speaker, s.text, s.keep) for s in segments if s.reason == "voice"] == [
        ("k0001", "S1", "", True),
        ("k0002", "S2", "", True),
    ]
    assert [s.start for s in segments] == sorted(s.start for s in segments)


def test_kept_lines_end_where_their_sound_does() -> None:
    loud = curve(10, (0.6, 3.4, -25), (3.6, 6, -25))
    segments = (line(1, 3, keep=True), line(4, 6))
    active = sounding(loud, segments, under_db=20)
    widened = widen_kept(segments, active)
    assert (widened[0].start, widened[0].end) == pytest.approx((0.6, 3.4), abs=2 * FRAME)
    assert widened[1] == segments[1]


def test_the_level_curve_is_that_of_the_dialogue_channels(tmp_path: Path) -> None:
    path = tmp_path / "stem.wav"
    time = np.arange(2 * RATE) / RATE
    tone = (0.1 * np.sqrt(2) * np.sin(2 * np.pi * 400 * time)).astype(np.float32)
    tone[RATE:] = 0
    sf.write(path, np.stack([tone, tone], axis=1), RATE, subtype="FLOAT")
    loud = level_curve(path)
    assert len(loud) == round(2 / FRAME)
    assert loud[: len(loud) // 2] == pytest.approx(-20, abs=0.05)
    assert loud[len(loud) // 2 :].max() < -100


def test_a_level_curve_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    sf.write(path, np.zeros((0, 1), np.float32), RATE, subtype="FLOAT")
    loud = level_curve(path)
    assert len(loud) == 0
    assert voices(loud, line(1, 3)) == []
    assert widen_kept([line(1, 3, keep=True)], loud > 0) == (line(1, 3, keep=True),)


# --- in the mix -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keep", "places", "windows", "left"),
    [
        ([(2, 4)], [], [], [(2, 4)]),
        ([(2, 4)], [(3, 3.5)], [], [(2, 2.95), (3.55, 4)]),
        ([(2, 4)], [(1, 5)], [], []),
        ([(2, 4)], [(0, 2.5), (3.8, 5)], [], [(2.55, 3.75)]),
        ([(2, 4)], [(2.15, 3)], [], [(3.05, 4)]),  # 0.1 s of it would be a blip
        ([(2, 2.1)], [], [], [(2, 2.1)]),  # but a person may keep as little
        ([(2, 3), (3.4, 4)], [], [], [(2, 4)]),
        ([(2, 3), (3.4, 4)], [], [(3.1, 3.3)], [(2, 3), (3.4, 4)]),
        ([(2, 3), (3.8, 4)], [], [], [(2, 3), (3.8, 4)]),
    ],
)
def test_kept_stretches_give_way_to_dubbed_speech(
    keep: list[Interval], places: list[Interval], windows: list[Interval], left: list[Interval]
) -> None:
    found = beside_speech(keep, places, windows)
    assert len(found) == len(left)
    assert np.array(found) == pytest.approx(np.array(left))


SPANS = st.lists(
    st.tuples(st.floats(0, 60), st.floats(0, 8)).map(lambda x: (x[0], x[0] + x[1])), max_size=8
)


@given(SPANS, SPANS)
def test_no_crossfade_touches_dubbed_speech(keep: list[Interval], places: list[Interval]) -> None:
    left = beside_speech(keep, places, places)
    for start, end in left:
        assert start < end
        for first, last in places:
            if last > first:
                assert end <= first - CLEAR + 1e-9 or start >= last + CLEAR - 1e-9
    assert all(a[1] <= b[0] for a, b in pairwise(left))
