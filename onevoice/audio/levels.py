"""Decibels, and the channel orders that levels depend on."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]

FRONT_CENTRE = 0x4
LOW_FREQUENCY = 0x8
_SURROUND = 0x30 | 0x600  # back left and right, side left and right
_REAR_OF_SEVEN = 0x30  # with side speakers present, the back pair stands outside 60°–120°

_DEFAULT_MASKS = {1: 0x4, 2: 0x3, 3: 0x7, 4: 0x33, 5: 0x37, 6: 0x3F, 7: 0x13F, 8: 0x63F}


def to_db(gain: float) -> float:
    """Amplitude ratio to decibels; -inf for 0."""
    return 20.0 * math.log10(gain) if gain > 0 else -math.inf


def from_db(db: float) -> float:
    """Decibels to amplitude ratio; 0 for -inf."""
    return float(10.0 ** (db / 20.0))


def default_mask(channels: int) -> int:
    """WAVEFORMATEXTENSIBLE speaker mask usual for a number of channels (6 is 5.1, 8 is 7.1)."""
    return _DEFAULT_MASKS.get(channels, 0)


def speakers(mask: int) -> tuple[int, ...]:
    """The speaker bits of a mask in the order of its channels."""
    return tuple(1 << bit for bit in range(18) if mask >> bit & 1)


def loudness_weights(mask: int, channels: int) -> NDArray[np.float64]:
    """Channel weights G of ITU-R BS.1770-4, shape (channels,).

    Surrounds between 60° and 120° count 1.41, the low-frequency channel not at all.
    """
    order = speakers(mask)
    if len(order) != channels:
        return np.ones(channels)
    seven = bool(mask & 0x30) and bool(mask & 0x600)
    wide = _SURROUND & ~_REAR_OF_SEVEN if seven else _SURROUND
    weight = {True: 1.41, False: 1.0}
    return np.array([0.0 if s == LOW_FREQUENCY else weight[bool(s & wide)] for s in order])


def as_frames(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """View audio as (frames, channels)."""
    return x[:, None] if x.ndim == 1 else x
