"""The fit of one language as a stage; the work is in :mod:`onevoice.pipeline.fitting`."""

from __future__ import annotations

from onevoice.config import Settings
from onevoice.engines.base import LanguageModel
from onevoice.errors import EngineError
from onevoice.pipeline.engines import EnginePool
from onevoice.pipeline.fitting import fit_dub
from onevoice.pipeline.stage import Chosen, Stage, StageContext
from onevoice.pipeline.stages import synthesize, translate
from onevoice.types import Line, Sight, Summary, Transcript, dump_json, load_json


def _choose(pool: EnginePool, source: str, target: str | None) -> tuple[Chosen, ...]:
    speaker = synthesize.choose(pool, source, target)
    if not pool.settings.translation.shorten:
        return speaker
    try:
        translator = translate.choose(pool, source, target)
    except EngineError:
        return speaker  # the lines came from a file; nobody here can shorten them
    return speaker + tuple(c for c in translator if isinstance(c.engine, LanguageModel))


def _run(ctx: StageContext) -> None:
    dub = fit_dub(
        ctx,
        load_json(tuple[Line, ...], ctx.read("lines")),
        load_json(Transcript, ctx.read("transcript")),
        load_json(Summary, ctx.read("summary")),
        load_json(Sight, ctx.read("sight")),
    )
    ctx.facts["lines"] = len({phrase.spoken.line for phrase in dub.phrases})
    ctx.facts["shortened"] = len(dub.shortened)
    ctx.output("dub").write_bytes(dump_json(dub))


def _params(settings: Settings) -> dict[str, object]:
    return {
        "timing": settings.timing.model_dump(mode="json"),
        "shorten": settings.translation.shorten,
        "rounds": settings.translation.rounds,
        "faster": settings.synthesis.faster,
    }


STAGE = Stage(
    name="fit",
    version=4,
    inputs=(
        "lines",
        "transcript",
        "summary",
        "sight",
        "glossary",
        "references",
        "synthesize.speech",
    ),
    outputs=("dub",),
    params=_params,
    choose=_choose,
    run=_run,
    per_language=True,
)
