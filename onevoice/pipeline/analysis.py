"""What is found out once for all languages: what is said, by whom, and what it is about."""

from __future__ import annotations

from dataclasses import replace

from onevoice import languages, vision
from onevoice.engines.base import LanguageModel
from onevoice.errors import EngineUnavailable, NothingToDub, OneVoiceError
from onevoice.pipeline.onscreen import marked
from onevoice.pipeline.preparing import Prepared
from onevoice.pipeline.runner import Job, Scope, run_stage, warn
from onevoice.pipeline.stage import Stage
from onevoice.pipeline.stages import (
    diarize,
    extract,
    look,
    segment,
    separate,
    summarize,
    transcribe,
    translate,
)
from onevoice.types import Sight, Summary, Transcript, dump_json, load_json

NO_SIGHT = dump_json(Sight())
NO_SUMMARY = dump_json(Summary())
ANALYSIS = (extract.STAGE, separate.STAGE, transcribe.STAGE, diarize.STAGE, segment.STAGE)


def stages_for(prepared: Prepared) -> tuple[Stage, ...]:
    """The analysis of this film, in order; it ends with the sentences."""
    *listening, sentences = ANALYSIS
    return (*listening, *([look.STAGE] if looks(prepared) else []), sentences)


def sync_transcript(prepared: Prepared, scope: Scope) -> Transcript:
    """The transcript with people's edits; raises NothingToDub when nobody speaks."""
    job = prepared.job
    made = load_json(Transcript, _read(job, scope, "segment.transcript"))
    if not made.segments:
        raise NothingToDub(
            f"nobody speaks in {job.source.name}: nothing to dub",
            hint="if somebody does, try --from LANGUAGE or --set separation.engine=none",
        )
    scope.artifacts["sight"] = scope.artifacts.get("look.sight") or job.store.add(NO_SIGHT)
    if prepared.info.has_video and job.settings.vision.enabled and vision.missing():
        warn(job, scope, "not_looked", f"nobody looks who is on screen: {vision.missing()}")
    transcript, merged = prepared.project.sync_transcript(with_marks(job, scope, made))
    for id_ in merged.lost:
        warn(job, scope, "edit_lost", "an edit belongs to a sentence that is gone", id_)
    for kept in transcript.segments:
        if kept.keep and kept.reason == "voice":
            span = f"{kept.start:.1f} to {kept.end:.1f} s"
            message = f"a voice without recognised words, {span}, keeps its original sound"
            warn(job, scope, "kept_voice", message, kept.id)
        elif kept.keep and kept.reason == "song":
            message = "this seems to be sung and keeps its original sound; keep: false dubs it"
            warn(job, scope, "kept_song", message, kept.id)
    scope.source_language = transcript.language
    scope.artifacts["transcript"] = job.store.add(dump_json(transcript))
    return transcript


def looks(prepared: Prepared) -> bool:
    """Whether the picture is looked at.

    Raises EngineUnavailable where it must be and cannot.
    """
    wanted = prepared.job.settings.vision.enabled
    if not wanted or not prepared.info.has_video:
        return False
    reason = vision.missing()
    if reason and wanted is True:
        raise EngineUnavailable(
            f"nobody can look at the picture: {reason}",
            hint="pip install 'onevoice[embedded]', or --set vision.enabled=false",
        )
    return not reason


def with_marks(job: Job, scope: Scope, made: Transcript) -> Transcript:
    """A transcript that knows which of its segments are said on screen."""
    sight = load_json(Sight, _read(job, scope, "sight"))
    return replace(made, segments=marked(made.segments, sight, job.settings.vision))


def _read(job: Job, scope: Scope, artifact: str) -> bytes:
    return job.store.path(scope.artifacts[artifact]).read_bytes()


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
    made = load_json(Summary, _read(job, scope, "summarize.summary"))
    return prepared.project.summary.sync(made)


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
