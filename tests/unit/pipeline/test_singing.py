"""Singing told from speech, on voices whose melody is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from onevoice.pipeline.singing import held_notes, held_share, mark_sung
from onevoice.types import Segment

RATE = 16_000
Note = tuple[float, float, float]
"""Seconds, and the pitch at its begin and end in Hz."""


def voice(notes: Sequence[Note], *, vibrato: float = 0.0) -> np.ndarray:
    """Harmonics that fall by 12 dB an octave; ``vibrato`` in semitones either way, at 5.5 Hz."""
    pitch = np.concatenate([np.geomspace(a, b, round(s * RATE)) for s, a, b in notes])
    time = np.arange(len(pitch)) / RATE
    pitch = pitch * 2 ** (vibrato * np.sin(2 * np.pi * 5.5 * time) / 12)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    sound = sum(np.sin(k * phase) / k**2 for k in range(1, 12))
    # Consonants: each note begins a little after the last has gone.
    edges = np.cumsum([0, *(s for s, _, _ in notes)])
    gate = np.ones_like(time)
    for edge in edges:
        gate[np.abs(time - edge) < 0.03] = 0.0
    return (0.1 * sound * gate).astype(np.float32)


MELODY: list[Note] = [(0.5, f, f) for f in (220, 247, 262, 294, 262, 247, 220, 196)]
SPOKEN: list[Note] = [(0.2, f, f * g) for f in (120, 140, 110, 130) for g in (0.8, 1.25, 0.75)] * 2


@pytest.mark.parametrize("vibrato", [0.0, 0.5, 1.0])
def test_a_melody_is_held(vibrato: float) -> None:
    assert held_share(voice(MELODY, vibrato=vibrato)) > 0.6


def test_speech_glides() -> None:
    assert held_share(voice(SPOKEN)) < 0.05


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(4 * RATE, np.float32),
        np.random.default_rng(1).normal(0, 0.1, 4 * RATE).astype(np.float32),
        voice(MELODY)[: 2 * RATE],
    ],
)
def test_what_is_no_voice_or_too_short_is_not_sung(sound: np.ndarray) -> None:
    assert held_share(sound) == 0.0


def test_notes_are_counted_by_their_length() -> None:
    contour = np.concatenate([np.full(20, 220.0), [np.nan] * 3, np.full(10, 262.0), [np.nan]])
    assert held_notes(contour) == [pytest.approx(0.4)]
    assert held_notes(np.full(10, np.nan)) == []


@pytest.fixture
def stems(tmp_path: Path) -> tuple[Path, Path]:
    """4 s that are sung, 4 s that are spoken, and 4 s that loud music drowns."""
    silence = np.zeros(round(0.0 * RATE), np.float32)
    spoken = np.concatenate([voice(SPOKEN)[: 4 * RATE], silence])
    parts = [voice(MELODY), spoken, 0.03 * spoken]
    rng = np.random.default_rng(2)
    bed = rng.normal(0, 0.02, 12 * RATE)
    bed[8 * RATE :] *= 5
    speech, music = tmp_path / "speech.wav", tmp_path / "bed.wav"
    sf.write(speech, np.concatenate(parts), RATE, subtype="FLOAT")
    sf.write(music, bed.astype(np.float32), RATE, subtype="FLOAT")
    return speech, music


def line(id_: str, start: float, *, keep: bool = False) -> Segment:
    return Segment(id=id_, start=start, end=start + 4, speaker="S1", text=id_, keep=keep)


def test_sung_and_drowned_lines_are_kept(stems: tuple[Path, Path]) -> None:
    lines = [line("sung", 0), line("spoken", 4), line("drowned", 8)]
    found = mark_sung(lines, *stems)
    assert [(s.id, s.keep, s.reason) for s in found] == [
        ("sung", True, "song"),
        ("spoken", False, ""),
        ("drowned", True, "song"),
    ]


def test_what_is_kept_already_keeps_its_reason(stems: tuple[Path, Path]) -> None:
    assert mark_sung([line("sung", 0, keep=True)], *stems)[0].reason == ""


def test_silence_under_silence_is_not_drowned(tmp_path: Path) -> None:
    path = tmp_path / "nothing.wav"
    sf.write(path, np.zeros(8 * RATE, np.float32), RATE, subtype="FLOAT")
    assert not mark_sung([line("s1", 1), line("s2", 7)], path, path)[0].keep
