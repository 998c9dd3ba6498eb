"""One video into several languages: the analysis once, then every language on top of it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path

from onevoice import languages
from onevoice.engines.base import CancelToken
from onevoice.engines.metering import Meter, collecting, telling, total
from onevoice.errors import EngineError, OneVoiceError, SameLanguage
from onevoice.pipeline import clones, delivery, finishing
from onevoice.pipeline.analysis import (
    ANALYSIS,
    NO_SUMMARY,
    make_summary,
    read_whole,
    reads_summary,
    stages_for,
    sync_transcript,
)
from onevoice.pipeline.costs import afford_the_rest
from onevoice.pipeline.events import LanguageFailed, LanguageFinished, Observer
from onevoice.pipeline.lines import LineSheet, make_lines, spoken_sheet, wants_clones
from onevoice.pipeline.preparing import Prepared, prepare
from onevoice.pipeline.project import Project
from onevoice.pipeline.qc.judge import check_names
from onevoice.pipeline.results import DubFailure, DubOutcome, DubRequest, DubResult
from onevoice.pipeline.retiming import retimed
from onevoice.pipeline.runner import Scope, run_stage, source_artifact
from onevoice.pipeline.stages import fit, look, mix, reference, retime, synthesize, translate
from onevoice.pipeline.store import ArtifactStore
from onevoice.pipeline.words import put_context, put_words, remember_lines
from onevoice.types import Line, Summary, Transcript, load_json


def dub(
    request: DubRequest,
    *,
    observer: Observer | None = None,
    cancel: CancelToken | None = None,
    store: ArtifactStore | None = None,
    meter: Meter | None = None,
) -> DubOutcome:
    """Dub one input into every language of the request.

    What goes wrong with one language is a failure in the outcome, and the others go on. The
    observer hears of each language when it has ended, before the outcome is there.
    ``meter`` holds the budget of several inputs; without one the settings' limit is for this one.

    Raises
    ------
    OneVoiceError
        What concerns the whole input: it cannot be used, nobody speaks in it, an analysis
        engine is missing, the run was cancelled.
    """
    check_names(request.settings.quality.fail_on)
    prepared = prepare(request, observer=observer, cancel=cancel, store=store, meter=meter)
    try:
        with (
            prepared.project.hold(),
            telling(prepared.project.bookings.add),
            collecting() as used,
        ):
            outcome = _run(prepared)
            return replace(outcome, usd=total(used))
    finally:
        prepared.job.pool.close()


def summarize_film(
    request: DubRequest,
    *,
    observer: Observer | None = None,
    cancel: CancelToken | None = None,
    store: ArtifactStore | None = None,
) -> tuple[Project, Summary]:
    """Listen to a film and say what it is about; no target language is needed.

    Raises
    ------
    OneVoiceError
        The input cannot be used, or no translator of the chain is a language model.
    """
    request = replace(request, languages=(), stop_after="summarize")
    prepared = prepare(request, observer=observer, cancel=cancel, store=store)
    job, project = prepared.job, prepared.project
    try:
        with project.hold(), telling(project.bookings.add):
            scope = _begun(prepared)
            for stage in stages_for(prepared):
                run_stage(stage, job, scope)
            sync_transcript(prepared, scope)
            summary = make_summary(prepared, scope)
            project.remember_keys(None, scope.parts)
            return project, summary
    finally:
        job.pool.close()


def _run(prepared: Prepared) -> DubOutcome:
    job, project, request = prepared.job, prepared.project, prepared.request
    if not request.force:
        for language in prepared.languages:
            delivery.refuse_foreign(project, prepared.targets(language))
        delivery.refuse_foreign(project, prepared.together())
    failures = _unspeakable(prepared)
    for unspeakable in failures:
        job.observer.on_event(LanguageFailed(failure=unspeakable))
    wanted = [x for x in prepared.languages if x not in {f.language for f in failures}]
    if not wanted:
        return DubOutcome(results=(), failures=tuple(failures))
    scope = _begun(prepared)
    for stage in stages_for(prepared):
        run_stage(stage, job, scope)
        if stage.name == request.stop_after:
            return _stopped(prepared, scope)
    transcript = sync_transcript(prepared, scope)
    if request.stop_after != "summarize":
        afford_the_rest(prepared, scope, transcript, wanted)
    read_whole(prepared, scope, transcript)
    if request.stop_after != "summarize":
        prepared, transcript = retimed(prepared, scope, transcript)
    project.remember_keys(None, scope.parts)
    if request.stop_after in ("summarize", "retime"):
        return _stopped(prepared, scope)
    results: list[DubResult] = []
    workers = min(len(wanted), job.settings.run.parallel_languages)
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="language") as threads:
        running = [
            threads.submit(copy_context().run, _see_through, prepared, scope, transcript, language)
            for language in wanted
        ]
        for future in running:
            result, failure = future.result()
            results += [result] if result else []
            failures += [failure] if failure else []
    job.cancel.check()
    return finishing.deliver_together(prepared, scope, results, failures)


def _begun(prepared: Prepared) -> Scope:
    """What is known before anything is listened to."""
    scope = Scope()
    scope.artifacts["source"] = source_artifact(prepared.project, prepared.job.source)
    put_words(prepared.job, scope)
    return scope


def _unspeakable(prepared: Prepared) -> list[DubFailure]:
    """Languages nobody here can speak: better known now than after minutes of analysis."""
    job = prepared.job
    listening = {*(stage.name for stage in ANALYSIS), look.STAGE.name, "summarize", "retime"}
    if prepared.request.stop_after in listening:
        return []
    failures = []
    for language in prepared.languages:
        try:
            synthesize.choose(job.pool, "und", language)
        except OneVoiceError as exc:
            failures.append(DubFailure(input=job.source, language=language, error=exc))
    return failures


# --- one language ---------------------------------------------------------------------------


def _see_through(
    prepared: Prepared, analysis: Scope, transcript: Transcript, language: str
) -> tuple[DubResult | None, DubFailure | None]:
    """Dub one language and tell at once what came of it; what misses the quality gate is both."""
    job = prepared.job
    result = None
    try:
        result = _dub_language(prepared, analysis, transcript, language)
        finishing.judge(result, job.settings)
    except OneVoiceError as exc:
        failure = DubFailure(input=job.source, language=language, error=exc)
        if not job.cancel.cancelled:
            job.observer.on_event(LanguageFailed(failure=failure))
        return result, failure
    job.observer.on_event(LanguageFinished(result=result))
    return result, None


def _dub_language(
    prepared: Prepared, analysis: Scope, transcript: Transcript, language: str
) -> DubResult:
    job, project, stop = prepared.job, prepared.project, prepared.request.stop_after
    if languages.same(language, transcript.language):
        raise SameLanguage(
            f"{job.source.name} already speaks {languages.name(language)}",
            hint="choose another language with --to, or say what it speaks with --from",
        )
    scope = analysis.child(language)
    if retime.STAGE.name in analysis.parts:  # another language may be made at another speed
        scope.parts[retime.STAGE.name] = analysis.parts[retime.STAGE.name]
    if not reads_summary(job, transcript.language, language):
        scope.artifacts["summary"] = job.store.add(NO_SUMMARY)
    brought = prepared.request.lines.get(language)
    if brought is None:
        put_context(job, project, scope, transcript)
        run_stage(translate.STAGE, job, scope)
    if stop == "translate":
        make_lines(job, project, scope, transcript, brought=brought)
        return _result(prepared, scope, language)
    sheet = _speak(prepared, scope, transcript, brought)
    if stop in ("reference", "synthesize", "fit"):
        return _result(prepared, scope, language)
    spoken_sheet(job, scope, sheet).write(project, language)
    run_stage(mix.stage(job.settings), job, scope)
    if stop == "mix":
        return _result(prepared, scope, language)
    wanted = prepared.targets(language)
    delivery.deliver(job, scope, project, wanted)
    delivery.note_language(job, project, scope)
    project.remember_keys(language, scope.parts)
    report = finishing.measure(prepared, scope, language, wanted)
    rewritten = {id_ for id_, fields in sheet.edited.edited.items() if "text" in fields}
    remember_lines(job, project, scope, sheet.lines, rewritten)
    return replace(_result(prepared, scope, language, wanted), report=report)


def _speak(
    prepared: Prepared, scope: Scope, transcript: Transcript, brought: Path | None
) -> LineSheet:
    """Cast, speak and fit the lines, all of them by one synthesizer.

    When it breaks for good the next of the chain speaks the whole film: two engines must not
    share a speaker.
    """
    job, project, stop = prepared.job, prepared.project, prepared.request.stop_after
    costs = dict(scope.costs)
    while True:
        try:
            sheet = make_lines(job, project, scope, transcript, brought=brought)
            put_references(prepared, scope, sheet)
            for stage in (synthesize.STAGE, fit.STAGE):
                if stop == "reference":
                    break
                run_stage(stage, job, scope)
                if stage.name == stop:
                    break
            return sheet
        except EngineError as exc:
            if not job.pool.give_up(exc, language=scope.language or ""):
                raise
            scope.costs = dict(costs)  # the lines of the film are those of the next one


def put_references(prepared: Prepared, scope: Scope, sheet: LineSheet) -> None:
    """The speakers' own voices, where lines ask for them and the speakers agreed."""
    job = prepared.job
    if not wants_clones(job, prepared.project, scope, sheet):
        return
    run_stage(reference.STAGE, job, scope)
    scope.artifacts["references"] = scope.artifacts["reference.references"]
    (chosen,) = synthesize.choose(job.pool, scope.source_language, scope.language)
    rows = json.loads(job.store.path(scope.artifacts["references"]).read_bytes())
    found = [(row["speaker"], row["audio"]["digest"]) for row in rows]
    clones.note(prepared.project, chosen, found)


# --- results --------------------------------------------------------------------------------


def _result(
    prepared: Prepared, scope: Scope, language: str, wanted: delivery.Targets | None = None
) -> DubResult:
    job = prepared.job
    lines: tuple[Line, ...] = ()
    if "lines" in scope.artifacts:
        data = job.store.path(scope.artifacts["lines"]).read_bytes()
        lines = load_json(tuple[Line, ...], data)
    return DubResult(
        input=job.source,
        language=language,
        output=wanted.main if wanted else None,
        outputs=wanted.files if wanted else (),
        subtitles=wanted.subtitles if wanted else (),
        project=prepared.project.folder,
        duration=round(prepared.info.duration, 3),
        lines=sum(not line.keep and bool(line.text.strip()) for line in lines),
        stages=tuple(scope.records),
        warnings=tuple(scope.warnings),
    )


def _stopped(prepared: Prepared, scope: Scope) -> DubOutcome:
    """The outcome of a run that was told to end inside the analysis."""
    results = tuple(_result(prepared, scope, language) for language in prepared.languages)
    return DubOutcome(results=results, failures=())
