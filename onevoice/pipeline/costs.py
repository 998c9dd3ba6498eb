"""What hosted engines will charge, before they do.

The analysis is priced by the length of the film. Translation and speech are priced from the
text once it is known; before that from the length of the film, as if somebody spoke all the time.
"""

from __future__ import annotations

from collections.abc import Sequence

from onevoice import languages
from onevoice.engines.base import Reviewer
from onevoice.errors import OneVoiceError
from onevoice.pipeline.engines import EnginePool
from onevoice.pipeline.preparing import Prepared
from onevoice.pipeline.runner import Scope
from onevoice.pipeline.stage import Stage
from onevoice.pipeline.stages import synthesize, translate
from onevoice.pipeline.words import usual_rate
from onevoice.types import Transcript

CHARACTERS_PER_SECOND = 15.0
"""Of source text, while somebody speaks."""
GROWTH = 1.15
"""A translation is a little longer than its source, beyond what the scripts make of it."""


def characters(transcript: Transcript | None, seconds: float) -> float:
    """Characters of source text: counted where they are known, else the most there can be."""
    if transcript is None:
        return seconds * CHARACTERS_PER_SECOND
    return float(sum(len(segment.text) for segment in transcript.segments if not segment.keep))


def growth(source: str, target: str) -> float:
    """Characters of translation for one of source: a syllable of Korean is one, of Spanish two."""
    return GROWTH * usual_rate(target) / usual_rate(source)


def stage_cost(stage: Stage, prepared: Prepared, scope: Scope, text: float) -> float | None:
    """Dollars a stage is expected to cost; None where its engine is not known or not there."""
    job = prepared.job
    try:
        engines = stage.choose(job.pool, scope.source_language, scope.language)
    except OneVoiceError:
        return None
    amount = {
        "separate": job.seconds,
        "transcribe": job.seconds,
        "diarize": job.seconds,
        "summarize": text,
        "translate": text,
        "synthesize": text * growth(scope.source_language, scope.language or ""),
    }.get(stage.name, 0.0)
    if stage.name == "diarize" and _told_already(job.pool):
        amount = 0.0
    reflect = stage.name == "translate" and job.settings.translation.quality == "reflect"
    expected = 0.0
    for chosen in engines:
        passes = 2 if reflect and isinstance(chosen.engine, Reviewer) else 1
        expected += passes * chosen.engine.quote(amount) if amount else 0.0
    return expected


def _told_already(pool: EnginePool) -> bool:
    """Whether the recogniser tells the speakers apart: nobody is paid for it twice."""
    try:
        _, recognizer = pool.choose("recognition", lambda engine: None)
    except OneVoiceError:
        return False
    return bool(getattr(recognizer, "tells_speakers", False))


def afford_the_rest(
    prepared: Prepared, scope: Scope, transcript: Transcript, wanted: Sequence[str]
) -> None:
    """Raise BudgetExceeded when translating and speaking will cost more than may be spent.

    Asked between the analysis and the languages: nothing of theirs is bought for a job that
    cannot be finished. What earlier runs paid for is not paid again, so languages that were
    begun are left to the checks before each stage.
    """
    if prepared.job.pool.runtime.meter.limit is None:
        return
    text = characters(transcript, prepared.job.seconds)
    expected = 0.0
    fresh = [
        language
        for language in wanted
        if not prepared.project.lines_path(language).exists()
        and not languages.same(language, transcript.language)
    ]
    for language in fresh:
        for stage in (translate.STAGE, synthesize.STAGE):
            if stage is translate.STAGE and language in prepared.request.lines:
                continue
            expected += stage_cost(stage, prepared, scope.child(language), text) or 0.0
    names = ", ".join(languages.name(language) for language in fresh)
    if expected:
        prepared.job.pool.runtime.meter.require(expected, f"translating and speaking {names}")
