"""A cue, and how wide its text is."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_SPACES = re.compile(r"[^\S\u00a0\u202f]+")
_ZERO_WIDTH = frozenset({"Mn", "Me", "Cf"})
_UNWRITABLE = frozenset({"Cc", "Cs"})


@dataclass(frozen=True, slots=True)
class Cue:
    """A text and when it is shown, in seconds. Line breaks in the text are the writer's own."""

    start: float
    end: float
    text: str
    speaker: str = ""
    """Who says it, where that is known."""


def one_line(text: str) -> str:
    """The text in one line with single spaces; spaces that must not break (French) stay.

    Control characters and halves of surrogate pairs, which no file may hold, are left out.
    """
    plain = _SPACES.sub(" ", text).strip()
    return "".join(c for c in plain if unicodedata.category(c) not in _UNWRITABLE)


def columns(text: str) -> int:
    """Width of a text: a full-width character takes two columns, a combining mark none."""
    if text.isascii():
        return len(text)
    return sum(map(column_width, unicodedata.normalize("NFC", text)))


def column_width(character: str) -> int:
    """Columns of one character, 0 to 2."""
    if unicodedata.category(character) in _ZERO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
