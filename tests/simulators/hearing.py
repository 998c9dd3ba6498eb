"""What a simulated recogniser hears: the words of a script in the part of a recording it was sent.

A client cuts a recording as it likes; where a piece belongs is found by its envelope.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.simulators.sound import decode

_FRAME_S = 0.02


@dataclass(frozen=True)
class ScriptLine:
    start: float
    end: float
    speaker: str
    text: str


@dataclass(frozen=True)
class Hearing:
    """The lines in a piece of sound, their times from its start."""

    duration: float
    offset: float
    lines: tuple[ScriptLine, ...]


class Script:
    """Who says what when in one recording. Without the recording every piece begins it."""

    def __init__(self, lines: Iterable[ScriptLine], recording: Path | None = None) -> None:
        self.lines = tuple(lines)
        self._envelope: NDArray[np.float64] | None = None
        if recording is not None:
            self._envelope = envelope(*decode(recording.read_bytes()))

    @classmethod
    def read(cls, path: Path, recording: Path | None = None) -> Script:
        """From a JSON list of [start, end, speaker, text]."""
        return cls((ScriptLine(*row) for row in json.loads(path.read_text())), recording)

    def hear(self, upload: bytes) -> Hearing:
        """Decode an upload and say what is in it: the words whose middle it holds."""
        samples, rate = decode(upload)
        duration = len(samples) / rate
        offset = self._place(envelope(samples, rate))
        found = []
        for line in self.lines:
            words = [
                word
                for word in spread_words(line)
                if offset <= (word.start + word.end) / 2 < offset + duration
            ]
            if words:
                start, end = words[0].start - offset, words[-1].end - offset
                text = " ".join(word.text for word in words)
                found.append(ScriptLine(max(start, 0.0), min(end, duration), line.speaker, text))
        return Hearing(duration, offset, tuple(found))

    def _place(self, piece: NDArray[np.float64]) -> float:
        whole = self._envelope
        if whole is None or len(piece) >= len(whole):
            return 0.0
        n = len(piece)
        centred = piece - piece.mean()
        size = len(whole) + n
        spectrum = np.fft.rfft(whole, size) * np.conj(np.fft.rfft(centred, size))
        product = np.fft.irfft(spectrum, size)[: len(whole) - n + 1]
        sums = np.concatenate([[0.0], np.cumsum(whole)])
        squares = np.concatenate([[0.0], np.cumsum(whole**2)])
        mean = (sums[n:] - sums[:-n]) / n
        spread = np.sqrt(np.maximum((squares[n:] - squares[:-n]) / n - mean**2, 1e-9))
        return float(np.argmax(product / spread) * _FRAME_S)


def spread_words(line: ScriptLine) -> Sequence[ScriptLine]:
    """A line's words, spread over it by their letters."""
    parts = line.text.split()
    total = sum(len(part) + 1 for part in parts)
    clock, words = line.start, []
    for part in parts:
        length = (line.end - line.start) * (len(part) + 1) / total
        words.append(ScriptLine(clock, clock + length, line.speaker, part))
        clock += length
    return words


def envelope(samples: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Level in decibels of each 20 ms, silence at -60."""
    frame = round(_FRAME_S * rate)
    whole = samples[: len(samples) // frame * frame].reshape(-1, frame).astype(np.float64)
    return np.maximum(10 * np.log10(np.mean(whole**2, axis=1) + 1e-12), -60.0)
