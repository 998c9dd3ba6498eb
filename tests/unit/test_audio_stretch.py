from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from onevoice.audio import time_stretch

Audio = NDArray[np.float32]
RATE = 24_000
RATIOS = [0.8, 0.93, 1.1, 1.25, 1.4]


def loudest_hz(x: Audio) -> float:
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), 1 << 18))
    return float(spectrum.argmax()) * RATE / (1 << 18)


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("hz", [90.0, 220.0, 1234.5])
def test_pitch_and_level_are_kept(hz: float, ratio: float) -> None:
    t = np.arange(2 * RATE) / RATE
    x = (0.5 * np.sin(2 * np.pi * hz * t)).astype(np.float32)
    out = time_stretch(x, RATE, ratio)
    assert loudest_hz(out) == pytest.approx(hz, rel=0.01)
    inner = out[1_000:-1_000]
    assert np.sqrt(np.mean(inner**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


@pytest.mark.parametrize("ratio", [*RATIOS, 1.0001, 0.25, 4.0])
@pytest.mark.parametrize("frames", [1, 7, 500, 5_003, 48_000])
def test_length_is_exact(frames: int, ratio: float) -> None:
    x = np.random.default_rng(1).standard_normal(frames).astype(np.float32)
    out = time_stretch(x, RATE, ratio)
    assert len(out) == round(frames / ratio)
    assert out.dtype == np.float32
    assert np.isfinite(out).all()


def test_ratio_one_gives_the_very_samples() -> None:
    x = np.random.default_rng(2).standard_normal(5_000).astype(np.float32)
    out = time_stretch(x, RATE, 1.0)
    np.testing.assert_array_equal(out, x)
    assert out is not x


@pytest.mark.parametrize("ratio", RATIOS)
def test_events_keep_their_place(ratio: float) -> None:
    """Syllables sound at their time divided by the ratio, within the search range and a frame."""
    onsets = np.array([0.3, 0.9, 1.6, 2.1, 2.8])
    t = np.arange(round(3.3 * RATE)) / RATE
    x = np.zeros(len(t))
    for onset in onsets:
        inside = (t >= onset) & (t < onset + 0.2)
        x[inside] = np.sin(2 * np.pi * 150 * t[inside])
    out = np.abs(time_stretch(x.astype(np.float32), RATE, ratio))
    loud = np.flatnonzero(np.convolve(out, np.ones(240) / 240, "same") > 0.2)
    starts = loud[np.insert(np.diff(loud) > 1_000, 0, True)] / RATE
    np.testing.assert_allclose(starts, onsets / ratio, atol=0.03)


@pytest.mark.parametrize("ratio", RATIOS)
def test_plosives_are_neither_doubled_nor_lost(ratio: float) -> None:
    """Bursts of 8 ms, like that of a t, between vowels: as many come out as go in."""
    random = np.random.default_rng(4)
    t = np.arange(4 * RATE) / RATE
    x = 0.1 * np.sin(2 * np.pi * 140 * t) * (np.sin(2 * np.pi * 2 * t) > 0)
    onsets = np.arange(7_000, 4 * RATE - 7_000, 9_000)
    for at in onsets:
        x[at : at + 192] += random.standard_normal(192) * np.exp(-np.arange(192) / 60)
    out = time_stretch(x.astype(np.float32), RATE, ratio)
    power = np.convolve(np.diff(out) ** 2, np.ones(96) / 96, "same")
    loud = np.flatnonzero(power > 0.25 * np.median([power[round(a / ratio) - 300 :][:900].max()
                                                    for a in onsets]))  # fmt: skip
    heard = 1 + int(np.count_nonzero(np.diff(loud) > 0.012 * RATE))
    assert heard == len(onsets)


def test_silence_stays_silent() -> None:
    assert not time_stretch(np.zeros(RATE, np.float32), RATE, 1.3).any()


@pytest.mark.parametrize("ratio", [0.0, -1.0, 0.1, 9.0, float("nan"), float("inf")])
def test_senseless_ratios_are_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match="ratios"):
        time_stretch(np.zeros(100, np.float32), RATE, ratio)


def test_only_mono_is_taken() -> None:
    with pytest.raises(ValueError, match="mono"):
        time_stretch(np.zeros((100, 2), np.float32), RATE, 1.2)
