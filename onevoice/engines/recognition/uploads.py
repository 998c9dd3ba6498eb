"""From a recording of any length to uploads that a hosted recogniser takes.

The recording is cut where nobody speaks, speech is brought to a steady loudness, and each piece
becomes a FLAC of 16 kHz mono in memory. Only the times of the pieces are kept; the sound is read
again when its turn comes, so that memory does not grow with the length of the recording.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from onevoice.engines.base import Audio
from onevoice.engines.recognition.listening import (
    FRAME_S,
    Span,
    clips,
    decibels,
    level,
    sounding,
    stretches,
)
from onevoice.engines.recognition.wording import snap, within_speech
from onevoice.engines.speech import MODEL_RATE, read_mono
from onevoice.types import Word

MINUTES = 10.0
"""Longest piece by default."""
_SHARE_OF_LIMIT = 0.98
"""FLAC of incompressible sound is as large as the samples, and a little."""
_BYTES_PER_S = 2 * MODEL_RATE

_BLOCK_S = 60.0
_ENCODING = Lock()
"""One at a time: minutes of sound as numbers take hundreds of megabytes, as FLAC ten."""

PHRASE_PAUSE_S = 1.0
"""A pause of this length, between spans of speech that are padded, is where a phrase ends."""

_SHORT_PAUSE_S, _SHORTEST_S, _PAD_S, _LONGEST_S = 0.3, 0.1, 0.2, 28.0
"""Of the fallback's speech detection: the same figures as Silero is asked for."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a recording to upload, and where in it somebody speaks; recording's seconds."""

    start: float
    end: float
    speech: tuple[Span, ...]

    @property
    def duration(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True, eq=False)
class Upload:
    """A passage as it is sent. ``active``: which frames of FRAME_S sound, from its start on."""

    passage: Passage
    flac: bytes
    active: NDArray[np.bool_]


def passages(
    path: Path,
    *,
    minutes: float = MINUTES,
    limit_bytes: int | None = None,
    detect: Callable[[Audio], list[Span]] | None = None,
) -> Iterator[Passage]:
    """Cut a recording at its pauses; what has no speech in it is left out.

    Parameters
    ----------
    path
        A WAV of any rate and number of channels.
    minutes
        Longest passage.
    limit_bytes
        Largest upload that is taken; passages are kept so short that any sound fits.
    detect
        Voice activity detection: levelled 16 kHz samples to spans of speech;
        :func:`find_speech` when None.

    Raises
    ------
    MediaNotFound, MediaUnreadable
        The file is not there, or no WAV.
    """
    seconds = minutes * 60
    if limit_bytes is not None:
        seconds = min(seconds, limit_bytes * _SHARE_OF_LIMIT / _BYTES_PER_S)
    for stretch in stretches(path, detect or find_speech, seconds=seconds):
        if stretch.speech:
            speech = tuple((a + stretch.offset, b + stretch.offset) for a, b in stretch.speech)
            yield Passage(speech[0][0], speech[-1][1], speech)


def phrases(path: Path, passage: Passage, *, seconds: float) -> Iterator[Passage]:
    """Cut a passage into clips of up to ``seconds``, at its longest pauses.

    No clip goes over a pause of PHRASE_PAUSE_S. Speech that goes on for longer than a clip is cut
    where it is quietest.
    """
    spans = [piece for span in passage.speech for piece in _shorter(path, span, seconds)]
    edges = [i for i in range(1, len(spans)) if spans[i][0] - spans[i - 1][1] >= PHRASE_PAUSE_S]
    for first, last in pairwise([0, *edges, len(spans)]):
        run = spans[first:last]
        for start, end in clips(run, seconds):
            yield Passage(start, end, tuple(s for s in run if start <= s[0] and s[1] <= end))


def encode(path: Path, passage: Passage) -> Upload:
    """Read a passage again and make it ready: levelled, 16 kHz, mono, FLAC of 16 bits."""
    import soundfile

    target = io.BytesIO()
    with _ENCODING:
        edges = [*np.arange(passage.start, passage.end, _BLOCK_S), passage.end]
        blocks = [read_mono(path, float(a), float(b)) for a, b in pairwise(edges)]
        samples = level(np.concatenate(blocks))
        soundfile.write(target, samples, MODEL_RATE, format="FLAC", subtype="PCM_16")
        return Upload(passage, target.getvalue(), sounding(samples))


def data_url(path: Path, span: Span) -> str:
    """A section of a recording as services take samples of voices: FLAC in a data URL."""
    flac = encode(path, Passage(*span, (span,))).flac
    return f"data:audio/flac;base64,{base64.b64encode(flac).decode()}"


def in_place(upload: Upload, words: Sequence[Word]) -> list[Word]:
    """Words timed from the upload's start, moved to the recording's time and checked there.

    What lies where nobody speaks is dropped, and edges in silence move to the sound.
    """
    start = upload.passage.start
    moved = [replace(w, start=w.start + start, end=w.end + start) for w in words]
    heard = within_speech(sorted(moved, key=lambda w: w.start), upload.passage.speech)
    return snap(heard, upload.active, start)


def shortened(passage: Passage, seconds: float) -> Passage:
    """The beginning of a passage, up to the last pause before ``seconds``."""
    if passage.duration <= seconds:
        return passage
    limit = passage.start + seconds
    kept = [span for span in passage.speech if span[1] <= limit]
    kept = kept or [(passage.speech[0][0], min(passage.speech[0][1], limit))]
    return Passage(passage.start, kept[-1][1], tuple(kept))


def detector() -> str:
    """Which voice activity detection works here: it decides what is sent, so it is identity."""
    return "silero" if find_spec("faster_whisper") is not None else "energy"


def find_speech(samples: Audio) -> list[Span]:
    """Where somebody speaks: by Silero where faster-whisper is installed, else by loudness."""
    if detector() == "silero":
        from onevoice.engines.recognition.whisper import _find_speech

        return _find_speech(samples)
    return sounding_spans(samples)


def sounding_spans(samples: Audio) -> list[Span]:
    """Where levelled sound stands out: runs without a pause of 0.3 s, padded by 0.2 s.

    It takes music for speech; separated speech has none. Runs of more than 28 s are cut where
    they are quietest.
    """
    active = sounding(samples)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    runs: list[Span] = []
    for first, last in zip(edges[::2] * FRAME_S, edges[1::2] * FRAME_S, strict=True):
        if runs and first - runs[-1][1] < _SHORT_PAUSE_S:
            runs[-1] = (runs[-1][0], float(last))
        else:
            runs.append((float(first), float(last)))
    runs = [run for run in runs if run[1] - run[0] >= _SHORTEST_S]
    padded = _padded(runs, len(active) * FRAME_S)
    return [piece for run in padded for piece in _cut(samples, run, _LONGEST_S)]


def _padded(runs: Sequence[Span], total: float) -> list[Span]:
    """Each run with some of the pauses around it, and never more than half of one."""
    ends = [-_PAD_S, *(end for _, end in runs)]
    starts = [*(start for start, _ in runs), total + _PAD_S]
    out: list[Span] = []
    for i, (start, end) in enumerate(runs):
        lead = min(_PAD_S, (start - ends[i]) / 2) if i else min(_PAD_S, start)
        tail = min(_PAD_S, (starts[i + 1] - end) / 2) if i + 1 < len(runs) else _PAD_S
        out.append((start - lead, min(end + tail, total)))
    return out


def _shorter(path: Path, span: Span, longest: float) -> list[Span]:
    """A span of a recording, cut where it is quietest until no piece is longer."""
    start, end = span
    if end - start <= longest:
        return [span]
    pieces = _cut(read_mono(path, start, end), (0.0, end - start), longest)
    # The outer edges are the span's own to the last bit: they are compared.
    inner = [start + b for _, b in pieces[:-1]]
    return list(pairwise([start, *inner, end]))


def _cut(samples: Audio, run: Span, longest: float) -> list[Span]:
    pieces: list[Span] = []
    start, end = run
    while end - start > longest:
        low, high = (round((start + t) * MODEL_RATE) for t in (longest / 2, longest))
        frame = round(FRAME_S * MODEL_RATE)
        loud = decibels(samples[low:high], frame)
        smooth = np.convolve(loud, np.ones(10) / 10, "same")
        at = low / MODEL_RATE + (int(smooth.argmin()) + 0.5) * FRAME_S
        pieces.append((start, at))
        start = at
    return [*pieces, (start, end)]
