from __future__ import annotations

import numpy as np
import pytest

from onevoice.engines.base import Speech
from onevoice.engines.synthesis import line
from onevoice.errors import EngineFailed, EngineRefused

RATE = 24_000


def tone(seconds: float, level: float) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * 200 * t)).astype(np.float32)


def test_edges_are_trimmed_and_clickless() -> None:
    quiet = np.zeros(RATE // 2, np.float32)
    speech = line.finish(np.concatenate([quiet, tone(1.0, 0.5), quiet]), RATE)
    # 20 ms are left at each end, silence is found in steps of 10 ms.
    assert speech.duration == pytest.approx(1.03, abs=0.03)
    assert speech.samples[0] == speech.samples[-1] == 0.0


@pytest.mark.parametrize(("level", "peak"), [(0.2, 0.2), (0.97, 0.97), (1.6, 0.97)])
def test_loud_lines_are_turned_down_and_quiet_ones_left_alone(level: float, peak: float) -> None:
    assert np.abs(line.finish(tone(0.5, level), RATE).samples).max() == pytest.approx(
        peak, rel=0.01
    )


@pytest.mark.parametrize("samples", [np.zeros(RATE, np.float32), np.zeros(0, np.float32)])
def test_silence_is_refused(samples: np.ndarray) -> None:
    with pytest.raises(EngineRefused, match="silence"):
        line.finish(samples, RATE)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_sound_is_a_failure(bad: float) -> None:
    samples = tone(0.1, 0.5)
    samples[7] = bad
    with pytest.raises(EngineFailed, match="not numbers"):
        line.finish(samples, RATE)


def test_pieces_are_joined_with_their_pauses() -> None:
    pieces = [Speech(tone(0.1 * n, 0.5), RATE) for n in (1, 2, 3)]
    joined = line.join(pieces, [0.3, 0.05])
    assert joined.duration == pytest.approx(0.1 + 0.3 + 0.2 + 0.05 + 0.3)
    assert not joined.samples[round(0.11 * RATE) : round(0.39 * RATE)].any()
    assert line.join(pieces[:1], []).samples.shape == pieces[0].samples.shape
