"""From what a model gives for one line to what the pipeline gets."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from onevoice.audio import fade_edges, trim_silence
from onevoice.engines.base import Audio, Speech
from onevoice.errors import EngineFailed, EngineRefused

CEILING = 0.97
"""Largest sample. Lines are turned down to it, never up: the mix sets the loudness."""


def finish(samples: Audio, sample_rate: int) -> Speech:
    """Silence off both ends, peak under the ceiling, no click at the cuts.

    Raises
    ------
    EngineFailed
        The model gave numbers that are no sound.
    EngineRefused
        It gave silence.
    """
    if not np.all(np.isfinite(samples)):
        raise EngineFailed(
            "the speech model gave samples that are not numbers",
            hint="onevoice models verify, then run the same command again",
        )
    samples = fade_edges(trim_silence(samples, sample_rate), sample_rate)
    if not len(samples):
        raise EngineRefused(
            "the speech model gave nothing but silence",
            hint="change the text of this line, or set keep: true on it",
        )
    peak = float(np.abs(samples).max())
    if peak > CEILING:
        samples = samples * np.float32(CEILING / peak)
    return Speech(np.ascontiguousarray(samples, np.float32), sample_rate)


def join(pieces: Sequence[Speech], pauses: Sequence[float]) -> Speech:
    """The pieces of one line with ``pauses`` (seconds) of silence between them."""
    rate = pieces[0].sample_rate
    parts: list[Audio] = [pieces[0].samples]
    for piece, pause in zip(itertools.islice(pieces, 1, None), pauses, strict=True):
        parts += [np.zeros(round(pause * rate), np.float32), piece.samples]
    return Speech(np.concatenate(parts), rate)


def nothing_to_say(text: str, language: str) -> EngineRefused:
    """The error for a line without a single sound in it."""
    return EngineRefused(
        f"there is nothing to say in {language} in {text[:60]!r}",
        hint="write words into this line, or set keep: true on it",
    )
