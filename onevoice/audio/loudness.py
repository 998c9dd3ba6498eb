"""Loudness after ITU-R BS.1770-4 and EBU Tech 3342, streaming, in constant memory.

Energies are gathered in 0.01 LU bins, each with its count and its sum, so that a day of
programme takes the memory of a second and the gated means stay exact but for blocks that fall
into the very bin of the gate.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from onevoice.audio.envelope import Interval, merge_intervals
from onevoice.audio.levels import Audio, as_frames, default_mask, loudness_weights, to_db
from onevoice.audio.truepeak import TruePeakMeter
from onevoice.audio.wav import channel_mask, open_wav, wav_blocks
from onevoice.types import Loudness

if TYPE_CHECKING:
    from soundfile import SoundFile

Gate = Literal["programme", "dialogue"]
"""Which blocks count: all that pass the gates of BS.1770-4, or of these the dialogue only."""

_OFFSET = -0.691
_ABSOLUTE_GATE = -70.0
_RELATIVE_GATE = -10.0
_RANGE_GATE = -20.0
_RANGE_PERCENTILES = (0.10, 0.95)

_BINS_FROM, _BINS_TO, _BIN = -120.0, 40.0, 0.01

_SPEECH_BLOCK = 0.1  # seconds; a 0.3 s interjection still holds several


@cache
def k_weighting(sample_rate: int) -> NDArray[np.float64]:
    """The K-weighting filter as second-order sections, shape (2, 6).

    The analogue prototypes behind the 48 kHz table of ITU-R BS.1770-4 (shelf 1681.97 Hz,
    +4 dB; high-pass 38.14 Hz), mapped to the sample rate by the bilinear transform.
    """
    f0, gain_db, q = 1681.974450955533, 3.999843853973347, 0.7071752369554196
    k = math.tan(math.pi * f0 / sample_rate)
    vh = 10 ** (gain_db / 20)
    vb = vh**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = [
        (vh + vb * k / q + k * k) / a0,
        2 * (k * k - vh) / a0,
        (vh - vb * k / q + k * k) / a0,
        1.0,
        2 * (k * k - 1) / a0,
        (1 - k / q + k * k) / a0,
    ]
    f0, q = 38.13547087602444, 0.5003270373238773
    k = math.tan(math.pi * f0 / sample_rate)
    a0 = 1 + k / q + k * k
    high_pass = [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]
    return np.array([shelf, high_pass])


def _lufs(power: float) -> float:
    return _OFFSET + 10 * math.log10(power) if power > 0 else -math.inf


class _Histogram:
    """Mean powers of blocks by level."""

    def __init__(self) -> None:
        size = round((_BINS_TO - _BINS_FROM) / _BIN)
        self._count = np.zeros(size, np.int64)
        self._power = np.zeros(size)

    def add(self, power: float) -> None:
        level = _lufs(power)
        if level >= _BINS_FROM:
            i = min(int((level - _BINS_FROM) / _BIN), len(self._count) - 1)
            self._count[i] += 1
            self._power[i] += power

    @staticmethod
    def _first(level: float) -> int:
        return max(0, math.ceil((level - _BINS_FROM) / _BIN - 1e-9))

    def _mean(self, first: int) -> float:
        count = int(self._count[first:].sum())
        return float(self._power[first:].sum()) / count if count else 0.0

    def gate(self, absolute: float, relative: float) -> int:
        """The first bin above both gates; ``relative`` is taken from the mean above the first."""
        first = self._first(absolute)
        level = _lufs(self._mean(first))
        return max(first, self._first(level + relative)) if level > -math.inf else first

    def mean_level(self, first: int) -> float:
        return _lufs(self._mean(first))

    def spread(self, first: int, low: float, high: float) -> float:
        """Distance between two quantiles of the levels from a bin up, in LU."""
        total = np.cumsum(self._count[first:])
        if not len(total) or total[-1] == 0:
            return 0.0
        a, b = (int(np.searchsorted(total, q * (total[-1] - 1), side="right")) for q in (low, high))
        return (b - a) * _BIN


class LoudnessMeter:
    """Integrated loudness and loudness range of what is pushed, block by block.

    Parameters
    ----------
    sample_rate : Hz.
    channels : channels of every block pushed.
    mask : WAVEFORMATEXTENSIBLE speaker mask; None takes the usual one for ``channels``.
    dialogue : when somebody speaks, in seconds. A block belongs to the dialogue when all of it
        lies within one of these stretches.
    """

    def __init__(
        self,
        sample_rate: int,
        channels: int,
        *,
        mask: int | None = None,
        dialogue: Sequence[Interval] = (),
    ) -> None:
        self._hop = round(sample_rate / 10)
        self._sos = k_weighting(sample_rate)
        self._state = np.zeros((2, channels, 2))
        self._weights = loudness_weights(default_mask(channels) if mask is None else mask, channels)
        self._filled = 0
        self._energy = 0.0
        self._hops: deque[float] = deque(maxlen=30)
        self._passed = 0  # hops
        self._speech = deque(
            (start * sample_rate / self._hop, end * sample_rate / self._hop)
            for start, end in merge_intervals(dialogue)
        )
        self._blocks: dict[Gate, _Histogram] = {"programme": _Histogram(), "dialogue": _Histogram()}
        self._short = _Histogram()

    def push(self, x: Audio) -> None:
        """Take in the next block, shape (frames,) or (frames, channels)."""
        if not len(x):
            return
        from scipy.signal import sosfilt

        y, self._state = sosfilt(self._sos, as_frames(x).T, axis=1, zi=self._state)
        # A decaying filter state in digital silence would end in denormals, which are slow.
        self._state[np.abs(self._state) < 1e-30] = 0.0
        at = 0
        while at < y.shape[1]:
            part = y[:, at : at + self._hop - self._filled]
            self._energy += float(self._weights @ np.einsum("ct,ct->c", part, part))
            self._filled += part.shape[1]
            at += part.shape[1]
            if self._filled == self._hop:
                self._end_hop()

    def _end_hop(self) -> None:
        self._hops.append(self._energy / self._hop)
        self._filled, self._energy = 0, 0.0
        self._passed += 1
        if len(self._hops) >= 4:
            power = sum(self._hops[-i] for i in (1, 2, 3, 4)) / 4
            self._blocks["programme"].add(power)
            if self._spoken():
                self._blocks["dialogue"].add(power)
        if len(self._hops) == 30:
            self._short.add(sum(self._hops) / 30)

    def _spoken(self) -> bool:
        """Whether the four hops up to here lie within one stretch of dialogue."""
        while self._speech and self._speech[0][1] < self._passed:
            self._speech.popleft()
        return bool(self._speech) and self._speech[0][0] <= self._passed - 4

    def integrated(self, gain_db: float = 0.0, *, gate: Gate = "programme") -> float:
        """Gated loudness in LUFS, as if everything had been ``gain_db`` louder.

        -inf if that is silent, or there was no block of dialogue.
        """
        blocks = self._blocks[gate]
        return blocks.mean_level(blocks.gate(_ABSOLUTE_GATE - gain_db, _RELATIVE_GATE)) + gain_db

    def range(self, gain_db: float = 0.0) -> float:
        """Loudness range (LRA, EBU Tech 3342) in LU; 0 for less than three seconds."""
        first = self._short.gate(_ABSOLUTE_GATE - gain_db, _RANGE_GATE)
        return self._short.spread(first, *_RANGE_PERCENTILES)

    def gain_to(self, target: float, *, gate: Gate = "programme") -> float:
        """The gain in dB that brings the integrated loudness to ``target``; 0 if silent.

        Not simply a difference: quiet blocks pass the absolute gate when they are raised.
        """
        level = self._blocks[gate].mean_level(0)
        if not math.isfinite(target) or not math.isfinite(level):
            return 0.0
        gain = target - level
        for _ in range(8):
            now = self.integrated(gain, gate=gate)
            if not math.isfinite(now):
                break
            gain += target - now
        return gain


def measure(path: Path) -> Loudness:
    """Integrated loudness, range and true peak of an audio file.

    Raises MediaNotFound or MediaUnreadable. Memory does not depend on the file's length.
    """
    with open_wav(path) as wav:
        meter = LoudnessMeter(wav.samplerate, wav.channels, mask=channel_mask(path, wav.channels))
        peak = TruePeakMeter(wav.samplerate, wav.channels)
        for block in wav_blocks(wav):
            meter.push(block)
            peak.push(block)
    return Loudness(
        integrated=meter.integrated(), range=meter.range(), true_peak=to_db(peak.finish())
    )


def speech_levels(
    wav: SoundFile, spans: Iterable[Interval], columns: Sequence[int]
) -> Iterator[float]:
    """:func:`speech_level` of some channels of an open file in each of some spans, in seconds.

    They are read one by one; what of a span lies outside the file is left out.
    """
    for span in spans:
        first, last = (min(max(0, round(t * wav.samplerate)), wav.frames) for t in span)
        wav.seek(first)
        heard = wav.read(max(0, last - first), dtype="float32", always_2d=True)
        yield speech_level(heard[:, columns], wav.samplerate, mask=0)


def speech_level(x: Audio, sample_rate: int, *, mask: int | None = None) -> float:
    """Loudness in LUFS of the active speech in a short stretch; -inf when there is none.

    The gates of BS.1770-4 over blocks of 100 ms with 75 % overlap instead of 400 ms, so that a
    line of 0.3 s, which has no complete 400 ms block, still has a level. On steady sound the two
    agree.
    """
    from scipy.signal import sosfilt

    frames = as_frames(x)
    if not len(frames):
        return -math.inf
    channels = frames.shape[1]
    weights = loudness_weights(default_mask(channels) if mask is None else mask, channels)
    y = sosfilt(k_weighting(sample_rate), frames.T, axis=1)
    hop = round(sample_rate * _SPEECH_BLOCK / 4)
    if len(frames) < 4 * hop:
        hop = max(1, len(frames) // 4)
    hops = y[:, : len(frames) // hop * hop].reshape(channels, -1, hop)
    energy = weights @ np.einsum("cht,cht->ch", hops, hops)
    powers = np.convolve(energy, np.ones(min(4, len(energy))), "valid") / (4 * hop)
    active = powers[powers > 10 ** ((_ABSOLUTE_GATE - _OFFSET) / 10)]
    if not len(active):
        return -math.inf
    gated = active[active >= active.mean() * 10 ** (_RELATIVE_GATE / 10)]
    return _lufs(float(gated.mean()))
