"""The lines of a mix: how loud each is to be, and their sound when its time comes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from onevoice.audio import (
    Interval,
    Layout,
    fade_edges,
    from_db,
    open_wav,
    resample,
    speech_level,
    speech_levels,
    time_stretch,
)
from onevoice.audio.levels import Audio
from onevoice.engines.base import CancelToken
from onevoice.errors import StageError
from onevoice.types import Warning_

SAMPLE_RATE = 48_000

DAMPING = 0.7
"""Share of a source line's deviation from the median dialogue level that its dub follows."""
UNUSABLE = 25.0
"""A source level this many dB under the median is a missed line, not a whisper."""
DEFAULT_DIALOGUE = -23.0
"""LUFS for the lines where the source has no measurable dialogue at all."""
MOST_LINE_GAIN = 24.0
"""In dB: what would need more is noise."""
LATE = 0.05
"""In seconds: a line may be this much longer than it was placed before that is reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixLine:
    """One spoken line: a mono WAV of any rate, and its place.

    ``stretch`` above 1 makes it faster; ``length`` is what it then takes, in seconds;
    ``window`` is the source time that it replaces.
    """

    audio: Path
    start: float
    length: float
    stretch: float
    window: Interval
    id: str = ""


def dialogue_levels(
    speech: Path, lines: Sequence[MixLine], layout: Layout, cancel: CancelToken
) -> list[float]:
    """Level of the source's speech in each line's window, in LUFS; -inf where there is none.

    ``speech`` is the dialogue stem, or the whole sound where there is none.
    """
    levels = []
    with open_wav(speech) as wav:
        check_channels(wav.channels, layout, speech)
        for level in speech_levels(wav, [line.window for line in lines], layout.dialogue):
            cancel.check()
            levels.append(level)
    return levels


def line_targets(levels: Sequence[float], limit: float) -> list[float]:
    """The level each dubbed line is brought to, in LUFS, from those of the lines it replaces.

    A shout stays louder than a whisper, but by less than in the source and never by more than
    ``limit`` dB from the median: an estimate that residue or music has spoilt does little harm.
    """
    known = [level for level in levels if level > -math.inf]
    if not known:
        return [DEFAULT_DIALOGUE] * len(levels)
    middle = median(known)

    def deviation(level: float) -> float:
        if level < middle - UNUSABLE:
            return 0.0
        return max(-limit, min(limit, DAMPING * (level - middle)))

    return [middle + deviation(level) for level in levels]


def check_channels(channels: int, layout: Layout, path: Path) -> None:
    if channels != layout.channels:
        raise StageError(
            f"{path} has {channels} channels, the mix it belongs to has {layout.channels}",
            hint="separate the mix again",
        )


class Voices:
    """The lines, each loaded, stretched and levelled when the render reaches it."""

    def __init__(self, lines: Sequence[MixLine], targets: Sequence[float], layout: Layout) -> None:
        self._lines = lines
        self._targets = targets
        self._columns = layout.dialogue
        self._frames = layout.frames
        self._coming = sorted(range(len(lines)), key=lambda i: lines[i].start, reverse=True)
        self._sounding: list[tuple[int, Audio]] = []
        self.gains = [0.0] * len(lines)
        self._warnings: list[Warning_] = []

    def add_to(self, blocks: Sequence[Audio], start: int) -> None:
        """Add to each of some blocks of one time, shape (frames, channels), what sounds in it."""
        end = start + len(blocks[0])
        while self._coming and self._begin(self._coming[-1]) < end:
            i = self._coming.pop()
            self._sounding.append((self._begin(i), self._load(i)))
        for begin, voice in self._sounding:
            first, last = max(begin, start), min(begin + len(voice), end)
            sound = voice[first - begin : last - begin]
            for block in blocks:
                for column in self._columns:
                    block[first - start : last - start, column] += sound
        self._sounding = [(b, v) for b, v in self._sounding if b + len(v) > end]

    def warnings(self) -> list[Warning_]:
        """After the render: what did not fit, lines that never began included."""
        after = [self._after_end(i) for i in reversed(self._coming)]
        return [*self._warnings, *after]

    def _after_end(self, i: int) -> Warning_:
        line = self._lines[i]
        message = f"line {line.id} goes on after the end of the programme"
        return Warning_(code="line_after_end", message=message, line=line.id)

    def _begin(self, i: int) -> int:
        return max(0, round(self._lines[i].start * SAMPLE_RATE))

    def _load(self, i: int) -> Audio:
        line = self._lines[i]
        with open_wav(line.audio) as wav:
            if wav.channels != 1:
                raise StageError(
                    f"{line.audio} has {wav.channels} channels, a line has one",
                    hint="speak the line again",
                )
            x, rate = wav.read(dtype="float32"), wav.samplerate
        x = time_stretch(x, rate, line.stretch)
        level = speech_level(x, rate)
        if level > -math.inf:
            # The same signal in n channels is 10 lg n louder than in one.
            wanted = self._targets[i] - level - 10 * math.log10(len(self._columns))
            self.gains[i] = max(-MOST_LINE_GAIN, min(MOST_LINE_GAIN, wanted))
        voice = fade_edges(resample(x, rate, SAMPLE_RATE), SAMPLE_RATE)
        self._check(i, len(voice))
        return voice * np.float32(from_db(self.gains[i]))

    def _check(self, i: int, frames: int) -> None:
        line = self._lines[i]
        seconds = frames / SAMPLE_RATE
        if seconds > line.length + LATE:
            message = f"line {line.id} takes {seconds:.2f} s, its place is {line.length:.2f} s"
            self._warnings.append(Warning_(code="line_too_long", message=message, line=line.id))
        if self._begin(i) + frames > self._frames + LATE * SAMPLE_RATE:
            self._warnings.append(self._after_end(i))
