"""The cost of a track: convex piecewise linear penalties, from which the programme is made.

Three a line, on its start, its length and its end, and one a pair of neighbours, on the breath
between them. Both the columns of the linear programme and the cost of any placements
come from the same :class:`Penalty`, so that they cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np

from onevoice.config import TimingSettings
from onevoice.timing.windows import LULL, Array, Separations, Window, separations
from onevoice.types import Placement

OFF_SCREEN = 0.5
"""What a deviation weighs when nobody sees the mouth, against 1 on screen."""
EARLY = 0.8
"""What being early weighs against being late by as much."""
SHORT = 0.6
"""What ending before the window does weighs against ending after it."""
EASE = 0.1
"""Share of ``rate_weight`` for a second gained up to the preferred rate: next to nothing."""
SLOW = 0.4
"""Cost of a second filled by speaking slower than natural."""
BREATH = 1.0
"""Cost of a second of breath that is left out."""
CUT = 60.0
"""Cost of a second beyond ``latest_end``: dearer than any start or rate in bounds."""
OVER_LIMIT = ((1.1, 100.0), (1.25, 200.0), (1.5, 300.0), (2.0, 400.0), (3.0, 500.0))
"""Beyond max_rate: up to this multiple of it, a second costs this much more. Rising steps make
the lines of a crowded stretch share the burden; past the last one the film has no room."""
TIE_BREAK = 1e-3
"""Each line's weights differ by up to this share, so that the optimum is unique."""


@dataclass(frozen=True, slots=True)
class Penalty:
    """Convex piecewise linear costs of leaving ``anchor``, for n lines at once.

    ``over`` and ``under`` hold the pieces above and below the anchor, the nearest first: pairs of
    widths and slopes, each of shape (n,). Slopes rise outwards, so a programme that minimises
    fills the pieces in order.
    """

    anchor: Array
    over: tuple[tuple[Array, Array], ...]
    under: tuple[tuple[Array, Array], ...]

    @property
    def signs(self) -> list[int]:
        return [1] * len(self.over) + [-1] * len(self.under)

    def value(self, at: Array) -> Array:
        """Cost of the lines' values ``at``, shape (n,); the last piece goes on for ever."""
        total = np.zeros_like(self.anchor)
        for sign, side in ((1, self.over), (-1, self.under)):
            left = np.maximum(sign * (at - self.anchor), 0.0)
            for width, slope in side[:-1]:
                used = np.minimum(left, width)
                total += slope * used
                left = left - used
            if side:
                total += side[-1][1] * left
        return total


@dataclass(frozen=True, slots=True)
class Programme:
    """The programme's columns: the pieces of the three penalties, one block of n after another."""

    lines: tuple[Window, ...]
    apart: Separations
    start: Penalty
    length: Penalty
    end: Penalty
    breath: Penalty
    """Of the pairs in ``apart``."""

    @property
    def penalties(self) -> tuple[Penalty, Penalty, Penalty]:
        return self.start, self.length, self.end

    @property
    def pieces(self) -> list[tuple[Array, Array]]:
        return [piece for penalty in self.penalties for piece in (*penalty.over, *penalty.under)]

    def columns(self, penalty: Penalty) -> Any:
        """Sparse (n, columns) map from the columns to a penalty's deviations."""
        from scipy.sparse import eye_array, kron

        signs = [sign if own is penalty else 0 for own in self.penalties for sign in own.signs]
        return kron(np.array([signs], dtype=float), eye_array(len(self.lines)), format="csr")

    def cost(self, placements: Sequence[Placement]) -> float:
        """The objective for any placements of these lines, feasible or not."""
        by_line = {placement.line: placement for placement in placements}
        chosen = [by_line[line.id] for line in self.lines]
        start = np.array([placement.start for placement in chosen], dtype=float)
        length = np.array([placement.length for placement in chosen], dtype=float)
        silence = start[self.apart.after] - (start + length)[self.apart.before]
        values = zip(
            (*self.penalties, self.breath), (start, length, start + length, silence), strict=True
        )
        return float(sum(penalty.value(at).sum() for penalty, at in values))


def programme(lines: Sequence[Window], settings: TimingSettings, end: float) -> Programme:
    """The penalties of these windows; bounds of the programme are the widths of the pieces."""
    apart = separations(lines, settings)
    short = BREATH * _tie_break((lines[j].id for j in apart.after), "breath")
    return Programme(
        lines=tuple(lines),
        apart=apart,
        start=_start(lines, settings, end),
        length=_length(lines, settings),
        end=_end(lines, settings, end),
        breath=Penalty(apart.wanted, over=(), under=((apart.wanted - apart.least, short),)),
    )


def _start(lines: Sequence[Window], settings: TimingSettings, end: float) -> Penalty:
    anchor = np.clip([line.start for line in lines], 0.0, end)
    weight = _screen(lines) * _tie_break((line.id for line in lines), "start")
    tolerance = np.array(
        [settings.tolerance if line.on_screen else settings.off_screen_tolerance for line in lines]
    )
    near = settings.start_weight * weight
    far = (settings.start_weight + settings.late_weight) * weight
    close = np.minimum(tolerance, anchor)
    return Penalty(
        anchor,
        over=((tolerance, near), (np.full(len(lines), np.inf), far)),
        under=((close, EARLY * near), (anchor - close, EARLY * far)),
    )


def _length(lines: Sequence[Window], settings: TimingSettings) -> Penalty:
    natural = np.array([line.natural for line in lines], dtype=float)
    even = _tie_break((line.id for line in lines), "rate")
    dear = settings.rate_weight + settings.fast_weight
    steps = (
        (settings.preferred_rate, EASE * settings.rate_weight),
        (settings.fast_rate, settings.rate_weight),
        (settings.max_rate, dear),
        *((settings.max_rate * multiple, dear + more) for multiple, more in OVER_LIMIT),
    )
    shorter, rate = [], 1.0
    for faster, slope in steps:
        shorter.append((natural / rate - natural / faster, slope * even))
        rate = faster
    return Penalty(
        natural, over=((natural / settings.min_rate - natural, SLOW * even),), under=tuple(shorter)
    )


def _end(lines: Sequence[Window], settings: TimingSettings, end: float) -> Penalty:
    anchor = np.clip([line.end for line in lines], 0.0, end)
    latest = np.clip([line.limit for line in lines], 0.0, end)
    seen = settings.end_weight * _tie_break((line.id for line in lines), "end")
    slope = seen * _screen(lines)
    return Penalty(
        anchor,
        over=((latest - anchor, slope), (end - latest, slope + CUT)),
        under=(
            (np.full(len(lines), LULL), SHORT * slope),
            (np.full(len(lines), np.inf), SHORT * seen),
        ),
    )


def _screen(lines: Sequence[Window]) -> Array:
    return np.array([1.0 if line.on_screen else OFF_SCREEN for line in lines])


def _tie_break(ids: Iterable[str], term: str) -> Array:
    """Factors just over 1, shape (n,), by the line's own id: edits elsewhere do not alter them."""
    return 1.0 + TIE_BREAK * np.array([crc32(f"{term} {id_}".encode()) / 2**32 for id_ in ids])
