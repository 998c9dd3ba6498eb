from __future__ import annotations

import numpy as np
import pytest

from onevoice.engines.diarization.clustering import MOST_CLUSTERED, centroids, smooth, unit


def voices(sizes: list[int], spread: float = 0.25, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors around as many random directions as there are sizes, shuffled, and their owners."""
    rng = np.random.default_rng(seed)
    middle = unit(rng.standard_normal((len(sizes), 64)))
    owner = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return unit(middle[owner] + spread * rng.standard_normal((len(owner), 64)) / 2), owner


def same_grouping(a: np.ndarray, b: np.ndarray) -> bool:
    return (
        len({*zip(a.tolist(), b.tolist(), strict=True)})
        == len(set(a.tolist()))
        == len(set(b.tolist()))
    )


@pytest.mark.parametrize("sizes", [[20, 20], [60, 6], [30, 10, 10], [8, 8, 8, 8, 8]])
def test_voices_are_found(sizes: list[int]) -> None:
    vectors, owner = voices(sizes)
    found = centroids(vectors, len(sizes))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
    assert same_grouping(np.argmax(vectors @ found.T, axis=1), owner)


def test_an_outlier_does_not_become_a_speaker() -> None:
    vectors, owner = voices([30, 30])
    cough = unit(np.random.default_rng(9).standard_normal((1, 64)))
    found = centroids(np.concatenate([vectors, cough]), 2)
    assert same_grouping(np.argmax(vectors @ found.T, axis=1), owner)


def test_long_recordings_are_sampled() -> None:
    vectors, owner = voices([MOST_CLUSTERED, MOST_CLUSTERED // 2])
    found = centroids(vectors, 2)
    assert same_grouping(np.argmax(vectors @ found.T, axis=1), owner)


@pytest.mark.parametrize(("count", "asked", "given"), [(1, 3, 1), (3, 3, 3), (9, 1, 1)])
def test_no_more_voices_than_vectors(count: int, asked: int, given: int) -> None:
    vectors = unit(np.random.default_rng(4).standard_normal((count, 8)))
    assert centroids(vectors, asked).shape == (given, 8)


def test_unit_leaves_zero_rows_alone() -> None:
    np.testing.assert_allclose(unit(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0, 0]])


def test_smoothing_follows_the_evidence_against_its_cost() -> None:
    scores = np.array([[0.9, 0.1]] * 4 + [[0.4, 0.6]] + [[0.9, 0.1]] * 4 + [[0.1, 0.9]] * 5)
    free, dear = [0.0] * len(scores), [2.0] * len(scores)
    assert smooth(scores, free) == [0] * 4 + [1] + [0] * 4 + [1] * 5
    assert smooth(scores, dear) == [0] * 9 + [1] * 5
    assert smooth(scores, [9.0] * len(scores)) == [0] * 14
    assert smooth(np.zeros((0, 2)), []) == []
