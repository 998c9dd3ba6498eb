"""Speakers of the beginning of a recording, to be told again in its other pieces.

Each answer of a diarizing service names its speakers anew (A, B, …). Given a sample of a voice
and a name for it, the service uses that name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from onevoice.engines.recognition import uploads
from onevoice.engines.recognition.listening import Span
from onevoice.engines.recognition.uploads import Passage
from onevoice.types import Word

MOST = 4
"""How many known speakers OpenAI takes."""
SAMPLE_S = (2.0, 10.0)
"""How long their samples may be."""


@dataclass(frozen=True, slots=True)
class Known:
    """Names, and for each a sample of the voice as a data URL."""

    names: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()

    @classmethod
    def of(cls, audio: Path, words: Sequence[Word]) -> Self:
        """Those who speak most in ``words`` and have a turn that is long enough for a sample."""
        turns = _longest_turns(words)
        seconds = dict.fromkeys(turns, 0.0)
        for word in words:
            if word.speaker:
                seconds[word.speaker] += word.end - word.start
        ranked = sorted(turns, key=lambda who: -seconds[who])
        names = [who for who in ranked if turns[who][1] - turns[who][0] >= SAMPLE_S[0]][:MOST]
        cuts = [(turns[n][0], min(turns[n][1], turns[n][0] + SAMPLE_S[1])) for n in names]
        return cls(tuple(names), tuple(uploads.data_url(audio, cut) for cut in cuts))

    def named(self, word: Word, passage: Passage) -> Word:
        """The word with a label that means one person in the whole recording.

        A speaker who was not known is marked with the passage they were first heard in.
        """
        if not word.speaker or word.speaker in self.names:
            return word
        return replace(word, speaker=f"{word.speaker}_{passage.start:.0f}")


NOBODY = Known()


def _longest_turns(words: Sequence[Word]) -> dict[str, Span]:
    """The longest time each speaker goes on without another, from the first word to the last."""
    longest: dict[str, Span] = {}
    start, before = 0.0, ""
    for word in words:
        if word.speaker != before:
            start, before = word.start, word.speaker
        best = longest.get(word.speaker, (0.0, 0.0))
        if word.speaker and word.end - start > best[1] - best[0]:
            longest[word.speaker] = (start, word.end)
    return longest
