"""Hangul arithmetic: syllables from letters, counting them, and particles by final sound."""

from __future__ import annotations

import re
from dataclasses import dataclass

ONSETS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
CODAS = ["", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"]
_FIRST, _LAST = 0xAC00, 0xD7A3

_CHOICES = {
    "을(를)": ("을", "를"),
    "를(을)": ("을", "를"),
    "은(는)": ("은", "는"),
    "는(은)": ("은", "는"),
    "이(가)": ("이", "가"),
    "가(이)": ("이", "가"),
    "과(와)": ("과", "와"),
    "와(과)": ("과", "와"),
    "아(야)": ("아", "야"),
}
_CHOICE = re.compile("(?<=[가-힣])(?:" + "|".join(map(re.escape, _CHOICES)) + r"|\(으\)로|\(이\))")


@dataclass(slots=True)
class Syllable:
    """One block under construction; the letters are compatibility jamo, ``coda`` may be empty."""

    onset: str
    vowel: str
    coda: str = ""

    def __str__(self) -> str:
        index = ONSETS.index(self.onset) * len(VOWELS) + VOWELS.index(self.vowel)
        return chr(_FIRST + index * len(CODAS) + CODAS.index(self.coda))


def hangul_syllables(text: str) -> int:
    """How many Hangul syllable blocks a text has."""
    return sum(_FIRST <= ord(char) <= _LAST for char in text)


def coda(char: str) -> str:
    """The final consonant of a syllable block; empty when it ends in a vowel or is no block."""
    code = ord(char) - _FIRST
    return CODAS[code % len(CODAS)] if 0 <= code <= _LAST - _FIRST else ""


def settle_particles(text: str) -> str:
    """Choose where a text leaves both forms of a particle open: ``책을(를)`` is ``책을``."""

    def choose(match: re.Match[str]) -> str:
        final = coda(text[match.start() - 1])
        if match[0] == "(으)로":
            return "으로" if final and final != "ㄹ" else "로"
        if match[0] == "(이)":
            return "이" if final else ""
        return _CHOICES[match[0]][0 if final else 1]

    return _CHOICE.sub(choose, text)
