"""A line judged by itself: the rate it needs, the text there is time for, and the usual rule."""

from __future__ import annotations

import math
from collections.abc import Sequence

from onevoice.config import TimingSettings
from onevoice.timing.windows import LULL, Window, ordered
from onevoice.types import Placement


def greedy(
    windows: Sequence[Window], settings: TimingSettings, *, end: float
) -> tuple[Placement, ...]:
    """Place line by line, as most tools do: the baseline to compare the optimum with.

    A line starts with its window or when the line before has ended, and is spoken at the least
    rate, 1…max_rate, at which it ends before the next window. It may run past ``end``.
    """
    lines = ordered(windows)
    placed: list[Placement] = []
    free = 0.0
    for i, line in enumerate(lines):
        start = max(line.start, free, 0.0)
        until = lines[i + 1].start - settings.gap if i + 1 < len(lines) else end
        slot = max(until - start, 1e-3)
        rate = min(max(line.natural / slot, 1.0), settings.max_rate)
        length = line.natural / rate
        placed.append(Placement(line=line.id, start=start, length=length, natural=line.natural))
        free = start + length + settings.gap
    return tuple(placed)


def needed_rate(window: Window, next_start: float, settings: TimingSettings) -> float:
    """The rate a line needs judged by itself; not limited to ``max_rate``.

    It depends on no other line's text: the line fills its window (off screen all but LULL of it)
    at min_rate to preferred_rate, then runs on until the next window or the cut, and only then
    gets faster.
    """
    if window.natural <= 0:
        return 1.0
    own = window.end - window.start
    free = min(next_start - settings.gap, window.latest_end) - window.start
    room = max(own, free)
    filled = own if window.on_screen else min(own, max(window.natural, own - LULL))
    fill = max(settings.min_rate, window.natural / filled) if filled > 0 else math.inf
    tight = window.natural / room if room > 0 else math.inf
    return max(min(fill, settings.preferred_rate), tight)


def budget_characters(
    natural: float, characters: int, span: float, settings: TimingSettings
) -> int:
    """The longest text, in characters, that can be said in ``span`` at the preferred rate.

    ``natural`` is how long the present text of ``characters`` takes. At least 1; a text that
    takes no time gives no measure and keeps its length.
    """
    if natural <= 0 or characters <= 0:
        return max(1, characters)
    return max(1, math.floor(characters * span * settings.preferred_rate / natural))
