"""How a Latin-script word sounds: a pronouncing dictionary where one is installed, else rules.

The alphabet has one letter a phoneme, as in Misaki: IPA, with ``A I W Y O Q`` for the
diphthongs of *day, my, now, boy, go* (American, British), ``ʧ ʤ`` for the affricates, ``ᵊ`` for
the vowel of *bottle* and ``ɾ`` for a Spanish r. The dictionaries are those of the package
``misaki`` (Apache-2.0); only its data files are read. British sounds come first because Korean
loanword spelling is built on them; American ones add names.

A word that no dictionary has is sounded by its spelling.
"""

from __future__ import annotations

import importlib.util
import json
import re
from functools import cache, lru_cache
from pathlib import Path

from onevoice.speakable.spelling import sounds_by_spelling

_DICTIONARIES = ("gb_gold.json", "us_gold.json")
_SUFFIXES = (
    ("'s", "", "z"),
    ("ies", "y", "z"),
    ("es", "", "ɪz"),
    ("es", "e", "z"),
    ("s", "", "z"),
    ("ied", "y", "d"),
    ("ed", "e", "d"),
    ("ed", "", "d"),
    ("ing", "e", "ɪŋ"),
    ("ing", "", "ɪŋ"),
    ("er", "e", "ə"),
    ("er", "", "ə"),
    ("ers", "", "əz"),
    ("ly", "", "li"),
    ("ness", "", "nəs"),
    ("less", "", "ləs"),
    ("land", "", "lˈand"),
    ("man", "", "mən"),
    ("ville", "", "vɪl"),
    ("town", "", "taʊn"),
    ("y", "", "i"),
)
_VOICELESS = frozenset("ptkfθ")
_SIBILANT = frozenset("szʃʒʧʤ")


@cache
def dictionary() -> dict[str, str]:
    """Word to sounds; empty when no dictionary package is installed."""
    found = importlib.util.find_spec("misaki")
    words: dict[str, str] = {}
    for folder in (found.submodule_search_locations or []) if found else []:
        for file in _DICTIONARIES:
            path = Path(folder) / "data" / file
            if path.is_file():
                for word, sounds in json.loads(path.read_text(encoding="utf-8")).items():
                    plain = sounds if isinstance(sounds, str) else sounds.get("DEFAULT")
                    if plain:
                        words.setdefault(word, plain)
    return words


@lru_cache(maxsize=4096)
def sounds(word: str, *, use_dictionary: bool = True) -> str:
    """The phonemes of one word of Latin letters, without stress marks.

    Parameters
    ----------
    word
        Letters and apostrophes; case helps to find names.
    use_dictionary
        Look the word up first, where a dictionary is installed.
    """
    plain = word.replace("’", "'")
    known = _look_up(plain) if use_dictionary else ""
    lowered = plain.lower()
    if known:
        return _settle_schwas(re.sub("[ˈˌ]", "", known), lowered)
    return sounds_by_spelling(lowered)


def _look_up(word: str) -> str:
    words = dictionary()
    lowered = word.lower()
    direct = words.get(word) or words.get(lowered) or words.get(word.capitalize())
    if direct or not words:
        return direct or ""
    for ending, restored, tail in _SUFFIXES:
        stem = lowered.removesuffix(ending) + restored
        if not lowered.endswith(ending) or len(stem) < 3:
            continue
        found = words.get(stem) or words.get(stem.capitalize())
        if found is None and ending in ("ed", "ing", "er") and stem[-1:] == stem[-2:-1]:
            found = words.get(stem[:-1])
        if found:
            return found + _join(found[-1], tail)
    return ""


def _join(last: str, tail: str) -> str:
    """English endings agree in voice with what they follow."""
    if tail == "z":
        return "ɪz" if last in _SIBILANT else ("s" if last in _VOICELESS else "z")
    if tail == "d":
        return "ɪd" if last in "td" else ("t" if last in _VOICELESS | _SIBILANT - {"z"} else "d")
    return tail


def _settle_schwas(heard: str, spelled: str) -> str:
    """Korean spells a few unstressed and American vowels as they are written."""
    if "T" in heard:
        heard = heard.replace("T", "t" if "t" in spelled else "d")
    if spelled.endswith("a") and heard.endswith("ə"):
        heard = heard[:-1] + "ɑ"
    if spelled.endswith("al") and heard.endswith("ᵊl"):
        heard = heard[:-2] + "əl"
    if "o" in spelled and "a" not in spelled:
        heard = heard.replace("ɑː", "ɑ").replace("ɑ", "ɒ")
    return heard
