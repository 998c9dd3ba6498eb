"""A true-peak limiter that looks ahead: transparent below the ceiling, never above it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onevoice.audio.levels import Audio, as_frames, from_db
from onevoice.audio.truepeak import REACH, frame_peaks


class Limiter:
    """Streaming true-peak limiter; all channels share one gain.

    The gain each frame needs is spread over the look-ahead by a running minimum and a moving
    average, so that it is there when the peak comes; it recovers linearly in decibels. What needs
    no gain passes bit for bit.

    Parameters
    ----------
    sample_rate : Hz.
    channels : channels of every block.
    ceiling_dbtp : highest true peak of the output, dBTP.
    watched : how many channels, from the first, have to keep the ceiling; None: all. The others
        are turned down with them, so that parts of a mix still add up to it.
    lookahead : seconds over which the gain comes down before a peak.
    release : seconds to recover 10 dB.
    """

    def __init__(
        self,
        sample_rate: int,
        channels: int,
        *,
        ceiling_dbtp: float = -1.0,
        watched: int | None = None,
        lookahead: float = 0.005,
        release: float = 0.2,
    ) -> None:
        self._ceiling = from_db(ceiling_dbtp)
        self._watched = watched
        self._ahead = max(1, round(lookahead * sample_rate))
        self._slope = 10.0 / (release * sample_rate)
        # The first REACH frames are context. A silent look-ahead before the programme, dropped
        # from the output, gives a peak at its very start the same room as any other.
        self._x = np.zeros((REACH + self._ahead, channels), np.float32)
        self._lead = self._ahead
        self._need = np.zeros(0)  # gain in dB needed by the frames after that context
        self._last_peak = 0.0
        self._held = np.zeros(self._ahead)  # the held gains that the moving average still sees
        self.frames = 0
        self.limited_frames = 0
        """Frames given out, and those of them that were turned down."""

    def process(self, x: Audio) -> Audio:
        """Take in a block, give out the frames that are final: fewer at first, none lost.

        Shape (frames,) or (frames, channels) in, (frames, channels) out. The output is aligned
        with the input: what :meth:`process` and then :meth:`flush` give is as long as the input.
        """
        self._x = np.concatenate([self._x, as_frames(x)])
        self._analyse()
        return self._give(len(self._need) - self._ahead)

    def flush(self) -> Audio:
        """The remaining frames; the limiter is spent afterwards."""
        left = len(self._x) - REACH
        self._x = np.concatenate([self._x, np.zeros((2 * REACH, self._x.shape[1]), np.float32)])
        self._analyse()
        self._need = np.concatenate([self._need[:left], np.zeros(self._ahead)])
        return self._give(left)

    def _analyse(self) -> None:
        """Extend the needed gains as far as the interpolator can see."""
        done = len(self._need)
        fresh = len(self._x) - 2 * REACH - done
        if fresh <= 0:
            return
        peaks = frame_peaks(self._x[done:, : self._watched], self._ceiling)
        # A peak between two frames concerns both of them.
        before = np.concatenate([[self._last_peak], peaks[:-1]])
        self._last_peak = float(peaks[-1])
        over = np.maximum(peaks, before).astype(np.float64)
        need = np.zeros(fresh)
        high = over > self._ceiling
        need[high] = 20 * np.log10(self._ceiling / over[high])
        self._need = np.concatenate([self._need, need])

    def _give(self, n: int) -> Audio:
        if n <= 0:
            return np.zeros((0, self._x.shape[1]), np.float32)
        out = self._x[REACH : REACH + n].copy()
        need = self._need[: n + self._ahead]
        if need.any() or self._held.any():
            gain = self._gains(need, n)
            turned = gain < 0
            self.limited_frames += int(np.count_nonzero(turned[self._lead :]))
            out[turned] *= (10 ** (gain[turned] / 20)).astype(np.float32)[:, None]
        self._x = self._x[n:]
        self._need = self._need[n:]
        out = out[self._lead :]
        self._lead = max(0, self._lead - n)
        self.frames += len(out)
        return out

    def _gains(self, need: NDArray[np.float64], n: int) -> NDArray[np.float64]:
        """Gains in dB of the next ``n`` frames from the needs of ``n + lookahead`` frames.

        Every value in the average over [t - lookahead, t] is a minimum that includes the need
        at t, so the average is never above it.
        """
        from scipy.ndimage import minimum_filter1d

        size = self._ahead + 1
        lowest = minimum_filter1d(need, size, mode="nearest", origin=-(size // 2))[:n]
        # Linear release: min over the past of (value + slope * distance), as a running minimum.
        ramp = self._slope * np.arange(1, n + 1)
        start = self._held[-1]
        held = np.minimum(np.minimum.accumulate(np.minimum(lowest - ramp, start)) + ramp, 0.0)
        window = np.concatenate([self._held, held])
        total = np.concatenate([[0.0], np.cumsum(window)])
        gain: NDArray[np.float64] = (total[size:] - total[:-size]) / size
        gain[gain > -1e-9] = 0.0  # what the running sum's rounding leaves of a zero
        self._held = window[-self._ahead :]
        return gain
