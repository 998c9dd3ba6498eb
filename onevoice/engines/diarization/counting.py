"""How many people speak: as many as there are voices that differ from each other.

Voice vectors of one person point the same way; those of two people hardly do. So the vectors are
cut into many voices, then into fewer, until no two of them are more alike than one person is to
themselves. One speaker is the case where even two voices are too alike. Experimental: a voice
that changes (laughter, a telephone, crying) may count as another, and two similar people as one.
"""

from __future__ import annotations

import numpy as np

from onevoice.engines.diarization.clustering import Vectors, centroids

MOST = 8
"""No more people than this are counted."""
ALIKE = 0.6
"""Cosine between two voices above which they are one person's."""
FEWEST_WINDOWS = 3
SMALLEST_SHARE = 0.04
"""What a voice must at least have said, in windows, to be a person and not a noise."""


def count_speakers(vectors: Vectors, *, most: int = MOST, alike: float = ALIKE) -> int:
    """Estimate the number of speakers.

    Parameters
    ----------
    vectors
        Shape ``(n, d)``, unit length, of windows long enough to be trusted.
    most
        The largest answer.
    alike
        Cosine between the means of two people's vectors above which they are one person's.

    Returns
    -------
    int
        From 1 to ``most``.
    """
    least = max(FEWEST_WINDOWS, round(SMALLEST_SHARE * len(vectors)))
    for count in range(min(most, len(vectors) // least), 1, -1):
        voices = centroids(vectors, count)
        sizes = np.bincount(np.argmax(vectors @ voices.T, axis=1), minlength=count)
        if sizes.min() >= least and nearest(voices) < alike:
            return count
    return 1


def nearest(voices: Vectors) -> float:
    """Cosine of the two most similar voices, shape ``(k, d)``; needs two or more."""
    likeness = voices @ voices.T
    return float(np.max(likeness[np.triu_indices(len(voices), 1)]))
