"""Hangul to the phonemes with which Kokoro speaks Korean best.

Kokoro was not trained on Korean. The rules of standard pronunciation (liaison, nasal and
liquid assimilation, tensification; g2pK's, in kokorog2p) give the sounds; the map below gives
each the IPA letter that Kokoro learnt from other languages. It was chosen by recognising the
speech again. Kokoro's alphabet has no mark for tense consonants: they are spoken plain,
voiceless and unaspirated.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

_ONSETS = {
    "ᄀ": "k", "ᄁ": "k", "ᄂ": "n", "ᄃ": "t", "ᄄ": "t", "ᄅ": "ɾ", "ᄆ": "m",
    "ᄇ": "p", "ᄈ": "p", "ᄉ": "s", "ᄊ": "s", "ᄋ": "", "ᄌ": "ʨ", "ᄍ": "ʨ",
    "ᄎ": "ʨʰ", "ᄏ": "kʰ", "ᄐ": "tʰ", "ᄑ": "pʰ", "ᄒ": "h",
}  # fmt: skip
_VOWELS = {
    "ᅡ": "a", "ᅢ": "ɛ", "ᅣ": "ja", "ᅤ": "jɛ", "ᅥ": "ʌ", "ᅦ": "e", "ᅧ": "jʌ",
    "ᅨ": "je", "ᅩ": "o", "ᅪ": "wa", "ᅫ": "wɛ", "ᅬ": "we", "ᅭ": "jo", "ᅮ": "u",
    "ᅯ": "wʌ", "ᅰ": "we", "ᅱ": "wi", "ᅲ": "ju", "ᅳ": "ɯ", "ᅴ": "ɯi", "ᅵ": "i",
}  # fmt: skip
_CODAS = {
    **dict.fromkeys("ᆨᆩᆪᆰᆿ", "k"),
    **dict.fromkeys("ᆫᆬᆭ", "n"),
    **dict.fromkeys("ᆮᆺᆻᆽᆾᇀᇂ", "t"),
    **dict.fromkeys("ᆯᆲᆳᆴᆶ", "l"),
    **dict.fromkeys("ᆷᆱ", "m"),
    **dict.fromkeys("ᆸᆵᆹᇁ", "p"),
    "ᆼ": "ŋ",
}
_VOICED = {"ᄀ": "ɡ", "ᄃ": "d", "ᄇ": "b", "ᄌ": "ʥ"}
_SOFT = frozenset("ᄀᄃᄇ")
"""Voiced at the start of a word too: spoken voiceless there, as in Korean, they are taken for
ㅋ ㅌ ㅍ, because Kokoro knows no third row between plain and aspirated."""
_PALATALISING = frozenset("ᅵᅣᅤᅧᅨᅭᅲᅱ")
_CODA_CLASS = {"n": "N", "m": "N", "ŋ": "N", "l": "L"}

# ᅴ is spoken 이 but at the start of a word (standard pronunciation, article 5).
_INNER_UI = re.compile(
    "(?<=[\u1161-\u1175\u11a8-\u11c2]\u110b)\u1174|(?<=[\u1100-\u110a\u110c-\u1112])\u1174"
)


def clauses_to_ipa(clauses: Sequence[str]) -> list[str]:
    """Kokoro's phonemes for clauses of Korean; other letters pass unchanged."""
    return [to_ipa(_pronounced(clause)) for clause in clauses]


def to_ipa(jamo: str) -> str:
    """Phonemes for a string of pronounced jamo (U+1100…), syllable by syllable."""
    out: list[str] = []
    before = ""  # the sound before: Vowel, Nasal, Lateral, Closed (a stop), or "" a boundary
    for here, after in zip(jamo, jamo[1:] + " ", strict=False):
        if here in _ONSETS:
            out.append(_onset(here, after, before))
        elif here in _VOWELS:
            out.append(_VOWELS[here])
            before = "V"
        elif here in _CODAS:
            coda = _CODAS[here]
            out.append(coda)
            before = _CODA_CLASS.get(coda, "C")
        else:
            out.append(here)
            before = ""
    return " ".join("".join(out).split())


def _onset(jamo: str, vowel: str, before: str) -> str:
    if jamo in _VOICED and (before in ("V", "N", "L") or (not before and jamo in _SOFT)):
        return _VOICED[jamo]
    if jamo in "ᄉᄊ" and vowel in _PALATALISING:
        return "ɕ"
    if jamo == "ᄅ" and before:
        # After a nasal ㄹ is spoken ㄴ (article 19); the rules of kokorog2p leave that out.
        return {"L": "l", "N": "n", "C": "n"}.get(before, "ɾ")
    return _ONSETS[jamo]


def _pronounced(clause: str) -> str:
    return _INNER_UI.sub("\u1175", _rules()(clause))


@cache
def _rules() -> Callable[[str], str]:
    from kokorog2p.ko.g2pk import G2p

    with warnings.catch_warnings():
        # It leaves the closing of its table to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        g2p: Any = G2p(morphology="off")

    def pronounced(clause: str) -> str:
        return str(g2p(clause))

    return pronounced
