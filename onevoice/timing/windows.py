"""What is to be placed, in which order, and how far apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onevoice.config import TimingSettings
from onevoice.errors import StageError

Array = NDArray[np.float64]

LULL = 1.0
"""Seconds: off screen a line may end this much early before that weighs as on screen. It passes for
a pause; more of a silence is heard as a hole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The source time a line replaces; ``natural`` is its length at the voice's natural rate.

    ``latest_end`` is when another speaker's shot begins, which the line should not run into. A
    line that did so in the source may end with its window.
    """

    id: str
    start: float
    end: float
    speaker: str
    natural: float
    on_screen: bool = True
    latest_end: float = math.inf

    @property
    def limit(self) -> float:
        return max(self.latest_end, self.end)


@dataclass(frozen=True, slots=True)
class Separations:
    """Pairs of lines by their numbers, and the seconds from one's end to the other's start.

    ``least`` always holds. It is negative where the lines may overlap, which only different
    speakers may, and only as far as the source had it. ``wanted`` is the breath that the source
    had there: what is missing of it costs.
    """

    before: NDArray[np.intp]
    after: NDArray[np.intp]
    least: Array
    wanted: Array

    def __len__(self) -> int:
        return len(self.least)


def ordered(windows: Sequence[Window]) -> list[Window]:
    """The windows in the order of their starts.

    Raises
    ------
    StageError
        For a time that is no number, a negative length, an id used twice.
    """
    seen: set[str] = set()
    for window in windows:
        times = (window.start, window.end, window.natural)
        backward = window.end < window.start or window.natural < 0
        if not all(map(math.isfinite, times)) or backward or math.isnan(window.latest_end):
            raise StageError(
                f"line {window.id} cannot be placed: window {window.start} to {window.end} s, "
                f"{window.natural} s of speech",
                hint="correct its start and end in the project's lines",
            )
        if window.id in seen:
            raise StageError(
                f"two lines are called {window.id}", hint="give each line an id of its own"
            )
        seen.add(window.id)
    return sorted(windows, key=lambda window: (window.start, window.end, window.id))


def separations(lines: Sequence[Window], settings: TimingSettings) -> Separations:
    """Each line against those that follow it, up to the first one that waits for its end.

    After that one, order takes care of the rest.
    """
    before, after, least, wanted = [], [], [], []
    for i, line in enumerate(lines):
        for j in range(i + 1, len(lines)):
            silence = lines[j].start - line.end
            apart = min(settings.gap, silence)
            if lines[j].speaker == line.speaker:
                apart = max(apart, 0.0)
            before.append(i)
            after.append(j)
            least.append(apart)
            wanted.append(max(apart, min(settings.breath, silence)))
            if apart >= 0:
                break
    return Separations(
        np.array(before, np.intp),
        np.array(after, np.intp),
        np.array(least, float),
        np.array(wanted, float),
    )
