"""How high a speaker's voice is: the median fundamental, which chooses the voice of the dub.

YIN: de Cheveigné and Kawahara, "YIN, a fundamental frequency estimator for speech and music",
JASA 2002, steps 2 to 5, over frames of 64 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onevoice.engines.base import Audio
from onevoice.engines.speech import MODEL_RATE, read_mono
from onevoice.types import Speaker, Turn

LOWEST_HZ, HIGHEST_HZ = 65.0, 400.0
LISTEN_S = 20.0
"""Seconds of each speaker that are listened to, taken from all over the recording."""

_FRAME, _HOP = 1024, 256
_BATCH = 1000
"""Frames at once: 16 s at the usual hop take 60 MB."""
_APERIODIC = 0.15
_QUIET_DB = 25.0
_FEWEST = 10
_PIECE_S = 4.0


def speaker_seconds(turns: Sequence[Turn]) -> dict[str, float]:
    """How long each speaker speaks, in order of first appearance."""
    seconds: dict[str, float] = {}
    for turn in turns:
        seconds[turn.speaker] = seconds.get(turn.speaker, 0.0) + turn.end - turn.start
    return seconds


def speaker_pitch(audio: Path, turns: Sequence[Turn]) -> dict[str, float | None]:
    """Median fundamental of each speaker in Hz; None where too little voiced sound was found."""
    return {name: _median_pitch(audio, name, turns) for name in speaker_seconds(turns)}


def measured_speakers(audio: Path, turns: Sequence[Turn]) -> tuple[Speaker, ...]:
    """The people of a recording with their pitch and how long they speak."""
    pitch = speaker_pitch(audio, turns)
    return tuple(
        Speaker(id=name, pitch_hz=pitch[name], seconds=round(seconds, 3))
        for name, seconds in speaker_seconds(turns).items()
    )


def fundamentals(samples: Audio) -> NDArray[np.float64]:
    """Fundamental of every clearly voiced frame: :func:`contour` without its gaps."""
    pitch = contour(samples)
    return pitch[np.isfinite(pitch)]


def contour(
    samples: Audio, *, hop: float = _HOP / MODEL_RATE, highest: float = HIGHEST_HZ
) -> NDArray[np.float64]:
    """Fundamental by time.

    Parameters
    ----------
    samples
        Mono at 16 kHz, shape ``(n,)``.
    hop
        Seconds from one frame to the next.
    highest
        Highest fundamental in Hz.

    Returns
    -------
    array
        Hz, between LOWEST_HZ and ``highest``; NaN for frames that are quiet or not periodic.
    """
    if len(samples) < 2 * _FRAME:
        return np.empty(0)
    frames = np.lib.stride_tricks.sliding_window_view(samples, 2 * _FRAME)
    frames = frames[:: round(hop * MODEL_RATE)]
    frames = frames - frames.mean(axis=1, keepdims=True)
    power = np.mean(np.square(frames, dtype=np.float64), axis=1)
    loud = 10 * np.log10(power + 1e-12)
    heard = np.flatnonzero((loud > loud.max() - _QUIET_DB) & (loud > -65))
    pitch = np.full(len(frames), np.nan)
    shortest, longest = int(MODEL_RATE / highest), int(MODEL_RATE / LOWEST_HZ) + 1
    for batch in np.array_split(heard, -(-len(heard) // _BATCH) or 1):
        measure = _normalised_difference(frames[batch].astype(np.float64), longest + 1)
        for at, row in zip(batch, measure, strict=True):
            period = _period(row, shortest, longest)
            pitch[at] = MODEL_RATE / period if period else np.nan
    return pitch


def _normalised_difference(frames: NDArray[np.float64], lags: int) -> NDArray[np.float64]:
    """YIN's cumulative mean normalised difference, shape ``(frames, lags)``."""
    size = 4 * _FRAME
    head = np.fft.rfft(frames[:, :_FRAME], size)
    whole = np.fft.rfft(frames, size)
    correlation = np.fft.irfft(np.conj(head) * whole, size)[:, :lags]
    squares = np.concatenate([np.zeros((len(frames), 1)), np.cumsum(frames**2, axis=1)], axis=1)
    energy = squares[:, _FRAME : _FRAME + lags] - squares[:, :lags]
    difference = np.maximum(energy[:, :1] + energy - 2 * correlation, 0)
    running = np.cumsum(difference[:, 1:], axis=1) / np.arange(1, lags)
    out = np.ones_like(difference)
    out[:, 1:] = difference[:, 1:] / np.maximum(running, 1e-12)
    normalised: NDArray[np.float64] = out
    return normalised


def _period(row: NDArray[np.float64], shortest: int, longest: int) -> float | None:
    """The first lag that is a clear dip, refined by a parabola; None for a frame without one."""
    under = np.flatnonzero(row[shortest:longest] < _APERIODIC)
    if not len(under):
        return None
    lag = shortest + int(under[0])
    while lag + 1 < longest and row[lag + 1] < row[lag]:
        lag += 1
    left, middle, right = row[lag - 1 : lag + 2]
    bend = left - 2 * middle + right
    return lag + (0.5 * (left - right) / bend if bend > 0 else 0.0)


def _median_pitch(audio: Path, speaker: str, turns: Sequence[Turn]) -> float | None:
    own = [t for t in turns if t.speaker == speaker]
    # Long turns are cleaner than interjections; a few pieces of each keep the sample mixed.
    pieces = [
        (start, min(start + _PIECE_S, turn.end))
        for turn in own
        for start in np.arange(turn.start, turn.end, _PIECE_S)
    ]
    budget, chosen = LISTEN_S, []
    longest = sorted(pieces, key=lambda piece: piece[0] - piece[1])
    full = [p for p in longest if p[1] - p[0] >= _PIECE_S / 2] or longest
    step = max(1, int(len(full) * _PIECE_S / LISTEN_S))
    for start, end in sorted(full)[::step]:
        if budget <= 0:
            break
        chosen.append((float(start), float(min(end, start + budget))))
        budget -= end - start
    found = [fundamentals(read_mono(audio, start, end)) for start, end in chosen]
    voiced = np.concatenate(found) if found else np.empty(0)
    return round(float(np.median(voiced)), 1) if len(voiced) >= _FEWEST else None
