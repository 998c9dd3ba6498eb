"""The last step of a mix: programme loudness and true-peak ceiling."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from onevoice.audio import (
    FloatWavWriter,
    Layout,
    Limiter,
    LoudnessMeter,
    TruePeakMeter,
    from_db,
    to_db,
)
from onevoice.audio.levels import Audio
from onevoice.engines.base import CancelToken, Progress
from onevoice.media.files import output_error

MOST_GAIN = 30.0
"""In dB: a programme that would need more is noise, and is not raised."""
TOLERANCE = 0.3
"""In LU: a programme further from its target after limiting is written once more."""


@dataclass(frozen=True, slots=True)
class Mastered:
    """Levels of the finished programme, in LUFS, LU and dBTP, and what was done to it."""

    gain_db: float
    lufs: float
    lra: float
    true_peak: float
    limited_share: float


class Programme:
    """The rendered programme on its way to the finished file."""

    def __init__(self, file: BinaryIO, out: Path, layout: Layout, cancel: CancelToken) -> None:
        self._file = file
        self._out = out
        self._layout = layout
        self._cancel = cancel
        self._block = layout.sample_rate  # a second
        self._meter, self._peak = self._meters()

    def _meters(self) -> tuple[LoudnessMeter, TruePeakMeter]:
        layout = self._layout
        return (
            LoudnessMeter(layout.sample_rate, layout.channels, mask=layout.mask),
            TruePeakMeter(layout.sample_rate, layout.channels),
        )

    def render(self, blocks: Iterator[Audio], progress: Progress) -> None:
        """Store the blocks and measure them."""
        done = 0
        for block in blocks:
            self._cancel.check()
            self._meter.push(block)
            self._peak.push(block)
            try:
                self._file.write(block.data)
            except OSError as exc:
                raise output_error(self._out, exc) from exc
            done += len(block)
            progress(done / self._layout.frames)

    def _rendered(self) -> Iterator[Audio]:
        self._file.seek(0)
        size = 4 * self._layout.channels
        while data := self._file.read(self._block * size):
            yield np.frombuffer(data, np.float32).reshape(-1, self._layout.channels)

    def master(
        self, target: float, ceiling_dbtp: float, progress: Progress
    ) -> tuple[Mastered, bool]:
        """Bring the programme to a loudness, in LUFS, below a ceiling, and write it.

        Returns what came out, and whether the target was reached.
        """
        most = MOST_GAIN
        gain_db = max(-most, min(most, self._meter.gain_to(target)))
        peak_db = to_db(self._peak.finish())
        mastered = self._write(gain_db, peak_db, ceiling_dbtp, lambda x: progress(x / 2))
        missed = target - mastered.lufs
        if mastered.limited_share and TOLERANCE < abs(missed) < math.inf:
            gain_db = max(-most, min(most, gain_db + missed))
            mastered = self._write(gain_db, peak_db, ceiling_dbtp, lambda x: progress((1 + x) / 2))
        progress(1.0)
        silent = mastered.lufs == -math.inf
        return mastered, silent or abs(target - mastered.lufs) <= TOLERANCE

    def _write(
        self, gain_db: float, peak_db: float, ceiling_dbtp: float, progress: Progress
    ) -> Mastered:
        layout = self._layout
        gain = np.float32(from_db(gain_db))
        with FloatWavWriter(
            self._out,
            sample_rate=layout.sample_rate,
            channels=layout.channels,
            frames=layout.frames,
            mask=layout.mask,
        ) as wav:
            if peak_db + gain_db <= ceiling_dbtp:
                for done, block in enumerate(self._rendered()):
                    self._cancel.check()
                    wav.write(block * gain)
                    progress(min(1.0, (done + 1) * self._block / layout.frames))
                lufs, lra = self._meter.integrated(gain_db), self._meter.range(gain_db)
                return Mastered(gain_db, lufs, lra, peak_db + gain_db, 0.0)
            limiter = Limiter(layout.sample_rate, layout.channels, ceiling_dbtp=ceiling_dbtp)
            meter, peak = self._meters()
            for block in self._limited(limiter, gain):
                self._cancel.check()
                meter.push(block)
                peak.push(block)
                wav.write(block)
                progress(min(1.0, limiter.frames / layout.frames))
        share = limiter.limited_frames / max(1, limiter.frames)
        return Mastered(gain_db, meter.integrated(), meter.range(), to_db(peak.finish()), share)

    def _limited(self, limiter: Limiter, gain: np.float32) -> Iterator[Audio]:
        for block in self._rendered():
            yield limiter.process(block * gain)
        yield limiter.flush()
