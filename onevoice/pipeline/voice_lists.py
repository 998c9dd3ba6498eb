"""The voices a hosted engine offered last time: a finished film must not need its service.

Which engine speaks a language is decided by the voices it has, and a hosted one has to ask. What
it answered is kept beside the artifacts; when it does not answer, that counts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from onevoice.config import cache_dir
from onevoice.engines.base import Voice
from onevoice.errors import EngineFailed, EngineRateLimited, EngineUnavailable
from onevoice.media import whole_file
from onevoice.pipeline.fingerprint import fingerprint
from onevoice.types import adapter, dump_json_as


def voices_of(engine: Any, language: str) -> tuple[Voice, ...]:
    """The voices of an engine for a language; of a hosted one that is silent, the last known.

    Raises
    ------
    EngineError
        The service does not answer, and never did; or it answered, and refuses (a wrong key).
    """
    if not engine.info.hosted:
        found: tuple[Voice, ...] = engine.voices(language)
        return found
    path = _path(engine, language)
    try:
        found = engine.voices(language)
    except (EngineFailed, EngineRateLimited, EngineUnavailable) as exc:
        away = not isinstance(exc, EngineUnavailable) or engine.runtime.offline
        known = _read(path) if away else None
        if known is None:
            raise
        return known
    if found != _read(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as new:
            new.write_bytes(dump_json_as(tuple[Voice, ...], found))
    return found


def _path(engine: Any, language: str) -> Path:
    key = fingerprint({"voices": engine.identity(), "language": language})
    return cache_dir() / "voices" / f"{key}.json"


def _read(path: Path) -> tuple[Voice, ...] | None:
    try:
        found: tuple[Voice, ...] = adapter(tuple[Voice, ...]).validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return found
