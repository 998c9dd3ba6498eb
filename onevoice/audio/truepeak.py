"""True peaks: the highest value between the samples, by fourfold oversampling.

ITU-R BS.1770-4, annex 2, with a longer interpolator than its example (24 taps a phase). Little of
a programme comes near its highest peak, so only stretches that can matter are oversampled. Two
bounds say which, and they are strict, so nothing is missed: no inner point exceeds the samples
around it by more than the interpolator's absolute sum; nor does it exceed the straight line
between its neighbours by more than their second differences allow, which are tiny below a few kHz.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from onevoice.audio.levels import Audio, as_frames

FACTOR = 4
REACH = 12
"""Samples that the interpolator looks at on either side."""
_STEP = 64


@cache
def interpolator() -> Audio:
    """Taps for the three points between two samples, shape (3, 2 * REACH).

    A sinc in a Kaiser window, corrected to reproduce straight lines exactly.
    """
    place = np.arange(-REACH + 1, REACH + 1)[None, :]
    inner = np.arange(1, FACTOR)[:, None] / FACTOR
    offset = place - inner
    window = np.i0(8.0 * np.sqrt(np.maximum(0.0, 1 - (offset / REACH) ** 2))) / np.i0(8.0)
    taps = np.sinc(offset) * window
    taps /= taps.sum(axis=1, keepdims=True)
    slip = (taps * offset).sum(axis=1)
    taps[:, REACH - 1] += slip  # place 0
    taps[:, REACH] -= slip  # place 1
    return np.asarray(taps, np.float32)


@cache
def overshoot_bound() -> float:
    """The most by which a point between samples can exceed the samples around it, as a factor."""
    return float(np.abs(interpolator()).sum(axis=1).max())


@cache
def curvature_bound() -> float:
    """The most by which it can leave the straight line, in units of the second difference."""
    taps = interpolator().astype(np.float64)
    inner = np.arange(1, FACTOR) / FACTOR
    taps[:, REACH - 1] -= 1 - inner
    taps[:, REACH] -= inner
    return float(np.abs(np.cumsum(np.cumsum(taps, axis=1), axis=1)).sum(axis=1).max())


@cache
def _between() -> Audio:
    """The interpolator as a matrix: _STEP frames with context to their 3 * _STEP inner points.

    One dense product is several times faster than a convolution over so short a stretch.
    """
    taps = interpolator()
    matrix = np.zeros((_STEP + 2 * REACH, len(taps) * _STEP), np.float32)
    for phase, row in enumerate(taps):
        for i in range(_STEP):
            matrix[i + 1 : i + 1 + 2 * REACH, phase * _STEP + i] = row
    return matrix


def frame_peaks(x: Audio, floor: float) -> Audio:
    """Peak at each frame and on the way to the next one, over all channels.

    Parameters
    ----------
    x : shape (REACH + n + REACH, channels); the first and last REACH frames are context.
    floor : exact where it exceeds this level; below it, sample peaks may be returned instead.

    Returns
    -------
    shape (n,), absolute values.
    """
    n = len(x) - 2 * REACH
    near = np.abs(x[:, 0])
    for channel in x.T[1:]:
        np.maximum(near, np.abs(channel), out=near)
    peaks = near[REACH : REACH + n].copy()
    count = -(-n // _STEP)
    highest = np.zeros((count + 1) * _STEP, np.float32)
    highest[: len(near)] = near
    highest = highest.reshape(-1, _STEP).max(axis=1)
    around = np.maximum(highest[:-1], highest[1:])  # a step and its context lie in two steps
    hot = np.flatnonzero(around * overshoot_bound() > floor) * _STEP
    if not len(hot):
        return peaks
    span = np.minimum(hot[:, None] + np.arange(_STEP + 2 * REACH), len(x) - 1)
    pieces = np.ascontiguousarray(x[span].transpose(0, 2, 1))
    curve = np.abs(np.diff(pieces, n=2, axis=2)).max(axis=(1, 2))
    beside = np.abs(pieces[:, :, REACH : REACH + _STEP + 1]).max(axis=(1, 2))
    matters = beside + curvature_bound() * curve > floor
    hot, pieces = hot[matters], pieces[matters].reshape(-1, _STEP + 2 * REACH)
    if not len(hot):
        return peaks
    points = np.abs(pieces @ _between())
    between = points.reshape(len(hot), -1, _STEP).max(axis=1)
    at = hot[:, None] + np.arange(_STEP)
    inside = at < n
    peaks[at[inside]] = np.maximum(peaks[at[inside]], between[inside])
    return peaks


class TruePeakMeter:
    """Highest true peak of what is pushed, block by block."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        del sample_rate  # four times is what the standard asks for at 48 kHz, ample above
        self._context = np.zeros((2 * REACH, channels), np.float32)
        self._peak = 0.0

    def push(self, x: Audio) -> None:
        """Take in the next block, shape (frames,) or (frames, channels)."""
        if not len(x):
            return
        joined = np.concatenate([self._context, as_frames(x)])
        self._peak = max(self._peak, float(frame_peaks(joined, self._peak).max()))
        self._context = joined[-2 * REACH :]

    def finish(self) -> float:
        """The peak as an amplitude, including what lies after the last sample."""
        self.push(np.zeros((2 * REACH, self._context.shape[1]), np.float32))
        return self._peak


def true_peak(x: Audio, sample_rate: int) -> float:
    """True peak as an amplitude (1.0 is full scale) of shape (frames,) or (frames, channels)."""
    frames = as_frames(x)
    meter = TruePeakMeter(sample_rate, frames.shape[1])
    meter.push(np.asarray(frames, np.float32))
    return meter.finish()
