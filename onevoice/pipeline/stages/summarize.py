"""What the film is about, read once by a language model where the translator is one."""

from __future__ import annotations

from typing import Any

from onevoice.engines.base import LanguageModel
from onevoice.pipeline.engines import EnginePool
from onevoice.pipeline.stage import Chosen, Stage, StageContext
from onevoice.types import Transcript, dump_json, load_json


def _choose(pool: EnginePool, source: str, target: str | None) -> tuple[Chosen, ...]:
    def fits(engine: Any) -> str | None:
        return None if isinstance(engine, LanguageModel) else "it is no language model"

    name, engine = pool.choose("translation", fits)
    return (Chosen("translation", name, engine),)


def _run(ctx: StageContext) -> None:
    transcript = load_json(Transcript, ctx.read("transcript"))
    spoken = [segment for segment in transcript.segments if not segment.keep]
    engine = ctx.engine("translation")
    length = sum(len(segment.text) for segment in spoken)
    ctx.afford(engine, length, "reading the transcript")
    with ctx.models(engine):
        summary = engine.summarize(spoken, language=transcript.language)
    ctx.output("summary").write_bytes(dump_json(summary))


STAGE = Stage(
    name="summarize",
    version=1,
    inputs=("transcript",),
    outputs=("summary",),
    choose=_choose,
    run=_run,
)
