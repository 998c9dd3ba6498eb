"""Glossaries as people write them: YAML and tables, every mistake told with its line."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import yaml

from onevoice import languages
from onevoice.errors import ConfigError, UnknownLanguage
from onevoice.glossary.entries import Entry
from onevoice.subtitles import decode

_FLAGS = {"true": True, "yes": True, "1": True, "x": True}
_FLAGS |= {"false": False, "no": False, "0": False, "": False}
_KEYS = ("term", "translations", "keep", "pronunciation", "note", "case_sensitive")
_COLUMNS = ("term", "keep", "note", "case_sensitive")
_SPOKEN = "pronunciation:"
_DELIMITERS = {".csv": ",;\t", ".tsv": "\t"}


def read(path: Path) -> tuple[Entry, ...]:
    """The entries of a ``.yaml``, ``.yml``, ``.csv`` or ``.tsv`` file, in the order of their terms.

    Raises
    ------
    ConfigError
        As :meth:`onevoice.glossary.Glossary.read` says.
    """
    try:
        text = unicodedata.normalize("NFC", decode(path.read_bytes()))
    except FileNotFoundError as exc:
        raise ConfigError(f"no such glossary: {path}", hint="check the path") from exc
    except OSError as exc:
        raise ConfigError(f"cannot read the glossary {path}: {exc.strerror}") from exc
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        rows = _yaml_rows(path, text)
    elif suffix in _DELIMITERS:
        rows = _csv_rows(path, text, _DELIMITERS[suffix])
    else:
        raise ConfigError(
            f"{path} is no glossary that can be read",
            hint="name it .yaml or .csv, as what it holds",
        )
    lines: dict[str, int] = {}
    entries = []
    for place, row in rows:
        entry = _entry(place, row)
        key = entry.term if entry.case_sensitive else entry.term.casefold()
        if key in lines:
            raise place.error(
                f"{entry.term!r} stands in line {lines[key]} already", hint="remove one of them"
            )
        lines[key] = place.line
        entries.append(entry)
    return tuple(sorted(entries, key=lambda entry: entry.term))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a file something stands, for errors."""

    path: Path
    line: int

    def error(self, message: str, *, hint: str = "") -> ConfigError:
        return ConfigError(
            f"{self.path}, line {self.line}: {message}", hint=hint or "mend the file"
        )

    def unknown(self, key: str, known: tuple[str, ...]) -> ConfigError:
        near = get_close_matches(key, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
        return self.error(f"there is no {key!r} in a glossary", hint=hint)


_Row = dict[str, str | dict[str, str]]


def _entry(place: _Place, row: _Row) -> Entry:
    """Check one entry, whichever kind of file it is from."""
    given = {key: value.strip() for key, value in row.items() if isinstance(value, str)}
    tables = {key: value for key, value in row.items() if isinstance(value, dict)}
    for key in ("translations", "pronunciation"):
        if given.pop(key, ""):
            raise place.error(f"{key} is a text", hint=f"write {key}: {{es: …}}")
    for key in tables:
        if key not in ("translations", "pronunciation"):
            raise place.error(f"{key} must be a text, not a table")
    term = " ".join(given.get("term", "").split())
    if not term:
        raise place.error("there is no term", hint="every entry needs one: term: OpenAI")
    cased = given.get("case_sensitive", "")
    return Entry(
        term=term,
        translations=_by_language(place, "translations", tables.get("translations", {})),
        keep=_flag(place, "keep", given.get("keep", "")),
        pronunciation=_by_language(place, "pronunciation", tables.get("pronunciation", {})),
        note=given.get("note", ""),
        case_sensitive=_flag(place, "case_sensitive", cased) if cased else term.isupper(),
    )


def _flag(place: _Place, key: str, text: str) -> bool:
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        raise place.error(f"{key} is {text!r}", hint="it is true or false") from None


def _by_language(place: _Place, key: str, given: Mapping[str, str]) -> dict[str, str]:
    table: dict[str, str] = {}
    for name, text in given.items():
        tag = _language(place, name)
        if tag in table:
            raise place.error(f"{key} has {tag} twice", hint="remove one of them")
        table[tag] = " ".join(text.split())
        if not table[tag]:
            raise place.error(f"{key} has nothing for {tag}", hint="write it, or leave it out")
    return dict(sorted(table.items()))


def _language(place: _Place, name: str) -> str:
    try:
        return languages.normalize(name)
    except UnknownLanguage as exc:
        raise place.error(exc.message, hint=exc.hint) from exc


# --- YAML -----------------------------------------------------------------------------------


def _yaml_rows(path: Path, text: str) -> Iterator[tuple[_Place, _Row]]:
    """Entries of a YAML file, every scalar as it is written.

    The nodes are read, not the values: they know their lines and their repeated keys, and make
    no truth value out of ``no``.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        raise _Place(path, line).error(f"this is no YAML: {exc.problem}") from exc
    except (yaml.YAMLError, RecursionError) as exc:
        raise ConfigError(f"{path} is no YAML: {exc}", hint="mend the file") from exc
    if root is None:
        return
    if not isinstance(root, yaml.SequenceNode):
        raise _at(path, root).error("a glossary is a list", hint="begin each entry with '- term:'")
    for node in root.value:
        place = _at(path, node)
        if not isinstance(node, yaml.MappingNode):
            raise place.error("an entry has keys", hint="write - term: OpenAI")
        row: _Row = {}
        for key, value in _pairs(path, node):
            if re.fullmatch(r"[a-z]{2}(?:-\w+)?", key):
                raise _at(path, value).error(
                    f"{key!r} is no key of an entry", hint=f"write translations: {{{key}: …}}"
                )
            if key not in _KEYS:
                raise _at(path, value).unknown(key, _KEYS)
            if isinstance(value, yaml.MappingNode):
                row[key] = {name: _text(path, name, item) for name, item in _pairs(path, value)}
            else:
                row[key] = _text(path, key, value)
        yield place, row


def _at(path: Path, node: yaml.Node) -> _Place:
    return _Place(path, node.start_mark.line + 1)


def _pairs(path: Path, node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node]]:
    seen = set()
    for key, value in node.value:
        name = _text(path, "a key", key)
        if name in seen:
            raise _at(path, key).error(f"{name!r} is there twice", hint="remove one of them")
        seen.add(name)
        yield name, value


def _text(path: Path, key: str, node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _at(path, node).error(f"{key} must be a text")
    return str(node.value)


# --- CSV ------------------------------------------------------------------------------------


def _csv_rows(path: Path, text: str, delimiters: str) -> Iterator[tuple[_Place, _Row]]:
    """Entries of a table; the delimiter is the one its head has most of."""
    head = text.partition("\n")[0]
    delimiter = max(delimiters, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: list[str] | None = None
    try:
        for cells in reader:
            place = _Place(path, reader.line_num)
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _columns(place, cells)
                continue
            if len(cells) > len(columns):
                raise place.error(
                    f"there are {len(cells)} cells under {len(columns)} columns",
                    hint='put text with a comma in it into "quotes"',
                )
            yield place, _row(dict(zip(columns, cells, strict=False)))
    except csv.Error as exc:
        raise _Place(path, reader.line_num).error(f"this is no CSV: {exc}") from exc


def _columns(place: _Place, cells: list[str]) -> list[str]:
    """The head: own columns by name, the others as language tags."""
    columns = []
    for cell in cells:
        name = cell.strip()
        if name.lower() in _COLUMNS:
            columns.append(name.lower())
        elif name.lower().startswith(_SPOKEN):
            columns.append(_SPOKEN + _language(place, name[len(_SPOKEN) :]))
        elif get_close_matches(name.lower(), _COLUMNS, n=1, cutoff=0.75):
            raise place.unknown(name, _COLUMNS)
        else:
            columns.append(_language(place, name))
    for name in columns:
        if columns.count(name) > 1:
            raise place.error(f"the column {name} is there twice", hint="remove one of them")
    if "term" not in columns:
        raise place.error("there is no column 'term'", hint="begin with a line: term,es,ko")
    return columns


def _row(cells: Mapping[str, str]) -> _Row:
    filled = {name: text for name, text in cells.items() if text.strip()}
    own: _Row = {name: text for name, text in filled.items() if name in _COLUMNS}
    spoken = {n.removeprefix(_SPOKEN): t for n, t in filled.items() if n.startswith(_SPOKEN)}
    written = {n: t for n, t in filled.items() if n not in own and not n.startswith(_SPOKEN)}
    return {**own, "translations": written, "pronunciation": spoken}
