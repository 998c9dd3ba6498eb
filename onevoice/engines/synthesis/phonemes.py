"""Text to the phoneme string that Kokoro reads, and that string in pieces it can hold.

Kokoro's alphabet is IPA with single letters for diphthongs and affricates (``A`` = eɪ,
``ʧ`` = tʃ) and the punctuation marks, which carry the intonation: so text is cut at its
punctuation, only what lies between goes through a phonemizer, and the marks are put back.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence

from onevoice.engines.synthesis.espeak import Espeak

MAX_TOKENS = 508
"""Kokoro's context of 512, less the two boundary tokens and a little room."""

Phonemizer = Callable[[Sequence[str]], list[str]]

# A point, comma or colon between digits belongs to the number.
_MARKS = re.compile(
    r"((?:(?<!\d)[.,:]|[.,:](?!\d)|[;!?…—–\"«»“”„()\[\]¿¡。、！？，；：「」『』・।])+)"
)
_OPENING = "«“„([「『¿¡"
_KOKORO_MARKS = str.maketrans(
    {
        "。": ".", "、": ",", "！": "!", "？": "?", "，": ",", "；": ";", "：": ":", "।": ".",
        "–": "—", "«": "“", "»": "”", "„": "“", "「": "“", "」": "”", "『": "“", "』": "”",
        "[": "(", "]": ")", "¿": None, "¡": None, '"': None, "・": " ",
    }
)  # fmt: skip

# eSpeak's tied sounds and Kokoro's letters for them (misaki's table, hexgrad, Apache-2.0).
_TIED = {
    "a^ɪ": "I", "a^ʊ": "W", "d^z": "ʣ", "d^ʒ": "ʤ", "e^ɪ": "A", "o^ʊ": "O", "ə^ʊ": "Q",
    "s^s": "S", "t^s": "ʦ", "t^ʃ": "ʧ", "ɔ^ɪ": "Y",
}  # fmt: skip
_TIED_PATTERN = re.compile("|".join(map(re.escape, _TIED)))
_ESPEAK_ONLY = str.maketrans("", "", "^\u0361-")

ESPEAK_VOICES: Mapping[str, str] = {
    "de": "de",
    "en": "en-us",
    "es": "es",
    "fr": "fr",
    "hi": "hi",
    "it": "it",
    "pt": "pt-br",
}
"""Languages whose phonemes come from eSpeak NG, and its voice for each."""


def clean(text: str) -> str:
    """Composed form, one line, three points as one mark, no control or broken characters."""
    text = unicodedata.normalize("NFC", text).replace("...", "…")
    kept = (" " if c.isspace() else c for c in text if c.isspace() or _printable(c))
    return " ".join("".join(kept).split())


def _printable(char: str) -> bool:
    return unicodedata.category(char) not in ("Cc", "Cs", "Co", "Cn", "Cf", "So", "Sk")


def phonemize(text: str, clauses_to_ipa: Phonemizer) -> str:
    """Phonemes of ``text`` with its punctuation; empty when there is nothing to say."""
    parts = _MARKS.split(clean(text))
    words, marks = parts[0::2], parts[1::2]
    spoken = [word.strip() for word in words]
    ipa = iter(clauses_to_ipa([clause for clause in spoken if _sayable(clause)]))
    out = ""
    for i, clause in enumerate(spoken):
        if _sayable(clause):
            out += next(ipa)
        if i < len(marks):
            out = _append_marks(out, marks[i])
    out = out.strip()
    return out if any(c.isalpha() for c in out) else ""


def _sayable(clause: str) -> bool:
    return any(c.isalnum() for c in clause)


def _append_marks(out: str, marks: str) -> str:
    """Closing marks lean on the word before, opening ones on the word after."""
    for mark in marks:
        kokoro = mark.translate(_KOKORO_MARKS)
        if mark in _OPENING:
            out = f"{out.rstrip()} {kokoro}" if kokoro else f"{out.rstrip()} "
        else:
            out = f"{out.rstrip()}{kokoro} "
    return out


def through_espeak(espeak: Espeak, voice: str) -> Phonemizer:
    """A phonemizer that asks eSpeak NG and spells its answer as Kokoro does."""

    def clauses_to_ipa(clauses: Sequence[str]) -> list[str]:
        return [_to_kokoro(ipa) for ipa in espeak.phonemes(clauses, voice)]

    return clauses_to_ipa


def _to_kokoro(ipa: str) -> str:
    letters = _TIED_PATTERN.sub(lambda found: _TIED[found.group()], ipa)
    return letters.translate(_ESPEAK_ONLY)


def tokens(phonemes: str, vocabulary: Mapping[str, int]) -> list[int]:
    """Token numbers; what Kokoro does not know is left out."""
    return [vocabulary[c] for c in phonemes if c in vocabulary]


def split(phonemes: str, limit: int = MAX_TOKENS) -> list[str]:
    """Pieces of at most ``limit`` characters and of like length, cut where a speaker would.

    The best cut near the wanted place is after a sentence, then after a comma, then at a
    space; only a word longer than ``limit`` is cut inside.
    """
    pieces: list[str] = []
    rest = phonemes.strip()
    while len(rest) > limit:
        count = -(-len(rest) // limit)
        cut = _best_cut(rest, wanted=-(-len(rest) // count), limit=limit)
        pieces.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    pieces.append(rest)
    return [piece for piece in pieces if piece]


def _best_cut(text: str, *, wanted: int, limit: int) -> int:
    """The cut of the highest rank in the second half of the room; of equals, the nearest."""
    for pattern in (r"[.!?…][”\")]*(?=\s)", r"[,;:—][”\")]*(?=\s)", r"(?=\s)"):
        ends = [m.end() for m in re.finditer(pattern, text[: limit + 1]) if m.end() > limit // 3]
        ends = [end for end in ends if end <= limit]
        if ends:
            return min(ends, key=lambda end: abs(end - wanted))
    return limit
