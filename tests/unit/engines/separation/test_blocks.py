"""Blocks give a stream back, hold no more than they say, and hide their seams."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from onevoice.engines.separation.blocks import BlockPlan, on_grid, power, through_blocks


def reader(stream: np.ndarray) -> Callable[[int], np.ndarray]:
    clock = 0

    def read(frames: int) -> np.ndarray:
        nonlocal clock
        clock += frames
        assert clock <= len(stream)
        return stream[clock - frames : clock]

    return read


def zeros(frames: int) -> np.ndarray:
    return np.zeros((frames, 1), np.float32)


@pytest.mark.parametrize("total", [0, 1, 99, 100, 101, 250, 1000])
@pytest.mark.parametrize("size", [100, 300])
def test_blocks_give_a_stream_back(total: int, size: int) -> None:
    stream = np.random.default_rng(0).standard_normal((total, 2)).astype(np.float32)
    plan = BlockPlan(size=size, lead=60, tail=60, fade=20)
    out = list(through_blocks(reader(stream), total, plan, lambda block, begin: block.copy()))
    np.testing.assert_array_equal(np.concatenate([np.zeros((0, 2)), *out]), stream)


def test_blocks_hold_no_more_than_a_block() -> None:
    plan = on_grid(seconds=2, segment=100, stride=75, sample_rate=100)
    lengths: list[int] = []

    def look(block: np.ndarray, begin: int) -> np.ndarray:
        lengths.append(len(block))
        return block

    for _ in through_blocks(zeros, 100_000, plan, look):
        pass
    assert plan.size % 75 == 0 and plan.lead % 75 == 0
    assert max(lengths) == plan.size + plan.lead + plan.tail


def test_neighbours_are_crossfaded() -> None:
    """Where two blocks disagree, the step between them is spread over the fade."""
    plan = BlockPlan(size=100, lead=20, tail=20, fade=20)
    level = iter([0.0, 1.0, 0.0])

    def process(block: np.ndarray, begin: int) -> np.ndarray:
        return np.full_like(block, next(level))

    out = np.concatenate(list(through_blocks(zeros, 300, plan, process)))[:, 0]
    assert np.abs(np.diff(out)).max() <= 1 / 20 + 1e-6
    assert out[50] == 0 and out[150] == 1 and out[250] == 0


def test_a_block_sees_as_much_as_any_window_over_it() -> None:
    """A running mean over 81 frames comes out as if there were no blocks."""
    stream = np.random.default_rng(0).standard_normal((2000, 1)).astype(np.float32)
    kernel = np.ones(81) / 81

    def smooth(block: np.ndarray, begin: int) -> np.ndarray:
        return np.convolve(block[:, 0], kernel, "same")[:, None].astype(np.float32)

    plan = on_grid(seconds=3, segment=81, stride=60, sample_rate=100)
    out = np.concatenate(list(through_blocks(reader(stream), 2000, plan, smooth)))
    np.testing.assert_allclose(out, smooth(stream, 0), atol=1e-6)


def test_power_is_that_of_the_whole() -> None:
    stream = np.random.default_rng(0).standard_normal((1000, 2)).astype(np.float32) + 0.3
    mono = stream.mean(axis=1, dtype=np.float64)
    assert power(np.array_split(stream, 7)) == pytest.approx((mono.mean(), mono.std()))
    assert power([]) == (0.0, 0.0)
