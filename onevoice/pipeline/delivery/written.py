"""Which files a project wrote, how they looked, and what they were made of.

Results are not kept in the cache a second time: the project remembers the key that each was made
under and how the file looked, and a file that still looks so is not made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from onevoice.errors import OutputExists
from onevoice.media import output_error
from onevoice.pipeline.delivery.targets import Targets
from onevoice.pipeline.fingerprint import fingerprint
from onevoice.pipeline.project import Project

_OUTPUTS = "outputs"
_DELIVERED = "delivered"


def refuse_foreign(project: Project, wanted: Targets) -> None:
    """Raise OutputExists for a file at a result's place that this project did not write."""
    for path in wanted.all:
        if path.exists() and not _untouched(project, path):
            raise OutputExists(
                f"{path} exists, and is not (or no longer) what this project wrote",
                hint="move it away, give another folder with --out, or overwrite it with --force",
            )


def is_current(project: Project, made_of: Mapping[str, Any], paths: Iterable[Path]) -> bool:
    """Whether these files are all there, as they were written, made of just that."""
    paths = list(paths)
    known = project.recall(_DELIVERED, _name(paths[0]))
    return known == fingerprint(made_of) and all(
        path.exists() and _untouched(project, path) for path in paths
    )


def put_in_place(project: Project, made_of: Mapping[str, Any], made: Mapping[Path, Path]) -> None:
    """Give finished files their names, and note what they were made of."""
    for path, new in made.items():
        # Known as the project's own before it has its name: a kill in between does no harm.
        project.remember(_OUTPUTS, _name(path), _looks(new))
        try:
            path.parent.mkdir(exist_ok=True)
            new.replace(path)
        except OSError as exc:
            raise output_error(path, exc) from exc
    project.remember(_DELIVERED, _name(next(iter(made))), fingerprint(made_of))


def _untouched(project: Project, path: Path) -> bool:
    return bool(project.recall(_OUTPUTS, _name(path)) == _looks(path))


def _name(path: Path) -> str:
    """A file's name; with its folder, where that belongs to the language."""
    return f"{path.parent.name}/{path.name}" if path.parent.suffix == ".stems" else path.name


def _looks(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]
