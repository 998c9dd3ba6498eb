"""Finding engines: the entry-point group ``onevoice.engines``.

Built-in engines register there like anybody's (see ``pyproject.toml``); a name is
``kind.name``. Listing reads package metadata only: no engine is imported until it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import ValidationError

from onevoice.engines.base import KINDS, Engine, Kind, Runtime
from onevoice.errors import ConfigError, EngineUnavailable, OneVoiceError, UnknownSetting

GROUP = "onevoice.engines"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatus:
    """One row of ``onevoice engines``."""

    kind: str
    name: str
    engine: type[Engine] | None
    available: bool
    reason: str = ""
    mend: str = ""


@cache
def _entries() -> dict[tuple[str, str], EntryPoint]:
    found: dict[tuple[str, str], EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        kind, _, name = entry.name.partition(".")
        if kind in KINDS and name:
            found.setdefault((kind, name), entry)
    return found


def names(kind: Kind) -> list[str]:
    """Names of the engines of one kind, sorted; nothing is imported."""
    return sorted(name for (k, name) in _entries() if k == kind)


def load(kind: Kind, name: str) -> type[Engine]:
    """The class of one engine.

    Raises
    ------
    ConfigError
        There is no such engine; the message names the nearest one.
    EngineUnavailable
        It is there, and importing it fails.
    """
    entry = _entries().get((kind, name))
    if entry is None:
        near = get_close_matches(name, names(kind), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names(kind))}"
        raise ConfigError(f"no {kind} engine is called {name!r}", hint=hint)
    try:
        engine: type[Engine] = entry.load()
    except Exception as exc:
        # A plug-in may fail in any way at all; it must not take the others with it.
        raise EngineUnavailable(
            f"the {kind} engine {name!r} cannot be imported: {exc}",
            hint=f"reinstall the package that provides it ({entry.value})",
        ) from exc
    return engine


def create(kind: Kind, name: str, options: dict[str, Any], runtime: Runtime) -> Any:
    """Build an engine from its settings; loads no model. Raises UnknownSetting, ConfigError."""
    engine = load(kind, name)
    return engine(parse_params(kind, name, engine, options), runtime)


def parse_params(kind: str, name: str, engine: type[Engine], options: dict[str, Any]) -> Any:
    """Validate the options of ``<kind>.<name>`` in the settings."""
    known = engine.Params.model_fields
    for key in options:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(known)}"
            raise UnknownSetting(f"unknown setting {kind}.{name}.{key}", hint=hint)
    try:
        return engine.Params.model_validate(options)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join([kind, name, *map(str, first["loc"])])
        raise ConfigError(f"{where}: {first['msg']}", hint="see docs/engines.md") from exc


def survey(
    runtime: Runtime,
    kinds: Iterable[Kind] = KINDS,
    options: Callable[[Kind, str], dict[str, Any]] = lambda kind, name: {},
) -> list[EngineStatus]:
    """Every engine, with whether it can run here and, if not, why and what mends it.

    ``options`` gives the settings of each engine.
    """
    rows: list[EngineStatus] = []
    for kind in kinds:
        for name in names(kind):
            engine: type[Engine] | None = None
            reason = mend = ""
            try:
                engine = load(kind, name)
                engine(parse_params(kind, name, engine, options(kind, name)), runtime).ready()
            except OneVoiceError as exc:
                reason, mend = exc.message, exc.hint
            except Exception as exc:
                # A plug-in may break in any way at all; the others are listed nevertheless.
                reason = f"it breaks when it is asked: {type(exc).__name__}: {exc}"
                mend = "report it to whoever provides it"
            rows.append(
                EngineStatus(
                    kind=kind,
                    name=name,
                    engine=engine,
                    available=not reason,
                    reason=reason,
                    mend=mend,
                )
            )
    return rows
