"""Gain automation: a curve of straight pieces that is applied block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from onevoice.audio.levels import Audio, as_frames

Interval = tuple[float, float]


def merge_intervals(intervals: Iterable[Interval], gap: float = 0.0) -> list[Interval]:
    """Sort, join what overlaps or lies at most ``gap`` seconds apart, and drop empty ones."""
    merged: list[Interval] = []
    for start, end in sorted(i for i in intervals if i[1] > i[0]):
        if merged and start - merged[-1][1] <= gap:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


class Envelope:
    """``outside`` everywhere, ``inside`` on the intervals, straight ramps between.

    Parameters
    ----------
    intervals : seconds; ramps lie outside of them, so each is reached in full.
    inside, outside : amplitude gains.
    attack, release : seconds of the ramps before and after an interval.
    hold : intervals are joined when less than this remains between their ramps, in seconds,
        so that the gain does not pump in short gaps.
    """

    def __init__(
        self,
        intervals: Sequence[Interval],
        *,
        sample_rate: int,
        inside: float,
        outside: float,
        attack: float,
        release: float,
        hold: float = 0.0,
    ) -> None:
        frames: list[int] = []
        values: list[float] = []
        for start, end in merge_intervals(intervals, attack + release + hold):
            times = (start - attack, start, end, end + release)
            frames += [round(t * sample_rate) for t in times]
            values += [outside, inside, inside, outside]
        self._frames = np.array(frames, np.int64)
        self._values = values
        self._outside = outside

    def pieces(self, start: int, frames: int) -> Iterator[tuple[slice, float | Audio]]:
        """The gains of a block as slices of it, each with a constant or an array (n,)."""
        at, stop = start, start + frames
        i = int(np.searchsorted(self._frames, at, side="right"))
        while at < stop:
            last = i == len(self._frames)
            until = stop if last else min(stop, int(self._frames[i]))
            if until > at:
                yield slice(at - start, until - start), self._piece(i, at, until)
            at = until
            i += 1

    def _piece(self, i: int, at: int, until: int) -> float | Audio:
        if i == 0 or i == len(self._frames):
            return self._outside
        a, b = self._values[i - 1], self._values[i]
        if a == b:
            return a
        left, right = int(self._frames[i - 1]), int(self._frames[i])
        ramp = (np.arange(at, until) - left) * ((b - a) / (right - left)) + a
        return ramp.astype(np.float32)

    def apply(self, block: Audio, start: int, *, columns: Sequence[int] | None = None) -> None:
        """Turn down a block that begins at frame ``start``, shape (frames,) or (frames, channels).

        ``columns`` are the channels concerned; None: all.
        """
        frames = as_frames(block)
        every = columns is None or len(columns) == frames.shape[1]
        for piece, gain in self.pieces(start, len(frames)):
            if isinstance(gain, float) and gain == 1.0:
                continue
            factor = np.float32(gain) if isinstance(gain, float) else gain[:, None]
            if every:
                frames[piece] *= factor
            else:
                frames[piece, columns] *= factor

    def crossfade(self, block: Audio, other: Audio, start: int) -> None:
        """Replace a block by ``other`` as far as the gain goes: not at 0, wholly at 1."""
        for piece, gain in self.pieces(start, len(block)):
            if not isinstance(gain, float):
                block[piece] += gain[:, None] * (other[piece] - block[piece])
            elif gain == 1.0:
                block[piece] = other[piece]
            elif gain != 0.0:
                block[piece] += np.float32(gain) * (other[piece] - block[piece])
