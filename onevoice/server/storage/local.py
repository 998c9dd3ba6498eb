"""Objects in a folder, for a server on one's own machine.

::

    objects/KEY           the content
    uploads/ID/…          uploads in parts (see :mod:`.parts`)
    temporary/…           what is being written; renamed when whole

Clients reach it through the API itself, by signed addresses (see :mod:`.signed`).
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from onevoice.server.storage.base import (
    ANY_TYPE,
    ObjectMissing,
    Part,
    StorageUnavailable,
    StoredObject,
    check_key,
    check_number,
    check_parts,
    disk_errors,
    folder_prefix,
    whole_file,
)
from onevoice.server.storage.parts import PartWriter, Uploads
from onevoice.server.storage.signed import Grant, Signer

_ROUTES = "/v1/storage"
_STALE = 86400.0
"""Seconds after which something half written belongs to a process that is no more."""


class LocalStorage:
    """A folder, shared by the processes of one machine.

    ``secret`` signs addresses below ``base_url``; ``part_bytes`` is the most that a part may have.
    """

    UPLOAD_PATH = f"{_ROUTES}/parts/"
    """Where bodies of requests may be as long as their address says."""

    def __init__(
        self,
        root: Path,
        secret: bytes,
        base_url: str,
        *,
        part_bytes: int = 64 << 20,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.root = root
        self._objects = root / "objects"
        self._temporary = root / "temporary"
        self._base_url = base_url.rstrip("/")
        self._part_bytes = part_bytes
        self._signer = Signer(secret, clock=clock)
        self._uploads = Uploads(root / "uploads")
        with disk_errors(str(root)):
            for folder in (self._objects, self._temporary, root / "uploads"):
                folder.mkdir(parents=True, exist_ok=True)
            self._remove_stale()

    # -- whole objects -----------------------------------------------------------------------

    def put_file(self, key: str, path: Path, *, media_type: str = ANY_TYPE) -> StoredObject:
        with self._new(key) as temporary:
            shutil.copyfile(path, temporary)
        return self._known(key)

    def put_bytes(self, key: str, data: bytes, *, media_type: str = ANY_TYPE) -> StoredObject:
        with self._new(key) as temporary:
            temporary.write_bytes(data)
        return self._known(key)

    def get_file(self, key: str, path: Path) -> None:
        with whole_file(path) as temporary, _missing(key):
            shutil.copyfile(self.file(key), temporary)

    def get_bytes(self, key: str) -> bytes:
        with disk_errors(key), _missing(key):
            return self.file(key).read_bytes()

    def head(self, key: str) -> StoredObject | None:
        path = self._at(key)
        with disk_errors(key):
            try:
                stat = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            return _described(key, stat) if path.is_file() else None

    def list(self, prefix: str) -> Iterator[StoredObject]:
        folder = self._objects / folder_prefix(prefix)
        keys = sorted(
            (Path(parent) / name).relative_to(self._objects).as_posix()
            for parent, _, names in os.walk(folder)
            for name in names
        )
        for key in keys:
            if (found := self.head(key)) is not None:
                yield found

    def delete(self, key: str) -> None:
        path = self._at(key)
        with disk_errors(key), suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()

    def delete_prefix(self, prefix: str) -> int:
        count = 0
        for found in self.list(prefix):
            self.delete(found.key)
            count += 1
        shutil.rmtree(self._objects / folder_prefix(prefix), ignore_errors=True)
        return count

    # -- uploads and downloads of clients ----------------------------------------------------

    def start_upload(self, key: str, *, media_type: str = ANY_TYPE) -> str:
        with disk_errors(key):
            return self._uploads.start(check_key(key))

    def part_url(
        self, key: str, upload_id: str, number: int, *, seconds: int, size: int | None = None
    ) -> str:
        grant = Grant(
            method="PUT",
            key=check_key(key),
            upload_id=upload_id,
            number=check_number(number),
            max_bytes=self._part_bytes if size is None else min(size, self._part_bytes),
        )
        return self._url("parts", grant, seconds)

    def complete_upload(self, key: str, upload_id: str, parts: Sequence[Part]) -> StoredObject:
        ordered = check_parts(key, parts)
        with disk_errors(key):
            if not self._uploads.closed(key, upload_id, ordered):
                with self._new(key) as temporary:
                    self._uploads.join(key, upload_id, ordered, temporary)
                self._uploads.close(key, upload_id, ordered)
        return self._known(key)

    def abort_upload(self, key: str, upload_id: str) -> None:
        with disk_errors(key):
            self._uploads.remove(check_key(key), upload_id)

    def download_url(
        self, key: str, *, seconds: int, filename: str, media_type: str = ANY_TYPE
    ) -> str:
        grant = Grant(method="GET", key=check_key(key), filename=filename, media_type=media_type)
        return self._url("objects", grant, seconds)

    # -- for the routes that serve these addresses -------------------------------------------

    def open_token(self, token: str) -> Grant:
        """What an address grants. Raises TokenInvalid."""
        return self._signer.open(token)

    def part_writer(self, grant: Grant) -> PartWriter:
        """Takes the bytes of a part. Raises UploadInvalid if its upload is no more."""
        with disk_errors(grant.key):
            return self._uploads.writer(
                grant.key, grant.upload_id, grant.number, max_bytes=grant.max_bytes
            )

    def file(self, key: str) -> Path:
        """Where the object lies; to be read only. Raises ObjectMissing."""
        path = self._at(key)
        if not path.is_file():
            raise ObjectMissing(key)
        return path

    # -- upkeep ------------------------------------------------------------------------------

    def check(self) -> None:
        try:
            with tempfile.TemporaryFile(dir=self._temporary) as file:
                file.write(b"ok")
        except OSError as exc:
            raise StorageUnavailable(
                f"the folder {self.root} cannot be written: {exc.strerror or exc}",
                hint="see that it exists, belongs to the server and has room",
            ) from exc

    # -- inner workings ----------------------------------------------------------------------

    def _at(self, key: str) -> Path:
        return self._objects / check_key(key)

    def _known(self, key: str) -> StoredObject:
        found = self.head(key)
        if found is None:
            raise ObjectMissing(key)
        return found

    def _url(self, kind: str, grant: Grant, seconds: int) -> str:
        return f"{self._base_url}{_ROUTES}/{kind}/{self._signer.seal(grant, seconds=seconds)}"

    @contextmanager
    def _new(self, key: str) -> Iterator[Path]:
        """A file to write; it takes the key's name once it is whole and on the disk."""
        path = self._at(key)
        with disk_errors(key):
            handle, name = tempfile.mkstemp(dir=self._temporary)
            temporary = Path(name)
            try:
                os.close(handle)
                yield temporary
                with temporary.open("rb") as file:
                    os.fsync(file.fileno())
                # Removing a folder may overtake its making: then it is made again.
                for last in (False, True):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    try:
                        temporary.replace(path)
                        break
                    except FileNotFoundError:
                        if last:
                            raise
            finally:
                temporary.unlink(missing_ok=True)

    def _remove_stale(self) -> None:
        for path in self._temporary.iterdir():
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _STALE:
                    path.unlink()


def _described(key: str, stat: os.stat_result) -> StoredObject:
    """The ETag is made of time and size: reading a film to name its content would take too long."""
    return StoredObject(key=key, size=stat.st_size, etag=f"{stat.st_mtime_ns:x}-{stat.st_size:x}")


@contextmanager
def _missing(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as exc:  # deleted meanwhile
        raise ObjectMissing(key) from exc
