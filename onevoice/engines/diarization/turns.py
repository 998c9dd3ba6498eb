"""From words to stretches of speech, and from labelled words to turns."""

from __future__ import annotations

from collections.abc import Sequence

from onevoice.types import Turn, Word

PAUSE_S = 0.4
"""A silence this long ends a stretch of speech."""

_ENDS = tuple(".?!…。？！؟।")


def stretches_of_words(
    words: Sequence[Word], pause: float = PAUSE_S, *, sentences: bool = False
) -> list[tuple[int, int]]:
    """Runs of words without a long pause, as ``(begin, end)`` indices.

    With ``sentences`` the end of a sentence also ends a run: people seldom begin in the middle
    of somebody else's.
    """
    runs: list[tuple[int, int]] = []
    begin = 0
    for i in range(1, len(words) + 1):
        if i < len(words) and not is_break(words[i - 1], words[i], pause, sentences=sentences):
            continue
        runs.append((begin, i))
        begin = i
    return runs


def is_break(before: Word, after: Word, pause: float, *, sentences: bool) -> bool:
    """Whether a stretch ends between two neighbouring words."""
    silence = after.start - before.end >= pause
    return silence or (sentences and ends_sentence(before))


def ends_sentence(word: Word) -> bool:
    """Whether a word closes a sentence, quotes and brackets aside."""
    return word.text.rstrip("\"'”’»)]」』").endswith(_ENDS)


def turns_of(
    words: Sequence[Word], labels: Sequence[int], stretches: Sequence[tuple[int, int]]
) -> tuple[Turn, ...]:
    """Turns that cover every word.

    Parameters
    ----------
    words
        In order of time.
    labels
        Whose each word is: any integers.
    stretches
        Where speech pauses; a turn never spans a pause.

    Returns
    -------
    tuple
        In order of time; speakers are named S1, S2, … by first appearance.
    """
    names: dict[int, str] = {}
    turns: list[Turn] = []
    for begin, end in stretches:
        first = begin
        for i in range(begin, end):
            names.setdefault(labels[i], f"S{len(names) + 1}")
            if i + 1 == end or labels[i + 1] != labels[i]:
                start, stop = words[first].start, words[i].end
                turns.append(Turn(speaker=names[labels[i]], start=start, end=stop))
                first = i + 1
    return tuple(turns)
