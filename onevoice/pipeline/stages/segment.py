"""Words become sentences of one speaker, and what keeps its original sound is marked.

See :mod:`onevoice.pipeline.segmentation`, :mod:`onevoice.pipeline.keeping` and
:mod:`onevoice.pipeline.singing`.
"""

from __future__ import annotations

from collections.abc import Sequence

from onevoice import languages
from onevoice.config import Settings
from onevoice.pipeline import keeping
from onevoice.pipeline.segmentation import segment
from onevoice.pipeline.singing import mark_sung
from onevoice.pipeline.stage import Stage, StageContext
from onevoice.types import Diarization, Recognition, Segment, Transcript, dump_json, load_json


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
        segments=_kept(ctx, segments, heard.language),
    )
    ctx.output("transcript").write_bytes(dump_json(transcript))


def _kept(ctx: StageContext, segments: Sequence[Segment], source: str) -> tuple[Segment, ...]:
    """The segments with what is kept marked, and the voices between them."""
    rules = ctx.settings.keep
    marked = keeping.mark_songs(segments) if rules.songs else tuple(segments)
    if rules.languages:
        marked = _told(ctx, marked, source)
    separated = ctx.inputs["separate.bed"].stat().st_size > 0
    if rules.songs and separated:
        marked = mark_sung(marked, ctx.inputs["separate.speech"], ctx.inputs["separate.bed"])
    widens = any(s.keep for s in marked)
    if not (marked and separated and (rules.voices or widens)):
        return marked  # without a bed the original sounds between the lines anyway
    curve = keeping.level_curve(ctx.inputs["separate.speech"])
    active = keeping.sounding(curve, marked, under_db=rules.voices_under_db)
    marked = keeping.widen_kept(marked, active)
    if not rules.voices:
        return marked
    voices = keeping.voices_between(active, marked)
    ctx.facts["voices"] = len(voices)
    return keeping.with_voices(marked, voices)


def _told(ctx: StageContext, segments: Sequence[Segment], source: str) -> tuple[Segment, ...]:
    marked = keeping.mark_languages(segments, ctx.settings.keep.languages)
    for line in marked:
        if line.language and not line.keep:
            ctx.warn(
                "line_language",
                f"this seems to be {languages.name(line.language)}, and is translated as "
                f"{languages.name(source)}; --keep-language {line.language} keeps it",
                line.id,
            )
    return marked


def _params(settings: Settings) -> dict[str, object]:
    return {
        **settings.segmentation.model_dump(mode="json"),
        "keep": settings.keep.model_dump(mode="json"),
    }


STAGE = Stage(
    name="segment",
    version=3,
    inputs=(
        "transcribe.recognition",
        "diarize.diarization",
        "separate.speech",
        "separate.bed",
    ),
    outputs=("transcript",),
    params=_params,
    run=_run,
)
