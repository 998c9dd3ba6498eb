"""A long recording for a model that sees only some seconds of it: overlapping blocks.

A block starts on the model's own grid of windows and comes with as much sound around it as any
window over it can see, so that its inside is what it would have been in one piece. Neighbours
are crossfaded all the same: a model with chance in it (random shifts) differs between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from onevoice.engines.base import Audio


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPlan:
    """All in frames: ``size`` is kept of each block, with ``lead`` before and ``tail`` behind.

    ``fade`` (at most ``tail``) is how long two neighbours are mixed.
    """

    size: int
    lead: int
    tail: int
    fade: int

    def spans(self, total: int) -> Iterator[tuple[int, int, int, int]]:
        """``(begin, start, stop, end)``: begin…end is looked at, start…stop is kept."""
        for start in range(0, total, self.size):
            stop = min(start + self.size, total)
            yield max(start - self.lead, 0), start, stop, min(stop + self.tail, total)


def on_grid(*, seconds: float, segment: int, stride: int, sample_rate: int) -> BlockPlan:
    """Blocks of about ``seconds`` for windows of ``segment`` frames every ``stride`` frames."""
    size = max(1, round(seconds * sample_rate / stride)) * stride
    around = -(-segment // stride) * stride
    return BlockPlan(size=size, lead=around, tail=around, fade=min(stride, sample_rate // 4))


def through_blocks(
    read: Callable[[int], Audio],
    total: int,
    plan: BlockPlan,
    process: Callable[[Audio, int], Audio],
) -> Iterator[Audio]:
    """Run ``process`` over a stream block by block; memory does not grow with its length.

    Parameters
    ----------
    read
        Gives the next ``n`` frames, shape ``(n, channels)``.
    total
        Frames in the stream.
    process
        A block, shape ``(n, channels)``, and the index of its first frame, to one of that shape.

    Yields
    ------
    Audio
        Consecutive pieces, ``total`` frames in all.
    """
    held: Audio = np.zeros((0, 0), np.float32)
    base = 0
    late: Audio | None = None
    for begin, start, stop, end in plan.spans(total):
        fresh = read(end - base - len(held))
        held = np.concatenate([held[begin - base :], fresh]) if len(held) else fresh
        base = begin
        done = process(held, begin)
        kept = done[start - begin : stop - begin].copy()
        if late is not None:
            n = min(len(late), len(kept))
            ramp = ((np.arange(n, dtype=np.float32) + 0.5) / np.float32(plan.fade))[:, None]
            kept[:n] = late[:n] + (kept[:n] - late[:n]) * ramp
        late = done[stop - begin : stop - begin + plan.fade].copy()
        yield kept


def power(blocks: Iterable[Audio]) -> tuple[float, float]:
    """Mean and standard deviation of the mean of the channels, over a whole stream."""
    count, total, squares = 0, 0.0, 0.0
    for block in blocks:
        mono = block.mean(axis=1, dtype=np.float64)
        count += len(mono)
        total += float(mono.sum())
        squares += float(np.square(mono).sum())
    if not count:
        return 0.0, 0.0
    mean = total / count
    return mean, float(np.sqrt(max(squares / count - mean**2, 0.0)))
