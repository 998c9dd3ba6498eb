"""Sentences and their translations, remembered from one project of a series to the next.

One SQLite file a series. Of every sentence it holds at most one translation that a person
accepted and one that an engine made; the latest counts. Several runs may use it at once.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Self

from onevoice.errors import CacheError, ConfigError

VERSION = 1
_APPLICATION = int.from_bytes(b"ovtm", "big")
"""SQLite's ``application_id``: it tells our files from other programs'."""
_BUSY_S = 30.0
_SCHEMA = f"""
CREATE TABLE sentences (
    source_lang TEXT NOT NULL,
    target_lang TEXT NOT NULL,
    source_text TEXT NOT NULL,
    target_text TEXT NOT NULL,
    accepted INTEGER NOT NULL,
    project TEXT NOT NULL,
    remembered_at TEXT NOT NULL,
    PRIMARY KEY (source_lang, target_lang, source_text, accepted)
) WITHOUT ROWID;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {VERSION};
"""
_NAME = re.compile(r"\w(?:[\w .-]{0,62}\w)?")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?")
"""File names that Windows keeps for itself."""

_Pair = tuple[str, str]


def series_path(folder: Path, name: str) -> Path:
    """The file of the series with this name; case makes no difference.

    Raises
    ------
    ConfigError
        The name could not be that of a file everywhere, or would lead out of the folder.
    """
    folded = unicodedata.normalize("NFC", name.strip()).casefold()
    if not _NAME.fullmatch(folded) or _DEVICES.fullmatch(folded):
        raise ConfigError(
            f"{name[:80]!r} cannot be the name of a series",
            hint="use letters and digits, with blanks, dots and dashes between them: 'My Show'",
        )
    return folder / f"{folded}.sqlite"


class Memory:
    """An open translation memory; any thread may use it. Every method raises CacheError."""

    def __init__(self, path: Path, connection: sqlite3.Connection, apart_from: str = "") -> None:
        self.path = path
        self._apart_from = _settled(apart_from)
        self._connection = connection
        self._lock = Lock()
        self._loaded: dict[tuple[str, str, bool], dict[str, str]] = {}
        self._seen = -1

    @classmethod
    def open(cls, path: Path, *, apart_from: str = "") -> Self:
        """Open the file, or begin a new one; its folder is made.

        What the project ``apart_from`` gave is not read.
        """
        with _translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
            try:
                _prepare(path, connection)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection, apart_from)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def remember(
        self,
        source_lang: str,
        target_lang: str,
        source_text: str,
        target_text: str,
        accepted: bool,
        project: str,
        when: str,
    ) -> None:
        """Keep a translation, unless a later one is there; ``when`` is an ISO 8601 time in UTC.

        ``accepted``: a person wrote it or left it standing. Nothing is kept of empty texts.
        """
        source, target = _settled(source_text), _settled(target_text)
        if not source or not target:
            return
        row = (source_lang, target_lang, source, target, accepted, _settled(project), when)
        with self._use() as connection:
            connection.execute(
                "INSERT INTO sentences VALUES (?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET target_text = excluded.target_text,"
                " project = excluded.project, remembered_at = excluded.remembered_at"
                " WHERE excluded.remembered_at >= remembered_at",
                row,
            )
            self._loaded.clear()

    def exact(
        self, source_lang: str, target_lang: str, text: str, accepted_only: bool = True
    ) -> str | None:
        """The translation of this very sentence, an accepted one before any other.

        Blanks make no difference, case does.
        """
        with self._use() as connection:
            row = connection.execute(
                "SELECT target_text FROM sentences WHERE source_lang = ? AND target_lang = ?"
                " AND source_text = ? AND accepted >= ? AND project != ?"
                " ORDER BY accepted DESC LIMIT 1",
                (source_lang, target_lang, _settled(text), int(accepted_only), self._apart_from),
            ).fetchone()
        return str(row[0]) if row else None

    def similar(
        self,
        source_lang: str,
        target_lang: str,
        text: str,
        limit: int = 3,
        least: float = 0.75,
        accepted_only: bool = True,
    ) -> tuple[tuple[str, str, float], ...]:
        """Sentences like this one: (source, target, likeness), the most alike first.

        The likeness, 0 to 1, is one minus the insertions and deletions that turn one text into
        the other, over their lengths together (the normalised indel distance); case makes no
        difference to it. Accepted translations stand before others.
        """
        found = self._alike((source_lang, target_lang), text, True, limit, least)
        if not accepted_only and len(found) < limit:
            known = {source for source, _, _ in found}
            others = self._alike((source_lang, target_lang), text, False, limit, least)
            found += [other for other in others if other[0] not in known]
        return tuple(found[:limit])

    def _alike(
        self, pair: _Pair, text: str, accepted: bool, limit: int, least: float
    ) -> list[tuple[str, str, float]]:
        from rapidfuzz import fuzz, process

        known = self._sentences(pair, accepted)
        matches = process.extract(
            _settled(text),
            known.keys(),
            scorer=fuzz.ratio,
            processor=str.casefold,
            score_cutoff=100 * least,
            limit=limit,
        )
        return [(source, known[source], round(score / 100, 4)) for source, score, _ in matches]

    def _sentences(self, pair: _Pair, accepted: bool) -> dict[str, str]:
        """All of a pair of languages, read again when some process has written."""
        with self._use() as connection:
            seen = int(connection.execute("PRAGMA data_version").fetchone()[0])
            if seen != self._seen:
                self._loaded.clear()
                self._seen = seen
            key = (*pair, accepted)
            if key not in self._loaded:
                rows = connection.execute(
                    "SELECT source_text, target_text FROM sentences WHERE source_lang = ?"
                    " AND target_lang = ? AND accepted = ? AND project != ? ORDER BY source_text",
                    (*key, self._apart_from),
                )
                self._loaded[key] = dict(rows.fetchall())
            return self._loaded[key]

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _translated(self.path):
            yield self._connection


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    """Settings of the connection; tables in a file that is new."""

    def pragma(name: str) -> int:
        return int(connection.execute(f"PRAGMA {name}").fetchone()[0])

    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            for statement in filter(str.strip, _SCHEMA.split(";")):
                connection.execute(statement)
        elif pragma("application_id") != _APPLICATION:
            raise CacheError(
                f"{path} is a database of another program", hint="give the series another name"
            )
        elif pragma("user_version") != VERSION:
            raise CacheError(
                f"{path} is a translation memory of version {pragma('user_version')}, and this "
                f"OneVoice reads version {VERSION}",
                hint="update OneVoice, or give the series another name",
            )
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        connection.execute("PRAGMA journal_mode = WAL")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """What SQLite and the file system raise, as CacheError."""
    try:
        yield
    except sqlite3.OperationalError as exc:
        raise CacheError(
            f"the translation memory {path} cannot be used: {exc}",
            hint="end other runs of the same series, and check the disk and who owns the file",
        ) from exc
    except sqlite3.Error as exc:
        raise CacheError(
            f"the translation memory {path} is damaged: {exc}",
            hint="put a copy of it back, or move it away to begin a new one",
        ) from exc
    except OSError as exc:
        raise CacheError(
            f"no translation memory can be kept in {path.parent}: {exc.strerror}",
            hint="check who owns the folder",
        ) from exc


def _settled(text: str) -> str:
    """One form of a text: composed, with single blanks, and without what is no character."""
    plain = text.encode("utf-8", "replace").decode("utf-8")
    return " ".join(unicodedata.normalize("NFC", plain).split())
