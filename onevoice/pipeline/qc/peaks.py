"""What a waveform is drawn from: the lowest and the highest sample of every short while."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FINEST = 50
"""Columns for a second; finer than a screen shows of a line."""
MOST = 180_000
"""Columns for a film, 2 bytes each: an hour at the finest."""


@dataclass(frozen=True, slots=True)
class Peaks:
    """Extremes of ``per_second`` columns of each second; ``low`` and ``high`` of shape (n,)."""

    per_second: float
    low: NDArray[np.float32]
    high: NDArray[np.float32]

    @property
    def top(self) -> float:
        """The largest magnitude; 0 for silence."""
        return float(max(self.high.max(initial=0), -self.low.min(initial=0)))

    def packed(self, top: float) -> str:
        """Base64 of int8 pairs (low, high), where 127 stands for ``top``."""
        scale = 127 / top if top > 0 else 0.0
        pairs = np.stack([self.low, self.high], axis=1) * scale
        return base64.b64encode(np.rint(pairs).clip(-127, 127).astype(np.int8).tobytes()).decode()


class PeakMeter:
    """Takes a mono sound block by block."""

    def __init__(self, sample_rate: int, seconds: float) -> None:
        frames = seconds * sample_rate
        self._step = max(1, sample_rate // FINEST, int(-(-frames // MOST)))
        self._rate = sample_rate
        self._rest = np.zeros(0, np.float32)
        self._lows: list[NDArray[np.float32]] = []
        self._highs: list[NDArray[np.float32]] = []

    def push(self, block: NDArray[np.float32]) -> None:
        """Samples of shape (n,)."""
        samples = np.concatenate([self._rest, block])
        whole = len(samples) // self._step * self._step
        self._add(samples[:whole].reshape(-1, self._step))
        self._rest = samples[whole:]

    def peaks(self) -> Peaks:
        """Of all that was pushed; a column begun counts. Nothing may be pushed afterwards."""
        if len(self._rest):
            self._add(self._rest[None])
            self._rest = self._rest[:0]
        low, high = (
            np.concatenate([np.zeros(0, np.float32), *parts]) for parts in (self._lows, self._highs)
        )
        return Peaks(self._rate / self._step, low, high)

    def _add(self, columns: NDArray[np.float32]) -> None:
        if columns.size:
            self._lows.append(columns.min(axis=1))
            self._highs.append(columns.max(axis=1))
