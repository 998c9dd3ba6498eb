"""Where media and artifacts lie: what a storage does, and how it fails.

::

    CacheError
    └── StorageError            it cannot be done like this
        ├── ObjectMissing       nothing is stored under the key
        ├── UploadInvalid       the parts do not make up a file
        └── StorageUnavailable  the storage does not answer (retryable)
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from onevoice.errors import CacheError, DiskFull

ANY_TYPE = "application/octet-stream"
MIN_PART = 5 << 20
"""Fewest bytes of a part, the last one aside: S3's rule, kept by every storage."""
MAX_PARTS = 10_000
_MAX_KEY = 1024


class StorageError(CacheError):
    code = "storage"


class ObjectMissing(StorageError):
    code = "storage_object_missing"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"nothing is stored under {key!r}",
            hint="it was deleted, or never uploaded",
        )
        self.key = key


class UploadInvalid(StorageError):
    code = "storage_upload_invalid"


class StorageUnavailable(StorageError):
    code = "storage_unavailable"
    retryable = True


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What is stored under a key. ``etag`` changes with the content; it has no quotes."""

    key: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part that was uploaded: its number, from 1 on, and the ETag it was answered with."""

    number: int
    etag: str


class Storage(Protocol):
    """Objects under keys like ``accounts/usr_…/videos/vid_…/source``.

    Synchronous and safe to use from any number of threads. Keys are made by the server, never from
    a user's text. A prefix names a folder: ``accounts/a`` holds nothing of ``accounts/ab``. What is
    written appears whole or not at all.
    """

    def put_file(self, key: str, path: Path, *, media_type: str = ANY_TYPE) -> StoredObject:
        """Store a file of any size; it stays where it is."""

    def put_bytes(self, key: str, data: bytes, *, media_type: str = ANY_TYPE) -> StoredObject:
        """Store some bytes."""

    def get_file(self, key: str, path: Path) -> None:
        """Write the object to a file. Raises ObjectMissing."""

    def get_bytes(self, key: str) -> bytes:
        """The object's content. Raises ObjectMissing."""

    def head(self, key: str) -> StoredObject | None:
        """What is stored under the key, if anything is."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Everything in a folder and below, in order of the keys."""

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""

    def delete_prefix(self, prefix: str) -> int:
        """Remove a folder with all that is in it; how many objects that were."""

    def start_upload(self, key: str, *, media_type: str = ANY_TYPE) -> str:
        """Begin an upload in parts; its id."""

    def part_url(
        self, key: str, upload_id: str, number: int, *, seconds: int, size: int | None = None
    ) -> str:
        """Where a client may PUT one part, and how long. The answer's ETag goes into the Part.

        ``size``: the bytes it has; nobody can then fill the storage with more than was announced.
        """

    def complete_upload(self, key: str, upload_id: str, parts: Sequence[Part]) -> StoredObject:
        """Make one object of the parts. Raises UploadInvalid if they are not what was uploaded.

        Done twice it says the same twice: an answer may have been lost.
        """

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Forget an upload and its parts; an unknown one is no error."""

    def download_url(
        self, key: str, *, seconds: int, filename: str, media_type: str = ANY_TYPE
    ) -> str:
        """Where a client may GET the object, as an attachment of that name, and how long."""

    def check(self) -> None:
        """Raises StorageUnavailable if it cannot be used; answers within seconds."""


def check_key(key: str) -> str:
    """The key, if it can be one: relative, without dot segments, empty ones or odd characters."""
    segments = key.split("/")
    if (
        not key
        or len(key.encode("utf-8", "surrogatepass")) > _MAX_KEY
        or any(segment in ("", ".", "..") for segment in segments)
        or "\\" in key
        or not key.isprintable()
    ):
        raise StorageError(
            f"this cannot be a key of the storage: {key[:80]!r}",
            hint="keys are relative paths without empty, '.' or '..' segments",
        )
    return key


def folder_prefix(prefix: str) -> str:
    """``accounts/a`` and ``accounts/a/`` as ``accounts/a/``. Raises StorageError for all of it."""
    return check_key(prefix.removesuffix("/")) + "/"


def check_parts(key: str, parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts in order, their ETags without quotes. Raises UploadInvalid."""
    ordered = tuple(
        Part(part.number, part.etag.strip().strip('"'))
        for part in sorted(parts, key=lambda part: part.number)
    )
    numbers = [part.number for part in ordered]
    if not ordered or numbers != list(range(1, len(numbers) + 1)) or len(numbers) > MAX_PARTS:
        raise UploadInvalid(
            f"the parts of {key!r} are not numbered 1 to {len(numbers) or 'n'} without a gap",
            hint="name every part that was uploaded, once",
        )
    return ordered


def check_number(number: int) -> int:
    if not 1 <= number <= MAX_PARTS:
        raise UploadInvalid(
            f"no part can have the number {number}", hint=f"parts are numbered 1 to {MAX_PARTS}"
        )
    return number


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file beside ``path`` that takes its name when the block ends well."""
    with disk_errors(path.name):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".storage-")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def disk_errors(key: str) -> Iterator[None]:
    """Errors of the machine's disk while an object is read from or written to it."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull(
                f"no room left on the disk for {key!r}", hint="free some space on it"
            ) from exc
        raise StorageError(
            f"a file for {key!r} cannot be read or written: {exc.strerror or exc}",
            hint="see that the server's folders belong to it",
        ) from exc
