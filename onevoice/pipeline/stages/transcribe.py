"""Words with times, from the dialogue stem."""

from __future__ import annotations

import json
from typing import Any

from onevoice.config import Settings
from onevoice.engines.base import MultilingualRecognizer
from onevoice.pipeline.engines import EnginePool
from onevoice.pipeline.stage import Chosen, Stage, StageContext
from onevoice.types import dump_json


def _choose(pool: EnginePool, source: str, target: str | None) -> tuple[Chosen, ...]:
    """The first of the chain; where languages are to be kept, the first that hears several."""
    several = bool(pool.settings.keep.languages)

    def fits(engine: Any) -> str | None:
        able = not several or isinstance(engine, MultilingualRecognizer)
        return None if able else "it hears one language a film, so it cannot keep others"

    name, engine = pool.choose("recognition", fits)
    return (Chosen("recognition", name, engine),)


def _run(ctx: StageContext) -> None:
    given = ctx.settings.source.language
    engine = ctx.engine("recognition")
    hear = engine.transcribe_each if ctx.settings.keep.languages else engine.transcribe
    ctx.afford(engine, ctx.seconds, "the recognition")
    with ctx.models(engine):
        heard = hear(
            ctx.inputs["separate.speech"],
            language=None if given == "auto" else given,
            hints=tuple(json.loads(ctx.read("hints"))),
            progress=ctx.progress,
        )
    ctx.pool.release("recognition")
    least = ctx.settings.recognition.min_language_probability
    if given == "auto" and heard.words and heard.language_probability < least:
        ctx.warn(
            "language_uncertain",
            f"the language seems to be {heard.language} "
            f"(probability {heard.language_probability:.2f}); --from settles it",
        )
    ctx.facts["words"] = len(heard.words)
    ctx.output("recognition").write_bytes(dump_json(heard))


def _params(settings: Settings) -> dict[str, object]:
    # Named only where it is wanted: without it the recognition keeps its key.
    several = {"several_languages": True} if settings.keep.languages else {}
    return {
        "language": settings.source.language,
        "min_language_probability": settings.recognition.min_language_probability,
        **several,
    }


STAGE = Stage(
    name="transcribe",
    version=1,
    inputs=("separate.speech", "hints"),
    outputs=("recognition",),
    params=_params,
    choose=_choose,
    run=_run,
)
