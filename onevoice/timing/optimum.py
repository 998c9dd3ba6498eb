"""The linear programme of a track, solved."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from onevoice.config import TimingSettings
from onevoice.errors import DoesNotFit, StageError
from onevoice.timing.programme import programme
from onevoice.timing.windows import Array, Window, ordered
from onevoice.types import Placement

DECIMALS = 6
"""Of a result: a microsecond, far under one sample."""
INFEASIBLE = 2
"""Status of :func:`scipy.optimize.linprog`."""
RATE_NOISE = 1e-3
"""What rounding may do to the rate of the shortest lines."""
CUT_NOISE = 1e-3
"""Seconds beyond a cut that nobody sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """``placements`` in the order of the windows' starts.

    ``too_fast`` are the lines above ``fast_rate``, ``over_limit`` those above ``max_rate``
    because the film has no room, ``over_cut`` those that run over a cut;
    ``cost`` is the objective, as :func:`cost` computes it.
    """

    placements: tuple[Placement, ...]
    too_fast: tuple[str, ...] = ()
    over_limit: tuple[str, ...] = ()
    over_cut: tuple[str, ...] = ()
    cost: float = 0.0


def fit(windows: Sequence[Window], settings: TimingSettings, *, end: float) -> Fit:
    """Place all lines of a track at the least total cost.

    Parameters
    ----------
    windows
        In any order; the result does not depend on it.
    settings
        Rate bounds, gaps and weights.
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
    from scipy.sparse import block_array, csr_array

    lines = ordered(windows)
    if not lines:
        return Fit(placements=())
    if not (math.isfinite(end) and end > 0):
        raise _does_not_fit(lines, end)
    p = programme(lines, settings, end)
    start, length, stop = (p.columns(penalty) for penalty in p.penalties)
    before, after, pairs = p.apart.before, p.apart.after, np.arange(len(p.apart))
    shape = (len(pairs), len(lines))
    first = csr_array((np.ones(len(pairs)), (pairs, before)), shape)
    second = csr_array((np.ones(len(pairs)), (pairs, after)), shape)
    lead = (first - second) @ start
    room = p.start.anchor[after] - p.start.anchor[before]
    loose = p.apart.least < 0  # these may overlap, so their order needs a row of its own
    ((missing, price),) = p.breath.under
    breathing = np.flatnonzero(missing > 0)
    held = csr_array(
        (-np.ones(len(breathing)), (breathing, np.arange(len(breathing)))),
        (len(pairs), len(breathing)),
    )
    result = linprog(
        np.concatenate([*(slope for _, slope in p.pieces), price[breathing]]),
        A_ub=block_array([[lead + first @ length, held], [lead[loose], None]], format="csr"),
        b_ub=np.concatenate([room - p.length.anchor[before] - p.apart.wanted, room[loose]]),
        A_eq=block_array(
            [[start + length - stop, csr_array((len(lines), len(breathing)))]], format="csr"
        ),
        b_eq=p.end.anchor - p.start.anchor - p.length.anchor,
        bounds=[
            *((0.0, width) for widths, _ in p.pieces for width in widths),
            *((0.0, width) for width in missing[breathing]),
        ],
        method="highs-ds",
    )
    if result.status == INFEASIBLE:
        raise _does_not_fit(lines, end)
    if result.x is None:
        raise StageError(
            f"the timing of {len(lines)} lines was not solved: {result.message}",
            hint="look for lines of extreme length in the project's lines",
        )
    found = result.x[: start.shape[1]]
    starts = p.start.anchor + start @ found
    lengths = p.length.anchor + length @ found
    strict = zip(before[~loose], after[~loose], strict=True)
    placements = _placements(lines, starts, starts + lengths, strict)
    return Fit(
        placements=placements,
        too_fast=_faster(placements, settings.fast_rate),
        over_limit=_faster(placements, settings.max_rate),
        over_cut=tuple(
            line.id
            for line, placed in zip(lines, placements, strict=True)
            if placed.end > line.limit + CUT_NOISE
        ),
        cost=p.cost(placements),
    )


def cost(
    placements: Sequence[Placement],
    windows: Sequence[Window],
    settings: TimingSettings,
    *,
    end: float,
) -> float:
    """The objective of :func:`fit` for any placements of these windows, feasible or not."""
    return programme(ordered(windows), settings, end).cost(placements)


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
