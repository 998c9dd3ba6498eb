"""Reading and writing the WAVs that analysis engines work on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from onevoice.engines.base import Audio
from onevoice.errors import MediaUnreadable, OutputUnwritable

MODEL_RATE = 16_000
"""Samples per second that speech models listen at."""

# Resampling rings at the edges of a section: this much is read around it and dropped again.
_MARGIN_S = 0.05


def open_wav(path: Path) -> Any:
    """Open a WAV for reading (a ``soundfile.SoundFile``). Raises MediaUnreadable."""
    import soundfile

    try:
        return soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, OSError) as exc:
        raise MediaUnreadable(
            f"cannot read the sound in {path.name}: {exc}",
            hint="remove the damaged file, or empty the cache: onevoice cache gc",
        ) from exc


def wav_writer(path: Path, like: Any) -> Any:
    """Open a float32 file of the same rate, channels and container as ``like``, for writing."""
    import soundfile

    try:
        return soundfile.SoundFile(
            path,
            "w",
            samplerate=like.samplerate,
            channels=like.channels,
            format=like.format,
            subtype="FLOAT",
        )
    except (soundfile.LibsndfileError, OSError) as exc:
        raise OutputUnwritable(
            f"cannot write {path}: {exc}", hint="check the folder and its free space"
        ) from exc


def duration(path: Path) -> float:
    """Seconds of sound in a WAV."""
    with open_wav(path) as source:
        return float(source.frames / source.samplerate)


def read_mono(path: Path, start: float = 0.0, end: float | None = None) -> Audio:
    """A section of a WAV as speech models want it.

    Parameters
    ----------
    path
        A WAV of any rate and number of channels.
    start, end
        Seconds; ``end`` None is the end of the file. What lies outside the file is left out.

    Returns
    -------
    Audio
        Mono mean of the channels at 16 kHz, shape ``(n,)``, float32, not normalised.
    """
    import soxr

    with open_wav(path) as source:
        rate, total = source.samplerate, source.frames
        first = min(max(round(start * rate), 0), total)
        last = total if end is None else min(max(round(end * rate), first), total)
        margin = round(_MARGIN_S * rate)
        lead = min(margin, first)
        source.seek(first - lead)
        wanted = min(last + margin, total) - (first - lead)
        samples = source.read(wanted, dtype="float32", always_2d=True).mean(axis=1)
    if rate == MODEL_RATE:
        return np.ascontiguousarray(samples[lead : lead + last - first], dtype=np.float32)
    resampled = soxr.resample(samples, rate, MODEL_RATE)
    skip = round(lead * MODEL_RATE / rate)
    length = round((last - first) * MODEL_RATE / rate)
    return np.ascontiguousarray(resampled[skip : skip + length], dtype=np.float32)
