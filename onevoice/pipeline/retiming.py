"""A picture shown a little slower, so that what a language needs more words for fits.

The analysis, and what people edit in it, stay on the clock of the source. From there on everything
is on the clock of the result: segments, sights and the three sounds are taken over to it here, in
one place, and no stage after it knows the difference.
"""

from __future__ import annotations

from dataclasses import replace

from onevoice.pipeline.preparing import Prepared
from onevoice.pipeline.runner import Scope, run_stage
from onevoice.pipeline.stages import retime
from onevoice.types import Segment, Sight, Transcript, dump_json, load_json


def retimed(
    prepared: Prepared, scope: Scope, transcript: Transcript
) -> tuple[Prepared, Transcript]:
    """What the languages work with; as it was where the picture keeps its speed."""
    if prepared.job.settings.output.retime == 1.0:
        return prepared, transcript
    run_stage(retime.STAGE, prepared.job, scope)
    return on_new_clock(prepared, scope, transcript)


def on_new_clock(
    prepared: Prepared, scope: Scope, transcript: Transcript
) -> tuple[Prepared, Transcript]:
    """Take all that has times over, once the slowed sounds are in the scope."""
    job = prepared.job
    factor = job.settings.output.retime
    for name, original in retime.SOUNDS.items():
        scope.artifacts[original] = scope.artifacts[f"{retime.STAGE.name}.{name}"]
    slower = slow_transcript(transcript, factor)
    scope.artifacts["transcript"] = job.store.add(dump_json(slower))
    sight = load_json(Sight, job.store.path(scope.artifacts["sight"]).read_bytes())
    scope.artifacts["sight"] = job.store.add(dump_json(slow_sight(sight, factor)))
    return replace(prepared, job=replace(job, seconds=job.seconds * factor)), slower


def slow_transcript(transcript: Transcript, factor: float) -> Transcript:
    """Every time in it ``factor`` times as late."""
    return replace(
        transcript,
        duration=transcript.duration * factor,
        segments=tuple(_slow_segment(segment, factor) for segment in transcript.segments),
    )


def _slow_segment(segment: Segment, factor: float) -> Segment:
    pauses = tuple(
        replace(pause, start=_late(pause.start, factor), end=_late(pause.end, factor))
        for pause in segment.pauses
    )
    return replace(
        segment,
        start=_late(segment.start, factor),
        end=_late(segment.end, factor),
        pauses=pauses,
    )


def slow_sight(sight: Sight, factor: float) -> Sight:
    """Every cut and glance ``factor`` times as late."""
    return Sight(
        cuts=tuple(_late(cut, factor) for cut in sight.cuts),
        glances=tuple(replace(g, time=_late(g.time, factor)) for g in sight.glances),
    )


def _late(time: float, factor: float) -> float:
    return round(time * factor, 3)
