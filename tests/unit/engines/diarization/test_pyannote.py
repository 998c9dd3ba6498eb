"""From the pipeline's stretches of voice to a speaker for every word."""

from __future__ import annotations

import pytest

from onevoice.engines.diarization.pyannote import labels
from onevoice.types import Word


@pytest.mark.parametrize(
    ("word", "label"),
    [
        ((1.2, 1.8), 0),  # inside the first
        ((1.9, 2.4), 1),  # more of it in the second
        ((4.3, 4.5), 1),  # nobody is heard: the second ended 0.3 s before
        ((4.8, 4.9), 2),  # … and the first's next stretch is nearer
        ((0.0, 0.2), 0),
        ((5.5, 5.7), 2),  # two at once, the third the longer
    ],
)
def test_each_word_has_the_speaker_heard_most(word: tuple[float, float], label: int) -> None:
    stretches = [(1.0, 2.0, "a"), (2.0, 4.0, "b"), (5.0, 6.0, "c"), (5.6, 6.0, "a")]
    assert labels([Word(text="w", start=word[0], end=word[1])], stretches) == [label]


def test_one_speaker_where_nobody_was_heard() -> None:
    words = [Word(text="w", start=i, end=i + 0.5) for i in range(3)]
    assert labels(words, []) == [0, 0, 0]
