"""What a recogniser gets to hear: speech at a steady loudness, in clips that hold whole phrases.

Lines spoken quietly are the ones that recognition loses, most of all after separation; so speech
is brought to one level first. Long recordings are listened to in stretches of some minutes, so
that memory does not grow with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onevoice.engines.base import Audio
from onevoice.engines.speech import MODEL_RATE, duration, read_mono

Span = tuple[float, float]
"""Start and end in seconds."""

FRAME_S = 0.01
LEVEL_DB = -23.0
"""RMS level of speech after levelling, in dBFS."""
ACTIVE_DB = (-50.0, -36.0)
"""After levelling, a frame over the first is sound, or, over steady music or noise, one that
stands out of it, up to the second; speech lies at -23."""
BRIDGE_S = 0.12
"""Closures inside a word (the p in "apple") last up to this long and count as sound."""

_MOST_GAIN_DB, _LEAST_GAIN_DB = 20.0, -12.0
_SPEECH_RANGE_DB = 40.0
_STANDS_OUT_DB = 8.0
_RIDE_S = 1.5
_CLIP_S = 28.0
_STRETCH_S = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Some minutes of sound, levelled, and the clips in it (seconds from ``offset``)."""

    offset: float
    samples: Audio
    clips: tuple[Span, ...]
    speech: tuple[Span, ...]


def decibels(samples: Audio, frame: int) -> NDArray[np.float64]:
    """RMS of each whole frame in dBFS, shape ``(len(samples) // frame,)``; silence is -120."""
    whole = len(samples) // frame * frame
    power = np.mean(np.square(samples[:whole], dtype=np.float64).reshape(-1, frame), axis=1)
    loud: NDArray[np.float64] = 10 * np.log10(power + 1e-12)
    return loud


def level(samples: Audio) -> Audio:
    """Bring speech to LEVEL_DB, slowly: a gain rider with a window of three seconds.

    The gain follows the mean level, in decibels, of the frames that are within 40 dB of the
    loudest ones and stand out of what sounds all the time, and is interpolated over the pauses,
    so that silence stays silence and music is not taken for a quiet speaker.

    Parameters
    ----------
    samples
        Mono speech at 16 kHz, shape ``(n,)``.

    Returns
    -------
    Audio
        Shape ``(n,)``, within -1…1.
    """
    frame = MODEL_RATE // 50
    loud = decibels(samples, frame)
    if not len(loud) or loud.max() < -70:
        return samples
    floor, top = (float(p) for p in np.percentile(loud, (5, 95)))
    steady = min(floor + _STANDS_OUT_DB, top - 12.0)
    active = loud > max(top - _SPEECH_RANGE_DB, steady, -70.0)
    window = np.ones(min(2 * round(_RIDE_S * 50) + 1, len(loud)))
    count = np.convolve(active, window, "same")
    heard = count > 0.5
    total = np.convolve(np.where(active, loud, 0.0), window, "same")
    frames = np.arange(len(loud))
    mean = np.interp(frames, frames[heard], total[heard] / count[heard])
    gain = np.clip(LEVEL_DB - mean, _LEAST_GAIN_DB, _MOST_GAIN_DB)
    factor = 10 ** (gain / 20)
    curve = np.interp(np.arange(len(samples)), (frames + 0.5) * frame, factor)
    levelled: Audio = np.clip(samples * curve, -1, 1).astype(np.float32)
    return levelled


def sounding(samples: Audio) -> NDArray[np.bool_]:
    """Which frames of FRAME_S sound, in levelled speech; closures inside words are bridged."""
    loud = decibels(samples, round(FRAME_S * MODEL_RATE))
    if not len(loud):
        return np.zeros(0, dtype=np.bool_)
    active = loud > np.clip(np.percentile(loud, 5) + _STANDS_OUT_DB, *ACTIVE_DB)
    edges = np.flatnonzero(np.diff(active.astype(np.int8)))
    for left, right in pairwise(edges):
        if active[left] and (right - left) * FRAME_S <= BRIDGE_S:
            active[left : right + 1] = True
    return active


def clips(speech: Sequence[Span], longest: float = _CLIP_S) -> list[Span]:
    """Pack stretches of speech into as few clips as there must be, cut at their longest pauses.

    A clip costs the recogniser the same whatever its length, so they are filled; where one is
    full it ends at the longest pause of its second half, which is where a sentence ends.
    """
    out: list[Span] = []
    first = 0
    while first < len(speech):
        last = first
        while last + 1 < len(speech) and speech[last + 1][1] - speech[first][0] <= longest:
            last += 1
        if last + 1 < len(speech):
            half = speech[first][0] + longest / 2
            cuts = [i for i in range(first, last + 1) if speech[i][1] >= half] or [last]
            last = max(cuts, key=lambda i: speech[i + 1][0] - speech[i][1])
        out.append((speech[first][0], speech[last][1]))
        first = last + 1
    return out


def stretches(
    path: Path, find_speech: Callable[[Audio], list[Span]], *, seconds: float = _STRETCH_S
) -> Iterator[Stretch]:
    """Go through a recording in stretches that never cut a phrase.

    A clip that reaches the end of a stretch may go on behind it, so it is left to the next one.

    Parameters
    ----------
    path
        A WAV of any rate.
    find_speech
        Voice activity detection: levelled 16 kHz samples to spans of speech.
    seconds
        How much is held in memory at a time.
    """
    total, offset = duration(path), 0.0
    while offset < total:
        samples = level(read_mono(path, offset, offset + seconds))
        speech = find_speech(samples)
        packed = clips(speech)
        end = min(offset + seconds, total)
        if end < total and len(packed) > 1 and offset + packed[-1][1] > end - 1.0:
            end = offset + packed[-1][0]
            speech = [span for span in speech if span[0] < packed[-1][0]]
            packed = packed[:-1]
        yield Stretch(offset, samples, tuple(packed), tuple(speech))
        offset = end
