"""Where stage results are kept: by content, verified when read.

Layout of :class:`LocalStore`::

    objects/ab/cdef…       the content, read-only, named by its SHA-256
    entries/ab/cdef….json  what a stage made, named by its cache key
    scratch/PID-…          folders of running stages

A result is written to a temporary name and renamed, so a killed process leaves either all of it
or nothing. A damaged object or entry is removed and counts as a miss.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from onevoice.errors import CacheError, DiskFull
from onevoice.pipeline.fingerprint import bytes_digest, file_digest

_ALWAYS_HASH = 4 << 20
"""Objects up to this size are hashed at every read; larger ones when they were touched."""
_GRACE = 3600.0
"""Seconds during which an object without an entry is taken to belong to a running stage."""


@dataclass(frozen=True, slots=True, order=True)
class Artifact:
    """A stored object: its SHA-256 and its size in bytes."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one stage (or one line) made. ``refs`` are objects its outputs speak of."""

    key: str
    outputs: Mapping[str, Artifact]
    refs: tuple[Artifact, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GcReport:
    removed: int
    freed_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    checked: int
    damaged: tuple[str, ...]


class ArtifactStore(Protocol):
    """What the pipeline needs of a store; a hosted one keeps the same content elsewhere."""

    def get(self, key: str) -> Entry | None:
        """The entry of a key, if all of its objects are there and sound."""

    def put(
        self,
        key: str,
        files: Mapping[str, Path],
        *,
        refs: Sequence[Artifact] = (),
        meta: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Take the files over (they are moved) and note them under the key."""

    def add(self, data: bytes) -> Artifact:
        """Keep some bytes; no entry is made."""

    def path(self, artifact: Artifact) -> Path:
        """A local, readable file with the object's content. Raises CacheError if it is gone."""

    def scratch(self) -> AbstractContextManager[Path]:
        """A folder for a stage's work, on the disk of the store."""


class LocalStore:
    """A store in a folder, shared by any number of processes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            for name in ("objects", "entries", "scratch"):
                (root / name).mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise CacheError(
                f"the cache folder {root} cannot be used: {exc.strerror or exc}",
                hint="set ONEVOICE_CACHE_DIR to a folder you can write to",
            ) from exc
        self._remove_dead_scratch()

    # -- reading -----------------------------------------------------------------------------

    def get(self, key: str) -> Entry | None:
        path = self._entry_path(key)
        entry = _read_entry(path, key)
        if entry is None:
            return None
        for artifact in (*entry.outputs.values(), *entry.refs):
            if not self.has(artifact):
                path.unlink(missing_ok=True)
                return None
        _touch(path)
        return entry

    def path(self, artifact: Artifact) -> Path:
        path = self._object_path(artifact.digest)
        if not path.is_file():
            raise CacheError(
                f"an object of the cache is gone: {artifact.digest[:12]}…",
                hint="run the same command again: what is missing is made anew",
            )
        return path

    def has(self, artifact: Artifact) -> bool:
        """Whether an object is there and whole; a damaged one is removed."""
        path = self._object_path(artifact.digest)
        try:
            stat = path.stat()
        except OSError:
            return False
        if stat.st_size == artifact.size:
            untouched = stat.st_mtime_ns == _seal_time(artifact.digest)
            if untouched and stat.st_size > _ALWAYS_HASH:
                return True
            if file_digest(path) == artifact.digest:
                if not untouched:
                    _seal(path, artifact.digest)
                return True
        path.unlink(missing_ok=True)
        return False

    # -- writing -----------------------------------------------------------------------------

    def put(
        self,
        key: str,
        files: Mapping[str, Path],
        *,
        refs: Sequence[Artifact] = (),
        meta: Mapping[str, Any] | None = None,
    ) -> Entry:
        outputs = {name: self.take(path) for name, path in files.items()}
        entry = Entry(
            key=key, outputs=outputs, refs=tuple(sorted(set(refs))), meta=dict(meta or {})
        )
        self.note(entry)
        return entry

    def note(self, entry: Entry) -> None:
        """Keep an entry whose objects are here."""
        self._write(self._entry_path(entry.key), dump_entry(entry))

    def take(self, source: Path) -> Artifact:
        """Move a finished file in under the name of its content."""
        artifact = Artifact(file_digest(source), source.stat().st_size)
        target = self._object_path(artifact.digest)
        with _storage_errors(self.root):
            target.parent.mkdir(parents=True, exist_ok=True)
            if not (target.is_file() and self.has(artifact)):
                _sync(source)
                shutil.move(source, target)
                _seal(target, artifact.digest)
        return artifact

    def add(self, data: bytes) -> Artifact:
        artifact = Artifact(bytes_digest(data), len(data))
        path = self._object_path(artifact.digest)
        if not (path.is_file() and self.has(artifact)):
            self._write(path, data)
            _seal(path, artifact.digest)
        return artifact

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(dir=self.root / "scratch", prefix=f"{os.getpid()}-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    # -- upkeep ------------------------------------------------------------------------------

    def entries(self) -> Iterator[tuple[Entry, float]]:
        """Every readable entry, with the time it was last used (seconds since the epoch)."""
        for path in sorted((self.root / "entries").glob("??/*.json")):
            entry = _read_entry(path, path.parent.name + path.stem)
            if entry is not None:
                yield entry, path.stat().st_mtime

    def size(self) -> tuple[int, int]:
        """Number of objects, and their bytes."""
        sizes = [path.stat().st_size for path in self._objects()]
        return len(sizes), sum(sizes)

    def gc(self, *, max_bytes: int | None = None, max_age_days: float | None = None) -> GcReport:
        """Drop the entries used longest ago until the limits hold, then what nobody refers to."""
        kept = sorted(self.entries(), key=lambda pair: pair[1], reverse=True)
        now = time.time()
        if max_age_days is not None:
            kept = [pair for pair in kept if now - pair[1] <= max_age_days * 86400]
        wanted: dict[str, int] = {}
        chosen: set[str] = set()
        for entry, _ in kept:
            objects = {a.digest: a.size for a in (*entry.outputs.values(), *entry.refs)}
            new = {digest: size for digest, size in objects.items() if digest not in wanted}
            if max_bytes is not None and sum(wanted.values()) + sum(new.values()) > max_bytes:
                break
            wanted.update(new)
            chosen.add(entry.key)
        dropped: set[str] = set()
        for entry, _ in list(self.entries()):
            if entry.key not in chosen:
                dropped.update(a.digest for a in (*entry.outputs.values(), *entry.refs))
                self._entry_path(entry.key).unlink(missing_ok=True)
        removed = freed = 0
        for path in list(self._objects()):
            digest = path.parent.name + path.name
            stat = path.stat()
            # Without an entry it may be a running stage's work, until it is too old for that.
            orphaned = now - stat.st_ctime > _GRACE
            if digest not in wanted and (digest in dropped or orphaned):
                path.unlink(missing_ok=True)
                removed, freed = removed + 1, freed + stat.st_size
        return GcReport(removed=removed, freed_bytes=freed)

    def verify(self) -> VerifyReport:
        """Hash every object; damaged ones are removed, so that they are made anew."""
        damaged = []
        checked = 0
        for path in list(self._objects()):
            digest = path.parent.name + path.name
            checked += 1
            if file_digest(path) != digest:
                damaged.append(digest)
                path.unlink(missing_ok=True)
        return VerifyReport(checked=checked, damaged=tuple(damaged))

    # -- inner workings ----------------------------------------------------------------------

    def _objects(self) -> Iterator[Path]:
        return (p for p in (self.root / "objects").glob("??/*") if not p.name.startswith("."))

    def _object_path(self, digest: str) -> Path:
        return self.root / "objects" / digest[:2] / digest[2:]

    def _entry_path(self, key: str) -> Path:
        return self.root / "entries" / key[:2] / f"{key[2:]}.json"

    def _write(self, path: Path, data: bytes) -> None:
        with _storage_errors(self.root):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                Path(name).replace(path)
            finally:
                Path(name).unlink(missing_ok=True)

    def _remove_dead_scratch(self) -> None:
        """Folders of processes that are no more; a killed run leaves one behind."""
        for folder in (self.root / "scratch").iterdir():
            pid = folder.name.partition("-")[0]
            if pid.isdigit() and not _alive(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)


def dump_entry(entry: Entry) -> bytes:
    """An entry as it is kept: its record, and the SHA-256 of that."""
    body = {
        "key": entry.key,
        "outputs": {name: [a.digest, a.size] for name, a in entry.outputs.items()},
        "refs": [[a.digest, a.size] for a in entry.refs],
        "meta": entry.meta,
    }
    text = json.dumps(body, ensure_ascii=False, indent=1)
    record = {"body": body, "sha256": bytes_digest(text.encode())}
    return json.dumps(record, ensure_ascii=False).encode()


def parse_entry(data: bytes, key: str) -> Entry:
    """The entry of a key. Raises ValueError for anything that ``dump_entry`` did not write."""
    try:
        record = json.loads(data)
        body = record["body"]
        text = json.dumps(body, ensure_ascii=False, indent=1)
        if record["sha256"] != bytes_digest(text.encode()) or body["key"] != key:
            raise ValueError("the entry does not match its checksum")
        outputs = {name: Artifact(str(d), int(s)) for name, (d, s) in body["outputs"].items()}
        refs = tuple(Artifact(str(d), int(s)) for d, s in body["refs"])
        return Entry(key=key, outputs=outputs, refs=refs, meta=body["meta"])
    except (KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise ValueError("this is no entry") from exc


def _read_entry(path: Path, key: str) -> Entry | None:
    """Read an entry; anything wrong with it makes it a miss."""
    try:
        return parse_entry(path.read_bytes(), key)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        path.unlink(missing_ok=True)
        return None


def _seal_time(digest: str) -> int:
    """A modification time no writer leaves by chance: it marks an object as verified."""
    return 10**18 + int(digest[:8], 16) * 1000


def _seal(path: Path, digest: str) -> None:
    when = _seal_time(digest)
    path.chmod(0o444)
    os.utime(path, ns=(when, when))


def _touch(path: Path) -> None:
    try:
        os.utime(path)
    except OSError:
        return  # a read-only cache still serves; it only forgets what was used last


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def _storage_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull(
                f"no room left in the cache folder {root}",
                hint="free some space (onevoice cache gc), or set ONEVOICE_CACHE_DIR elsewhere",
            ) from exc
        raise CacheError(
            f"the cache folder {root} cannot be written: {exc.strerror or exc}",
            hint="set ONEVOICE_CACHE_DIR to a folder you can write to",
        ) from exc
