"""The glossary: names and terms with their fixed translations, and how they are pronounced.

As YAML, one entry a list item; everything but ``term`` may be left out::

    - term: OpenAI
      keep: true                      # stays as it is in every language
      pronunciation: {ko: 오픈에이아이, es: open ei ai}
      note: the company
    - term: dubbing
      translations: {es: doblaje, ko: 더빙, no: dubbing}
    - term: May
      keep: true
      case_sensitive: true            # the name, not the word "may"

Values are text whatever they look like: ``no`` is Norwegian and ``2026`` is four characters.
As CSV (or with semicolons or tabs), with languages for columns::

    term,keep,es,ko,pronunciation:ko,case_sensitive,note
    OpenAI,yes,,,오픈에이아이,,the company
    dubbing,,doblaje,더빙,,,

A term is written as the film says it. Where the film speaks another language than the glossary
is written in, the translation into that language counts as the term. Case makes no difference,
except in terms of capitals alone (``US``), unless ``case_sensitive`` says otherwise.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from pydantic import ValidationError

from onevoice.errors import ConfigError
from onevoice.glossary.entries import Entry, in_language
from onevoice.glossary.files import read
from onevoice.speakable import occurrences
from onevoice.types import dump_json, load_json

__all__ = ["Entry", "Glossary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Glossary:
    """Entries in the order of their terms."""

    entries: tuple[Entry, ...] = ()

    EMPTY: ClassVar[Glossary]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a ``.yaml``, ``.yml``, ``.csv`` or ``.tsv`` file.

        Raises
        ------
        ConfigError
            It cannot be read, or something in it is wrong: the message has the line and the
            key, the hint the nearest key there is.
        """
        return cls(entries=read(path))

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Read back what :meth:`dump` wrote. Raises ConfigError."""
        try:
            return load_json(cls, data)
        except ValidationError as exc:
            first = exc.errors()[0]
            raise ConfigError(
                f"a stored glossary does not parse: {first['msg']}", hint="give --glossary again"
            ) from exc

    def dump(self) -> bytes:
        """As JSON; equal glossaries give equal bytes, in whatever order they were written."""
        return dump_json(self)

    def terms_in(self, text: str, source: str, target: str) -> tuple[tuple[str, str], ...]:
        """The terms that occur in a text, each with what it must become; the longest first.

        Whole words count, with a Korean particle if need be. A term inside a longer one that
        occurs is not named. Terms without a translation into ``target`` are left out, unless
        they are to be kept.
        """
        known = [entry for entry in self.entries if entry.required(target)]
        words = [entry.written(source) for entry in known]
        cased = [entry.case_sensitive for entry in known]
        text = unicodedata.normalize("NFC", text)
        found = {each.word for each in occurrences.find(text, words, source, as_written=cased)}
        pairs = [(words[i], known[i].required(target) or "") for i in found]
        return tuple(sorted(pairs, key=lambda pair: (-len(pair[0]), pair)))

    def pronunciations(self, language: str) -> tuple[tuple[str, str], ...]:
        """What stands in a text of that language and how it is to be read, the longest first.

        In the form that :func:`onevoice.speakable.speakable` takes: what is found in any case
        is in small letters.
        """
        pairs: dict[str, str] = {}
        for entry in self.entries:
            said = in_language(entry.pronunciation, language)
            if said:
                for word in (entry.written(language), entry.term):
                    pairs[word if entry.case_sensitive else word.lower()] = said
        return tuple(sorted(pairs.items(), key=lambda pair: (-len(pair[0]), pair)))

    def hints(self, language: str) -> tuple[str, ...]:
        """What a recogniser may hear in that language."""
        return tuple(dict.fromkeys(entry.written(language) for entry in self.entries))


Glossary.EMPTY = Glossary()
