"""What ``--queue`` fetched for one input, noted in ``talk.onevoice/queue.json``.

The folder also tells later runs which files beside the input are results and no inputs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from onevoice.cli.text import path as shown
from onevoice.errors import OutputExists
from onevoice.media import whole_file
from onevoice.media.files import output_error

NAME = "queue.json"


class Fetched:
    """The files of one input, and how they looked when they were written."""

    def __init__(self, project: Path) -> None:
        self._path = project / NAME

    def refuse_foreign(self, paths: Iterable[Path]) -> None:
        """Raise OutputExists for a file that is there and was not fetched, or was changed since."""
        known = self._read()
        for path in paths:
            if path.exists() and known.get(path.name) != _looks(path):
                raise OutputExists(
                    f"{shown(path)} exists, and is not (or no longer) what was fetched",
                    hint="move it away, give another folder with --out, or overwrite it with "
                    "--force",
                )

    def make_room(self) -> None:
        """Make the folders that results and this note go into."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise output_error(self._path.parent, exc) from exc

    def remember(self, path: Path) -> None:
        """Note a file that was just written."""
        known = self._read() | {path.name: _looks(path)}
        with whole_file(self._path) as new:
            new.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")

    def _read(self) -> dict[str, list[int]]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _looks(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]
