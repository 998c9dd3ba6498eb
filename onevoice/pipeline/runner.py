"""Running one stage: look its key up, or do the work and keep the result."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Semaphore
from typing import Any

from onevoice.config import Settings
from onevoice.engines.base import CancelToken
from onevoice.engines.metering import collecting, labelled, total
from onevoice.errors import EngineError
from onevoice.glossary import Glossary
from onevoice.pipeline.engines import EnginePool
from onevoice.pipeline.events import Observer, StageFinished, StageProgress, StageStarted, Warned
from onevoice.pipeline.fingerprint import file_digest, fingerprint
from onevoice.pipeline.project import Project
from onevoice.pipeline.results import StageRecord
from onevoice.pipeline.stage import Chosen, Stage, StageContext
from onevoice.pipeline.store import Artifact, ArtifactStore, Entry
from onevoice.types import Warning_


@dataclass(kw_only=True)
class Job:
    """What every stage of one input shares."""

    source: Path
    settings: Settings
    store: ArtifactStore
    observer: Observer
    cancel: CancelToken
    pool: EnginePool
    seconds: float = 0.0
    glossary: Glossary = Glossary.EMPTY
    cores: Semaphore = field(default_factory=lambda: Semaphore(1))


@dataclass(kw_only=True)
class Scope:
    """The artifacts known so far: of the analysis, or of one language on top of it."""

    language: str | None = None
    source_language: str = "und"
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    records: list[StageRecord] = field(default_factory=list)
    warnings: list[Warning_] = field(default_factory=list)
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Key parts by stage: remembered, so that a plan can say why a stage reruns."""
    costs: dict[str, tuple[str, float]] = field(default_factory=dict)
    """By cached item: its line, and the dollars it cost when it was made."""

    def child(self, language: str) -> Scope:
        """A scope for one language that starts from this one's artifacts."""
        return Scope(
            language=language,
            source_language=self.source_language,
            artifacts=dict(self.artifacts),
            records=list(self.records),
            warnings=list(self.warnings),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A stage with its key: whether it is cached is known, nothing has run."""

    stage: Stage
    engines: tuple[Chosen, ...]
    parts: dict[str, Any]
    key: str
    entry: Entry | None


def resolve(stage: Stage, job: Job, scope: Scope) -> Step:
    """Choose the engines, make the key, look it up."""
    engines = stage.choose(job.pool, scope.source_language, scope.language)
    parts = stage.key_parts(
        job.settings, engines, scope.artifacts, scope.source_language, scope.language
    )
    key = fingerprint(parts)
    return Step(stage=stage, engines=engines, parts=parts, key=key, entry=job.store.get(key))


def run_stage(stage: Stage, job: Job, scope: Scope) -> None:
    """Bring a stage's outputs into the scope: from the store, or by running it.

    When an engine breaks for good the next of its chain takes over, and that is said. Where it
    was the synthesizer the error goes up: its voices stand in the lines.
    """
    job.cancel.check()
    began = time.monotonic()
    language = scope.language
    paid = 0.0  # by all that tried
    while True:
        step = resolve(stage, job, scope)
        cached = step.entry is not None
        _say_who_stands_in(step, job, scope)
        if step.entry is not None:
            entry = step.entry
            break
        job.observer.on_event(StageStarted(stage=stage.name, language=language))
        with collecting() as used, labelled(stage=stage.name, language=language or ""):
            try:
                entry = _execute(step, job, scope)
                break
            except EngineError as exc:
                by_voice = exc.engine is not None and exc.engine[0] == "synthesis"
                if by_voice or not job.pool.give_up(exc):
                    raise
            finally:
                paid += total(used)
    seconds = time.monotonic() - began
    scope.parts[stage.name] = step.parts
    scope.costs.update({k: (v[0], v[1]) for k, v in entry.meta.get("costs", {}).items()})
    scope.records.append(
        StageRecord(name=stage.name, cached=cached, seconds=round(seconds, 3), usd=paid)
    )
    for name, artifact in entry.outputs.items():
        scope.artifacts[f"{stage.name}.{name}"] = artifact
    for warning in entry.meta.get("warnings", ()):
        warn(job, scope, warning["code"], warning["message"], warning["line"])
    job.observer.on_event(
        StageFinished(stage=stage.name, language=language, cached=cached, seconds=seconds)
    )


def _say_who_stands_in(step: Step, job: Job, scope: Scope) -> None:
    for message in stand_ins(step.engines, job.pool, scope.language):
        warn(job, scope, "engine_replaced", message)


def stand_ins(engines: Sequence[Chosen], pool: EnginePool, language: str | None) -> Iterator[str]:
    """Engines that are used only because one before them in the chain cannot be, and why."""
    for chosen in engines:
        for name, error in pool.passed_over(chosen.kind, chosen.name, language or "").items():
            yield f"{chosen.name} instead of {name} for {chosen.kind}: {error.message}"


def _execute(step: Step, job: Job, scope: Scope) -> Entry:
    stage = step.stage

    def report(done: float, total: float) -> None:
        job.observer.on_event(
            StageProgress(stage=stage.name, language=scope.language, done=done, total=total)
        )

    with job.store.scratch() as folder:
        context = StageContext(
            settings=job.settings,
            language=scope.language,
            source_language=scope.source_language,
            source=job.source,
            seconds=job.seconds,
            inputs={
                name: job.source if name == "source" else job.store.path(scope.artifacts[name])
                for name in stage.inputs
            },
            engines=step.engines,
            folder=folder,
            store=job.store,
            cancel=job.cancel,
            report=report,
            cores=job.cores,
            pool=job.pool,
        )
        stage.run(context)
        job.cancel.check()
        meta = {
            "stage": stage.name,
            "warnings": [
                {"code": w.code, "message": w.message, "line": w.line} for w in context.warnings
            ],
            "facts": context.facts,
            "costs": context.costs,
        }
        files = {name: context.output(name) for name in stage.outputs}
        return job.store.put(step.key, files, refs=sorted(context.refs), meta=meta)


def warn(job: Job, scope: Scope, code: str, message: str, line: str | None = None) -> None:
    """Note a warning and tell the observer, once: another engine may do a stage again."""
    warning = Warning_(code=code, message=message, line=line)
    if warning not in scope.warnings:
        scope.warnings.append(warning)
        job.observer.on_event(Warned(language=scope.language, warning=warning))


def source_artifact(project: Project, source: Path, *, remember: bool = True) -> Artifact:
    """The input as an artifact; its digest is remembered as long as the file looks the same."""
    stat = source.stat()
    looks = [str(source), stat.st_size, stat.st_mtime_ns, stat.st_ino]
    known = project.recall("source", "digest")
    if known and known[0] == looks:
        return Artifact(known[1], stat.st_size)
    digest = file_digest(source)
    if remember:
        project.remember("source", "digest", [looks, digest])
    return Artifact(digest, stat.st_size)
