"""Sets of time: spans of seconds, what two of them share, and what one lacks of another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from onevoice.audio import merge_intervals

Span = tuple[float, float]


def union(*sets: Iterable[Span]) -> list[Span]:
    """All of the sets as one: in order of time, none touching another."""
    return merge_intervals(span for spans in sets for span in spans)


def length(spans: Iterable[Span]) -> float:
    """Seconds covered; what is covered twice counts once."""
    return sum(end - start for start, end in union(spans))


def common(a: Iterable[Span], b: Iterable[Span]) -> list[Span]:
    """What is in both."""
    left, right = union(a), union(b)
    found: list[Span] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if end > start:
            found.append((start, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return found


def without(a: Iterable[Span], b: Iterable[Span]) -> list[Span]:
    """What is in ``a`` and not in ``b``."""
    taken = union(b)
    if not taken:
        return union(a)
    edges = [float("-inf"), *(time for span in taken for time in span), float("inf")]
    return common(a, list(zip(edges[::2], edges[1::2], strict=True)))


def iou(a: Iterable[Span], b: Iterable[Span]) -> float | None:
    """Intersection over union, 0 to 1; None where both are empty."""
    left, right = union(a), union(b)
    whole = length([*left, *right])
    return length(common(left, right)) / whole if whole > 0 else None


def distance(spans: Sequence[Span], time: float) -> float:
    """Seconds from a moment to the nearest span; 0 inside of one, infinite where there is none."""
    return min((max(start - time, time - end, 0.0) for start, end in spans), default=float("inf"))
