"""Who speaks when, and how high each voice is."""

from __future__ import annotations

from typing import Any

from onevoice.engines.diarization.pitch import measured_speakers
from onevoice.pipeline.engines import EnginePool
from onevoice.pipeline.stage import Chosen, Stage, StageContext
from onevoice.types import Diarization, Recognition, Speaker, Turn, dump_json, load_json


def _choose(pool: EnginePool, source: str, target: str | None) -> tuple[Chosen, ...]:
    wanted = pool.settings.diarization.count

    def fits(engine: Any) -> str | None:
        if wanted is None:
            return None if getattr(engine, "counts", False) else "it does not count speakers"
        most = getattr(engine, "max_speakers", None)
        return None if most is None or wanted <= most else f"it tells at most {most} apart"

    name, engine = pool.choose("diarization", fits)
    return (Chosen("diarization", name, engine),)


def _run(ctx: StageContext) -> None:
    heard = load_json(Recognition, ctx.read("transcribe.recognition"))
    audio = ctx.inputs["separate.speech"]
    turns: tuple[Turn, ...] = ()
    speakers: tuple[Speaker, ...] = ()
    if heard.words:
        engine = ctx.engine("diarization")
        if not any(word.speaker for word in heard.words):  # else a hosted engine need not ask
            ctx.afford(engine, ctx.seconds, "telling the speakers apart")
        with ctx.models(engine):
            turns = engine.diarize(
                audio,
                heard.words,
                speakers=ctx.settings.diarization.count,
                progress=ctx.progress,
            )
            speakers = measured_speakers(audio, turns)
        ctx.pool.release("diarization")
    ctx.facts["speakers"] = len(speakers)
    if ctx.settings.diarization.count is None:
        counted = "1 speaker was" if len(speakers) == 1 else f"{len(speakers)} speakers were"
        ctx.warn(
            "speakers_counted",
            f"{counted} counted (experimental); --speakers N settles it",
        )
    ctx.output("diarization").write_bytes(dump_json(Diarization(speakers=speakers, turns=turns)))


STAGE = Stage(
    name="diarize",
    version=1,
    inputs=("separate.speech", "transcribe.recognition"),
    outputs=("diarization",),
    params=lambda settings: {"speakers": settings.diarization.speakers},
    choose=_choose,
    run=_run,
)
