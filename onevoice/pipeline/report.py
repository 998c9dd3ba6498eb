"""How a dub measures: every line and the whole programme, as JSON beside the project.

The measures are those of dubbing practice: start and end offsets, overlap of dubbed and source
speech (intersection over union), speaking rate, stretch; coverage, loudness, true peak.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from onevoice.config import Settings
from onevoice.pipeline.fitting import Dub, PlacedPhrase
from onevoice.pipeline.runner import Job, Scope
from onevoice.types import Transcript, Warning_, load_json

SCHEMA = "onevoice.report/1"


def make_report(job: Job, scope: Scope, transcript: Transcript) -> dict[str, Any]:
    """The report of one language from the artifacts of its run."""
    dub = load_json(Dub, job.store.path(scope.artifacts["fit.dub"]).read_bytes())
    mixed = json.loads(job.store.path(scope.artifacts["mix.report"]).read_bytes())
    return {
        "schema": SCHEMA,
        "input": job.source.name,
        "source_language": transcript.language,
        "language": scope.language,
        "duration_s": round(transcript.duration, 3),
        "programme": {
            **programme_measures(dub.phrases, job.settings),
            "loudness": _rounded(mixed),
            "shortened_lines": list(dub.shortened),
        },
        "lines": [line_measures(phrase) for phrase in dub.phrases],
        "costs": cost_measures(scope.costs),
        "warnings": [_warning(warning) for warning in scope.warnings],
    }


def line_measures(phrase: PlacedPhrase) -> dict[str, Any]:
    """The figures of one phrase; times in seconds."""
    start, end = phrase.window
    placed = phrase.placement
    return {
        "id": phrase.spoken.id,
        "text": phrase.spoken.text,
        "said": phrase.spoken.said,
        "start": round(placed.start, 3),
        "end": round(placed.end, 3),
        "start_offset": round(placed.start - start, 3),
        "end_offset": round(placed.end - end, 3),
        "overlap": round(overlap_share((start, end), (placed.start, placed.end)), 3),
        "rate": round(placed.rate, 3),
        "spoken_rate": phrase.spoken.rate,
        "stretch": round(placed.stretch, 3),
    }


def programme_measures(phrases: Sequence[PlacedPhrase], settings: Settings) -> dict[str, Any]:
    """The figures of a whole track."""
    if not phrases:
        return {"phrases": 0}
    ordered = sorted(phrases, key=lambda p: p.placement.start)
    offsets = sorted(abs(p.placement.start - p.window[0]) for p in phrases)
    rates = [p.placement.rate for p in phrases]
    speech = sum(p.window[1] - p.window[0] for p in phrases)
    covered = sum(overlap_seconds(p.window, (p.placement.start, p.placement.end)) for p in phrases)
    return {
        "phrases": len(phrases),
        "mean_overlap": round(
            statistics.fmean(
                overlap_share(p.window, (p.placement.start, p.placement.end)) for p in phrases
            ),
            3,
        ),
        "coverage": round(covered / speech, 3) if speech else None,
        "start_offset_p50": round(statistics.median(offsets), 3),
        "start_offset_p95": round(offsets[min(len(offsets) - 1, int(0.95 * len(offsets)))], 3),
        "mean_rate": round(statistics.fmean(rates), 3),
        "max_rate": round(max(rates), 3),
        "too_fast": sum(rate > settings.timing.fast_rate + 1e-3 for rate in rates),
        "overlapped_seconds": round(
            sum(
                max(0.0, a.placement.end - b.placement.start)
                for a, b in pairwise(ordered)
                if a.window[1] <= b.window[0]  # who spoke in turn must not overlap now
            ),
            3,
        ),
        "trimmed_seconds": round(
            sum(
                # What is left of the audio after stretching, beyond the place it was given.
                max(0.0, p.spoken.seconds / p.placement.stretch - p.placement.length - 1e-3)
                for p in phrases
            ),
            3,
        ),
    }


def cost_measures(costs: Mapping[str, tuple[str, float]]) -> dict[str, Any]:
    """What hosted engines charged for the lines when they were made, at list price, in dollars."""
    by_line: dict[str, float] = {}
    for line, usd in costs.values():
        by_line[line] = by_line.get(line, 0.0) + usd
    return {
        "currency": "USD",
        "lines": {line: round(usd, 6) for line, usd in sorted(by_line.items())},
        "total": round(sum(by_line.values()), 6),
    }


def overlap_seconds(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Length of the intersection of two spans, in seconds."""
    return max(0.0, min(a[1], b[1]) - max(a[0], b[0]))


def overlap_share(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Intersection over union of two spans, 0 to 1."""
    both = overlap_seconds(a, b)
    union = (a[1] - a[0]) + (b[1] - b[0]) - both
    return both / union if union > 0 else 0.0


def _rounded(value: Any) -> Any:
    """Figures to a hundredth: more is noise."""
    if isinstance(value, float):
        return round(value, 2)
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return {k: _rounded(v) for k, v in value.items()} if isinstance(value, dict) else value


def _warning(warning: Warning_) -> dict[str, Any]:
    return {"code": warning.code, "message": warning.message, "line": warning.line}
