"""Who is on screen: what the picture shows, laid against what is said.

A line is on screen when a face is seen for at least half of it, large enough that its mouth shows.
That is the presence of a face, not the movement of lips: somebody who listens in close-up counts as
well. People may correct the marks in the project.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from onevoice.config import VisionSettings
from onevoice.types import Glance, Segment, Sight

NEAR = 0.5
"""A line between two glances is judged by those this close to it, in seconds."""
TOLERANCE = 0.2
"""How far a recognised start or end may be off the cut it belongs to, in seconds."""
NO_LIMIT = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """When somebody speaks, and whether they are seen."""

    start: float
    end: float
    speaker: str
    on_screen: bool


def marked(
    segments: Sequence[Segment], sight: Sight, settings: VisionSettings
) -> tuple[Segment, ...]:
    """The segments with their marks; where nobody looked, they stay as they are."""
    times = [glance.time for glance in sight.glances]
    seen = [_seen(segment, sight, times, settings) for segment in segments]
    return tuple(
        segment if mark is None else replace(segment, on_screen=mark)
        for segment, mark in zip(segments, seen, strict=True)
    )


def _seen(
    segment: Segment, sight: Sight, times: Sequence[float], settings: VisionSettings
) -> bool | None:
    glances = _during(segment, sight, times)
    if not glances:
        return None
    faces = sum(glance.face >= settings.min_face for glance in glances)
    return faces / len(glances) >= settings.min_share


def _during(segment: Segment, sight: Sight, times: Sequence[float]) -> Sequence[Glance]:
    """The glances inside a segment, or else those close to it in the same shot."""
    inside = sight.glances[bisect_left(times, segment.start) : bisect_right(times, segment.end)]
    if inside:
        return inside
    middle = (segment.start + segment.end) / 2
    shot = bisect_right(sight.cuts, middle)
    close = sight.glances[
        bisect_left(times, segment.start - NEAR) : bisect_right(times, segment.end + NEAR)
    ]
    return [glance for glance in close if bisect_right(sight.cuts, glance.time) == shot]


def latest_ends(lines: Sequence[Said], cuts: Sequence[float]) -> tuple[float, ...]:
    """By when each line should have ended, so that it does not run into another speaker's shot.

    That is the cut to the shot in which the next line begins, where another speaker says it on
    screen and the line had ended by then in the source, too; otherwise there is no limit.

    ``lines`` in any order, ``cuts`` in order of time; the result is in the order of ``lines``.
    """
    order = sorted(range(len(lines)), key=lambda i: (lines[i].start, lines[i].end))
    limits = [NO_LIMIT] * len(lines)
    for i, j in pairwise(order):
        line, following = lines[i], lines[j]
        if following.speaker == line.speaker or not following.on_screen:
            continue
        before = bisect_right(cuts, following.start + TOLERANCE)
        if before and cuts[before - 1] >= line.end - TOLERANCE:
            limits[i] = max(cuts[before - 1], line.end)
    return tuple(limits)
