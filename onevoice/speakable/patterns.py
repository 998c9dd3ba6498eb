"""What numbers, addresses and dates look like in any language."""

from __future__ import annotations

import re
import unicodedata

_TLD = "com|org|net|edu|gov|io|ai|dev|app|tv|info|co|kr|br|uk|mx|ar"
_HOST = rf"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:{_TLD})"
_LINKED = r"(?:[a-z0-9-]+\.)+[a-z]{2,}"
EMAIL = re.compile(r"(?<![\w.@])([a-z0-9][\w.+-]*)@((?:[a-z0-9-]+\.)+[a-z]{2,})", re.I | re.A)
URL = re.compile(
    rf"(?:\bhttps?://(?:www\.)?|\bwww\.)({_LINKED})(?::\d+)?(?:/[^\s,]*)?(?<![.,!?])"
    rf"|(?<![\w.@])({_HOST})(?![\w-])(?:/[^\s,가-힣]*(?<![.,!?]))?",
    re.I | re.A,
)
ISO_DATE = re.compile(r"(?<![\d.])([12]\d{3})([-/.])(\d{1,2})\2(\d{1,2})(?![\d-]|\.\d)\.?")
SLASH_DATE = re.compile(r"(?<![\d/.,])(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?![\d/]|\.\d)")
SLASHED = re.compile(r"(?<![\d/.,])(\d{1,4})/(\d{1,4})(?![\d/])")
CLOCK = re.compile(
    r"(?<![\d:.,])(\d{1,2}):([0-5]\d)(?::([0-5]\d))?(?![\d:])(?:\s?h\b)?(?:\s?([ap])\.?\s?m\b\.?)?",
    re.I | re.A,
)
HOUR = re.compile(r"(?<![\d:.,])(\d{1,2})\s?([ap])(?:m\b|\.\s?m\b\.?)", re.I | re.A)
PHONE = re.compile(
    r"(?<![\d.,-])(\+)?(\d{1,4}(?:[-. ]\d{2,5}){1,2}[-. ]\d{4}|1?\d{3}-\d{4}|9\d{4}-\d{4})"
    r"(?![\d-]|[.,]\d)"
)
GROUPED_PHONE = re.compile(
    r"(?<![\d.,])(?:9\d \d{3}(?: \d{2}){2}|[6-9]\d{2}(?: \d{2}){3}|0\d(?: \d{2}){4})"
    r"(?!\d|[.,]\d)"
)
"""Nine digits in Spain, ten in France, in groups."""
VERSION = re.compile(r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d.])")
CAPITALS = "A-ZÀ-ÖØ-Þ"
_MICRO = re.compile(r"(?:(?<=\d)|(?<=\d\s))μ[gms](?![A-Za-z])")
COMMON_DENOMINATORS = frozenset({*range(2, 11), 12, 16, 20, 100})


def is_fraction(numerator: int, denominator: int) -> bool:
    """Is ``3/4`` a part of a whole? Otherwise it is a date or two numbers."""
    return 0 < numerator < denominator and denominator in COMMON_DENOMINATORS


def year_range(phone: str) -> bool:
    """Does ``1990-1995``, which also looks like a telephone number, mean years?"""
    match = re.fullmatch(r"([12]\d{3})[-. ]([12]\d{3})", phone)
    return match is not None and int(match[1]) < int(match[2]) <= 2100


def join_dotted(text: str) -> str:
    """``U.S.A.`` as ``USA``, to be read like any other acronym."""
    dotted = rf"(?<!\w)(?:[{CAPITALS}]\.\s?)+[{CAPITALS}]\.(?![a-z])"
    return re.sub(dotted, lambda m: m[0].replace(".", "").replace(" ", ""), text)


def name_greek(text: str) -> str:
    """Single Greek letters by name: ``α`` is alpha. Greek words are left alone."""

    def named(match: re.Match[str]) -> str:
        if _MICRO.match(match.string, match.start()):
            return match[0]
        words = unicodedata.name(match[0], "").split()
        return words[3].lower() if len(words) > 3 and words[2] == "LETTER" else " "

    return re.sub(r"(?<![Ͱ-Ͽ])[Ͱ-Ͽ](?![Ͱ-Ͽ])", named, text)
