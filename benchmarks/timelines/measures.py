"""What is measured of a fitted timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from timelines.making import Timeline

FAST = 1.25
NOISE = 2e-3
"""Times are kept to the millisecond and tempos to four digits: no difference is seen below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a rule put a line: seconds of the film, its tempo, and what it cut off."""

    start: float
    length: float
    rate: float
    trimmed: float = 0.0

    @property
    def end(self) -> float:
        return self.start + self.length


@dataclass(slots=True, kw_only=True)
class Measures:
    """Of all timelines together; offsets and overlaps are one value a line."""

    iou: list[float] = field(default_factory=list)
    offset: list[float] = field(default_factory=list)
    fast: int = 0
    trimmed: float = 0.0
    overlapped: float = 0.0
    holes: int = 0
    seconds: float = 0.0

    def add(self, timeline: Timeline, placed: Sequence[Placed], seconds: float) -> None:
        """Count a timeline in; ``placed`` in the order of its windows, ``seconds`` of processor."""
        self.seconds += seconds
        for window, line in zip(timeline.windows, placed, strict=True):
            both = max(0.0, min(window.end, line.end) - max(window.start, line.start))
            self.iou.append(both / ((window.end - window.start) + line.length - both))
            self.offset.append(abs(line.start - window.start))
            self.fast += line.rate > FAST + NOISE
            self.trimmed += line.trimmed
        self.overlapped += _overlapped(timeline, placed)
        self.holes += _holes(timeline, placed)

    def columns(self) -> dict[str, float]:
        """The table's figures, all but the first the less the better."""
        lines = len(self.iou)
        return {
            "overlap (IoU)": float(np.mean(self.iou)),
            "start offset p50 s": float(np.quantile(self.offset, 0.5)),
            "start offset p95 s": float(np.quantile(self.offset, 0.95)),
            "over 1.25x %": 100 * self.fast / lines,
            "trimmed s": self.trimmed,
            "overlapped s": self.overlapped,
            "holes": self.holes,
            "solve, CPU ms a line": 1000 * self.seconds / lines,
        }


def _overlapped(timeline: Timeline, placed: Sequence[Placed]) -> float:
    """Seconds in which two lines sound at once, beyond what their windows did."""
    total = 0.0
    for i, (early, line) in enumerate(zip(timeline.windows, placed, strict=True)):
        for late, other in zip(timeline.windows[i + 1 :], placed[i + 1 :], strict=True):
            source = max(0.0, min(early.end, late.end) - late.start)
            both = min(line.end, other.end) - max(line.start, other.start)
            if both > source + NOISE:
                total += both - source
            if other.start > line.end + 30:
                break
    return total


def _holes(timeline: Timeline, placed: Sequence[Placed]) -> int:
    """Windows of which less than half has dubbed speech of anybody."""
    spans = sorted((line.start, line.end) for line in placed)
    holes = 0
    for window in timeline.windows:
        covered, reached = 0.0, window.start
        for start, end in spans:
            if end > reached and start < window.end:
                covered += max(0.0, min(end, window.end) - max(start, reached))
                reached = max(reached, end)
        holes += covered < 0.5 * (window.end - window.start)
    return holes
