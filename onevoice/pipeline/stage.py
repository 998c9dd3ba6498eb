"""What a stage is: its name, what it reads and writes, what decides its result, and its work.

A stage declares everything its output depends on. The runner makes the cache key from that
declaration, so a stage must not read anything it did not declare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Semaphore
from typing import Any

from onevoice.config import Settings
from onevoice.engines.base import CancelToken, Kind
from onevoice.engines.metering import total
from onevoice.errors import EngineError
from onevoice.pipeline.engines import EnginePool
from onevoice.pipeline.store import Artifact, ArtifactStore
from onevoice.types import Usage, Warning_

SCHEMA = 1
"""Part of every cache key: raise it when the meaning of the keys themselves changes."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """An engine picked for a stage."""

    kind: Kind
    name: str
    engine: Any


@dataclass(kw_only=True)
class StageContext:
    """What a running stage may use."""

    settings: Settings
    language: str | None
    source_language: str
    source: Path
    seconds: float
    """Length of the source."""
    inputs: Mapping[str, Path]
    engines: tuple[Chosen, ...]
    folder: Path
    store: ArtifactStore
    cancel: CancelToken
    report: Callable[[float, float], None]
    """Called with units done and units in all."""
    cores: Semaphore
    pool: EnginePool
    warnings: list[Warning_] = field(default_factory=list)
    refs: set[Artifact] = field(default_factory=set)
    facts: dict[str, Any] = field(default_factory=dict)
    """Small figures kept with the result: seconds of speech, how many lines were spoken."""
    costs: dict[str, tuple[str, float]] = field(default_factory=dict)
    """By cached item: the line it is for, and the dollars it cost when it was made."""

    def output(self, name: str) -> Path:
        """Where the stage writes one of its declared outputs."""
        return self.folder / name

    def read(self, name: str) -> bytes:
        return self.inputs[name].read_bytes()

    def engine(self, kind: str) -> Any:
        """The engine chosen for a kind; None where the stage does without."""
        return next((chosen.engine for chosen in self.engines if chosen.kind == kind), None)

    def progress(self, share: float) -> None:
        """Progress of a stage without countable units."""
        self.report(min(max(share, 0.0), 1.0), 1.0)

    def warn(self, code: str, message: str, line: str | None = None) -> None:
        self.warnings.append(Warning_(code=code, message=message, line=line))

    def book(self, key: str, line: str, usage: Sequence[Usage]) -> None:
        """Note what an item of a line cost, whether it was made now or came from the cache."""
        if usage:
            self.costs[key] = (line, total(usage))

    def afford(self, engine: Any, amount: float, what: str) -> None:
        """Raise BudgetExceeded when the work ahead would cost more than may still be spent."""
        self.pool.runtime.meter.require(engine.quote(amount), what)

    @contextmanager
    def models(self, engine: Any) -> Iterator[None]:
        """Hold the cores while a model runs: two models at once are slower than in turn.

        A hosted engine needs none. An error of the engine gets its name on the way out.
        """
        with self._blamed(engine):
            if engine.info.hosted:
                yield
                return
            while not self.cores.acquire(timeout=0.2):
                self.cancel.check()
            try:
                yield
            finally:
                self.cores.release()

    @contextmanager
    def _blamed(self, engine: Any) -> Iterator[None]:
        """Write on errors which engine they came out of, by the name the settings give it."""
        try:
            yield
        except EngineError as exc:
            names = [(c.kind, c.name) for c in self.engines if c.engine is engine]
            exc.engine = exc.engine or (names[0] if names else None)
            raise


Choose = Callable[[EnginePool, str, str | None], tuple[Chosen, ...]]
"""(pool, source language, target language) -> the engines a stage will use."""


def no_engines(pool: EnginePool, source: str, target: str | None) -> tuple[Chosen, ...]:
    """For stages that need none."""
    return ()


def first_available(kind: Kind) -> Choose:
    """For stages that any engine of a kind will do for."""

    def choose(pool: EnginePool, source: str, target: str | None) -> tuple[Chosen, ...]:
        name, engine = pool.choose(kind, lambda engine: None)
        return (Chosen(kind, name, engine),)

    return choose


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of the pipeline.

    ``inputs`` and ``outputs`` are artifact names (``extract.audio``); ``params`` picks out of
    the settings exactly what alters the output. ``version`` is raised when the code changes it.
    """

    name: str
    version: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    run: Callable[[StageContext], None]
    params: Callable[[Settings], Any] = lambda settings: {}
    choose: Choose = no_engines
    per_language: bool = False

    def key_parts(
        self,
        settings: Settings,
        engines: tuple[Chosen, ...],
        inputs: Mapping[str, Artifact],
        source: str,
        target: str | None,
    ) -> dict[str, Any]:
        """Everything that decides the result, as JSON; its fingerprint is the cache key."""
        return {
            "schema": SCHEMA,
            "stage": self.name,
            "version": self.version,
            "params": self.params(settings),
            "engines": {chosen.kind: chosen.engine.identity() for chosen in engines},
            "inputs": {name: inputs[name].digest for name in self.inputs},
            "languages": [source, target] if self.per_language else [],
        }
