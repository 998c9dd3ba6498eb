"""Text that runs from right to left, shown right by players that assume the other direction.

The letters stay in the order they are said. Many players lay every line out from left to right,
which puts its full stop at the wrong end; so each line is an embedding of its own (UAX #9: RLE …
PDF), which players that know better show just the same.
"""

from __future__ import annotations

import re
import unicodedata

_EMBED, _POP = "\u202b", "\u202c"
_AROUND = re.compile("^[\u200e\u200f\u202a\u202b\u2067]+|[\u202c\u2069]+$")


def embed(text: str) -> str:
    """Each line that has right-to-left letters in it as a right-to-left embedding."""
    return "\n".join(
        f"{_EMBED}{line}{_POP}" if runs_right_to_left(line) else line for line in text.split("\n")
    )


def strip(line: str) -> str:
    """The line without the marks of direction around it."""
    return _AROUND.sub("", line)


def runs_right_to_left(text: str) -> bool:
    """Whether there is a letter of Arabic, Hebrew or another script of that direction in it."""
    return any(unicodedata.bidirectional(c) in {"R", "AL"} for c in text)
