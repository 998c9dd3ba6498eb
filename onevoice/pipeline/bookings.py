"""``usage.jsonl``: what hosted engines were paid, a line for each request, added at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from onevoice.media import output_error
from onevoice.types import Usage


class Bookings:
    """The book of one project; safe between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()

    def add(self, usage: Usage, labels: Mapping[str, str]) -> None:
        """Add a request, with what it was for. Raises OutputError."""
        row = {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            **{name: value for name, value in labels.items() if value},
            **asdict(usage),
        }
        line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
        try:
            with self._lock, self.path.open("a+b") as file:
                file.write(line if self._ended(file.tell()) else b"\n" + line)
        except OSError as exc:
            raise output_error(self.path, exc) from exc

    def _ended(self, size: int) -> bool:
        """Whether the last line is whole: a full disk may have cut it short."""
        if not size:
            return True
        with self.path.open("rb") as file:
            file.seek(size - 1)
            return file.read(1) == b"\n"
