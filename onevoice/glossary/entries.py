"""One term of a glossary, and what it is in each language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from onevoice import languages


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One term. ``translations`` and ``pronunciation`` are keyed by language tags."""

    term: str
    translations: dict[str, str] = field(default_factory=dict)
    keep: bool = False
    pronunciation: dict[str, str] = field(default_factory=dict)
    note: str = ""
    case_sensitive: bool = False

    def written(self, language: str) -> str:
        """The term as a text of that language has it."""
        return in_language(self.translations, language) or self.term

    def required(self, target: str) -> str | None:
        """What it must become in the target language; None when the glossary does not say."""
        return in_language(self.translations, target) or (self.term if self.keep else None)


def in_language(texts: Mapping[str, str], language: str) -> str | None:
    """The text for a language: of its region, of no region, of another region.

    Traditional Chinese is no stand-in for simplified, as one region's words are for another's.
    """
    for tag in (language, languages.base(language)):
        if tag in texts:
            return texts[tag]
    return next(
        (
            text
            for tag, text in texts.items()
            if languages.same(tag, language)
            and languages.scripts(tag) == languages.scripts(language)
            and "-Han" not in tag
        ),
        None,
    )
