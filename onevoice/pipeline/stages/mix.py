"""Bed and speech, mixed to one track; the work is in :mod:`onevoice.pipeline.mixing`."""

from __future__ import annotations

import json
from dataclasses import asdict

from onevoice.pipeline.fitting import Dub
from onevoice.pipeline.mixing import MixLine, MixSpec, mix
from onevoice.pipeline.stage import Stage, StageContext
from onevoice.types import load_json


def _run(ctx: StageContext) -> None:
    dub = load_json(Dub, ctx.read("fit.dub"))
    bed = ctx.inputs["separate.bed"]
    separated = bed.stat().st_size > 0
    spec = MixSpec(
        mix=ctx.inputs["extract.audio"],
        bed=bed if separated else None,
        speech=ctx.inputs["separate.speech"] if separated else None,
        lines=[
            MixLine(
                audio=ctx.store.path(phrase.spoken.audio),
                start=phrase.placement.start,
                length=phrase.placement.length,
                stretch=phrase.placement.stretch,
                window=phrase.window,
                id=phrase.spoken.line,
            )
            for phrase in dub.phrases
        ],
        keep=[(line.start, line.end) for line in dub.lines if line.keep],
        settings=ctx.settings.mix,
    )
    report = mix(spec, ctx.output("audio"), progress=ctx.progress, cancel=ctx.cancel)
    for warning in report.warnings:
        ctx.warn(warning.code, warning.message, warning.line)
    ctx.output("report").write_text(json.dumps(asdict(report)), encoding="utf-8")


STAGE = Stage(
    name="mix",
    version=1,
    inputs=("extract.audio", "separate.speech", "separate.bed", "fit.dub"),
    outputs=("audio", "report"),
    params=lambda settings: settings.mix.model_dump(mode="json"),
    run=_run,
    per_language=True,
)
