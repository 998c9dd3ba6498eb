"""What a speech engine is to say: text with its numbers, signs and foreign words written out.

English, Spanish, Portuguese (Brazilian) and Korean in depth; French, Italian, German and
Japanese as far as num2words carries; elsewhere plain numbers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import lru_cache, partial

from onevoice.languages import base
from onevoice.speakable.hangul import hangul_syllables

__all__ = ["hangul_syllables", "identity", "speakable", "spoken_length"]

VERSION = 3
"""Rises whenever some text is read in another way: part of the cache key of speech."""
_PASSES = 8


def identity(language: str) -> dict[str, object]:
    """What decides the reading beside the text: for cache keys.

    Korean depends on whether a pronouncing dictionary for English is installed.
    """
    if base(language) != "ko":
        return {"version": VERSION}
    from onevoice.speakable.sounds import dictionary

    return {"version": VERSION, "dictionary": len(dictionary())}


@lru_cache(maxsize=4096)
def speakable(text: str, language: str, pronunciations: tuple[tuple[str, str], ...] = ()) -> str:
    """The text as it is spoken.

    Parameters
    ----------
    text
        A line of the script, as written.
    language
        Its tag; a region makes no difference.
    pronunciations
        Words and how they are to be read, put in before anything else. One in small letters is
        found in any case, another only as it is written; Korean particles may follow it.

    Returns
    -------
    str
        Words of the language's letters with sentence punctuation; empty when nothing in the
        text can be said. Korean holds Hangul and ``. , ! ? …`` only. Reading a result again
        changes nothing.
    """
    if pronunciations:
        from onevoice.speakable import occurrences

        text = occurrences.replace(unicodedata.normalize("NFC", text), pronunciations, language)
    read = _reader(base(language))
    for _ in range(_PASSES):
        again = read(text)
        if again == text:
            break
        text = again
    return text


def spoken_length(
    text: str, language: str, pronunciations: tuple[tuple[str, str], ...] = ()
) -> float:
    """How long a text is to say: characters of its speakable form, without blanks and marks.

    For Korean these are syllables, for languages with an alphabet letters. It is the measure of
    a voice's rate (characters a second) and of a line's budget.
    """
    said = speakable(text, language, pronunciations)
    return float(sum(unicodedata.category(char)[0] in "LMN" for char in said))


def _reader(language: str) -> Callable[[str], str]:
    """The one pass for a language; its tables are loaded on first use."""
    if language == "ko":
        from onevoice.speakable import korean

        return korean.read
    if language == "ja":
        from onevoice.speakable import others

        return others.read_japanese
    return partial(_read_western, language=language)


def _read_western(text: str, *, language: str) -> str:
    from onevoice.speakable import english, others, portuguese, spanish, western

    own = {"en": english.ENGLISH, "es": spanish.SPANISH, "pt": portuguese.PORTUGUESE}
    if language in own:
        return western.read(text, own[language])
    if others.knows(language):
        return western.read(text, others.grammar(language))
    return others.read_plain(text)
