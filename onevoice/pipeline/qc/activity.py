"""Voice activity of a sound: when somebody speaks, to a hundredth of a second.

The detector of the recognisers (Silero where it is installed, else loudness) finds the speech,
with some silence around it. Its findings are drawn in to where the sound begins and ends, and
parted where it pauses: a measure of overlap must not count silence as speech.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onevoice.engines.recognition.listening import FRAME_S, sounding, stretches
from onevoice.engines.recognition.uploads import detector, find_speech
from onevoice.pipeline.qc.spans import Span, common, union

SHORTEST = 0.06
"""Seconds: shorter sounds are clicks."""
PAUSE = 0.3
"""Seconds: a shorter silence is part of the speech, as it is for the segmentation."""
VERSION = 1


def identity() -> dict[str, object]:
    """What decides the findings, for cache keys."""
    return {"detector": detector(), "version": VERSION}


def voice_activity(path: Path) -> list[Span]:
    """Spans of speech in a WAV, in order of time.

    Raises MediaNotFound, MediaUnreadable. Memory does not grow with the length of the file.
    """
    found: list[Span] = []
    for stretch in stretches(path, find_speech):
        spoken = drawn_in(stretch.speech, sounding(stretch.samples))
        found += [(start + stretch.offset, end + stretch.offset) for start, end in spoken]
    return union(found)


def drawn_in(speech: tuple[Span, ...], active: NDArray[np.bool_]) -> list[Span]:
    """Spans of speech without the silence at their ends, and without long pauses.

    ``active`` says of every frame of FRAME_S whether it sounds.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    sounds = [
        (float(first * FRAME_S), float(last * FRAME_S))
        for first, last in zip(edges[::2], edges[1::2], strict=True)
        if (last - first) * FRAME_S >= SHORTEST
    ]
    joined: list[Span] = []
    for start, end in common(sounds, speech):
        if joined and start - joined[-1][1] < PAUSE:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
