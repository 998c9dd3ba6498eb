"""Values as a person reads them: names, lengths of time, sizes.

Text that comes from videos, users and models goes through :func:`literal` before it is shown:
what looks like a control sequence or a line break is spelled out.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Invisible characters that make a name read differently from what it is."""


def literal(text: object) -> str:
    r"""One line, printable anywhere: control characters as ``\n``, ``\x1b``, ``\udc80``.

    >>> literal("a\nb")
    'a\\nb'
    """
    return "".join(_spell(char) for char in str(text))


def _spell(char: str) -> str:
    hidden = char in _BIDI or unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}
    return char.encode("unicode_escape").decode("ascii") if hidden else char


def path(value: Path) -> str:
    """A path as short as it can be typed here: relative to the current folder where below it."""
    try:
        return literal(value.relative_to(Path.cwd()))
    except ValueError:
        return literal(value)


def seconds(value: float) -> str:
    """A length of time, coarser the longer it is.

    >>> [seconds(s) for s in (0.04, 9.96, 42.4, 185, 3720)]
    ['0.0 s', '10.0 s', '42 s', '3 min 05 s', '1 h 02 min']
    """
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(value / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def clock(value: float) -> str:
    """A time in a film as ``m:ss.t`` or ``h:mm:ss.t``.

    >>> [clock(t) for t in (0, 59.96, 3723.5)]
    ['0:00.0', '1:00.0', '1:02:03.5']
    """
    tenths = round(value * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"


def size(count: float) -> str:
    """Bytes in decimal units.

    >>> [size(n) for n in (0, 999, 145_217_532, 3.2e12)]
    ['0 B', '999 B', '145 MB', '3.2 TB']
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 9.95 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def plural(count: int, noun: str) -> str:
    """``1 line``, ``2 lines``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
