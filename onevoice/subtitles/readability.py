"""How well cues can be read, measured against the house style of their language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from onevoice.subtitles.cue import Cue, columns
from onevoice.subtitles.house import LINES, LONGEST, House, house

_LEAST = 5 / 6
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A cue (counted from 1) that breaks a rule: what was measured, and what is allowed.

    ``code`` is one of ``too_fast`` (characters a second), ``too_short``, ``too_long``,
    ``overlap``, ``gap`` (seconds), ``line_too_wide`` (columns) and ``too_many_lines``.
    """

    cue: int
    start: float
    code: str
    value: float
    limit: float


def reading_speed(cue: Cue, language: str) -> float:
    """Characters a second, as the house style counts them; infinite for a cue without a length."""
    characters = columns(cue.text) / (2 if house(language).full_width else 1)
    seconds = cue.end - cue.start
    return characters / seconds if seconds > 0 else float("inf")


def check(cues: Iterable[Cue], language: str) -> list[Finding]:
    """What breaks the house style, in order of the cues as they stand."""
    listed = list(cues)
    style = house(language)
    return [
        Finding(cue=number, start=cue.start, code=code, value=round(value, 3), limit=limit)
        for number, (cue, follow) in enumerate(zip_longest(listed, listed[1:]), start=1)
        for code, value, limit in _broken(cue, follow, style, language)
    ]


def _broken(
    cue: Cue, follow: Cue | None, style: House, language: str
) -> Iterator[tuple[str, float, float]]:
    seconds, speed = cue.end - cue.start, reading_speed(cue, language)
    lines: Sequence[str] = cue.text.split("\n")
    widest = max(map(columns, lines))
    if speed > style.fastest + _ROUNDING:
        yield "too_fast", speed, style.fastest
    if seconds < _LEAST - _ROUNDING:
        yield "too_short", seconds, round(_LEAST, 3)
    if seconds > LONGEST + _ROUNDING:
        yield "too_long", seconds, LONGEST
    if widest > style.columns:
        yield "line_too_wide", widest, style.columns
    if len(lines) > LINES:
        yield "too_many_lines", len(lines), LINES
    if follow is None:
        return
    gap = follow.start - cue.end
    if gap < -_ROUNDING:
        yield "overlap", -gap, 0.0
    elif gap < 2 / 24 - _ROUNDING:
        yield "gap", gap, round(2 / 24, 3)
