"""The sound of the input, decoded once: float32 WAV, 48 kHz, the source's channels."""

from __future__ import annotations

from onevoice import media
from onevoice.config import Settings
from onevoice.pipeline.stage import Stage, StageContext

SAMPLE_RATE = 48_000


def _run(ctx: StageContext) -> None:
    source = ctx.settings.source
    spec = media.extract_audio(
        ctx.source,
        ctx.output("audio"),
        track=source.audio_track,
        sample_rate=SAMPLE_RATE,
        salvage=source.salvage,
        progress=ctx.progress,
        cancel=ctx.cancel,
    )
    ctx.facts["seconds"] = round((spec.frames or 0) / spec.sample_rate, 3)
    ctx.facts["channels"] = spec.channels


def _params(settings: Settings) -> dict[str, object]:
    return {"audio_track": settings.source.audio_track, "salvage": settings.source.salvage}


STAGE = Stage(
    name="extract", version=1, inputs=("source",), outputs=("audio",), params=_params, run=_run
)
