"""Translated subtitles that somebody brings, matched to the segments they translate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onevoice import languages
from onevoice.pipeline.keeping import silenced
from onevoice.subtitles import Cue
from onevoice.types import Line, Segment

_BELONGS = 0.4
"""A cue and a segment belong together when they share this much of the shorter one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """Lines made from cues; ``silent`` are the ids of segments no cue speaks of."""

    lines: tuple[Line, ...]
    silent: tuple[str, ...]


def lines_from_cues(segments: Sequence[Segment], cues: Sequence[Cue]) -> Brought:
    """One line for each group of segments and cues that share their time.

    Subtitles are cut differently from speech: a cue may hold two sentences, and a sentence two
    cues. What is connected by shared time becomes one line over the speech it covers. A cue
    without speech under it keeps its own times; a segment without a cue keeps its sound.
    """
    spoken = [segment for segment in segments if not (segment.keep or silenced(segment))]
    groups = _connect(spoken, cues)
    lines: list[Line] = []
    silent: list[str] = []
    for number, (inside, texts) in enumerate(groups, start=1):
        text = languages.joined(cue.text for cue in texts)
        if not inside:
            first, last = texts[0], texts[-1]
            speaker = spoken[0].speaker if spoken else "S1"
            lines.append(
                Line(
                    id=f"c{number:04d}",
                    start=first.start,
                    end=last.end,
                    speaker=speaker,
                    source="",
                    text=text,
                )
            )
            continue
        silent.extend(segment.id for segment in inside if not text)
        lines.append(
            Line(
                id=inside[0].id,
                start=inside[0].start,
                end=inside[-1].end,
                speaker=inside[0].speaker,
                source=languages.joined(segment.text for segment in inside),
                text=text,
                keep=not text,
                on_screen=any(segment.on_screen for segment in inside),
            )
        )
    kept = [_kept(segment) for segment in segments if segment.keep or silenced(segment)]
    return Brought(
        lines=tuple(sorted([*lines, *kept], key=lambda line: (line.start, line.id))),
        silent=tuple(silent),
    )


def _kept(segment: Segment) -> Line:
    return Line(
        id=segment.id,
        start=segment.start,
        end=segment.end,
        speaker=segment.speaker,
        source=segment.text,
        text="",
        keep=segment.keep,
        on_screen=segment.on_screen,
    )


def _connect(
    segments: Sequence[Segment], cues: Sequence[Cue]
) -> list[tuple[list[Segment], list[Cue]]]:
    """Connected groups of the graph "shares its time with", in order of time."""
    parent = list(range(len(segments) + len(cues)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    for c, cue in enumerate(cues):
        for s, segment in enumerate(segments):
            shared = min(cue.end, segment.end) - max(cue.start, segment.start)
            shorter = min(cue.end - cue.start, segment.end - segment.start)
            if shared > 0 and shared >= _BELONGS * shorter:
                parent[root(len(segments) + c)] = root(s)
    groups: dict[int, tuple[list[Segment], list[Cue]]] = {}
    for s, segment in enumerate(segments):
        groups.setdefault(root(s), ([], []))[0].append(segment)
    for c, cue in enumerate(cues):
        groups.setdefault(root(len(segments) + c), ([], []))[1].append(cue)
    return list(groups.values())
