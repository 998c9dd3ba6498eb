"""Every line spoken at its voice's natural rate; the fit decides later what must be faster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from onevoice import languages
from onevoice.config import Settings
from onevoice.engines.base import CLONE
from onevoice.pipeline.engines import EnginePool
from onevoice.pipeline.phrases import phrases
from onevoice.pipeline.speech import SpeakingJob, Spoken, speak_all
from onevoice.pipeline.stage import Chosen, Stage, StageContext
from onevoice.speakable import speakable
from onevoice.types import Line, Transcript, dump_json_as, load_json


def choose(pool: EnginePool, source: str, target: str | None) -> tuple[Chosen, ...]:
    """The first synthesizer of the chain with a voice for the language."""
    cloning = clones_wanted(pool.settings, target or "")

    def fits(engine: Any) -> str | None:
        if cloning and not getattr(engine, "clones", False):
            return "it does not clone voices"
        if any(cloning or voice.name != CLONE for voice in pool.voices(engine, target or "")):
            return None
        return f"it has no voice for {languages.name(target or '')}"

    name, engine = pool.choose("synthesis", fits, language=target or "")
    return (Chosen("synthesis", name, engine),)


def speaking_jobs(
    lines: tuple[Line, ...], transcript: Transcript, language: str
) -> list[SpeakingJob]:
    """The phrases of all lines that are to be spoken; a text of nothing but notes is none."""
    segments = {segment.id: segment for segment in transcript.segments}
    jobs = [
        SpeakingJob(phrase=phrase, line=line)
        for line in lines
        if not line.keep and speakable(line.text, language)
        for phrase in phrases(line, segments.get(line.id))
        if speakable(phrase.text, language)
    ]
    around = zip([None, *jobs], jobs, [*jobs[1:], None], strict=False)
    return [
        replace(job, before=_same_speaker(before, job), after=_same_speaker(after, job))
        for before, job, after in around
    ]


def _same_speaker(other: SpeakingJob | None, job: SpeakingJob) -> str:
    same = other is not None and other.line.speaker == job.line.speaker
    return other.phrase.text if other is not None and same else ""


def clones_wanted(settings: Settings, language: str) -> bool:
    """Whether a speaker's own voice is asked for in a language."""
    return any(settings.voice_for(speaker, language) == CLONE for speaker in settings.voices)


def _run(ctx: StageContext) -> None:
    lines = load_json(tuple[Line, ...], ctx.read("lines"))
    transcript = load_json(Transcript, ctx.read("transcript"))
    jobs = speaking_jobs(lines, transcript, ctx.language or "")
    spoken = speak_all(ctx, ctx.engine("synthesis"), jobs, said=lambda n: ctx.report(n, len(jobs)))
    ctx.facts["seconds"] = round(sum(s.seconds for s in spoken), 3)
    ctx.output("speech").write_bytes(dump_json_as(tuple[Spoken, ...], tuple(spoken)))


STAGE = Stage(
    name="synthesize",
    version=2,
    inputs=("lines", "transcript", "glossary", "references"),
    outputs=("speech",),
    choose=choose,
    run=_run,
    per_language=True,
)
