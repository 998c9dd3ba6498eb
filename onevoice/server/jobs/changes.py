"""How much of a dub was changed: what a re-dub is charged by.

Delivered lines are compared with delivered lines, not with what happened to be in a cache: the
answer is the same on a worker that has everything and on one that has nothing.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence

from onevoice.server.jobs.orders import SpokenLine

_MOVED = 0.01
"""Times closer than this, in seconds, are the same: they are kept in milliseconds."""


def changed_seconds(previous: Sequence[SpokenLine], now: Sequence[SpokenLine]) -> int:
    """Seconds of video whose lines are not what they were, rounded up.

    A line counts with its whole window when its text, voice or times changed, when the original
    sound came back or went, and when it is new. Time that several changed lines share counts
    once. What is gone without a successor, and what stays silent or original, costs nothing.
    """
    before = {line.id: line for line in previous}
    return math.ceil(round(_union(_windows(before, now)), 3))


def _windows(before: dict[str, SpokenLine], now: Sequence[SpokenLine]) -> list[tuple[float, float]]:
    return [
        (line.start, line.end) for line in now if line.end > line.start and _differs(before, line)
    ]


def _differs(before: dict[str, SpokenLine], line: SpokenLine) -> bool:
    old = before.get(line.id)
    if old is None:
        return _is_dubbed(line)
    if not (_is_dubbed(old) or _is_dubbed(line)):
        return False
    return (
        _is_dubbed(old) != _is_dubbed(line)
        or _plain(old.text) != _plain(line.text)
        or old.voice != line.voice
        or abs(old.start - line.start) > _MOVED
        or abs(old.end - line.end) > _MOVED
    )


def _is_dubbed(line: SpokenLine) -> bool:
    return not line.keep and bool(line.text.strip())


def _plain(text: str) -> str:
    """What is spoken the same is the same, however it is written down."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _union(windows: Iterable[tuple[float, float]]) -> float:
    total, reached = 0.0, -math.inf
    for start, end in sorted(windows):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
