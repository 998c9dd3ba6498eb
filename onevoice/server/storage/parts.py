"""Uploads in parts on a local disk, with S3's rules: ETags, order, fewest bytes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from onevoice.server.storage.base import MIN_PART, Part, StorageError, UploadInvalid

_BLOCK = 1 << 20
_BEGUN = "upload.json"
_DONE = "done.json"
_KEPT = 7 * 86400.0
_ID = re.compile(r"[0-9a-f]{32}")


class PartTooLarge(StorageError):
    code = "storage_part_too_large"


class PartIncomplete(StorageError):
    code = "storage_part_incomplete"


class Uploads:
    """A folder of uploads: ``ID/upload.json`` says for which key, ``ID/1`` … are its parts.

    ``ID/done.json`` stays of a completed one, so that completing it again does no harm.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self, key: str) -> str:
        self._sweep()
        upload_id = secrets.token_hex(16)
        folder = self._folder / upload_id
        folder.mkdir(parents=True)
        (folder / _BEGUN).write_text(json.dumps({"key": key}))
        return upload_id

    def writer(self, key: str, upload_id: str, number: int, *, max_bytes: int) -> PartWriter:
        return PartWriter(self._find(key, upload_id) / str(number), max_bytes=max_bytes)

    def join(self, key: str, upload_id: str, parts: Sequence[Part], target: Path) -> None:
        """Write the parts one after the other. Raises UploadInvalid if one is not as named."""
        folder = self._find(key, upload_id)
        with target.open("wb") as whole:
            for part in parts:
                size = _append(folder / str(part.number), part, key, whole)
                if size < MIN_PART and part.number != len(parts):
                    raise UploadInvalid(
                        f"part {part.number} of {key!r} has only {size} bytes",
                        hint="every part but the last has at least 5 MiB",
                    )

    def close(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Note that the object is there, and drop the parts."""
        folder = self._find(key, upload_id)
        note = {"key": key, "parts": [[part.number, part.etag] for part in parts]}
        (folder / _DONE).write_text(json.dumps(note))
        for path in folder.iterdir():
            if path.name != _DONE:
                path.unlink(missing_ok=True)

    def closed(self, key: str, upload_id: str, parts: Sequence[Part]) -> bool:
        """Whether just this was done before."""
        try:
            note = json.loads((self._folder / check_id(upload_id) / _DONE).read_bytes())
        except (OSError, ValueError):
            return False
        return bool(note == {"key": key, "parts": [[part.number, part.etag] for part in parts]})

    def remove(self, key: str, upload_id: str) -> None:
        try:
            shutil.rmtree(self._find(key, upload_id), ignore_errors=True)
        except UploadInvalid:
            return

    def _sweep(self) -> None:
        """Uploads that nobody came back to, and notes of those that were completed."""
        for folder in self._folder.iterdir():
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > _KEPT:
                    shutil.rmtree(folder, ignore_errors=True)

    def _find(self, key: str, upload_id: str) -> Path:
        try:
            folder = self._folder / check_id(upload_id)
            if json.loads((folder / _BEGUN).read_bytes())["key"] != key:
                raise ValueError("the upload of another key")
        except (OSError, ValueError):
            raise UploadInvalid(
                f"{key!r} has no such upload: it was completed, aborted, or never begun",
                hint="begin a new upload",
            ) from None
        return folder


class PartWriter:
    """Takes a part's bytes as they come; it counts once ``finish`` has said its ETag."""

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
        self._file = self._temporary.open("wb")
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._max_bytes = max_bytes
        self._size = 0

    def write(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._max_bytes:
            raise PartTooLarge(
                f"a part may have {self._max_bytes} bytes at most",
                hint="split the file into smaller parts",
            )
        self._md5.update(data)
        self._file.write(data)

    def finish(self, *, announced: int | None = None) -> str:
        """Keep the part; its ETag. Raises PartIncomplete if fewer bytes came than announced."""
        if announced is not None and announced != self._size:
            raise PartIncomplete(
                f"{self._size} bytes came of {announced} that were announced",
                hint="send the part again",
            )
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self._path)
        return self._md5.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._temporary.unlink(missing_ok=True)


def check_id(upload_id: str) -> str:
    if not _ID.fullmatch(upload_id):
        raise ValueError("no id of ours")
    return upload_id


def _append(path: Path, part: Part, key: str, whole: IO[bytes]) -> int:
    """Copy one part; its size."""
    md5 = hashlib.md5(usedforsecurity=False)
    size = 0
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                md5.update(block)
                whole.write(block)
                size += len(block)
    except FileNotFoundError:
        raise UploadInvalid(
            f"part {part.number} of {key!r} was not uploaded", hint="upload it, then complete"
        ) from None
    if md5.hexdigest() != part.etag:
        raise UploadInvalid(
            f"part {part.number} of {key!r} is not the one named by its ETag",
            hint="upload it again and use the ETag of the answer",
        )
    return size
