from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from onevoice.engines.diarization.pitch import (
    fundamentals,
    measured_speakers,
    speaker_pitch,
    speaker_seconds,
)
from onevoice.types import Speaker, Turn

RATE = 16_000


def voice(hertz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    """A buzz with overtones that fall off like those of a voice, and a gentle vibrato."""
    t = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * hertz * t + 0.3 * np.sin(2 * np.pi * 5 * t)
    return 0.1 * sum(np.sin(k * phase) / k for k in range(1, int(3500 / hertz)))


@pytest.mark.parametrize("hertz", [75.0, 101.0, 150.0, 220.0, 310.0, 390.0])
@pytest.mark.parametrize("snr_db", [np.inf, 20.0])
def test_known_fundamentals(hertz: float, snr_db: float) -> None:
    samples = voice(hertz, 2)
    noise = np.random.default_rng(0).standard_normal(len(samples))
    samples = samples + noise * np.sqrt(np.mean(samples**2)) * 10 ** (-snr_db / 20)
    found = fundamentals(samples.astype(np.float32))
    assert len(found) > 50
    assert np.median(found) == pytest.approx(hertz, rel=0.01)


@pytest.mark.parametrize("kind", ["silence", "noise", "short"])
def test_no_pitch_without_a_voice(kind: str) -> None:
    samples = {
        "silence": np.zeros(RATE),
        "noise": 0.1 * np.random.default_rng(1).standard_normal(RATE),
        "short": voice(150, 0.05),
    }[kind]
    assert len(fundamentals(samples.astype(np.float32))) < 3


def test_each_speaker_is_measured(tmp_path: Path) -> None:
    low, high = voice(110, 30, 48_000), voice(210, 3, 48_000)
    silence = np.zeros(48_000)
    soundfile.write(tmp_path / "x.wav", np.concatenate([low, silence, high, silence]), 48_000)
    turns = [
        Turn(speaker="S1", start=0.0, end=30.0),
        Turn(speaker="S2", start=31.0, end=34.0),
        Turn(speaker="S3", start=34.1, end=34.9),
        Turn(speaker="S2", start=34.95, end=35.0),
    ]
    assert speaker_seconds(turns) == pytest.approx({"S1": 30, "S2": 3.05, "S3": 0.8})
    pitch = speaker_pitch(tmp_path / "x.wav", turns)
    assert pitch["S1"] == pytest.approx(110, rel=0.01)
    assert pitch["S2"] == pytest.approx(210, rel=0.01)
    assert pitch["S3"] is None
    assert measured_speakers(tmp_path / "x.wav", turns)[2] == Speaker(
        id="S3", pitch_hz=None, seconds=0.8
    )
    assert speaker_pitch(tmp_path / "x.wav", []) == {}
