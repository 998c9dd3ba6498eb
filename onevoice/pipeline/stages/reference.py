"""The seconds of each speaker that a cloning engine copies; see :mod:`..references`."""

from __future__ import annotations

import json

from onevoice.pipeline.references import cut_references, dump_references
from onevoice.pipeline.stage import Stage, StageContext
from onevoice.types import Transcript, load_json


def _run(ctx: StageContext) -> None:
    transcript = load_json(Transcript, ctx.read("transcript"))
    references = cut_references(ctx, transcript, json.loads(ctx.read("cloned")))
    ctx.facts["references"] = {r.speaker: [r.start, r.seconds] for r in references}
    ctx.output("references").write_bytes(dump_references(references))


STAGE = Stage(
    name="reference",
    version=1,
    inputs=("cloned", "transcript", "separate.speech", "separate.bed"),
    outputs=("references",),
    run=_run,
)
