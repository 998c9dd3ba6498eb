"""Stage results of one account in the storage, so that another worker can go on with its job.

Layout below the prefix, as that of the local store::

    objects/ab/cdef…       the content, named by its SHA-256
    entries/ab/cdef….json  what a stage made, named by its cache key

Nothing is ever removed here: the bucket's lifecycle rule drops artifacts by their age. What it (or
an accident) takes away counts as a miss, whichever half of a result it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from onevoice.pipeline.fingerprint import bytes_digest, file_digest
from onevoice.pipeline.store import Artifact, Entry, LocalStore, dump_entry, parse_entry
from onevoice.server.storage.base import ObjectMissing, Storage, StorageError

_SMALL = 64 << 10
"""Objects up to this size are fetched or stored at once: that takes as long as asking for them."""
_CONNECTIONS = 8
R = TypeVar("R")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ArtifactLost(StorageError):
    """An object is gone or damaged after its entry was read: the stage is to be done again."""

    code: ClassVar[str] = "storage_artifact_lost"
    retryable: ClassVar[bool] = True


class RemoteStore:
    """An ``ArtifactStore`` whose results outlive the machine.

    ``local`` is the machine's copy: shared by the worker's processes, and of the same account as
    the prefix, so that nobody hits what another account made. Whoever runs workers limits it with
    its ``gc``.

    A result is kept locally first and marked as unsent until all of it is in the storage. ``put``
    returns once it is; if the storage fails, StorageUnavailable is raised, and the next attempt on
    this machine sends the result instead of making it again.

    Instances are cheap: make one for each job.
    """

    def __init__(self, local: LocalStore, storage: Storage, prefix: str) -> None:
        self._local = local
        self._storage = storage
        self._prefix = prefix.rstrip("/")
        self._unsent = local.root / "unsent"
        self._unsent.mkdir(exist_ok=True)
        self._sent: set[Artifact] = set()
        self._threads = ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="artifacts")

    # -- reading -----------------------------------------------------------------------------

    def get(self, key: str) -> Entry | None:
        entry = self._local.get(key)
        if entry is not None:
            if self._mark(key).exists():
                self._send(entry)
            return entry
        entry = self._read_entry(key)
        if entry is None:
            return None
        needed = set(_artifacts(entry))
        if not all(self._each(self._at_hand, needed)):
            return None
        if all(self._local.has(artifact) for artifact in needed):
            self._local.note(entry)
        return entry

    def path(self, artifact: Artifact) -> Path:
        if not self._local.has(artifact):
            self._fetch(artifact)
        return self._local.path(artifact)

    # -- writing -----------------------------------------------------------------------------

    def put(
        self,
        key: str,
        files: Mapping[str, Path],
        *,
        refs: Sequence[Artifact] = (),
        meta: Mapping[str, Any] | None = None,
    ) -> Entry:
        self._mark(key).touch()
        entry = self._local.put(key, files, refs=refs, meta=meta)
        self._send(entry)
        return entry

    def add(self, data: bytes) -> Artifact:
        """Keep some bytes here; they are sent along with the first entry that refers to them."""
        return self._local.add(data)

    def scratch(self) -> AbstractContextManager[Path]:
        return self._local.scratch()

    def close(self) -> None:
        self._threads.shutdown()

    # -- inner workings ----------------------------------------------------------------------

    def _mark(self, key: str) -> Path:
        return self._unsent / key

    def _read_entry(self, key: str) -> Entry | None:
        """An entry as the storage has it; anything wrong with it makes it a miss."""
        try:
            entry = parse_entry(self._storage.get_bytes(self._entry_key(key)), key)
        except (ObjectMissing, ValueError):
            return None
        # Digests become keys of the storage and names of files.
        sound = all(_DIGEST.fullmatch(a.digest) and a.size >= 0 for a in _artifacts(entry))
        return entry if sound else None

    def _at_hand(self, artifact: Artifact) -> bool:
        """Whether ``path`` will have it: it is here, or whole in the storage."""
        if artifact in self._sent or self._local.has(artifact):
            return True
        if artifact.size > _SMALL:
            return self._stored(artifact)
        try:
            self._fetch(artifact)
        except ArtifactLost:
            return False
        return True

    def _stored(self, artifact: Artifact) -> bool:
        found = self._storage.head(self._object_key(artifact))
        if found is None or found.size != artifact.size:
            return False
        self._sent.add(artifact)
        return True

    def _fetch(self, artifact: Artifact) -> None:
        """Bring an object here. Raises ArtifactLost if the storage has it not, or not sound."""
        key = self._object_key(artifact)
        try:
            if artifact.size <= _SMALL:
                data = self._storage.get_bytes(key)
                sound = bytes_digest(data) == artifact.digest
                if sound:
                    self._local.add(data)
            else:
                with self._local.scratch() as folder:
                    path = folder / "object"
                    self._storage.get_file(key, path)
                    sound = file_digest(path) == artifact.digest
                    if sound:
                        self._local.take(path)
        except ObjectMissing as exc:
            self._sent.discard(artifact)
            raise _lost(artifact, "gone") from exc
        if not sound:
            # A damaged object of the right size would pass for stored for ever.
            self._sent.discard(artifact)
            self._storage.delete(key)
            raise _lost(artifact, "damaged")
        self._sent.add(artifact)

    def _send(self, entry: Entry) -> None:
        """Store what is not there yet. Of small objects and their entry none waits for the other:
        an entry without its objects is a miss.
        """
        waiting = {artifact for artifact in _artifacts(entry) if artifact not in self._sent}
        large = {artifact for artifact in waiting if artifact.size > _SMALL}
        self._each(self._store, large)
        key, record = self._entry_key(entry.key), dump_entry(entry)
        noted = self._threads.submit(
            self._storage.put_bytes, key, record, media_type="application/json"
        )
        try:
            self._each(self._store, waiting - large)
        finally:
            noted.exception()
        noted.result()
        self._mark(entry.key).unlink(missing_ok=True)

    def _store(self, artifact: Artifact) -> None:
        key = self._object_key(artifact)
        if artifact.size > _SMALL and self._stored(artifact):
            return
        if self._local.has(artifact):
            self._storage.put_file(key, self._local.path(artifact))
            self._sent.add(artifact)
        elif not self._stored(artifact):
            raise _lost(artifact, "gone")

    def _each(self, act: Callable[[Artifact], R], artifacts: Collection[Artifact]) -> list[R]:
        """Do it for all of them, several at once; all have ended when an error is raised."""
        if len(artifacts) < 2:
            return [act(artifact) for artifact in artifacts]
        running = [self._threads.submit(act, artifact) for artifact in artifacts]
        wait(running)
        return [future.result() for future in running]

    def _object_key(self, artifact: Artifact) -> str:
        return f"{self._prefix}/objects/{artifact.digest[:2]}/{artifact.digest[2:]}"

    def _entry_key(self, key: str) -> str:
        return f"{self._prefix}/entries/{key[:2]}/{key[2:]}.json"


def _artifacts(entry: Entry) -> tuple[Artifact, ...]:
    return (*entry.outputs.values(), *entry.refs)


def _lost(artifact: Artifact, how: str) -> ArtifactLost:
    return ArtifactLost(
        f"an object of the artifacts is {how}: {artifact.digest[:12]}…",
        hint="run it again: what is missing is made anew",
    )
