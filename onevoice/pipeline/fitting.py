"""From spoken phrases to a dub that fits: place, shorten what is too long, speak faster, stretch.

All lines are placed at once (:mod:`onevoice.timing`). Lines the optimum would speak too fast go
back to the translator with a budget, where it is a language model, and everything is placed
again. Then phrases that need it are spoken at a higher speed; how fast is decided from a
phrase's own window alone, so that an edit elsewhere never re-speaks it. What remains is a small
stretch of the samples. Nothing is cut, nothing overlaps; what stays too fast is reported.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from onevoice import timing
from onevoice.config import Settings
from onevoice.engines.base import TranslationRequest
from onevoice.pipeline import changes as what_changed
from onevoice.pipeline.changes import Change
from onevoice.pipeline.onscreen import Said, latest_ends
from onevoice.pipeline.speech import SpeakingJob, Spoken, speak_all
from onevoice.pipeline.stage import StageContext
from onevoice.pipeline.stages.synthesize import speaking_jobs
from onevoice.pipeline.texts import translate_all
from onevoice.types import Line, Placement, Sight, Summary, Transcript

RATE_STEP = 0.05
"""Speaking rates are chosen in these steps, so that small changes re-speak nothing."""
WORTH_IT = 1.12
"""Up to this needed rate a stretch of the samples does no harm, and nothing is spoken again."""
WORTH_PAYING = 1.25
"""The same where each recording costs money: a stretch is heard here, and not yet disturbing."""
STILL_CLEAR = 1.2
"""Voices that are asked for more swallow sounds: the rest of the way is stretched (decision 48)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPhrase:
    """A phrase of the finished dub: where it lies, and the audio to stretch into it."""

    spoken: Spoken
    placement: Placement
    window: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dub:
    """Everything the mixer needs of one language. ``shortened`` are ids of lines.

    ``rounds`` is how often something was changed and placed again, ``changes`` what it was.
    """

    lines: tuple[Line, ...]
    phrases: tuple[PlacedPhrase, ...]
    shortened: tuple[str, ...] = ()
    rounds: int = 0
    changes: tuple[Change, ...] = ()


def fit_dub(
    ctx: StageContext,
    lines: tuple[Line, ...],
    transcript: Transcript,
    summary: Summary,
    sight: Sight,
) -> Dub:
    """Place and speak all lines of one language; see the module's docstring."""
    settings = ctx.settings
    synthesizer = ctx.engine("synthesis")
    translator = ctx.engine("translation")
    given = {line.id: line for line in lines}
    jobs, spoken, fit = _place(ctx, synthesizer, lines, transcript, sight)
    changed: list[Change] = []
    number = 0
    while number < (settings.translation.rounds if translator is not None else 0):
        too_long = _too_long(lines, spoken, fit, settings)
        if not too_long:
            break
        shorter = _shorten(ctx, translator, too_long, given, spoken, fit, summary)
        if not shorter:
            break
        number += 1
        lines = tuple(shorter.get(line.id, line) for line in lines)
        before = what_changed.rates(spoken, fit)
        jobs, spoken, fit = _place(ctx, synthesizer, lines, transcript, sight)
        changed += what_changed.shortened(shorter, number, before, what_changed.rates(spoken, fit))
    windows = {window.id: window for window in _windows(jobs, spoken, sight)}
    chosen = _faster_where_needed(
        ctx, synthesizer, jobs, spoken, fit, windows, end=transcript.duration
    )
    changed += what_changed.respoken(spoken, chosen, fit, number + 1)
    phrases = tuple(
        PlacedPhrase(
            spoken=chosen[placement.line],
            placement=replace(
                placement,
                stretch=round(chosen[placement.line].seconds / placement.length, 6),
            ),
            window=(windows[placement.line].start, windows[placement.line].end),
        )
        for placement in fit.placements
    )
    shortened = tuple(line.id for line in lines if line.text != given[line.id].text)
    _warn_of_silence(ctx, lines, jobs)
    _warn(ctx, fit, settings)
    return Dub(
        lines=lines,
        phrases=phrases,
        shortened=shortened,
        rounds=max((change.round for change in changed), default=0),
        changes=tuple(changed),
    )


def _place(
    ctx: StageContext,
    synthesizer: Any,
    lines: tuple[Line, ...],
    transcript: Transcript,
    sight: Sight,
) -> tuple[list[SpeakingJob], list[Spoken], timing.Fit]:
    jobs = speaking_jobs(lines, transcript, ctx.language or "")
    spoken = speak_all(ctx, synthesizer, jobs, said=lambda n: ctx.report(n, len(jobs)))
    fit = timing.fit(_windows(jobs, spoken, sight), ctx.settings.timing, end=transcript.duration)
    return jobs, spoken, fit


def _windows(
    jobs: Sequence[SpeakingJob], spoken: Sequence[Spoken], sight: Sight
) -> list[timing.Window]:
    said = [
        Said(
            start=job.phrase.start,
            end=job.phrase.end,
            speaker=job.line.speaker,
            on_screen=job.line.on_screen,
        )
        for job in jobs
    ]
    return [
        timing.Window(
            id=job.phrase.id,
            start=job.phrase.start,
            end=job.phrase.end,
            speaker=job.line.speaker,
            natural=speech.seconds,
            on_screen=job.line.on_screen,
            latest_end=latest_end,
        )
        for job, speech, latest_end in zip(jobs, spoken, latest_ends(said, sight.cuts), strict=True)
    ]


def _too_long(
    lines: Sequence[Line], spoken: Sequence[Spoken], fit: timing.Fit, settings: Settings
) -> list[Line]:
    """Lines with a phrase above ``fast_rate`` whose text a machine may change."""
    if not settings.translation.shorten:
        return []
    owner = {speech.id: speech.line for speech in spoken}
    fast = {owner[id_] for id_ in fit.too_fast}
    return [line for line in lines if line.id in fast and not line.lock]


def _shorten(
    ctx: StageContext,
    translator: Any,
    too_long: Sequence[Line],
    given: dict[str, Line],
    spoken: Sequence[Spoken],
    fit: timing.Fit,
    summary: Summary,
) -> dict[str, Line]:
    """Ask for shorter texts; returns the lines that got one, by id."""
    budgets = _budgets(too_long, spoken, fit, ctx.settings)
    requests = [
        TranslationRequest(
            id=line.id,
            text=line.source,
            budget=budgets[line.id],
            previous=line.text,
        )
        for line in too_long
        if budgets[line.id] < len(line.text)
    ]
    if not requests:
        return {}
    answers = translate_all(ctx, translator, requests, verb="shorten", summary=summary)
    shorter: dict[str, Line] = {}
    for request, answer in zip(requests, answers, strict=True):
        text = answer.text.strip()
        if text and not answer.problems and len(text) < len(request.previous):
            line = next(line for line in too_long if line.id == request.id)
            shorter[line.id] = replace(line, text=text, full_text=given[line.id].text)
    return shorter


def _budgets(
    lines: Sequence[Line], spoken: Sequence[Spoken], fit: timing.Fit, settings: Settings
) -> dict[str, int]:
    """Characters that can be said at the preferred rate in the time the optimum gave a line."""
    owner = {speech.id: speech.line for speech in spoken}
    placed = {
        line_id: list(group)
        for line_id, group in groupby(
            sorted(fit.placements, key=lambda p: owner[p.line]), key=lambda p: owner[p.line]
        )
    }
    return {
        line.id: timing.budget_characters(
            sum(p.natural for p in placed[line.id]),
            len(line.text),
            sum(p.length for p in placed[line.id]),
            settings.timing,
        )
        for line in lines
    }


def _faster_where_needed(
    ctx: StageContext,
    synthesizer: Any,
    jobs: Sequence[SpeakingJob],
    spoken: Sequence[Spoken],
    fit: timing.Fit,
    windows: dict[str, timing.Window],
    *,
    end: float,
) -> dict[str, Spoken]:
    """For each phrase the recording that needs the least stretching."""
    chosen = {speech.id: speech for speech in spoken}
    if not ctx.settings.synthesis.faster:
        return chosen
    length = {placement.line: placement.length for placement in fit.placements}
    # What the engine itself cannot speak faster than is stretched: no second recording for that.
    _, fastest = getattr(synthesizer, "rates", (0.0, math.inf))
    paid = synthesizer.quote(1.0) > 0
    rates = _needed_rates(
        windows,
        ctx.settings,
        end,
        worth=WORTH_PAYING if paid else WORTH_IT,
        fastest=min(fastest, STILL_CLEAR),
    )
    again = [replace(job, rate=rates[job.phrase.id]) for job in jobs if rates[job.phrase.id] > 1.0]
    for fast in speak_all(ctx, synthesizer, again, said=lambda n: ctx.report(n, len(again))):
        if _stretch(fast, length) < _stretch(chosen[fast.id], length):
            chosen[fast.id] = fast
    return chosen


def _stretch(spoken: Spoken, length: dict[str, float]) -> float:
    """How far the samples would be stretched or squeezed, in either direction."""
    return abs(math.log(spoken.seconds / length[spoken.id])) if spoken.seconds > 0 else 0.0


def _needed_rates(
    windows: dict[str, timing.Window],
    settings: Settings,
    end: float,
    *,
    worth: float,
    fastest: float,
) -> dict[str, float]:
    """The rate each phrase needs by itself, in steps; 1 where stretching will do."""
    ordered = sorted(windows.values(), key=lambda window: (window.start, window.id))
    rates: dict[str, float] = {}
    for index, window in enumerate(ordered):
        following = ordered[index + 1].start if index + 1 < len(ordered) else end
        needed = timing.needed_rate(window, following, settings.timing)
        most = min(needed, settings.timing.max_rate, fastest)
        step = round(most / RATE_STEP) * RATE_STEP
        rates[window.id] = round(step, 2) if needed > worth else 1.0
    return rates


def _warn_of_silence(ctx: StageContext, lines: Sequence[Line], jobs: Sequence[SpeakingJob]) -> None:
    """A hole where somebody spoke must not come unannounced."""
    spoken = {job.line.id for job in jobs}
    for line in lines:
        wanted = line.source or line.text  # else a person silenced a voice between the lines
        if wanted and not line.keep and line.id not in spoken:
            ctx.warn(
                "line_empty",
                "nothing is said here: the text is empty; keep_original keeps the original sound",
                line.id,
            )


def _warn(ctx: StageContext, fit: timing.Fit, settings: Settings) -> None:
    rate = {placement.line: placement.rate for placement in fit.placements}
    for id_ in fit.too_fast:
        if id_ in fit.over_limit:
            ctx.warn(
                "line_over_limit",
                f"there is no room: spoken at {rate[id_]:.2f}x, over the limit of "
                f"{settings.timing.max_rate}x; shorten its text",
                id_,
            )
        else:
            ctx.warn("line_too_fast", f"spoken at {rate[id_]:.2f}x; shorten its text", id_)
    for id_ in fit.over_cut:
        ctx.warn("line_over_cut", "it runs on into another speaker's shot; shorten its text", id_)
