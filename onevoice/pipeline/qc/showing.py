"""Texts that nobody vouches for, made fit to be looked at: what is hidden in them shows.

Escaping for HTML is the template's; here is what escaping does not catch. A character that turns
the direction of what follows makes a text read as what it is not (Unicode TR 36), and a control
character has no business in one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from rapidfuzz.distance import Levenshtein

from onevoice.pipeline.qc.wording import has_words, letters

_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

Kind = Literal["same", "wrong", "missing"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of words of what was heard; of ``missing`` ones, of what should have been."""

    kind: Kind
    text: str


def visible(text: str) -> str:
    """Characters that turn the direction or cannot be seen, written out: ``⟨U+202E⟩``.

    >>> visible("a\\u202eb")
    'a⟨U+202E⟩b'
    """
    return "".join(
        f"⟨U+{ord(c):04X}⟩" if c in _TURNING or unicodedata.category(c) == "Cc" else c
        for c in " ".join(text.split())
    )


def differences(expected: Sequence[str], heard: str, language: str) -> list[Piece]:
    """What was heard, and in it what differs from the nearest right form of the text.

    Case, punctuation and the way a number is written make no difference.
    """
    found = _words(heard, language)
    ways = [_words(text, language) for text in expected if text] or [found]
    plain = [letters(word, language) for word in found]
    wanted = min(
        ways, key=lambda way: Levenshtein.distance([letters(w, language) for w in way], plain)
    )
    glue = " " if has_words(language) else ""
    runs = groupby(_aligned(wanted, found, language), key=lambda piece: piece.kind)
    return [Piece(kind, glue.join(piece.text for piece in pieces)) for kind, pieces in runs]


def _aligned(wanted: Sequence[str], found: Sequence[str], language: str) -> Iterator[Piece]:
    steps = Levenshtein.opcodes(
        [letters(word, language) for word in wanted], [letters(word, language) for word in found]
    )
    for step in steps:
        if step.tag == "equal":
            yield from (Piece("same", word) for word in found[step.dest_start : step.dest_end])
            continue
        for word in wanted[step.src_start : step.src_end]:
            if letters(word, language):  # punctuation that stands alone is no word
                yield Piece("missing", word)
        for word in found[step.dest_start : step.dest_end]:
            yield Piece("wrong" if letters(word, language) else "same", word)


def _words(text: str, language: str) -> list[str]:
    return text.split() if has_words(language) else list("".join(text.split()))
