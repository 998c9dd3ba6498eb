"""Every line spoken at its voice's natural rate; the fit decides later what must be faster."""

from __future__ import annotations

from typing import Any

from onevoice import languages
from onevoice.pipeline.engines import EnginePool
from onevoice.pipeline.phrases import phrases
from onevoice.pipeline.speech import SpeakingJob, Spoken, speak_all
from onevoice.pipeline.stage import Chosen, Stage, StageContext
from onevoice.speakable import speakable
from onevoice.types import Line, Transcript, dump_json_as, load_json


def choose(pool: EnginePool, source: str, target: str | None) -> tuple[Chosen, ...]:
    """The first synthesizer of the chain with a voice for the language."""

    def fits(engine: Any) -> str | None:
        speaks = bool(engine.voices(target or ""))
        return None if speaks else f"it has no voice for {languages.name(target or '')}"

    name, engine = pool.choose("synthesis", fits)
    return (Chosen("synthesis", name, engine),)


def speaking_jobs(
    lines: tuple[Line, ...], transcript: Transcript, language: str
) -> list[SpeakingJob]:
    """The phrases of all lines that are to be spoken; a text of nothing but notes is none."""
    segments = {segment.id: segment for segment in transcript.segments}
    return [
        SpeakingJob(phrase=phrase, line=line)
        for line in lines
        if not line.keep and speakable(line.text, language)
        for phrase in phrases(line, segments.get(line.id))
        if speakable(phrase.text, language)
    ]


def _run(ctx: StageContext) -> None:
    lines = load_json(tuple[Line, ...], ctx.read("lines"))
    transcript = load_json(Transcript, ctx.read("transcript"))
    jobs = speaking_jobs(lines, transcript, ctx.language or "")
    spoken = speak_all(ctx, ctx.engine("synthesis"), jobs, said=lambda n: ctx.report(n, len(jobs)))
    ctx.facts["seconds"] = round(sum(s.seconds for s in spoken), 3)
    ctx.output("speech").write_bytes(dump_json_as(tuple[Spoken, ...], tuple(spoken)))


STAGE = Stage(
    name="synthesize",
    version=1,
    inputs=("lines", "transcript"),
    outputs=("speech",),
    choose=choose,
    run=_run,
    per_language=True,
)
