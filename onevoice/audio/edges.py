"""The ends of a line, and its sample rate."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from onevoice.audio.levels import Audio, as_frames


def resample(x: Audio, source_rate: int, target_rate: int) -> Audio:
    """Band-limited resampling of (frames,) or (frames, channels) by soxr."""
    import soxr

    if source_rate == target_rate:
        return x
    out: Audio = soxr.resample(x, source_rate, target_rate, quality="HQ")
    return out


def fade_edges(x: Audio, sample_rate: int, *, seconds: float = 0.005) -> Audio:
    """A copy that begins and ends at zero, with raised-cosine fades, so that cuts don't click."""
    n = min(round(seconds * sample_rate), len(x) // 2)
    out = np.array(x, np.float32)
    if n:
        ramp = (0.5 - 0.5 * np.cos(np.pi * np.arange(n) / n)).astype(np.float32)
        frames = as_frames(out)
        frames[:n] *= ramp[:, None]
        frames[-n:] *= ramp[::-1, None]
    return out


def trim_silence(
    x: Audio, sample_rate: int, *, threshold_db: float = -45.0, keep: float = 0.02
) -> Audio:
    """Cut the silence off both ends of a mono line.

    Parameters
    ----------
    x : shape (frames,).
    threshold_db : 10 ms stretches whose RMS is this far below the line's peak are silence.
    keep : seconds of it to leave at each end, for soft consonants.

    Returns
    -------
    A view of ``x``; empty when there is nothing but silence.
    """
    peak = float(np.abs(x).max(initial=0.0))
    if peak < 1e-5:
        return x[:0]
    segment, leading_silence = _pydub()
    pcm = np.round(x * (32767 / peak)).astype("<i2")
    line = segment(data=pcm.tobytes(), sample_width=2, frame_rate=sample_rate, channels=1)
    lead = leading_silence(line, silence_threshold=threshold_db) / 1000
    tail = leading_silence(line.reverse(), silence_threshold=threshold_db) / 1000
    start = round(max(0.0, lead - keep) * sample_rate)
    end = len(x) - round(max(0.0, tail - keep) * sample_rate)
    return x[start : max(start, end)]


@cache
def _pydub() -> tuple[Any, Callable[..., int]]:
    # Importing it warns about a missing ffmpeg program, which it is not asked to run here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pydub import AudioSegment
        from pydub.silence import detect_leading_silence
    return AudioSegment, detect_leading_silence
