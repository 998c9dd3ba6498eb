"""The sound of a picture that is shown slower: the original and its stems, as long as that."""

from __future__ import annotations

from typing import Any

from onevoice import media
from onevoice.config import Settings
from onevoice.pipeline.stage import Stage, StageContext

SOUNDS = {"audio": "extract.audio", "speech": "separate.speech", "bed": "separate.bed"}
"""By output: the sound that it takes the place of."""


def _run(ctx: StageContext) -> None:
    factor = ctx.settings.output.retime
    for number, (name, original) in enumerate(SOUNDS.items()):
        source, slowed = ctx.inputs[original], ctx.output(name)
        if source.stat().st_size == 0:  # nothing was separated
            slowed.touch()
            continue

        def tell(share: float, done: int = number) -> None:
            ctx.progress((done + share) / len(SOUNDS))

        media.slow(
            source,
            slowed,
            factor=factor,
            seconds=ctx.seconds * factor,
            progress=tell,
            cancel=ctx.cancel,
        )


def _params(settings: Settings) -> dict[str, Any]:
    return {"factor": settings.output.retime}


STAGE = Stage(
    name="retime",
    version=1,
    inputs=tuple(SOUNDS.values()),
    outputs=tuple(SOUNDS),
    params=_params,
    run=_run,
)
