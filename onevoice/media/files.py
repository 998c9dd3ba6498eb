"""Write a file whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onevoice.errors import DiskFull, OutputError, OutputUnwritable

PART_PREFIX = ".onevoice-"
"""What a file under way is called at first; a run that was killed may leave one behind."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR}


def disk_full(path: Path) -> DiskFull:
    """The error for a disk that ran out of room while ``path`` was written."""
    return DiskFull(
        f"no room left to write {path}",
        hint="free some space, or choose another folder, and run the same command again",
    )


def output_error(path: Path, exc: OSError) -> OutputError:
    """What an operating-system error means for somebody who wanted ``path`` written."""
    if exc.errno in _FULL:
        return disk_full(path)
    reason = exc.strerror or str(exc)
    if exc.errno in _REFUSED:
        return OutputUnwritable(
            f"cannot write {path}: {reason}",
            hint="choose a folder that exists and that you may write to",
        )
    return OutputError(f"cannot write {path}: {reason}")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a new, empty file beside ``path``; when the block ends well it becomes ``path``.

    It is flushed to the disk before it takes the name, and removed when the block raises. Its
    name is short whatever ``path`` is called, so that a name of the greatest length still works.

    Raises
    ------
    DiskFull, OutputUnwritable, OutputError
        In place of any OSError, those of the block included.
    """
    part = path.parent / f"{PART_PREFIX}{secrets.token_hex(6)}.part"
    try:
        part.open("xb").close()
        try:
            yield part
            with part.open("rb+") as written:
                os.fsync(written.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as exc:
        raise output_error(path, exc) from exc
