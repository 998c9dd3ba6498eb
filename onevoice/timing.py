"""Fit the spoken lines to the picture: one optimum for a whole language track.

Every line has a window (when its source was spoken) and a natural length (how long the voice
takes for the new text). :func:`fit` chooses start and length of all lines at once by one sparse
linear programme; ``docs/timing.md`` has it as formulas. All times are seconds.

The cost is a sum of convex piecewise linear penalties, three a line: on the start, on the end and
on the length. Each penalty is one :class:`_Penalty`, from which both the programme and
:func:`cost` are made, so that they cannot drift apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from onevoice.config import TimingSettings
from onevoice.errors import DoesNotFit, StageError
from onevoice.types import Placement

Array = NDArray[np.float64]

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
OVER_LIMIT = ((1.1, 100.0), (1.25, 200.0), (1.5, 300.0), (2.0, 400.0), (3.0, 500.0))
"""Beyond max_rate: up to this multiple of it, a second costs this much more. Rising steps make
the lines of a crowded stretch share the burden; past the last one the film has no room."""
TIE_BREAK = 1e-3
"""Each line's weights differ by up to this share, so that the optimum is unique."""
DECIMALS = 6
"""Of a result: a microsecond, far under one sample."""
INFEASIBLE = 2
"""Status of :func:`scipy.optimize.linprog`."""
RATE_NOISE = 1e-3
"""What rounding may do to the rate of the shortest lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The source time a line replaces; ``natural`` is its length at the voice's natural rate."""

    id: str
    start: float
    end: float
    speaker: str
    natural: float
    on_screen: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """``placements`` in the order of the windows' starts.

    ``too_fast`` are the lines above ``fast_rate``, ``over_limit`` those above ``max_rate``
    because the film has no room; ``cost`` is the objective, as :func:`cost` computes it.
    """

    placements: tuple[Placement, ...]
    too_fast: tuple[str, ...] = ()
    over_limit: tuple[str, ...] = ()
    cost: float = 0.0


def fit(windows: Sequence[Window], settings: TimingSettings, *, end: float) -> Fit:
    """Place all lines of a track at the least total cost.

    Parameters
    ----------
    windows
        In any order; the result does not depend on it.
    settings
        Rate bounds, gap and weights.
    end
        Length of the film: nothing is placed outside 0…end.

    Raises
    ------
    DoesNotFit
        When there is no room even at three times ``max_rate``.
    StageError
        For a window that is none: a time that is no number, a negative length, an id used twice;
        and should the solver give up.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, vstack

    lines = _ordered(windows)
    if not lines:
        return Fit(placements=())
    if not (math.isfinite(end) and end > 0):
        raise _does_not_fit(lines, end)
    p = _programme(lines, settings, end)
    start, length, stop = (p.columns(penalty) for penalty in p.penalties)
    before, after, apart = _separations(lines, settings)
    shape = (len(apart), len(lines))
    first = csr_array((np.ones(len(apart)), (np.arange(len(apart)), before)), shape)
    second = csr_array((np.ones(len(apart)), (np.arange(len(apart)), after)), shape)
    lead = (first - second) @ start
    room = p.start.anchor[after] - p.start.anchor[before]
    loose = apart < 0  # these may overlap, so their order needs a row of its own
    result = linprog(
        np.concatenate([slope for _, slope in p.pieces]),
        A_ub=vstack([lead + first @ length, lead[loose]], format="csr"),
        b_ub=np.concatenate([room - p.length.anchor[before] - apart, room[loose]]),
        A_eq=start + length - stop,
        b_eq=p.end.anchor - p.start.anchor - p.length.anchor,
        bounds=[(0.0, width) for widths, _ in p.pieces for width in widths],
        method="highs-ds",
    )
    if result.status == INFEASIBLE:
        raise _does_not_fit(lines, end)
    if result.x is None:
        raise StageError(
            f"the timing of {len(lines)} lines was not solved: {result.message}",
            hint="look for lines of extreme length in the project's lines",
        )
    starts = p.start.anchor + start @ result.x
    lengths = p.length.anchor + length @ result.x
    strict = zip(before[~loose], after[~loose], strict=True)
    placements = _placements(lines, starts, starts + lengths, strict)
    return Fit(
        placements=placements,
        too_fast=_faster(placements, settings.fast_rate),
        over_limit=_faster(placements, settings.max_rate),
        cost=p.cost(placements),
    )


def greedy(
    windows: Sequence[Window], settings: TimingSettings, *, end: float
) -> tuple[Placement, ...]:
    """Place line by line, as most tools do: the baseline to compare :func:`fit` with.

    A line starts with its window or when the line before has ended, and is spoken at the least
    rate, 1…max_rate, at which it ends before the next window. It may run past ``end``.
    """
    lines = _ordered(windows)
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


def cost(
    placements: Sequence[Placement],
    windows: Sequence[Window],
    settings: TimingSettings,
    *,
    end: float,
) -> float:
    """The objective of :func:`fit` for any placements of these windows, feasible or not."""
    return _programme(_ordered(windows), settings, end).cost(placements)


def needed_rate(window: Window, next_start: float, settings: TimingSettings) -> float:
    """The rate a line needs judged by itself; not limited to ``max_rate``.

    It depends on no other line's text: the line fills its window at min_rate (1 off screen) to
    preferred_rate, then runs on until the next window, and only then gets faster.
    """
    if window.natural <= 0:
        return 1.0
    own = window.end - window.start
    free = max(own, next_start - settings.gap - window.start)
    slowest = settings.min_rate if window.on_screen else 1.0
    fill = max(slowest, window.natural / own) if own > 0 else math.inf
    tight = window.natural / free if free > 0 else math.inf
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


@dataclass(frozen=True, slots=True)
class _Penalty:
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
            total += side[-1][1] * left
        return total


@dataclass(frozen=True, slots=True)
class _Programme:
    """The programme's columns: the pieces of the three penalties, one block of n after another."""

    lines: tuple[Window, ...]
    start: _Penalty
    length: _Penalty
    end: _Penalty

    @property
    def penalties(self) -> tuple[_Penalty, _Penalty, _Penalty]:
        return self.start, self.length, self.end

    @property
    def pieces(self) -> list[tuple[Array, Array]]:
        return [piece for penalty in self.penalties for piece in (*penalty.over, *penalty.under)]

    def columns(self, penalty: _Penalty) -> Any:
        """Sparse (n, columns) map from the columns to a penalty's deviations."""
        from scipy.sparse import eye_array, kron

        signs = [sign if own is penalty else 0 for own in self.penalties for sign in own.signs]
        return kron(np.array([signs], dtype=float), eye_array(len(self.lines)), format="csr")

    def cost(self, placements: Sequence[Placement]) -> float:
        by_line = {placement.line: placement for placement in placements}
        chosen = [by_line[line.id] for line in self.lines]
        start = np.array([placement.start for placement in chosen])
        length = np.array([placement.length for placement in chosen])
        values = zip(self.penalties, (start, length, start + length), strict=True)
        return float(sum(penalty.value(at).sum() for penalty, at in values))


def _programme(lines: Sequence[Window], settings: TimingSettings, end: float) -> _Programme:
    """The penalties of these windows; bounds of the programme are the widths of the pieces."""
    start = np.clip([line.start for line in lines], 0.0, end)
    stop = np.clip([line.end for line in lines], 0.0, end)
    natural = np.array([line.natural for line in lines])
    unbounded = np.full(len(lines), np.inf)
    screen = np.array([1.0 if line.on_screen else OFF_SCREEN for line in lines])
    screen_start, screen_end, even = (
        weight * _tie_break(lines, term)
        for weight, term in ((screen, "start"), (screen, "end"), (1.0, "rate"))
    )
    near = settings.start_weight * screen_start
    far = (settings.start_weight + settings.late_weight) * screen_start
    close = np.minimum(settings.tolerance, start)
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
    return _Programme(
        lines=tuple(lines),
        start=_Penalty(
            anchor=start,
            over=((np.full(len(lines), settings.tolerance), near), (unbounded, far)),
            under=((close, EARLY * near), (start - close, EARLY * far)),
        ),
        length=_Penalty(
            anchor=natural,
            over=((natural / settings.min_rate - natural, SLOW * even),),
            under=tuple(shorter),
        ),
        end=_Penalty(
            anchor=stop,
            over=((end - stop, settings.end_weight * screen_end),),
            under=((unbounded, SHORT * settings.end_weight * screen_end),),
        ),
    )


def _tie_break(lines: Sequence[Window], term: str) -> Array:
    """Factors just over 1, shape (n,), by the line's own id: edits elsewhere do not alter them."""
    marks = [crc32(f"{term} {line.id}".encode()) / 2**32 for line in lines]
    return 1.0 + TIE_BREAK * np.array(marks)


def _ordered(windows: Sequence[Window]) -> list[Window]:
    seen: set[str] = set()
    for window in windows:
        times = (window.start, window.end, window.natural)
        if not all(map(math.isfinite, times)) or window.end < window.start or window.natural < 0:
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


def _separations(
    lines: Sequence[Window], settings: TimingSettings
) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Pairs (before, after) of lines and the least time from one's end to the other's start.

    A negative time is an overlap, which only different speakers may have, and only as far as the
    source had it. After the first line that waits for this one, order takes care of the rest.
    """
    before, after, apart = [], [], []
    for i, line in enumerate(lines):
        for j in range(i + 1, len(lines)):
            least = min(settings.gap, lines[j].start - line.end)
            if lines[j].speaker == line.speaker:
                least = max(least, 0.0)
            before.append(i)
            after.append(j)
            apart.append(least)
            if least >= 0:
                break
    return np.array(before, np.intp), np.array(after, np.intp), np.array(apart, float)


def _placements(
    lines: Sequence[Window],
    starts: Array,
    ends: Array,
    strict: Iterable[tuple[int, int]],
) -> tuple[Placement, ...]:
    """Round off the solver's noise, keeping ``strict`` pairs (before, after) from overlapping."""
    starts = np.maximum(starts, 0.0).round(DECIMALS)
    ends = np.maximum(ends.round(DECIMALS), starts)
    for i, j in strict:
        starts[j] = max(starts[j], ends[i])
        ends[j] = max(ends[j], starts[j])
    return tuple(
        Placement(
            line=line.id, start=float(start), length=float(stop - start), natural=line.natural
        )
        for line, start, stop in zip(lines, starts, ends, strict=True)
    )


def _faster(placements: Sequence[Placement], rate: float) -> tuple[str, ...]:
    return tuple(p.line for p in placements if p.rate > rate + RATE_NOISE)


def _does_not_fit(lines: Sequence[Window], end: float) -> DoesNotFit:
    natural = sum(line.natural for line in lines)
    return DoesNotFit(
        f"{len(lines)} lines hold {natural:.1f} s of speech, the film lasts {end:.1f} s",
        hint="shorten the lines, or keep the original sound of some of them",
    )
