"""Room on a worker's disk: asked for before gigabytes are fetched, not when it has run out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from onevoice.errors import DiskFull

SPARE = 256 << 20
"""Bytes that are left alone: what runs beside it writes, too."""
_WHAT = "the worker has no room for it on its disk"
_NEXT = "it is tried again, on another worker as a rule"
_log = structlog.get_logger(__name__)


class NoRoom(DiskFull):
    """This machine has no room for the task; another one, or this one later, may have."""

    code = "worker_disk_full"
    retryable = True


def require_room(folder: Path, needed: int, *, spare: int = SPARE) -> None:
    """Raise NoRoom unless a task that writes so many bytes leaves some to the others."""
    free = shutil.disk_usage(folder).free
    if free - spare < needed:
        _log.error("worker.no_room", free_mib=free >> 20, needed_mib=needed >> 20)
        raise NoRoom(_WHAT, hint=_NEXT)


@contextmanager
def room_may_end() -> Iterator[None]:
    """A disk that is full after all is no fault of the task either."""
    try:
        yield
    except NoRoom:
        raise
    except DiskFull as exc:
        raise NoRoom(_WHAT, hint=_NEXT) from exc
