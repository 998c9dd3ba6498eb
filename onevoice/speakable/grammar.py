"""What a language with an alphabet has to tell so that its text can be read out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Form = Literal["alone", "masculine", "feminine"]
"""What a number stands before: nothing, or a noun of that gender (*uno, un, una*)."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit or a currency in words."""

    one: str
    many: str
    feminine: bool = False
    cents: tuple[str, str] | None = None
    """One and many of its hundredth, for currencies that name it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """One language. Functions take plain integers; tables are keyed by what stands in the text."""

    letters: str
    """Inside of a regular-expression class: the letters that its voices can say."""
    opening: str = ""
    """Punctuation that opens a sentence."""
    cardinal: Callable[[int, Form], str]
    ordinal: Callable[[int, bool], str] | None = None
    """Ordinal and whether it is feminine."""
    ordinal_marks: str = ""
    """Regular expression for what follows the digits; a named group ``feminine`` if it is so."""
    form: Callable[[str, str], Form] = lambda before, after: "alone"
    """Which form a number takes between the text before it and the text after it."""
    year: Callable[[int], str] | None = None
    date: Callable[[int | None, int, int], str] | None = None
    """Year (or None), month, day in words."""
    month_first: bool = False
    months: tuple[str, ...] = ()
    """Names after or before which a day is an ordinal (*November twenty-third*)."""
    decade: Callable[[str], str] | None = None
    """``1990`` of ``1990s`` in words."""
    clock: Callable[[int, int, str], str] | None = None
    """Hour, minute, and ``a``, ``p`` or nothing."""
    fraction: Callable[[int, int], str] | None = None
    decimal_words: Mapping[str, str] = field(default_factory=dict)
    """The name of each decimal mark: ``{",": "coma", ".": "punto"}``."""
    decimal: Callable[[str], str | None] = lambda text: None
    """A decimal written with ``.`` in words, where there is no table of marks."""
    digitwise: bool = True
    """Decimals are read digit by digit; otherwise two of them make a number."""
    thousands: str = ","
    """Marks that may stand between groups of three digits."""
    minus: str = "minus"
    link: str = "and"
    """Between units and hundredths of a currency."""
    of: str = ""
    """Between a million and what is counted."""
    to: str = ""
    """Between the ends of a range."""
    dot: str = ""
    at: str = ""
    units: Mapping[str, Unit] = field(default_factory=dict)
    money: Mapping[str, Unit] = field(default_factory=dict)
    magnitudes: Mapping[str, str] = field(default_factory=dict)
    """Lower-case short forms after money: ``{"m": "million"}``; words stand for themselves."""
    signs: Mapping[str, str] = field(default_factory=dict)
    letter_names: Mapping[str, str] = field(default_factory=dict)
    lone_letters: str = ""
    """Single capitals that are words of the language."""
    capital_words: frozenset[str] = frozenset()
    """Short words in capitals that are read as words."""
    spelled: frozenset[str] = frozenset()
    """Longer words in capitals that are said letter by letter though they could be words."""
    replacements: Mapping[str, str] = field(default_factory=dict)
    """Regular expressions for abbreviations and their words; case counts."""
    regnal: str = ""
    """Regular expression for what makes a Roman numeral after it a cardinal."""
    counted_wars: str = ""
    """The same for what a Roman ordinal stands before, feminine (*Segunda Guerra Mundial*)."""
    rulers: str = ""
    """The same for an ordinal (kings and popes)."""


def letter_table(names: str) -> dict[str, str]:
    """Names of the letters a to z, in order."""
    return dict(zip("abcdefghijklmnopqrstuvwxyz", names.split(), strict=True))
