"""Latin words in Korean text: a table of usual ones, letter names, else by their sounds."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from onevoice.speakable.hangulize import hangulize
from onevoice.speakable.sounds import dictionary, sounds

_NAMES = (
    "에이 비 시 디 이 에프 지 에이치 아이 제이 케이 엘 엠 엔 오 피 큐 알 에스 티 유 브이 더블유 "
    "엑스 와이 제트"
)
LETTERS = dict(zip("abcdefghijklmnopqrstuvwxyz", _NAMES.split(), strict=True))
_LATIN = "A-Za-zÀ-ÖØ-öø-ɏ"
_WORD = re.compile(rf"[{_LATIN}]+(?:['’][{_LATIN}]+)*")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@cache
def table() -> dict[str, str]:
    """Word to Hangul; a key in capitals stands for the capitals alone."""
    text = resources.files("onevoice.speakable").joinpath("korean_loanwords.txt")
    words: dict[str, str] = {}
    for line in text.read_text(encoding="utf-8").splitlines():
        for entry in [] if line.startswith("#") else line.split(";"):
            word, _, hangul = entry.partition("=")
            if hangul:
                key = word.strip()
                words[key if key.isupper() else key.lower()] = hangul.strip()
    return words


@cache
def _phrases() -> re.Pattern[str]:
    """Entries that are more than one plain word: two words, hyphens, digits, ``&``."""
    keys = [key for key in table() if not _WORD.fullmatch(key)]
    longest_first = "|".join(re.escape(key) for key in sorted(keys, key=len, reverse=True))
    return re.compile(rf"(?<![{_LATIN}\d])(?:{longest_first})(?![{_LATIN}\d])", re.IGNORECASE)


def phrases_in_hangul(text: str) -> str:
    """Replace the table's entries that hold digits, spaces or signs; before numbers are read."""
    return _phrases().sub(lambda m: table().get(m[0]) or table().get(m[0].lower()) or m[0], text)


def words_in_hangul(text: str) -> str:
    """Write every Latin word of a text in Hangul; the rest is left as it is."""
    return _WORD.sub(lambda match: word_in_hangul(match[0]), text)


def word_in_hangul(word: str, *, use_dictionary: bool = True) -> str:
    """One Latin word in Hangul.

    ``FBI`` is spelled, ``NASA`` and ``Google`` stand in the table, ``OpenAI`` is taken apart,
    and a word that no table has is written as it sounds.
    """
    word = word.replace("’", "'")
    known = table().get(word) or table().get(word.lower())
    if known and (len(word) > 1 or word.islower()):
        return known
    if len(word) == 1 or _is_spelled(word):
        return spell(word.removesuffix("s") if word[:-1].isupper() else word)
    parts = [] if re.match(r"(?:Mc|Mac|O')[A-Z][a-z]+$", word) else _CAMEL.split(word)
    if len(parts) > 1:
        return "".join(word_in_hangul(p, use_dictionary=use_dictionary) for p in parts if p)
    stem, apostrophe, tail = word.partition("'")
    if apostrophe and tail in ("s", "S") and (stem.lower() in table() or stem.isupper()):
        return word_in_hangul(stem, use_dictionary=use_dictionary) + "스"
    return hangulize(sounds(word, use_dictionary=use_dictionary)) or spell(word)


def spell(word: str) -> str:
    """The names of the letters: ``FBI`` is 에프비아이; letters without a name are dropped."""
    return "".join(LETTERS.get(letter, "") for letter in word.lower())


def _is_spelled(word: str) -> bool:
    """Letters one by one: short capitals (with a plural s), and what has no vowel."""
    bare = word[:-1] if word[-1:] == "s" and word[:-1].isupper() else word
    if not re.search("[aeiouyAEIOUYÀ-ɏ]", bare):
        return True
    if not bare.isupper():
        return False
    return len(bare) <= 3 or (len(bare) <= 5 and bare.lower() not in dictionary())
