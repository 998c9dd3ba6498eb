"""Words become sentences of one speaker; see :mod:`onevoice.pipeline.segmentation`."""

from __future__ import annotations

from onevoice.pipeline.segmentation import segment
from onevoice.pipeline.stage import Stage, StageContext
from onevoice.types import Diarization, Recognition, Transcript, dump_json, load_json


def _run(ctx: StageContext) -> None:
    heard = load_json(Recognition, ctx.read("transcribe.recognition"))
    diarization = load_json(Diarization, ctx.read("diarize.diarization"))
    segments = segment(heard, diarization, ctx.settings.segmentation)
    ctx.facts["segments"] = len(segments)
    ctx.facts["speech_seconds"] = round(sum(s.end - s.start for s in segments), 3)
    transcript = Transcript(
        language=heard.language,
        duration=heard.duration,
        speakers=diarization.speakers,
        segments=segments,
    )
    ctx.output("transcript").write_bytes(dump_json(transcript))


STAGE = Stage(
    name="segment",
    version=1,
    inputs=("transcribe.recognition", "diarize.diarization"),
    outputs=("transcript",),
    params=lambda settings: settings.segmentation.model_dump(mode="json"),
    run=_run,
)
