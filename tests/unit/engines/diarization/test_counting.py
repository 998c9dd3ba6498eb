from __future__ import annotations

import numpy as np
import pytest

from onevoice.engines.diarization.clustering import unit
from onevoice.engines.diarization.counting import ALIKE, MOST, count_speakers, nearest

DIMENSIONS = 192


def people(likeness: float, sizes: list[int], *, spread: float = 0.6, seed: int = 0) -> np.ndarray:
    """Vectors of people any two of whom have this cosine, shuffled.

    Each person is the same part of a common direction and one of their own, at right angles to
    everybody else's; ``spread`` is the length of the noise added to each vector, so two vectors
    of one person have a cosine of about 1 / (1 + spread²).
    """
    rng = np.random.default_rng(seed)
    axes = np.eye(DIMENSIONS)[: len(sizes) + 1]
    middle = np.sqrt(likeness) * axes[0] + np.sqrt(1 - likeness) * axes[1:]
    owner = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    noise = rng.standard_normal((len(owner), DIMENSIONS)) / np.sqrt(DIMENSIONS)
    return unit(middle[owner] + spread * noise)


@pytest.mark.parametrize("likeness", [0.0, 0.3])
@pytest.mark.parametrize(
    "sizes", [[30], [20, 20], [60, 6], [30, 10, 10], [12, 8, 8, 8, 8], [6] * MOST]
)
def test_people_are_counted(likeness: float, sizes: list[int]) -> None:
    assert count_speakers(people(likeness, sizes)) == len(sizes)


@pytest.mark.parametrize(("likeness", "count"), [(ALIKE - 0.15, 2), (ALIKE + 0.15, 1), (0.95, 1)])
def test_voices_too_alike_are_one_person(likeness: float, count: int) -> None:
    assert count_speakers(people(likeness, [40, 40], spread=0.4)) == count


def test_the_threshold_is_a_setting() -> None:
    vectors = people(0.4, [20, 20])
    assert count_speakers(vectors, alike=0.6) == 2
    assert count_speakers(vectors, alike=0.3) == 1


def test_no_more_than_asked_for() -> None:
    vectors = people(0.0, [10] * 6)
    assert count_speakers(vectors) == 6
    # Three voices for six people: still three that differ.
    assert count_speakers(vectors, most=3) == 3
    assert count_speakers(vectors, most=1) == 1


def test_a_few_coughs_are_nobody() -> None:
    rng = np.random.default_rng(5)
    coughs = unit(rng.standard_normal((2, DIMENSIONS)))
    assert count_speakers(np.concatenate([people(0.1, [30, 30]), coughs])) == 2


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_too_little_speech_is_one_speaker(count: int) -> None:
    vectors = unit(np.random.default_rng(1).standard_normal((count, DIMENSIONS)))
    assert count_speakers(vectors) == 1


def test_nearest_takes_the_most_similar_pair() -> None:
    voices = unit(np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 4.0]]))
    assert nearest(voices) == pytest.approx(0.8)
