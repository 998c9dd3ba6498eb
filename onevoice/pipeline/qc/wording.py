"""What was to be said against what is heard: character and word error rates.

An error rate is the edit distance (Levenshtein 1966) over the length of the text that was to be
said. Both sides are first read out as a voice would read them, so that ``21`` and ``twenty-one``
are the same words; case, punctuation and blanks do not count.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import Levenshtein

from onevoice import languages
from onevoice.pipeline.qc.spans import Span, distance
from onevoice.speakable import speakable
from onevoice.types import Word

_NO_WORDS = frozenset({"th", "lo", "km", "my", "bo"})
"""Beside Chinese, Japanese and Korean: languages in which blanks do not part words."""
FAR = 1.0
"""Seconds: a word further than this from every line belongs to none of them."""
UNSURE = 0.5
"""Seconds: this near to where one line ends and the next begins, times do not tell whose it is."""
_MOST_MOVED = 4


@dataclass(frozen=True, slots=True)
class Errors:
    """Edits, and the length of what was to be said, in characters and in words."""

    characters: int = 0
    of_characters: int = 0
    words: int = 0
    of_words: int = 0

    def __add__(self, other: Errors) -> Errors:
        return Errors(
            self.characters + other.characters,
            self.of_characters + other.of_characters,
            self.words + other.words,
            self.of_words + other.of_words,
        )

    @property
    def cer(self) -> float | None:
        """Character error rate: 0 is perfect, 1 nothing right, more with words too many."""
        return self.characters / self.of_characters if self.of_characters else None

    @property
    def wer(self) -> float | None:
        return self.words / self.of_words if self.of_words else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A line's places, and the forms of its text that are right (as written, as it was read)."""

    id: str
    places: Sequence[Span]
    texts: tuple[str, ...]


def has_words(language: str) -> bool:
    """Whether words can be counted in what is written in a language."""
    return not languages.is_cjk(language) and languages.base(language) not in _NO_WORDS


def comparable(text: str, language: str) -> list[str]:
    """The words of a text as a voice reads them, in small letters, without punctuation."""
    said = unicodedata.normalize("NFKC", speakable(text, language)).casefold()
    plain = "".join(c if unicodedata.category(c)[0] in "LMN" else _blank(c) for c in said)
    return plain.split()


@lru_cache(maxsize=4096)
def letters(word: str, language: str) -> str:
    """What of a word counts; nothing of punctuation that stands alone."""
    return "".join(comparable(word, language))


def errors(expected: str, heard: str, language: str) -> Errors:
    """How far what is heard is from what was to be said.

    >>> errors("I am twenty-one.", "I'm 21", "en").characters
    1
    """
    wanted, found = comparable(expected, language), comparable(heard, language)
    whole = "".join(wanted)
    counted = has_words(language)
    return Errors(
        characters=Levenshtein.distance(whole, "".join(found)),
        of_characters=len(whole),
        words=Levenshtein.distance(wanted, found) if counted else 0,
        of_words=len(wanted) if counted else 0,
    )


def fewest_errors(expected: Sequence[str], heard: str, language: str) -> Errors:
    """The errors against that right form of a text which is nearest to what is heard."""
    found = [errors(text, heard, language) for text in expected if text]
    return min(found, key=lambda e: e.cer if e.cer is not None else 1.0, default=Errors())


def text_of(words: Sequence[Word]) -> str:
    """Words as one text."""
    return "".join(w.text if w.joined else f" {w.text}" for w in words).strip()


def share_out(
    lines: Sequence[Expected], words: Sequence[Word], language: str
) -> dict[str, list[Word]]:
    """By line: the words heard in it.

    A word goes to the line whose place is nearest. Where one line follows hard upon another the
    times of a recogniser do not settle it; there the words go where they make fewer errors.
    """
    found: dict[str, list[Word]] = {line.id: [] for line in lines}
    ordered = sorted((line for line in lines if line.places), key=lambda line: line.places[0])
    if not ordered:
        return found
    first = 0
    for word in sorted(words, key=lambda w: (w.start, w.end)):
        middle = (word.start + word.end) / 2
        # Lines that ended long ago are not asked again: thousands of words, thousands of lines.
        while first + 1 < len(ordered) and ordered[first].places[-1][1] < middle - 30 * FAR:
            first += 1
        near = ordered[first : first + 40]
        best = min(near, key=lambda line: distance(line.places, middle))
        if distance(best.places, middle) <= FAR:
            found[best.id].append(word)
    for i in range(len(ordered) - 1):
        _settle(ordered[i], ordered[i + 1], found, language)
    return found


def _settle(a: Expected, b: Expected, found: dict[str, list[Word]], language: str) -> None:
    """Move words over the border of two neighbours where that makes fewer errors."""
    border = (a.places[-1][1] + b.places[0][0]) / 2
    if b.places[0][0] - a.places[-1][1] > 2 * UNSURE or not a.texts or not b.texts:
        return
    joined = found[a.id] + found[b.id]
    now = len(found[a.id])
    movable = [
        cut
        for cut in range(max(0, now - _MOST_MOVED), min(len(joined), now + _MOST_MOVED) + 1)
        if all(abs(w.start - border) < UNSURE or abs(w.end - border) < UNSURE
               for w in joined[min(cut, now) : max(cut, now)])
    ]  # fmt: skip

    def cost(cut: int) -> tuple[int, int]:
        left = fewest_errors(a.texts, text_of(joined[:cut]), language)
        right = fewest_errors(b.texts, text_of(joined[cut:]), language)
        return left.characters + right.characters, abs(cut - now)

    best = min(movable, key=cost)
    found[a.id], found[b.id] = joined[:best], joined[best:]


def _blank(char: str) -> str:
    """Apostrophes join (it's, d'água), everything else parts."""
    return "" if char in "'’ʼ`´" else " "
