"""What is found out once for all languages: what is said, by whom, and what it is about."""

from __future__ import annotations

from onevoice import languages
from onevoice.engines.base import LanguageModel
from onevoice.errors import NothingToDub, OneVoiceError
from onevoice.pipeline.preparing import Prepared
from onevoice.pipeline.runner import Job, Scope, run_stage, warn
from onevoice.pipeline.stages import (
    diarize,
    extract,
    segment,
    separate,
    summarize,
    transcribe,
    translate,
)
from onevoice.types import Summary, Transcript, dump_json, load_json

NO_SUMMARY = dump_json(Summary())
ANALYSIS = (extract.STAGE, separate.STAGE, transcribe.STAGE, diarize.STAGE, segment.STAGE)


def sync_transcript(prepared: Prepared, scope: Scope) -> Transcript:
    """The transcript with people's edits; raises NothingToDub when nobody speaks."""
    job = prepared.job
    data = job.store.path(scope.artifacts["segment.transcript"]).read_bytes()
    made = load_json(Transcript, data)
    if not made.segments:
        raise NothingToDub(
            f"nobody speaks in {job.source.name}: nothing to dub",
            hint="if somebody does, try --from LANGUAGE or --set separation.engine=none",
        )
    transcript, merged = prepared.project.sync_transcript(made)
    for id_ in merged.lost:
        warn(job, scope, "edit_lost", "an edit belongs to a sentence that is gone", id_)
    scope.source_language = transcript.language
    scope.artifacts["transcript"] = job.store.add(dump_json(transcript))
    return transcript


def read_whole(prepared: Prepared, scope: Scope, transcript: Transcript) -> None:
    """The context pass, where a translator of this run is a language model."""
    job = prepared.job
    scope.artifacts["summary"] = job.store.add(NO_SUMMARY)
    if not needs_summary(prepared, transcript.language):
        return
    scope.artifacts["summary"] = job.store.add(dump_json(make_summary(prepared, scope)))


def make_summary(prepared: Prepared, scope: Scope) -> Summary:
    """What a model makes of the film, with people's edits."""
    job = prepared.job
    run_stage(summarize.STAGE, job, scope)
    data = job.store.path(scope.artifacts["summarize.summary"]).read_bytes()
    return prepared.project.summary.sync(load_json(Summary, data))


def needs_summary(prepared: Prepared, source: str) -> bool:
    """Whether one of the languages is translated by a language model."""
    job = prepared.job
    wanted = [
        language
        for language in prepared.languages
        if language not in prepared.request.lines and not languages.same(language, source)
    ]
    return job.settings.summary.enabled and any(_by_model(job, source, x) for x in wanted)


def reads_summary(job: Job, source: str, target: str) -> bool:
    """Whether a language's translation depends on the summary."""
    return job.settings.summary.use_as_context and _by_model(job, source, target)


def _by_model(job: Job, source: str, target: str) -> bool:
    try:
        (chosen,) = translate.choose(job.pool, source, target)
    except OneVoiceError:
        return False  # that language will fail by itself, and say why
    return isinstance(chosen.engine, LanguageModel)
