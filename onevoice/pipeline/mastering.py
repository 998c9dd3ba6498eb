"""The last step of a mix: programme loudness and true-peak ceiling, for it and for its stems."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from onevoice.audio import (
    FloatWavWriter,
    Interval,
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
from onevoice.pipeline.loudness import HEADROOM, Measured, Target

MOST_GAIN = 30.0
"""In dB: a programme that would need more is noise, and is not raised."""
TOLERANCE = 0.2
"""In LU: a programme further from its target after limiting is written again."""
MOST_WRITES = 4
LEAST_EFFECT = 0.2
"""In LU for a dB of gain: less than this, and the limiter takes away what a gain adds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stems:
    """Where the parts of a mix go: who speaks, and everything else. They add up to it."""

    dialogue: Path
    bed: Path


@dataclass(frozen=True, slots=True)
class Mastered:
    """What the finished programme measures, and what was done to it."""

    gain_db: float
    measured: Measured
    limited_share: float


class Programme:
    """The rendered programme on its way to the finished file.

    Blocks are shaped (frames, channels), or (frames, 2 * channels) where stems are wanted: the
    programme, and the dialogue in it beside it.
    """

    def __init__(
        self,
        file: BinaryIO,
        out: Path,
        layout: Layout,
        cancel: CancelToken,
        *,
        dialogue: Sequence[Interval] = (),
        stems: Stems | None = None,
    ) -> None:
        self._file = file
        self._out = out
        self._layout = layout
        self._cancel = cancel
        self._dialogue = dialogue
        self._stems = stems
        self._width = layout.channels * (1 if stems is None else 2)
        self._block = layout.sample_rate  # a second
        self._meter, self._peak = self._meters()

    def _meters(self) -> tuple[LoudnessMeter, TruePeakMeter]:
        rate, channels = self._layout.sample_rate, self._layout.channels
        return (
            LoudnessMeter(rate, channels, mask=self._layout.mask, dialogue=self._dialogue),
            TruePeakMeter(rate, channels),
        )

    def render(self, blocks: Iterator[Audio], progress: Progress) -> None:
        """Store the blocks and measure them."""
        done = 0
        for block in blocks:
            self._cancel.check()
            programme = block[:, : self._layout.channels]
            self._meter.push(programme)
            self._peak.push(programme)
            try:
                self._file.write(block.data)
            except OSError as exc:
                raise output_error(self._out, exc) from exc
            done += len(block)
            progress(done / self._layout.frames)

    def _rendered(self) -> Iterator[Audio]:
        self._file.seek(0)
        while data := self._file.read(self._block * 4 * self._width):
            yield np.frombuffer(data, np.float32).reshape(-1, self._width)

    def master(self, target: Target, progress: Progress) -> tuple[Mastered, bool]:
        """Bring the programme to its loudness, below the ceiling, and write it.

        Returns what came out, and whether the loudness was reached.
        """
        gate = target.gate
        if self._meter.integrated(gate=gate) == -math.inf:
            gate = "programme"  # nobody speaks
        gain_db = _bounded(self._meter.gain_to(target.lufs, gate=gate))
        peak_db = to_db(self._peak.finish())
        tried: list[tuple[float, float]] = []
        while True:
            left = 0.5 ** len(tried)
            done = _between(progress, 1 - left, 1 - left / 2)
            mastered = self._write(gain_db, peak_db, target.ceiling - HEADROOM, done)
            level = mastered.measured.by(gate)
            missed = target.lufs - level
            reached = abs(missed) <= TOLERANCE or not math.isfinite(missed)
            tried.append((gain_db, level))
            if reached or not mastered.limited_share or len(tried) == MOST_WRITES:
                break
            gain_db = _next_gain(tried, target.lufs)
            if gain_db == tried[-1][0]:
                break
        progress(1.0)
        return mastered, reached

    def _write(
        self, gain_db: float, peak_db: float, ceiling_dbtp: float, progress: Progress
    ) -> Mastered:
        layout = self._layout
        gain = np.float32(from_db(gain_db))
        with self._writing() as write:
            if peak_db + gain_db <= ceiling_dbtp:
                for done, block in enumerate(self._rendered()):
                    self._cancel.check()
                    write(block * gain)
                    progress(min(1.0, (done + 1) * self._block / layout.frames))
                return Mastered(gain_db, _figures(self._meter, peak_db, gain_db), 0.0)
            limiter = Limiter(
                layout.sample_rate,
                self._width,
                ceiling_dbtp=ceiling_dbtp,
                watched=layout.channels,
            )
            meter, peak = self._meters()
            for block in self._limited(limiter, gain):
                self._cancel.check()
                programme = block[:, : layout.channels]
                meter.push(programme)
                peak.push(programme)
                write(block)
                progress(min(1.0, limiter.frames / layout.frames))
        share = limiter.limited_frames / max(1, limiter.frames)
        return Mastered(gain_db, _figures(meter, to_db(peak.finish())), share)

    def _limited(self, limiter: Limiter, gain: np.float32) -> Iterator[Audio]:
        for block in self._rendered():
            yield limiter.process(block * gain)
        yield limiter.flush()

    @contextmanager
    def _writing(self) -> Iterator[Callable[[Audio], None]]:
        """Open the files of the mix and its stems; each appears when all of it is written."""
        channels = self._layout.channels
        with ExitStack() as stack:
            mix = stack.enter_context(self._writer(self._out))
            if self._stems is None:
                yield mix.write
                return
            dialogue = stack.enter_context(self._writer(self._stems.dialogue))
            bed = stack.enter_context(self._writer(self._stems.bed))

            def write(block: Audio) -> None:
                whole, spoken = block[:, :channels], block[:, channels:]
                mix.write(whole)
                dialogue.write(spoken)
                bed.write(whole - spoken)

            yield write

    def _writer(self, path: Path) -> FloatWavWriter:
        layout = self._layout
        return FloatWavWriter(
            path,
            sample_rate=layout.sample_rate,
            channels=layout.channels,
            frames=layout.frames,
            mask=layout.mask,
        )


def _bounded(gain_db: float) -> float:
    return max(-MOST_GAIN, min(MOST_GAIN, gain_db))


def _next_gain(tried: Sequence[tuple[float, float]], lufs: float) -> float:
    """A better gain from those tried and the levels they led to; the last where none helps."""
    gain_db, level = tried[-1]
    effect = 1.0
    if len(tried) > 1:
        effect = (level - tried[-2][1]) / (gain_db - tried[-2][0])
    return _bounded(gain_db + (lufs - level) / effect) if effect > LEAST_EFFECT else gain_db


def _between(progress: Progress, start: float, end: float) -> Progress:
    return lambda share: progress(start + share * (end - start))


def _figures(meter: LoudnessMeter, peak_db: float, gain_db: float = 0.0) -> Measured:
    """The figures of what was metered, as if it had been ``gain_db`` louder."""
    return Measured(
        integrated=meter.integrated(gain_db),
        range=meter.range(gain_db),
        true_peak=peak_db + gain_db,
        dialogue=meter.integrated(gain_db, gate="dialogue"),
    )
