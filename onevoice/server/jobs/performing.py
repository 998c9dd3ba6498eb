"""An order carried out: the pipeline runs, and what comes of it is told as events."""

from __future__ import annotations

import json
import secrets
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from onevoice import languages, media
from onevoice.config import Override, Settings, load_settings
from onevoice.engines.base import CancelToken
from onevoice.engines.metering import Meter
from onevoice.errors import Cancelled, OneVoiceError
from onevoice.pipeline import events as pipeline
from onevoice.pipeline.dubbing import dub
from onevoice.pipeline.project import Project
from onevoice.pipeline.results import DubRequest, DubResult
from onevoice.pipeline.store import ArtifactStore, LocalStore
from onevoice.server.jobs.changes import changed_seconds
from onevoice.server.jobs.naming import MEDIA_TYPES, STEM, for_users, inputs, safe_stem, shown
from onevoice.server.jobs.observing import EventObserver
from onevoice.server.jobs.orders import (
    Artifacts,
    ErrorFacts,
    Event,
    Failed,
    Finished,
    LanguageDone,
    LanguageFailed,
    Order,
    ResultFile,
    SpokenLine,
    StageRecord,
    Started,
    Warned,
    WarningFacts,
)

T = TypeVar("T")
_ORIGIN = "the options of the job"


def perform(order: Order, *, tell: Callable[[Event], None], cancel: CancelToken) -> None:
    """Carry an order out; the last event is ``finished`` or ``failed``, whatever happens."""
    meter = Meter(None)
    try:
        run = _Run(order, tell=tell, cancel=cancel)
        meter = run.meter
        run.perform()
        tell(Finished(usd=round(meter.spent, 6)))
    except Exception as exc:
        tell(Failed(error=_why(exc, order, cancel), usd=round(meter.spent, 6)))


def _why(error: Exception, order: Order, cancel: CancelToken) -> ErrorFacts:
    if cancel.cancelled:  # whatever broke while everything was being stopped broke because of that
        return ErrorFacts.of(Cancelled("stopped on request"))
    if isinstance(error, OneVoiceError):
        return for_users(error, order)
    traceback.print_exception(error)  # for the operator, by way of the log
    return ErrorFacts(
        code=OneVoiceError.code,
        message=f"something went wrong inside OneVoice ({type(error).__name__})",
        hint="try again; if it stays, tell the operator of this service",
        retryable=isinstance(error, OSError | MemoryError),
    )


class _Run:
    def __init__(self, order: Order, *, tell: Callable[[Event], None], cancel: CancelToken) -> None:
        self.order = order
        self.tell = tell
        self.cancel = cancel
        order.out.mkdir(parents=True, exist_ok=True)
        self.settings = _settings(order)
        self.meter = Meter(self.settings.run.max_cost)
        self.store = _store(order.artifacts)
        self.source = _source_link(order)
        self.project = Project(order.project)
        self.observer = EventObserver(tell, lambda text: shown(text, order))

    def perform(self) -> None:
        order = self.order
        wanted = tuple(dict.fromkeys(languages.normalize(tag) for tag in order.languages))
        duration = media.probe(self.source).duration
        self.tell(Started(duration=round(duration, 3), languages=wanted))
        request = DubRequest(
            input=self.source,
            languages=wanted,
            settings=self.settings,
            out=order.out,
            force=True,  # whatever lies in the folder is this job's own
        )
        unedited = self._apply_edits(request)
        wanted = tuple(x for x in wanted if x not in unedited)
        if not wanted:
            return
        dub(
            replace(request, languages=wanted),
            observer=self,
            cancel=self.cancel,
            store=self.store,
            meter=self.meter,
        )

    def on_event(self, event: pipeline.Event) -> None:
        """A language is told of, with its results, as soon as it has ended; the others go on."""
        match event:
            case pipeline.LanguageFinished(result=result):
                self.tell(self._done(result))
            case pipeline.LanguageFailed(failure=failure):
                error = for_users(failure.error, self.order)
                self.tell(LanguageFailed(language=failure.language or "", error=error))
            case _:
                self.observer.on_event(event)

    # -- edits -------------------------------------------------------------------------------

    def _apply_edits(self, request: DubRequest) -> set[str]:
        """Write people's changes into the project; returns languages where that failed.

        A worker that got no project folder makes the lines first: from the cache, as a rule.
        """
        edits = _by_language(self.order.edits)
        edited = [tag for tag in request.languages if edits.get(tag)]
        if missing := tuple(x for x in edited if not self.project.lines_path(x).is_file()):
            dub(
                replace(request, languages=missing, stop_after="translate"),
                observer=self.observer,
                cancel=self.cancel,
                store=self.store,
                meter=self.meter,
            )
        failed: set[str] = set()
        for language in edited:
            if not self.project.lines_path(language).is_file():
                continue  # it cannot be translated: the dub will say why
            try:
                self._apply(language, {k: e.changes for k, e in edits[language].items()})
            except OneVoiceError as exc:
                failed.add(language)
                error = for_users(exc, self.order)
                self.tell(LanguageFailed(language=language, error=error))
        return failed

    def _apply(self, language: str, changes: Mapping[str, Mapping[str, Any]]) -> None:
        with self.project.hold():
            known = {line.id for line in self.project.lines(language)}
            for id_, fields in changes.items():
                if id_ in known:
                    self.project.set_line(language, id_, **fields)
                    continue
                self.tell(
                    Warned(
                        language=language,
                        code="edit_lost",
                        message="an edit belongs to a line that is gone",
                        line=id_,
                    )
                )

    # -- results -----------------------------------------------------------------------------

    def _done(self, result: DubResult) -> LanguageDone:
        language = result.language
        report = self.project.report_path(language)
        lines = _lines(self.project, language)
        before = _by_language(self.order.previous_lines).get(language)
        return LanguageDone(
            language=language,
            files=self._files(result, report),
            lines=lines,
            measures=json.loads(report.read_bytes())["programme"],
            warnings=tuple(
                WarningFacts(code=w.code, message=shown(w.message, self.order), line=w.line)
                for w in result.warnings
            ),
            stages=tuple(
                StageRecord(name=s.name, cached=s.cached, seconds=s.seconds, usd=s.usd)
                for s in result.stages
            ),
            changed_seconds=None if before is None else changed_seconds(before, lines),
        )

    def _files(self, result: DubResult, report: Path) -> tuple[ResultFile, ...]:
        stem = f"{safe_stem(self.order.name)}.{result.language}"

        def file(kind: Any, path: Path, name: str) -> ResultFile:
            media_type = MEDIA_TYPES.get(path.suffix, "application/octet-stream")
            return ResultFile(kind=kind, name=name, path=path, media_type=media_type)

        files = [file("subtitles", path, f"{stem}{path.suffix}") for path in result.subtitles]
        if result.output is not None:
            audio = MEDIA_TYPES.get(result.output.suffix, "").startswith("audio/")
            video = file(
                "audio" if audio else "video", result.output, f"{stem}{result.output.suffix}"
            )
            files.insert(0, video)
        return (*files, file("report", report, f"{stem}.report.json"))


def _by_language(given: Mapping[str, T]) -> dict[str, T]:
    return {languages.normalize(tag): value for tag, value in given.items()}


def _lines(project: Project, language: str) -> tuple[SpokenLine, ...]:
    return tuple(
        SpokenLine(
            id=line.id,
            speaker=line.speaker,
            start=line.start,
            end=line.end,
            source_text=line.source,
            text=line.text,
            voice=line.voice,
            keep=line.keep,
        )
        for line in project.lines(language)
    )


# --- what an order is made into -------------------------------------------------------------


def _settings(order: Order) -> Settings:
    """The profile, the operator's environment, and on top what the user chose."""
    tree = dict(order.settings)
    if glossary := tree.pop("glossary", None):
        tree["glossary"] = str(_glossary_file(order, glossary))
    if order.max_usd is not None:
        tree["run"] = {**tree.get("run", {}), "max_cost": order.max_usd}
    # The report is delivered as JSON: nobody opens a page beside the files of a worker.
    tree["quality"] = {**tree.get("quality", {}), "page": False}
    overrides = [Override(key, value, _ORIGIN) for key, value in tree.items()]
    return load_settings(profile=order.profile, overrides=overrides)


def _glossary_file(order: Order, entries: object) -> Path:
    """A glossary given as its entries, or as the text of a YAML file of them."""
    text = entries if isinstance(entries, str) else json.dumps(entries, ensure_ascii=False)
    path = inputs(order) / "glossary.yaml"  # JSON is YAML
    path.write_text(text, encoding="utf-8")
    return path


def _source_link(order: Order) -> Path:
    """The video under the one name that results and project are called after."""
    suffix = order.source.suffix or Path(order.name.replace("\\", "/")).suffix
    known = suffix.lower() if suffix.lower() in MEDIA_TYPES else ""
    link = inputs(order) / f"{STEM}{known}"
    if not link.exists() or not link.samefile(order.source):
        link.unlink(missing_ok=True)
        link.symlink_to(order.source.absolute())
    return link


def _store(artifacts: Artifacts) -> ArtifactStore:
    local = LocalStore(artifacts.local)
    if artifacts.remote is None:
        return local
    from onevoice.server.artifacts import RemoteStore
    from onevoice.server.settings import load_settings as load_server_settings
    from onevoice.server.storage import make_storage

    # No URL is signed here: what the server signs them with stays with the server.
    storage = make_storage(load_server_settings(), secrets.token_bytes(32))
    return RemoteStore(local, storage, artifacts.remote.prefix)
