"""The rules that run here: OneVoice's, and one peer's that cannot be installed."""

from __future__ import annotations

import time

from onevoice.config import TimingSettings
from onevoice.timing import fit
from timelines.making import Timeline
from timelines.measures import Placed

FASTEST = 100.0


def pyvideotrans(timeline: Timeline) -> list[Placed]:
    """pyvideotrans as its documentation gives it, written down by us: it is no package.

    A line starts with its subtitle and is sped up, to 100 times at most, until it ends before
    the next one begins. Its other means, slowing the picture down, alters the film.
    """
    placed = []
    starts = [window.start for window in timeline.windows]
    for window, until in zip(timeline.windows, [*starts[1:], timeline.end], strict=True):
        slot = max(until - window.start, 1e-3)
        rate = min(max(1.0, window.natural / slot), FASTEST)
        placed.append(Placed(start=window.start, length=window.natural / rate, rate=rate))
    return placed


def onevoice(timeline: Timeline, settings: TimingSettings) -> tuple[list[Placed], float]:
    """The global fit, and the processor seconds it took."""
    began = time.process_time()
    placements = fit(timeline.windows, settings, end=timeline.end).placements
    took = time.process_time() - began
    return [Placed(start=p.start, length=p.length, rate=p.rate) for p in placements], took
