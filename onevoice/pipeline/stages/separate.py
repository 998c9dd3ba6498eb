"""Dialogue, and the bed of music and effects, as two stems.

Where the engine does not separate, ``speech`` is the whole sound and ``bed`` an empty file: the
mixer then ducks the original under the dub.
"""

from __future__ import annotations

import os
import shutil

from onevoice.pipeline.stage import Stage, StageContext, first_available


def _run(ctx: StageContext) -> None:
    engine = ctx.engine("separation")
    mix = ctx.inputs["extract.audio"]
    ctx.facts["separated"] = bool(engine.separates)
    if not engine.separates:
        try:
            os.link(mix, ctx.output("speech"))
        except OSError:  # another disk, or a file system without links
            shutil.copyfile(mix, ctx.output("speech"))
        ctx.output("bed").touch()
        return
    ctx.afford(engine, ctx.seconds, "taking the voices out of the music")
    with ctx.models(engine):
        engine.separate(
            mix, speech=ctx.output("speech"), bed=ctx.output("bed"), progress=ctx.progress
        )


STAGE = Stage(
    name="separate",
    version=1,
    inputs=("extract.audio",),
    outputs=("speech", "bed"),
    choose=first_available("separation"),
    run=_run,
)
