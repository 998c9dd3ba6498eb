"""What keeps its original sound: lines in other languages, marked songs, voices without words.

A separator takes every voice out of the music and effects, the laughing and the singing ones
too. Where the recogniser found no line for such a voice, the dub would have a hole. The rules
here look at recognised lines and at the level of the dialogue stem; what is sung is told in
:mod:`.singing`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from onevoice import languages
from onevoice.audio import Interval, Layout, merge_intervals, open_wav, wav_blocks
from onevoice.types import Segment

FRAME = 0.02
"""Seconds a value of the level curve stands for."""
OTHER = "other"
"""In ``keep.languages``: every language that is not the film's."""

BRIDGE = 0.3
"""Seconds of quiet inside a voice: between two bursts of laughter, two notes."""
LEAST = 0.4
"""Seconds: what is shorter is a breath or a click."""
TOUCH = 0.15
"""Seconds: what is this near to a line runs on from it …"""
TAIL = 1.0
"""… and up to this long is the line's own end that the recogniser's times cut off."""
PAD = 0.1
"""Seconds kept before and after a voice, where there is room: it fades in and out."""
SILENCE = -60.0
"""dBFS: nothing below is a voice, however quiet the dialogue."""

JOIN = 0.5
"""Seconds: between two kept stretches this near to each other the original goes on."""
CLEAR = 0.05
"""Seconds that a kept stretch stays away from dubbed speech: room for its crossfade."""
SHORTEST = 0.25
"""Seconds: what dubbed speech leaves of a kept stretch is dropped when it is shorter."""

SUNG = re.compile("[\u2669-\u266f\U0001f3b5\U0001f3b6\U0001f3bc]")
_NOTE = re.compile(r"\s*(?:\[[^\[\]]*\]|\([^()]*\)|（[^（）]*）|【[^【】]*】|\*[^*]+\*)\s*[.!?…]*")


# --- what the recogniser says ---------------------------------------------------------------


def mark_songs(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Keep lines that are written as sung (♪) or as the name of a sound (``[laughs]``)."""
    return tuple(
        replace(segment, keep=True, reason=reason) if reason else segment
        for segment in segments
        for reason in [_sound(segment.text)]
    )


def _sound(text: str) -> Literal["", "song", "sound"]:
    if SUNG.search(text):
        return "song"
    return "sound" if text.strip() and _NOTE.sub("", text) == "" else ""


def mark_languages(segments: Sequence[Segment], wanted: Sequence[str]) -> tuple[Segment, ...]:
    """Keep lines that are not in the film's language but in one of ``wanted``, or for OTHER all."""

    def rule(segment: Segment) -> bool:
        named = any(languages.same(segment.language, tag) for tag in wanted)
        return bool(segment.language) and not segment.keep and (named or OTHER in wanted)

    return tuple(
        replace(segment, keep=True, reason="language") if rule(segment) else segment
        for segment in segments
    )


# --- what the dialogue stem says ------------------------------------------------------------


def level_curve(stem: Path) -> NDArray[np.float32]:
    """RMS level of the dialogue channels in dBFS, a value for each FRAME; read block by block.

    Raises
    ------
    MediaNotFound, MediaUnreadable
    """
    with open_wav(stem) as wav:
        columns = Layout.of(stem, wav.samplerate).dialogue
        frame = round(wav.samplerate * FRAME)
        curve = [np.zeros(0)]
        for block in wav_blocks(wav, frame * 50):
            whole = len(block) // frame * frame
            power = np.square(block[:whole, columns], dtype=np.float64).mean(axis=1)
            curve.append(power.reshape(-1, frame).mean(axis=1))
    loud: NDArray[np.float32] = (10 * np.log10(np.concatenate(curve) + 1e-12)).astype(np.float32)
    return loud


def sounding(
    loud: NDArray[np.float32], segments: Sequence[Segment], *, under_db: float
) -> NDArray[np.bool_]:
    """Which frames of a level curve are at most ``under_db`` under the level of the lines."""
    spoken = loud[_covered(segments, len(loud))]
    if not len(spoken) or spoken.max() <= SILENCE:
        return np.zeros(len(loud), np.bool_)
    # Pauses inside lines are not their level.
    usual = float(np.median(spoken[spoken > max(float(np.percentile(spoken, 95)) - 30, SILENCE)]))
    active: NDArray[np.bool_] = loud > max(usual - under_db, SILENCE)
    return active


def voices_between(active: NDArray[np.bool_], segments: Sequence[Segment]) -> list[Interval]:
    """Where a voice sounds outside of every line, in seconds, by :func:`sounding`'s frames."""
    covered = _covered(segments, len(active))
    found = []
    for first, last in _runs(~covered):
        runs = [
            (first + a, first + b)
            for a, b in _bridged(_runs(active[first:last]), round(BRIDGE / FRAME))
        ]
        for begin, end in runs:
            before = first > 0 and (begin - first) * FRAME <= TOUCH
            after = last < len(active) and (last - end) * FRAME <= TOUCH
            if (end - begin) * FRAME < (TAIL if before or after else LEAST):
                continue
            pad = round(PAD / FRAME)
            found.append((max(begin - pad, first) * FRAME, min(end + pad, last) * FRAME))
    return [(round(start, 3), round(end, 3)) for start, end in merge_intervals(found)]


def widen_kept(segments: Sequence[Segment], active: NDArray[np.bool_]) -> tuple[Segment, ...]:
    """Move the edges of kept lines to where the sound stops: nobody's words are cut in two.

    An edge moves by at most TAIL, and never into another line.
    """
    lines = _covered(segments, len(active))
    most = round(TAIL / FRAME)

    def edge(frame: int, step: int) -> int:
        at = frame
        while (
            abs(at - frame) < most
            and 0 <= at + step < len(active)
            and active[at + step]
            and not lines[at + step]
        ):
            at += step
        return at

    widened = []
    for segment in segments:
        if not segment.keep or not len(active):
            widened.append(segment)
            continue
        first = min(int(segment.start / FRAME), len(active) - 1)
        last = min(int(segment.end / FRAME), len(active) - 1)
        begin, stop = edge(first, -1), edge(last, 1)
        lines[begin:stop] = True
        widened.append(
            replace(
                segment,
                start=min(segment.start, round(begin * FRAME, 3)),
                end=max(segment.end, round(stop * FRAME, 3)),
            )
        )
    return tuple(widened)


def with_voices(segments: Sequence[Segment], voices: Sequence[Interval]) -> tuple[Segment, ...]:
    """The lines and, as kept entries k0001, k0002, … without text, the voices between them."""

    def speaker(start: float, end: float) -> str:
        near = min(segments, key=lambda s: max(s.start - end, start - s.end))
        return near.speaker

    kept = [
        Segment(
            id=f"k{number:04d}",
            start=start,
            end=end,
            speaker=speaker(start, end),
            text="",
            keep=True,
            reason="voice",
        )
        for number, (start, end) in enumerate(voices, start=1)
    ]
    return tuple(sorted([*segments, *kept], key=lambda s: (s.start, s.id)))


def silenced(segment: Segment) -> bool:
    """Whether a person wants neither a voice between the lines nor a line in its place."""
    return segment.reason == "voice" and not segment.keep and not segment.text.strip()


def _covered(segments: Iterable[Segment], frames: int) -> NDArray[np.bool_]:
    covered = np.zeros(frames, np.bool_)
    for segment in segments:
        covered[int(segment.start / FRAME) : int(np.ceil(segment.end / FRAME))] = True
    return covered


def _runs(flags: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Begin and end of each run of True."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return ((int(a), int(b)) for a, b in edges.reshape(-1, 2))


def _bridged(runs: Iterable[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for begin, end in runs:
        if joined and begin - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return joined


# --- in the mix -----------------------------------------------------------------------------


def beside_speech(
    keep: Iterable[Interval], places: Iterable[Interval], windows: Sequence[Interval]
) -> list[Interval]:
    """Kept stretches, joined where they are near, without what dubbed speech needs.

    ``places`` is where dubbed lines sound: no crossfade to the original may cut them off.
    ``windows`` is where the lines sounded that they replace: nothing is joined over those.
    """
    taken = merge_intervals([(start - CLEAR, end + CLEAR) for start, end in places])
    kept = merge_intervals(keep)
    between = [(a[1], b[0]) for a, b in pairwise(kept) if b[0] - a[1] <= JOIN]
    calm = [
        (end, start)
        for end, start in between
        if not any(first < start and last > end for first, last in windows)
    ]
    left: list[Interval] = []
    for start, end in merge_intervals([*kept, *calm]):
        clock = start
        pieces = []
        for begin, stop in taken:
            if stop <= clock or begin >= end:
                continue
            pieces.append((clock, begin))
            clock = stop
        pieces.append((clock, end))
        left += [(a, b) for a, b in pieces if (a, b) == (start, end) or b - a >= SHORTEST]
    return [(a, b) for a, b in left if b > a]
