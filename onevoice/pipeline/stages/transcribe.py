"""Words with times, from the dialogue stem."""

from __future__ import annotations

import json

from onevoice.config import Settings
from onevoice.pipeline.stage import Stage, StageContext, first_available
from onevoice.types import dump_json


def _run(ctx: StageContext) -> None:
    given = ctx.settings.source.language
    engine = ctx.engine("recognition")
    ctx.afford(engine, ctx.seconds, "the recognition")
    with ctx.models(engine):
        heard = engine.transcribe(
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
    return {
        "language": settings.source.language,
        "min_language_probability": settings.recognition.min_language_probability,
    }


STAGE = Stage(
    name="transcribe",
    version=1,
    inputs=("separate.speech", "hints"),
    outputs=("recognition",),
    params=_params,
    choose=first_available("recognition"),
    run=_run,
)
