"""The measures of a dub: from places in time to figures. Nothing here opens a file.

They are those of dubbing practice (offsets, rate, overlap of dubbed and source speech as
intersection over union, coverage) and of EBU R 128 for the sound; docs/qc.md says what each means.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from onevoice.pipeline.qc.model import Unit
from onevoice.pipeline.qc.spans import Span, common, iou, length, union, without

UNITS: Mapping[str, Unit] = {
    "lines": "lines",
    "coverage": "",
    "overlap": "",
    "start_offset_p50": "s",
    "start_offset_p95": "s",
    "end_offset_p50": "s",
    "end_offset_p95": "s",
    "rate": "x",
    "max_rate": "x",
    "too_fast": "lines",
    "too_fast_share": "",
    "overlapped_seconds": "s",
    "trimmed_seconds": "s",
    "trimmed_words": "words",
    "holes": "holes",
    "hole_seconds": "s",
    "longest_hole": "s",
    "cer": "",
    "wer": "",
    "lufs": "LUFS",
    "lufs_deviation": "LU",
    "lra": "LU",
    "true_peak": "dBTP",
    "duration_delta": "s",
    "untagged_tracks": "tracks",
    "subtitle_problems": "cues",
}
"""Every measure of the programme, in the order of the report, and its unit."""
LINE_MEASURES = ("start_offset", "end_offset", "overlap", "rate", "stretch", "gap", "cer", "wer")
"""The measures of a line that can have a threshold."""
FAST = 1.25
"""Faster than this, against the natural rate of the voice, a line is heard to hurry."""
SHORTEST_HOLE = 0.5
"""Seconds: source speech this long without dub is missed."""
NEIGHBOURHOOD = 0.3
"""Seconds around a window in which voice activity counts as the line's: a recogniser's times are
that good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptLine:
    """What is known of a line before anything is measured.

    ``trimmed`` is how much of its recording, in seconds, finds no place before the next line or the
    end of the programme; None where the recording is not known.
    """

    id: str
    window: Span
    placements: tuple[Span, ...] = ()
    speaker: str | None = None
    source_text: str | None = None
    text: str | None = None
    said: str | None = None
    heard: str | None = None
    """What the dub says, where nothing else is known of its text."""
    kept: bool = False
    rate: float | None = None
    stretch: float | None = None
    trimmed: float | None = None
    on_screen: bool | None = None
    marks: tuple[str, ...] = ()
    """What is known of it beyond figures: ``shortened``."""


# --- one line -------------------------------------------------------------------------------


def start_offset(line: ScriptLine) -> float | None:
    """Seconds from the source's start to the dub's; negative is early."""
    if not line.placements:
        return None
    return min(start for start, _ in line.placements) - line.window[0]


def end_offset(line: ScriptLine) -> float | None:
    """Seconds from the source's end to the dub's; negative is early."""
    if not line.placements:
        return None
    return max(end for _, end in line.placements) - line.window[1]


def gaps(lines: Sequence[ScriptLine]) -> dict[str, float]:
    """By line: seconds of silence until the next dubbed line; negative where both sound."""
    placed = sorted((p, line) for line in lines if (p := _extent(line)) is not None)
    return {a.id: after[0] - place[1] for (place, a), (after, _) in pairwise(placed)}


def voices_of(lines: Sequence[ScriptLine], voice: Iterable[Span]) -> dict[str, list[Span]]:
    """By line: the source's voice activity in its window, and a little around it.

    What lies between two lines goes to the nearer one, so that no voice counts twice.
    """
    found: dict[str, list[Span]] = {}
    spans = union(voice)
    ordered = sorted(lines, key=lambda line: line.window)
    for i, line in enumerate(ordered):
        start, end = line.window
        low, high = start - NEIGHBOURHOOD, end + NEIGHBOURHOOD
        if i:
            low = max(low, min(start, (ordered[i - 1].window[1] + start) / 2))
        if i + 1 < len(ordered):
            high = min(high, max(end, (end + ordered[i + 1].window[0]) / 2))
        found[line.id] = common(spans, [(low, high)])
    return found


# --- the programme --------------------------------------------------------------------------


def coverage(lines: Sequence[ScriptLine], voice: Iterable[Span]) -> float | None:
    """Share of the source's speech, 0 to 1, that has dubbed speech; kept stretches are left out."""
    wanted = without(voice, kept_spans(lines))
    whole = length(wanted)
    return length(common(wanted, dubbed_spans(lines))) / whole if whole > 0 else None


def holes(lines: Sequence[ScriptLine], voice: Iterable[Span]) -> list[Span]:
    """Runs of source speech of half a second or more without dub that nobody wanted kept."""
    bare = without(voice, [*dubbed_spans(lines), *kept_spans(lines)])
    return [span for span in bare if span[1] - span[0] >= SHORTEST_HOLE - 1e-9]


def overlapped_seconds(lines: Sequence[ScriptLine]) -> float:
    """Seconds in which two dubbed lines sound that came one after the other in the source."""
    spans = sorted((p, line.window) for line in lines for p in line.placements)
    total = 0.0
    for i, (place, window) in enumerate(spans):
        for after, other in spans[i + 1 :]:
            if after[0] >= place[1]:
                break
            if window[1] <= other[0] or other[1] <= window[0]:
                total += min(place[1], after[1]) - after[0]
    return total


def trimmed_words(lines: Sequence[ScriptLine]) -> int | None:
    """Words that lie in what was cut off; a word begun counts."""
    known = [line for line in lines if line.trimmed is not None and line.placements]
    if not known:
        return None
    return sum(
        math.ceil(len((line.text or "").split()) * line.trimmed / length(line.placements))
        for line in known
        if line.trimmed
    )


def offset_measures(lines: Sequence[ScriptLine]) -> dict[str, float | None]:
    """Median and 95th percentile of the offsets, whatever their sign."""
    starts = [abs(x) for line in lines if (x := start_offset(line)) is not None]
    ends = [abs(x) for line in lines if (x := end_offset(line)) is not None]
    return {
        "start_offset_p50": quantile(starts, 0.5),
        "start_offset_p95": quantile(starts, 0.95),
        "end_offset_p50": quantile(ends, 0.5),
        "end_offset_p95": quantile(ends, 0.95),
    }


def rate_measures(lines: Sequence[ScriptLine]) -> dict[str, float | None]:
    """How fast the lines are spoken, against the natural rates of their voices."""
    rates = [line.rate for line in lines if line.rate is not None]
    if not rates:
        return dict.fromkeys(("rate", "max_rate", "too_fast", "too_fast_share"))
    fast = sum(rate > FAST + 1e-3 for rate in rates)
    return {
        "rate": statistics.fmean(rates),
        "max_rate": max(rates),
        "too_fast": fast,
        "too_fast_share": fast / len(rates),
    }


def time_measures(
    lines: Sequence[ScriptLine], voice: Sequence[Span] | None
) -> dict[str, float | None]:
    """Everything about the places of the lines; ``voice`` None: the activity is not known."""
    dubbed = [line for line in lines if line.placements]
    found: dict[str, float | None] = {"lines": len(dubbed)}
    if voice is not None:
        heard = voices_of(lines, voice)
        shares = [iou(line.placements, heard[line.id]) or 0.0 for line in dubbed if heard[line.id]]
        missed = holes(lines, voice)
        found |= {
            "coverage": coverage(lines, voice),
            "overlap": statistics.fmean(shares) if shares else None,
            "holes": len(missed),
            "hole_seconds": length(missed),
            "longest_hole": max((end - start for start, end in missed), default=0.0),
        }
    trimmed = [line.trimmed for line in dubbed if line.trimmed is not None]
    return {
        **found,
        **offset_measures(dubbed),
        **rate_measures(dubbed),
        "trimmed_seconds": sum(trimmed) if trimmed else None,
        "trimmed_words": trimmed_words(dubbed),
    }


def quantile(values: Sequence[float], q: float) -> float | None:
    """The smallest value that a share ``q`` of them does not exceed; None of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)] if ordered else None


def dubbed_spans(lines: Iterable[ScriptLine]) -> list[Span]:
    return union(*(line.placements for line in lines))


def kept_spans(lines: Iterable[ScriptLine]) -> list[Span]:
    return union([line.window for line in lines if line.kept])


def _extent(line: ScriptLine) -> Span | None:
    if not line.placements:
        return None
    return min(s for s, _ in line.placements), max(e for _, e in line.placements)
