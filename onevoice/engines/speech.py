"""Reading sound the way speech models want it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from onevoice.audio import open_wav, resample
from onevoice.engines.base import Audio

MODEL_RATE = 16_000
"""Samples per second that speech models listen at."""

# Resampling rings at the edges of a section: this much is read around it and dropped again.
_MARGIN_S = 0.05


def duration(path: Path) -> float:
    """Seconds of sound in a WAV."""
    with open_wav(path) as source:
        return float(source.frames / source.samplerate)


def read_mono(path: Path, start: float = 0.0, end: float | None = None) -> Audio:
    """A section of a WAV, mono at MODEL_RATE.

    Parameters
    ----------
    path
        A WAV of any rate and number of channels.
    start, end
        Seconds; ``end`` None is the end of the file. What lies outside the file is left out.

    Returns
    -------
    Audio
        Mean of the channels, shape ``(n,)``, float32, not normalised.

    Raises
    ------
    MediaNotFound, MediaUnreadable
        The file is not there, or no WAV.
    """
    with open_wav(path) as source:
        rate, total = source.samplerate, source.frames
        first = min(max(round(start * rate), 0), total)
        last = total if end is None else min(max(round(end * rate), first), total)
        margin = round(_MARGIN_S * rate)
        lead = min(margin, first)
        source.seek(first - lead)
        wanted = min(last + margin, total) - (first - lead)
        samples = source.read(wanted, dtype="float32", always_2d=True).mean(axis=1)
    skip = round(lead * MODEL_RATE / rate)
    length = round((last - first) * MODEL_RATE / rate)
    resampled = resample(samples, rate, MODEL_RATE)
    return np.ascontiguousarray(resampled[skip : skip + length], dtype=np.float32)
