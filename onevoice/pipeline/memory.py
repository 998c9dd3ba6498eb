"""What a project remembers between runs: ``state.json``, small facts by section and key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import Any

from onevoice.media import whole_file
from onevoice.pipeline.edits import Record


class Memory:
    """Facts in a file. Every change is written at once; a damaged file counts as empty."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._facts: dict[str, dict[str, Any]] = {}
        self._lock = RLock()  # the languages of a run share it

    def load(self) -> None:
        try:
            facts = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            facts = {}
        self._facts = facts if isinstance(facts, dict) else {}

    def recall(self, section: str, key: str) -> Any:
        """A fact, or None."""
        return self._facts.get(section, {}).get(key)

    def remember(self, section: str, facts: Mapping[str, Any]) -> None:
        with self._lock:
            self._facts.setdefault(section, {}).update(facts)
            data = json.dumps(self._facts, ensure_ascii=False, indent=1).encode()
            with whole_file(self._path) as new:
                new.write_bytes(data)

    def baselines(self, name: str) -> Sequence[Mapping[str, Record]]:
        """What the machine wrote into a sheet, the newest first; see :mod:`.edits`."""
        return self.recall("baselines", name) or []

    def remember_baseline(self, name: str, baseline: Mapping[str, Record]) -> None:
        """Note what is about to be written, beside what was noted before it."""
        with self._lock:
            known = self.baselines(name)
            if not known or known[0] != baseline:
                self.remember("baselines", {name: [baseline, *known][:2]})
