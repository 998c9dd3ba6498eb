"""The report of a dub into the project folder: figures as JSON, and a page for people.

What is measured and how is in :mod:`onevoice.pipeline.qc`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from onevoice.config import Settings, cache_dir
from onevoice.engines.base import CancelToken, Progress
from onevoice.errors import EngineError
from onevoice.media import output_error, whole_file
from onevoice.pipeline.engines import EnginePool, runtime_for
from onevoice.pipeline.events import (
    Observer,
    SilentObserver,
    StageFinished,
    StageProgress,
    StageStarted,
)
from onevoice.pipeline.project import Project
from onevoice.pipeline.qc.assess import assess
from onevoice.pipeline.qc.dubbed import gather
from onevoice.pipeline.qc.judge import needs_round_trip
from onevoice.pipeline.qc.material import Material
from onevoice.pipeline.qc.model import Report, WarningReport
from onevoice.pipeline.qc.pair import gather_pair
from onevoice.pipeline.qc.roundtrip import listen
from onevoice.pipeline.qc.thresholds import Thresholds, load_thresholds
from onevoice.pipeline.runner import Job
from onevoice.pipeline.store import ArtifactStore, LocalStore

NAME = "report"


@contextmanager
def measuring(
    settings: Settings,
    source: Path,
    cancel: CancelToken,
    store: ArtifactStore | None = None,
    observer: Observer | None = None,
) -> Iterator[Job]:
    """What a look at finished files works with: engines and cache, and no project."""
    job = Job(
        source=source,
        settings=settings,
        store=store or LocalStore(cache_dir() / "artifacts"),
        observer=observer or SilentObserver(),
        cancel=cancel,
        pool=EnginePool(settings, runtime_for(settings, cancel)),
    )
    try:
        yield job
    finally:
        job.pool.close()


def report_dub(
    job: Job,
    project: Project,
    language: str,
    *,
    output: Path | None = None,
    thorough: bool = False,
) -> Report:
    """Measure a finished dub of a project and write its report.

    ``output`` is the dub, where it is not where the run put it.

    ``thorough`` makes the round trip unless the settings say no; otherwise it is made where they
    say yes, or where the gate asks for what only it can tell.

    Raises
    ------
    ProjectInvalid, CacheError, MediaError
        The dub was never finished, or what it was made from is gone.
    ConfigError
        The thresholds cannot be read.
    EngineError
        The settings demand a round trip, and no recogniser can make it.
    """
    limits = load_limits(job)
    with _told(job, language) as progress, job.store.scratch() as folder:
        material = gather(project, language, job.store, folder, output=output, cancel=job.cancel)
        report = _listened(job, material, limits, thorough=thorough, progress=progress)
        write(
            report,
            material,
            project.report_path(language),
            page=job.settings.quality.page,
            cancel=job.cancel,
        )
    return report


def report_pair(
    job: Job,
    original: Path,
    dub: Path,
    out: Path | None = None,
    *,
    language: str | None = None,
    source_language: str | None = None,
    track: int = 0,
    text: Path | None = None,
) -> tuple[Report, Path]:
    """Measure any dub against its original; the report goes beside the dub, or into ``out``.

    ``text`` is a file of what the dub was to say: with it errors are counted.

    Raises
    ------
    MediaError, EngineError, ConfigError
        A file, a recogniser or the thresholds cannot be used.
    OutputError
        The report cannot be written.
    """
    limits = load_limits(job)
    beside = out or dub.parent
    try:
        beside.mkdir(parents=True, exist_ok=True)  # before minutes of listening
    except OSError as exc:
        raise output_error(beside, exc) from exc
    with _told(job, language) as progress, job.store.scratch() as folder:
        material, heard = gather_pair(
            job,
            original,
            dub,
            folder,
            language=language,
            source_language=source_language,
            track=track,
            text=text,
            progress=progress,
        )
        report = assess(material, limits, heard=heard.recognition if text else None)
        path = beside / f"{dub.stem}.report.{report.language}.json"
        write(report, material, path, page=job.settings.quality.page, cancel=job.cancel)
    return report, path


@contextmanager
def _told(job: Job, language: str | None) -> Iterator[Progress]:
    """Tell the observer of a report as of a stage; gives what to call with the share done."""
    began = time.monotonic()
    job.observer.on_event(StageStarted(stage=NAME, language=language))

    def progress(share: float) -> None:
        job.observer.on_event(StageProgress(stage=NAME, language=language, done=share, total=1.0))

    yield progress
    seconds = time.monotonic() - began
    job.observer.on_event(
        StageFinished(stage=NAME, language=language, cached=False, seconds=seconds)
    )


def load_limits(job: Job) -> Thresholds:
    """The thresholds that the settings name."""
    given = job.settings.quality.thresholds
    return load_thresholds(Path(given) if given else None)


def write(
    report: Report,
    material: Material,
    path: Path,
    *,
    page: bool,
    cancel: CancelToken | None = None,
) -> None:
    """``path`` as JSON, and the page of the same name beside it.

    A page that shows this very report, of files that are no younger, is left as it is: it has both
    sounds in it and takes longer than the figures.
    """
    text, shown = report.to_json(), page_path(path)
    original, dub = material.original.info.path, material.dub.info.path
    same = path.is_file() and path.read_text(encoding="utf-8") == text
    if not same:
        with whole_file(path) as new:
            new.write_text(text, encoding="utf-8")
    if page and not (same and _is_younger(shown, original, dub)):
        from onevoice.pipeline.qc.page import write as write_page

        write_page(
            report,
            original=material.original.heard(),
            dub=material.dub.heard(),
            out=shown,
            cancel=cancel,
        )


def _is_younger(made: Path, *sources: Path) -> bool:
    return made.is_file() and all(
        source.stat().st_mtime_ns <= made.stat().st_mtime_ns for source in sources
    )


def page_path(report: Path) -> Path:
    """The page that belongs to a report."""
    return report.with_suffix(".html")


def _listened(
    job: Job,
    material: Material,
    limits: Thresholds,
    *,
    thorough: bool,
    progress: Progress = lambda share: None,
) -> Report:
    """The report, with a round trip where one is wanted."""
    wanted = job.settings.quality.round_trip
    if wanted is False or not (
        wanted is True or thorough or needs_round_trip(job.settings.quality.fail_on)
    ):
        return assess(material, limits)
    seconds = material.dub.info.duration
    try:
        heard = listen(
            job,
            material.dub.sound,
            language=material.language,
            seconds=seconds,
            progress=progress,
        )
    except EngineError as exc:
        if wanted is True:
            raise
        missing = WarningReport(code="round_trip_missing", message=exc.message)
        return assess(_with(material, missing), limits)
    settings = material.settings.model_copy(update={"round_trip": heard.engine})
    return assess(replace(material, settings=settings), limits, heard=heard.recognition)


def _with(material: Material, warning: WarningReport) -> Material:
    return replace(material, warnings=(*material.warnings, warning))
