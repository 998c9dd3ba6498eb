"""Does a Hangul spelling sound like a Latin name? Compared by their consonants.

Consonants survive transliteration, vowels hardly do: Canada and 캐나다 share k-n-t, and
"칼리나" (k-l-n) gives itself away. Voiced and unvoiced sounds, l and r, p and f count as one,
as they do in Korean.
"""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher

# One letter a jamo, in Unicode order: "-" is the silent initial, "." no final.
_INITIALS = "kknttlmppss-cccktph"
_FINALS = ".kkknnntlkmpllplmppssnccktph"
_LATIN = (
    ("sch", "s"), ("tch", "c"), ("ph", "p"), ("ch", "c"), ("sh", "s"), ("th", "t"), ("ck", "k"),
    ("wh", "h"), ("gh", "k"), ("x", "ks"), ("qu", "k"), ("q", "k"), ("ce", "se"), ("ci", "si"),
    ("cy", "sy"), ("ge", "ce"), ("gi", "ci"),
)  # fmt: skip
_SOUND = str.maketrans(
    {"b": "p", "f": "p", "v": "p", "d": "t", "g": "k", "c": "k", "j": "c", "z": "c", "r": "l"}
)
_ALIKE = 0.6


def sounds_like(name: str, text: str) -> bool:
    """Is there a stretch of ``text`` (Hangul) whose consonants are those of ``name``?"""
    wanted = latin_consonants(name)
    if not wanted:
        return True
    heard = [(i, c) for i, word in enumerate(text.split()) for c in hangul_consonants(word)]
    size = len(wanted)
    for start in range(len(heard)):
        for length in range(max(1, size - 1), size + 2):
            window = "".join(c for _, c in heard[start : start + length])
            if SequenceMatcher(None, wanted, window, autojunk=False).ratio() > _ALIKE:
                return True
    return False


def latin_consonants(name: str) -> str:
    """``Disneyland`` is ``tsnlnt``; doubled letters count once, r after a vowel is silent."""
    plain = unicodedata.normalize("NFKD", name.lower())
    plain = re.sub(r"[^a-z]", "", plain)
    plain = re.sub(r"(.)\1", r"\1", plain)
    plain = re.sub(r"(?<=[aeiou])r(?![aeiou])", "", plain)
    for spelling, sound in _LATIN:
        # Capitals shield what is settled from the single-letter table below.
        plain = plain.replace(spelling, sound.upper())
    settled = "".join(c.lower() if c.isupper() else c.translate(_SOUND) for c in plain)
    return re.sub(r"[aeiouwyh]", "", settled)


def hangul_consonants(word: str) -> str:
    """``디즈니랜드`` is ``tcnlnt``."""
    out = ""
    for char in word:
        code = ord(char) - 0xAC00
        if 0 <= code < 11_172:
            initial, final = _INITIALS[code // 588], _FINALS[code % 28]
            out += ("" if initial in "-h" else initial) + ("" if final in ".h" else final)
    return out
