"""Speech that came back from elsewhere, put back into the mix it was taken from.

A service answers with the speech alone, later by some milliseconds, at a gain of its own, and in
mono. The lag is where the cross-correlation with the mix is largest; the gain in each channel is
the least-squares projection of the channel on the speech (music is not correlated with speech,
so it does not pull at it), measured second by second so that a voice that walks from left to
right is followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from onevoice.engines.base import Audio

MOST_LAG_S = 0.2
"""An answer that is further off is no answer to what was sent."""
LISTEN_S = 20.0
"""The lag is measured over the loudest stretch of so many seconds."""
LOUDEST_GAIN = 2.0
"""Of one channel; more is not speech that was found but noise that fits by chance."""
_NEIGHBOURS = np.array([0.25, 0.5, 1.0, 0.5, 0.25])
"""How much the seconds around one count in its gain."""
_TRUST = 0.5
"""A stretch with less than this share of the mean energy takes more of the overall gain."""


def lag(sound: Audio, mix: Audio, most: int) -> int:
    """By how many frames ``sound`` comes later than it lies in ``mix``; within ``most``.

    Both of shape ``(n,)``. 0 where there is nothing to compare.
    """
    from scipy.signal import correlate

    n = min(len(sound), len(mix))
    if n == 0 or not np.any(sound[:n]) or not np.any(mix[:n]):
        return 0
    # "full" mode: index n - 1 is no lag, and those above it are sound that comes late.
    scores = correlate(sound[:n], mix[:n], mode="full", method="fft")
    most = min(most, n - 1)
    around = scores[n - 1 - most : n + most]
    return int(np.argmax(around)) - most


def aligned(sound: Audio, mix: Audio, sample_rate: int) -> Audio:
    """``sound`` moved to where it lies in ``mix``, and of its length.

    Parameters
    ----------
    sound
        What came back, shape ``(m,)``; longer or shorter than the mix.
    mix
        What was sent, shape ``(n,)``.

    Returns
    -------
    Audio
        Shape ``(n,)``; silent where nothing came back.
    """
    size = min(round(LISTEN_S * sample_rate), len(sound), len(mix))
    first = _loudest(sound[: len(mix)], size)
    late = lag(
        sound[first : first + size], mix[first : first + size], round(MOST_LAG_S * sample_rate)
    )
    out = np.zeros(len(mix), np.float32)
    source = sound[max(late, 0) :]
    at = max(-late, 0)
    n = min(len(source), len(out) - at)
    out[at : at + n] = source[:n]
    return out


def _loudest(sound: Audio, size: int) -> int:
    """Where the loudest stretch of ``size`` frames begins, to half of it."""
    hop = max(1, size // 2)
    starts = range(0, max(1, len(sound) - size + 1), hop)
    return max(starts, key=lambda start: float(np.square(sound[start : start + size]).sum()))


def quietest(sound: Audio, size: int) -> int:
    """Where the quietest stretch of ``size`` frames begins, shape ``(n,)``; 0 for short sound."""
    if len(sound) <= size:
        return 0
    total = np.concatenate([[0.0], np.cumsum(np.square(sound, dtype=np.float64))])
    return int(np.argmin(total[size:] - total[:-size]))


@dataclass(frozen=True, slots=True, eq=False)
class Gains:
    """How loud mono speech is in each channel: ``values`` of shape ``(blocks, channels)``."""

    values: NDArray[np.float64]
    block: int
    """Frames in a block."""

    @classmethod
    def measured(
        cls, mix: Iterable[Audio], speech: Audio, channels: Sequence[int], block: int
    ) -> Self:
        """Project a mix on the speech in it.

        Parameters
        ----------
        mix
            In blocks of ``block`` frames, shape ``(n, all channels)``; the last may be shorter.
        speech
            Shape ``(frames,)``, in time with the mix.
        channels
            Those that may carry speech; the others get none.
        """
        shared: list[NDArray[np.float64]] = []
        energy: list[float] = []
        width = 0
        for i, sound in enumerate(mix):
            alone = speech[i * block : i * block + len(sound)].astype(np.float64)
            width = sound.shape[1]
            shared.append(alone @ sound)
            energy.append(float(alone @ alone))
        values = np.zeros((len(energy), width))
        if sum(energy) > 0:
            power, parts = np.array(energy), np.array(shared)
            overall = parts.sum(axis=0) / power.sum()
            weight = _TRUST * power.mean()
            parts = np.apply_along_axis(_smooth, 0, parts)
            fitted = (parts + weight * overall) / (_smooth(power) + weight)[:, None]
            chosen = list(channels)
            values[:, chosen] = np.clip(fitted[:, chosen], 0.0, LOUDEST_GAIN)
        return cls(values, block)

    def spread(self, speech: Audio, start: int, stop: int) -> Audio:
        """The speech from frame ``start`` to ``stop`` in all channels, shape ``(n, channels)``."""
        centres = (np.arange(len(self.values)) + 0.5) * self.block
        frames = np.arange(start, stop)
        gains = [np.interp(frames, centres, column) for column in self.values.T]
        out: Audio = (speech[start:stop, None] * np.stack(gains, axis=1)).astype(np.float32)
        return out


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.convolve(values, _NEIGHBOURS)[2:-2]
