"""What a run knows about words before it starts: glossary, series memory, how much fits a window.

All of it becomes artifacts, so that stages see exactly what their keys were made of.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from onevoice.config import data_dir
from onevoice.errors import EngineError
from onevoice.languages import base
from onevoice.pipeline.project import Project
from onevoice.pipeline.runner import Job, Scope
from onevoice.pipeline.stages import synthesize
from onevoice.pipeline.translation_memory import Memory, series_path
from onevoice.types import Line, Transcript

_EXAMPLES = 3

USUAL_RATE = {"ko": 8.0, "ja": 8.0, "zh": 5.0, "yue": 5.0, "de": 15.5, "th": 12.0}
"""Characters of written text that are spoken in a second at an easy pace, where it is not near
the 17.5 of European languages; from the measured voices of the embedded profile, ja, zh and th
from published syllable rates."""
USUAL_RATE_ELSEWHERE = 17.5


def put_words(job: Job, scope: Scope) -> None:
    """The glossary, and what of it the recogniser may hear."""
    spoken = job.settings.source.language
    hints = job.glossary.hints("und" if spoken == "auto" else spoken)
    scope.artifacts["glossary"] = job.store.add(job.glossary.dump())
    scope.artifacts["hints"] = job.store.add(_json(hints))


def put_context(job: Job, project: Project, scope: Scope, transcript: Transcript) -> None:
    """What the translation into a language builds on, beside the text."""
    scope.artifacts["pace"] = job.store.add(_json({"rate": speaking_rate(job, scope)}))
    scope.artifacts["memory"] = job.store.add(_json(_remembered(job, project, scope, transcript)))


def usual_rate(language: str) -> float:
    """Characters of written text a second, where no voice of the language is measured."""
    return USUAL_RATE.get(base(language), USUAL_RATE_ELSEWHERE)


def speaking_rate(job: Job, scope: Scope) -> float:
    """Characters a second that the voices of a language say at their natural rate.

    The median of the measured ones; a usual figure where the engine's are not measured.
    """
    language = scope.language or ""
    usual = usual_rate(language)
    try:
        (chosen,) = synthesize.choose(job.pool, scope.source_language, language)
        voices = job.pool.voices(chosen.engine, language)
        rates = [voice.rate for voice in voices if voice.rate]
    except EngineError:
        return usual  # said where the voice is needed
    return round(statistics.median(rates), 1) if rates else usual


def remember_lines(
    job: Job, project: Project, scope: Scope, lines: Sequence[Line], rewritten: set[str]
) -> None:
    """Keep what was said in the series' memory; what a person wrote counts as accepted."""
    if not job.settings.series:
        return
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with Memory.open(_path(job)) as memory:
        for line in lines:
            if line.source.strip() and line.text.strip() and not line.keep:
                memory.remember(
                    scope.source_language,
                    scope.language or "",
                    line.source,
                    line.full_text or line.text,
                    accepted=line.lock or line.id in rewritten,
                    project=str(project.folder),
                    when=now,
                )


def _remembered(
    job: Job, project: Project, scope: Scope, transcript: Transcript
) -> dict[str, dict[str, str] | dict[str, list[tuple[str, str]]]]:
    """Accepted translations of the very sentences, and of similar ones, by segment.

    What this film itself gave to the memory is left out: it stands in its own lines, as a
    person's, and a finished film must not find its own traces to be something new.
    """
    exact: dict[str, str] = {}
    similar: dict[str, list[tuple[str, str]]] = {}
    if job.settings.series and _path(job).exists():
        source, target = scope.source_language, scope.language or ""
        with Memory.open(_path(job), apart_from=str(project.folder)) as memory:
            for segment in transcript.segments:
                text = memory.exact(source, target, segment.text, accepted_only=True)
                if text is not None:
                    exact[segment.id] = text
                    continue
                found = memory.similar(source, target, segment.text, limit=_EXAMPLES)
                if found:
                    similar[segment.id] = [(sentence, said) for sentence, said, _ in found]
    return {"exact": exact, "similar": similar}


def _path(job: Job) -> Path:
    path: Path = series_path(data_dir() / "series", job.settings.series)
    return path


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode()
