"""Bed and speech, mixed to one track; the work is in :mod:`onevoice.pipeline.mixing`."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from onevoice.config import Settings
from onevoice.pipeline.fitting import Dub
from onevoice.pipeline.keeping import beside_speech
from onevoice.pipeline.mastering import Stems
from onevoice.pipeline.mix_lines import MixLine
from onevoice.pipeline.mixing import MixSpec, mix
from onevoice.pipeline.stage import Stage, StageContext
from onevoice.types import load_json

STEMS = ("dialogue", "bed")
"""Outputs of the stage where stems are wanted."""


def wants_stems(settings: Settings) -> bool:
    """Whether the parts of the mix are to be delivered."""
    return "stems" in settings.output.deliver


def stage(settings: Settings) -> Stage:
    """The stage, with stems among its outputs where they are wanted."""
    if not wants_stems(settings):
        return STAGE
    return replace(STAGE, outputs=(*STAGE.outputs, *STEMS))


def _params(settings: Settings) -> dict[str, Any]:
    """Named only where they are wanted: without them the mix keeps its key."""
    stems = {"stems": True} if wants_stems(settings) else {}
    return {**settings.mix.model_dump(mode="json"), **stems}


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
        keep=beside_speech(
            [(line.start, line.end) for line in dub.lines if line.keep],
            [(phrase.placement.start, phrase.placement.end) for phrase in dub.phrases],
            [phrase.window for phrase in dub.phrases],
        ),
        settings=ctx.settings.mix,
    )
    stems = None
    if wants_stems(ctx.settings):
        stems = Stems(dialogue=ctx.output("dialogue"), bed=ctx.output("bed"))
    report = mix(spec, ctx.output("audio"), stems=stems, progress=ctx.progress, cancel=ctx.cancel)
    for warning in report.warnings:
        ctx.warn(warning.code, warning.message, warning.line)
    ctx.output("report").write_text(json.dumps(asdict(report)), encoding="utf-8")


STAGE = Stage(
    name="mix",
    version=2,
    inputs=("extract.audio", "separate.speech", "separate.bed", "fit.dub"),
    outputs=("audio", "report"),
    params=_params,
    run=_run,
    per_language=True,
)
