from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from onevoice.audio import Limiter, from_db, to_db, true_peak

Audio = NDArray[np.float32]
RATE = 48_000
CEILING = -1.0


def limited(x: Audio, *, block: int = 48_000) -> tuple[Audio, Limiter]:
    limiter = Limiter(RATE, 1 if x.ndim == 1 else x.shape[1], ceiling_dbtp=CEILING)
    parts = [limiter.process(x[start : start + block]) for start in range(0, len(x), block)]
    return np.concatenate([*parts, limiter.flush()]), limiter


def speechlike(peak: float) -> Audio:
    t = np.arange(4 * RATE) / RATE
    buzz = sum(np.sin(2 * np.pi * 130 * k * t + k) / k for k in range(1, 40))
    x = buzz * np.clip(np.sin(2 * np.pi * 3 * t), 0, 1)
    return (x / np.abs(x).max() * peak).astype(np.float32)


def edge_tone() -> Audio:
    """At a quarter of the rate and 45°: 3 dB between its samples."""
    return (1.2 * np.sin(np.pi / 2 * np.arange(RATE) + np.pi / 4)).astype(np.float32)


def bursts() -> Audio:
    x = np.random.default_rng(8).standard_normal(3 * RATE) * 0.02
    for at in (0, 1, 30_000, 30_050, 90_000, 3 * RATE - 1):
        x[at : at + 40] += 2.5
    return x.astype(np.float32)


@pytest.mark.parametrize(
    "x",
    [
        pytest.param(speechlike(3.0), id="loud speech"),
        pytest.param(edge_tone(), id="peaks between samples"),
        pytest.param(bursts(), id="bursts, at the very ends too"),
        pytest.param(
            np.random.default_rng(9).standard_normal((2 * RATE, 2)).astype(np.float32),
            id="white noise at full scale",
        ),
    ],
)
def test_nothing_passes_the_ceiling(x: Audio) -> None:
    out, limiter = limited(x)
    assert to_db(true_peak(x, RATE)) > 0
    assert to_db(true_peak(out, RATE)) <= CEILING + 0.1
    assert len(out) == len(x)
    assert 0 < limiter.limited_frames <= limiter.frames == len(x)


def test_what_is_below_the_ceiling_passes_bit_for_bit() -> None:
    x = speechlike(0.8)
    out, limiter = limited(x, block=10_007)
    assert to_db(true_peak(x, RATE)) < CEILING
    np.testing.assert_array_equal(out[:, 0], x)
    assert limiter.limited_frames == 0


def test_gain_is_confined_to_the_peak() -> None:
    x = np.full((2 * RATE, 1), 0.1, np.float32)
    at = RATE
    x[at] = 2.0
    out, _ = limited(x)
    turned = np.flatnonzero(np.abs(out - x) > 1e-7)
    assert at - 0.006 * RATE <= turned[0] < at  # comes down within the look-ahead
    # 2.0 is 7 dB over -1 dBTP; at 10 dB in 0.2 s that is gone after 0.14 s.
    assert turned[-1] - at == pytest.approx(7.02 * 0.02 * RATE, rel=0.1)
    gain = out[turned, 0] / x[turned, 0]
    assert np.all(np.diff(gain[turned > at + 300]) >= -1e-6)  # and rises without a ripple


def test_channels_share_one_gain() -> None:
    quiet = np.full(RATE, 0.1, np.float32)
    loud = quiet.copy()
    loud[20_000] = 3.0
    out, _ = limited(np.stack([quiet, loud], axis=1))
    np.testing.assert_allclose(out[19_500:19_990, 0], out[19_500:19_990, 1], rtol=1e-6)
    assert out[20_000, 0] == pytest.approx(0.1 * from_db(CEILING) / 3.0, rel=0.1)


@pytest.mark.parametrize("block", [1, 100, 241, 4_800])
def test_blocks_do_not_matter(block: int) -> None:
    x = bursts()[:12_000] if block == 1 else bursts()
    whole, _ = limited(x, block=len(x))
    parts, _ = limited(x, block=block)
    np.testing.assert_allclose(parts, whole, atol=2e-6)


@pytest.mark.parametrize("frames", [0, 1, 11, 240, 300])
def test_short_inputs_keep_their_length(frames: int) -> None:
    out, _ = limited(np.full((frames, 2), 2.0, np.float32))
    assert out.shape == (frames, 2)
    assert not frames or float(np.abs(out).max()) <= from_db(CEILING) + 1e-3


def test_silence_stays_silent() -> None:
    out, _ = limited(np.zeros(RATE, np.float32))
    assert to_db(true_peak(out, RATE)) == -math.inf


def test_what_goes_with_it_is_turned_down_alike() -> None:
    x = speechlike(2.0)
    part = (x * np.float32(0.25) + np.float32(0.01)).astype(np.float32)
    both = np.stack([x, part], axis=1)
    limiter = Limiter(RATE, 2, ceiling_dbtp=CEILING, watched=1)
    parts = [limiter.process(both[at : at + 9_973]) for at in range(0, len(both), 9_973)]
    out = np.concatenate([*parts, limiter.flush()])
    alone, _ = limited(x)
    np.testing.assert_array_equal(out[:, 0], alone[:, 0])
    sounding = np.abs(x) > 1e-3
    gain = alone[sounding, 0] / x[sounding]
    np.testing.assert_allclose(out[sounding, 1], part[sounding] * gain, atol=1e-6)
    assert gain.min() < 0.6


def test_what_only_goes_with_it_may_be_louder_than_the_ceiling() -> None:
    quiet, loud = speechlike(0.1), speechlike(4.0)
    limiter = Limiter(RATE, 2, ceiling_dbtp=CEILING, watched=1)
    both = np.stack([quiet, loud], axis=1)
    out = np.concatenate([limiter.process(both), limiter.flush()])
    np.testing.assert_array_equal(out, both)
