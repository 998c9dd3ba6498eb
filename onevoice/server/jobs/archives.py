"""The project folder of a dub as one object: how another worker goes on with it."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import structlog

from onevoice.server.jobs.orders import PROJECT

_log = structlog.get_logger(__name__)


def pack(project: Path, archive: Path) -> None:
    """Write a project's files: neither locks, nor work under way, nor what links lead to.

    The dub may be at work meanwhile. It replaces files, so whoever has opened one reads it whole;
    its size is asked of the open file, and one that is gone by then is left out.
    """
    with tarfile.open(archive, "w", dereference=True) as packed:
        for folder, folders, names in os.walk(project):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                path = Path(folder) / name
                if not name.startswith("."):
                    _add(packed, path, f"{PROJECT}/{path.relative_to(project).as_posix()}")


def _add(packed: tarfile.TarFile, path: Path, name: str) -> None:
    try:
        file = open(path, "rb", opener=_plain_file)  # noqa: SIM115 (closed below)
    except OSError:
        return
    with file:
        entry = packed.gettarinfo(arcname=name, fileobj=file)
        if entry.isreg():
            packed.addfile(entry, file)


def _plain_file(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def unpack(archive: Path, folder: Path) -> None:
    """Put a project into a folder; one that cannot be read is worth no more than none at all."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
    except tarfile.TarError as exc:
        _log.warning("project_unreadable", error=type(exc).__name__)
        shutil.rmtree(folder / PROJECT, ignore_errors=True)
