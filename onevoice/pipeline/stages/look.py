"""Where the picture cuts, and when a face is seen; the work is in :mod:`onevoice.vision`."""

from __future__ import annotations

from onevoice import media, vision
from onevoice.pipeline.stage import Stage, StageContext
from onevoice.types import dump_json


def _run(ctx: StageContext) -> None:
    def progress(time: float) -> None:
        ctx.cancel.check()
        ctx.report(min(time, ctx.seconds), ctx.seconds)

    info = media.probe(ctx.source)
    sight = vision.look(info, per_second=ctx.settings.vision.per_second, progress=progress)
    if not sight.glances:
        ctx.warn("picture_unreadable", "the picture cannot be decoded: nobody knows who is seen")
    ctx.facts["cuts"] = len(sight.cuts)
    ctx.facts["glances"] = len(sight.glances)
    ctx.output("sight").write_bytes(dump_json(sight))


STAGE = Stage(
    name="look",
    version=1,
    inputs=("source",),
    outputs=("sight",),
    params=lambda settings: {"per_second": settings.vision.per_second},
    run=_run,
)
