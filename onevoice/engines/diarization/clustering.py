"""Whose voice is whose: voice vectors to speakers, and speakers to words. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]
"""Unit vectors, shape ``(n, d)``."""

MOST_CLUSTERED = 1500
"""Agglomerative clustering takes quadratic memory: of more windows, this many are clustered."""

_SMALLEST_SHARE = 0.03
_REFINEMENTS = 5


def unit(vectors: NDArray[np.floating]) -> Vectors:
    """Rows scaled to length one; zero rows stay zero."""
    rows = np.asarray(vectors, dtype=np.float64)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Vectors = rows / np.maximum(length, 1e-12)
    return scaled


def centroids(vectors: Vectors, count: int) -> Vectors:
    """The voices among the vectors.

    Agglomerative clustering with average linkage on cosine distance. Left alone it likes to give
    a cough a cluster of its own, so the tree is cut finer until ``count`` clusters of a decent
    size come out; the rest joins the nearest. A few rounds of spherical k-means follow.

    Parameters
    ----------
    vectors
        Shape ``(n, d)``, unit length, of windows long enough to be trusted.
    count
        How many speakers there are.

    Returns
    -------
    Vectors
        Shape ``(min(count, n), d)``.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(vectors) <= count:
        return vectors
    if count == 1:
        return unit(vectors.mean(axis=0, keepdims=True))
    step = -(-len(vectors) // MOST_CLUSTERED)
    sample = vectors[::step] if len(vectors) // step >= count else vectors
    tree = linkage(sample, method="average", metric="cosine")
    least = max(2, round(_SMALLEST_SHARE * len(sample)))
    labels = fcluster(tree, count, "maxclust")
    for pieces in range(count, min(4 * count + 8, len(sample)) + 1):
        cut = fcluster(tree, pieces, "maxclust")
        if np.count_nonzero(np.bincount(cut) >= least) >= count:
            labels = cut
            break
    sizes = np.bincount(labels)
    largest = [int(i) for i in np.argsort(-sizes, kind="stable")[:count] if sizes[i]]
    middle = unit(np.stack([sample[labels == label].mean(axis=0) for label in largest]))
    for _ in range(_REFINEMENTS):
        owner = np.argmax(vectors @ middle.T, axis=1)
        middle = unit(
            np.stack(
                [
                    vectors[owner == k].mean(axis=0) if np.any(owner == k) else middle[k]
                    for k in range(len(middle))
                ]
            )
        )
    return middle


def smooth(scores: NDArray[np.float64], switch_costs: Sequence[float]) -> list[int]:
    """The likeliest speaker of each word (Viterbi).

    Parameters
    ----------
    scores
        Shape ``(words, speakers)``: how well each voice fits each word.
    switch_costs
        What it costs to change the speaker before each word; the first is not used.
    """
    count = len(scores)
    if not count:
        return []
    best = scores[0].copy()
    back = np.zeros(scores.shape, dtype=np.intp)
    for i in range(1, count):
        leader = int(np.argmax(best))
        switched = best[leader] - switch_costs[i]
        stay = best >= switched
        back[i] = np.where(stay, np.arange(len(best)), leader)
        best = np.where(stay, best, switched) + scores[i]
    path = [int(np.argmax(best))]
    for i in range(count - 1, 0, -1):
        path.append(int(back[i][path[-1]]))
    return path[::-1]
