"""Lines that are sung: by how long their notes are held, or because music drowns their words.

A voice that speaks glides; one that sings stays on a note. And words under music that is many
times louder are a song's, or the recogniser's invention: nobody talks to be understood there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onevoice.audio import Layout, open_wav, speech_levels
from onevoice.audio.levels import Audio
from onevoice.engines.diarization.pitch import contour
from onevoice.engines.speech import MODEL_RATE, read_mono
from onevoice.types import Segment

DROWNED = 15.0
"""LU by which the bed is louder than the voice of a line that is drowned."""
SILENT = -70.0
"""LUFS: nothing is heard below, of a voice or of a bed."""
SHORTEST = 3.0
"""Seconds: less is too little to tell singing from a word that is drawn out."""
NOTE = 0.3
"""Seconds that a note is held, at least."""
ON_KEY = 0.5
"""Semitones by which a held note may leave its middle; vibrato is smoothed out before."""
SUNG = 0.3
"""Share of a line's time in held notes. Speech has at most 0.17 (docs/decisions/0052)."""

_HOP = 0.02
_VIBRATO = 9
"""Frames of a moving mean: a period of vibrato, 5 to 6 Hz."""


def mark_sung(segments: Sequence[Segment], speech: Path, bed: Path) -> tuple[Segment, ...]:
    """Keep lines that are sung. ``speech`` and ``bed`` are the stems of the same sound.

    Raises
    ------
    MediaNotFound, MediaUnreadable
    """
    levels = zip(_levels(speech, segments), _levels(bed, segments), strict=True)
    return tuple(
        replace(segment, keep=True, reason="song")
        if not segment.keep
        and (under - voice >= DROWNED or held_share(_heard(speech, segment)) >= SUNG)
        else segment
        for segment, (voice, under) in zip(segments, levels, strict=True)
    )


def held_share(samples: Audio) -> float:
    """The share of a sound, 0 to 1, that consists of notes held for NOTE seconds or more.

    ``samples`` are mono at 16 kHz, shape ``(n,)``; less than SHORTEST seconds have none.
    """
    seconds = len(samples) / MODEL_RATE
    if seconds < SHORTEST:
        return 0.0
    pitch = contour(samples, hop=_HOP, highest=800.0)
    return sum(held_notes(pitch)) / seconds


def held_notes(pitch: NDArray[np.float64]) -> list[float]:
    """Seconds of each held note of a contour in Hz, a value each 20 ms, NaN where unvoiced."""
    notes = []
    voiced = np.isfinite(pitch)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], voiced, [False]]).astype(np.int8)))
    for first, last in edges.reshape(-1, 2):
        semitones = _smoothed(12 * np.log2(pitch[first:last]))
        notes += [count * _HOP for count in _steady(semitones) if count * _HOP >= NOTE]
    return notes


def _steady(semitones: NDArray[np.float64]) -> list[int]:
    """Lengths of the stretches that stay within ON_KEY of their middle, the first come first."""
    found, first = [], 0
    low = high = semitones[0]
    for at, value in enumerate(semitones):
        if max(high, value) - min(low, value) > 2 * ON_KEY:
            found.append(at - first)
            first, low, high = at, value, value
        else:
            low, high = min(low, value), max(high, value)
    return [*found, len(semitones) - first]


def _smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    width = min(_VIBRATO, len(values))
    edge = np.pad(values, (width // 2, width - 1 - width // 2), mode="edge")
    smooth: NDArray[np.float64] = np.convolve(edge, np.full(width, 1 / width), mode="valid")
    return smooth


def _heard(speech: Path, segment: Segment) -> Audio:
    return read_mono(speech, segment.start, segment.end)


def _levels(stem: Path, segments: Sequence[Segment]) -> list[float]:
    """Loudness of a stem in each segment, in LUFS, in the channels where dialogue is."""
    spans = [(segment.start, segment.end) for segment in segments]
    with open_wav(stem) as wav:
        columns = Layout.of(stem, wav.samplerate).dialogue
        return [max(level, SILENT) for level in speech_levels(wav, spans, columns)]
