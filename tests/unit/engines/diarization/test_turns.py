from __future__ import annotations

import pytest

from onevoice.engines.diarization.turns import ends_sentence, stretches_of_words, turns_of
from onevoice.types import Turn, Word

WORDS = [
    Word(text="One", start=0.0, end=0.4),
    Word(text="two.", start=0.5, end=0.9),
    Word(text="Three", start=1.0, end=1.4),
    Word(text="four", start=3.0, end=3.4),
]


def test_stretches() -> None:
    assert stretches_of_words(WORDS) == [(0, 3), (3, 4)]
    assert stretches_of_words(WORDS, sentences=True) == [(0, 2), (2, 3), (3, 4)]
    assert stretches_of_words([]) == []


@pytest.mark.parametrize(
    ("text", "ends"),
    [("so.", True), ("so.”", True), ("何?", True), ("何。」", True), ("so,", False)],
)
def test_ends_sentence(text: str, ends: bool) -> None:
    assert ends_sentence(Word(text=text, start=0, end=1)) is ends


def test_turns_are_named_by_first_appearance_and_end_at_pauses() -> None:
    turns = turns_of(WORDS, [7, 7, 2, 2], stretches_of_words(WORDS))
    assert turns == (
        Turn(speaker="S1", start=0.0, end=0.9),
        Turn(speaker="S2", start=1.0, end=1.4),
        Turn(speaker="S2", start=3.0, end=3.4),
    )
