"""Where a line of subtitles ends.

After a sentence or a clause rather than elsewhere, before a conjunction rather than after it, never
between an article or a preposition and its noun if that can be helped (TTSG, Line Treatment); by
the kinsoku rules where a script has no spaces (JIS X 4051). Korean breaks at spaces, so a particle
stays with its noun.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, islice, takewhile

from onevoice.languages import base
from onevoice.subtitles.cue import column_width
from onevoice.subtitles.house import house
from onevoice.subtitles.words import BEGINNING, CLINGING, TRAILING

_SENTENCE_END = frozenset(".?!…。！？؟۔।")
_CLAUSE_END = frozenset(",;:—–、，；：)」』）،؛")
_NEVER_FIRST = frozenset(
    ",.;:?!…%)]}»”’、。，．；：？！）」』】〉》ー・々〜ぁぃぅぇぉっゃゅょァィゥェォッャュョ،؛؟"
)
_NEVER_LAST = frozenset("([{«“‘（「『【〈《¿¡#$€£₩¥")
_CLOSING = frozenset("\"'”’»)]}」』）")
_SPACELESS = frozenset({"ja", "zh", "yue"})
_CLUSTERED = frozenset({"th", "lo", "km", "my", "bo"})
"""Scripts without spaces between words whose words only a dictionary could tell apart."""
_BEFORE_CONSONANT = frozenset("เแโใไເແໂໃໄ")
_AFTER_CONSONANT = frozenset("ะาำๅๆฯະາຳໆ")
_ORDINAL = re.compile(r"\d+\.$")
_INITIAL = re.compile(r"[^\W\d_]\.$")

# How hard it is on the reader to stop somewhere, 0 (a sentence) to 1.
_SENTENCE, _CLAUSE, _THOUGHT, _WORD, _NAME, _CLINGS, _INSIDE = 0.0, 0.15, 0.3, 0.4, 0.7, 1.0, 1.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line may end: before character ``end``, the next beginning with ``start``."""

    end: int
    start: int
    roughness: float


@dataclass(frozen=True, slots=True)
class Passage:
    """A text in one line, the places where it may break, and its width up to each character."""

    text: str
    limit: int
    widths: tuple[int, ...]
    places: tuple[Place, ...]

    def width(self, start: int, end: int) -> int:
        """Columns of a part of it."""
        return self.widths[end] - self.widths[start]

    def wrap(self, start: int, end: int) -> tuple[str, ...]:
        """A part of it in one line where it fits, else in the two that are best to read."""
        place = self._best(start, end)
        if place is None:
            return (self.text[start:end],)
        return self.text[start : place.end], self.text[place.start : end]

    def fits(self, start: int, end: int) -> bool:
        """Whether a part of it fits two lines."""
        if self.width(start, end) <= self.limit:
            return True
        for place in self.after(start):
            if place.start >= end or self.width(start, place.end) > self.limit:
                return False
            if self.width(place.start, end) <= self.limit:
                return True
        return False

    def after(self, start: int) -> Iterator[Place]:
        """The places beyond a character, in order."""
        return islice(self.places, bisect_right(self.places, start, key=lambda p: p.end), None)

    def _best(self, start: int, end: int) -> Place | None:
        if self.width(start, end) <= self.limit:
            return None

        def cost(place: Place) -> float:
            upper, lower = self.width(start, place.end), self.width(place.start, end)
            longer = max(upper, lower)
            over = max(0, longer - self.limit) * 1000
            # Of two breaks as good, the one with the shorter line above hides less of the picture.
            return over + longer + 0.01 * upper + 0.5 * self.limit * place.roughness

        inside = takewhile(lambda place: place.start < end, self.after(start))
        return min(inside, key=cost, default=None)


def passage(text: str, language: str) -> Passage:
    """A text (single spaces, no line breaks) ready to be broken by the rules of its language."""
    widths = (0, *accumulate(map(column_width, text)))
    return Passage(text, house(language).columns, widths, tuple(_places(text, base(language))))


def ends_sentence(text: str) -> bool:
    """Whether a text ends where a sentence does."""
    bare = text.rstrip("".join(_CLOSING))
    return bare[-1:] in _SENTENCE_END if bare else False


def _places(text: str, language: str) -> Iterator[Place]:
    for at in range(1, len(text)):
        before, after = text[at - 1], text[at]
        if after == " ":
            # «Où ?»: French puts a space where no line may break.
            if text[at + 1] not in _NEVER_FIRST and before not in _NEVER_LAST:
                yield Place(at, at + 1, _between_words(text, at, language))
        elif before != " " and _inside_word(before, after, text, at, language):
            yield Place(at, at, _between_letters(before, after, language))


def _between_words(text: str, at: int, language: str) -> float:
    left = text[text.rfind(" ", 0, at) + 1 : at].lstrip("\"'“‘«¿¡([").lower()
    right = re.split(r"[ ,.;:!?…]", text[at + 1 : at + 20], maxsplit=1)[0]
    clings = CLINGING.get(language, frozenset())
    if left in clings or _ORDINAL.search(left) or _INITIAL.fullmatch(left):
        return _CLINGS
    if ends_sentence(left):
        return _SENTENCE
    if left[-1:] in _CLAUSE_END:
        return _CLAUSE
    if right in TRAILING.get(language, frozenset()):
        return _CLINGS
    if right.lower() in BEGINNING.get(language, frozenset()):
        return _THOUGHT
    name = text[text.rfind(" ", 0, at) + 1 : at][:1].isupper() and right[:1].isupper()
    return _NAME if name and language != "de" else _WORD


def _inside_word(before: str, after: str, text: str, at: int, language: str) -> bool:
    """Whether a line may break between two letters with no space between them."""
    if column_width(after) == 0 or before == "\u200d" or _half_flag(text, at) or _is_skin(after):
        return False
    if after in _NEVER_FIRST or before in _NEVER_LAST:
        return False
    if language in _CLUSTERED:
        return (
            unicodedata.category(before)[0] in "LM"
            and unicodedata.category(after) == "Lo"
            and before not in _BEFORE_CONSONANT
            and after not in _AFTER_CONSONANT
        )
    return language in _SPACELESS and column_width(before) + column_width(after) > 2


def _between_letters(before: str, after: str, language: str) -> float:
    if before in _SENTENCE_END:
        return _SENTENCE
    if before in _CLAUSE_END:
        return _CLAUSE
    if language in _CLUSTERED:
        return _INSIDE
    first, second = _script(before), _script(after)
    if language == "ja":
        # Its phrases mostly begin with kanji or katakana and end with hiragana.
        return _INSIDE if first == second else _WORD if first == "HIRAGANA" else _NAME
    return _NAME if first == second else _WORD


def _script(character: str) -> str:
    return unicodedata.name(character, "").partition(" ")[0]


def _half_flag(text: str, at: int) -> bool:
    """Whether a flag, which is a pair of regional letters, would be torn apart."""
    run = 0
    while at - 1 - run >= 0 and "\U0001f1e6" <= text[at - 1 - run] <= "\U0001f1ff":
        run += 1
    return run % 2 == 1 and "\U0001f1e6" <= text[at] <= "\U0001f1ff"


def _is_skin(character: str) -> bool:
    return "\U0001f3fb" <= character <= "\U0001f3ff"
