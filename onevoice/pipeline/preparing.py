"""Checking a request at the door: nothing is computed before it is known to make sense."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from onevoice import languages, media
from onevoice.config import Settings, cache_dir
from onevoice.engines.base import CancelToken
from onevoice.engines.metering import Meter
from onevoice.errors import ConfigError, MediaNotFound, NoAudio
from onevoice.glossary import Glossary
from onevoice.pipeline import delivery
from onevoice.pipeline.engines import EnginePool, runtime_for
from onevoice.pipeline.events import Observer, SilentObserver
from onevoice.pipeline.project import Project, project_folder
from onevoice.pipeline.results import DubRequest
from onevoice.pipeline.runner import Job
from onevoice.pipeline.stages import STAGE_NAMES
from onevoice.pipeline.store import ArtifactStore, LocalStore
from onevoice.pipeline.translation_memory import series_path


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A checked request, and what a run or a plan of it works with."""

    request: DubRequest
    languages: tuple[str, ...]
    info: media.MediaInfo
    job: Job
    project: Project

    def targets(self, language: str) -> delivery.Targets:
        """Where the results of a language go."""
        request = self.request
        return delivery.targets(request.input, request.out, language, self.info, request.settings)

    def together(self) -> delivery.Targets:
        """Where the file with all languages goes; no file unless it is asked for."""
        request = self.request
        return delivery.multitrack_target(request.input, request.out, self.info, request.settings)


def prepare(
    request: DubRequest,
    *,
    observer: Observer | None = None,
    cancel: CancelToken | None = None,
    store: ArtifactStore | None = None,
    meter: Meter | None = None,
) -> Prepared:
    """Check a request and open what it needs; no model is loaded.

    Raises
    ------
    ConfigError, MediaError, OutputError
        Something in the request cannot be used; the message says what.
    """
    if request.stop_after is not None and request.stop_after not in STAGE_NAMES:
        raise ConfigError(
            f"there is no stage called {request.stop_after!r}",
            hint=f"the stages are: {', '.join(STAGE_NAMES)}",
        )
    wanted = tuple(dict.fromkeys(languages.normalize(tag) for tag in request.languages))
    if not wanted and request.stop_after != "summarize":
        raise ConfigError("no target language was given", hint="for example --to ko,es")
    settings = _with_source_language(request.settings)
    if settings.series:
        series_path(Path(), settings.series)  # said before anything is computed, or paid
    path = request.input.absolute()
    info = _probe(path, salvage=settings.source.salvage)
    out = request.out.absolute() if request.out else None
    cancel = cancel or CancelToken()
    job = Job(
        source=path,
        settings=settings,
        store=store or LocalStore(cache_dir() / "artifacts"),
        observer=observer or SilentObserver(),
        cancel=cancel,
        pool=EnginePool(settings, runtime_for(settings, cancel, meter)),
        seconds=info.duration,
        glossary=Glossary.read(Path(settings.glossary)) if settings.glossary else Glossary.EMPTY,
    )
    lines = {languages.normalize(tag): file for tag, file in request.lines.items()}
    return Prepared(
        request=replace(request, input=path, out=out, settings=settings, lines=lines),
        languages=wanted,
        info=info,
        job=job,
        project=Project(project_folder(path, out)),
    )


def _with_source_language(settings: Settings) -> Settings:
    if settings.source.language == "auto":
        return settings
    spoken = languages.normalize(settings.source.language)
    source = settings.source.model_copy(update={"language": spoken})
    return settings.model_copy(update={"source": source})


def _probe(path: Path, *, salvage: bool) -> media.MediaInfo:
    if not path.exists():
        raise MediaNotFound(f"there is no file {path}", hint="check the path")
    if path.is_dir():
        raise MediaNotFound(f"{path} is a folder", hint="name the files in it")
    info = media.probe(path)
    media.require_whole(info, salvage=salvage)
    if not info.audio:
        raise NoAudio(f"there is no sound in {path}", hint="nothing can be dubbed")
    return info
