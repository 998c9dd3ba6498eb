"""``onevoice plan``: what ``dub`` would do, before it does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from onevoice.cli import options, output
from onevoice.cli.exits import status_of_batch
from onevoice.cli.output import Column
from onevoice.cli.text import literal, plural, seconds
from onevoice.cli.text import path as shown
from onevoice.errors import OneVoiceError

if TYPE_CHECKING:
    from onevoice.cli.inputs import Rejected
    from onevoice.pipeline.results import Plan

SCHEMA = "onevoice.plan/1"


def plan(
    inputs: options.Inputs,
    to: options.To = None,
    source: options.From = None,
    out: options.Out = None,
    recursive: options.Recursive = False,
    salvage: options.Salvage = False,
    voice: options.Voices = None,
    speakers: options.Speakers = None,
    lines: options.Lines = None,
    keep_language: options.KeepLanguages = None,
    glossary: options.Glossary = None,
    series: options.Series = None,
    quality: options.Quality = None,
    loudness: options.Loudness = None,
    max_cost: options.MaxCost = None,
    deliver: options.Deliver = None,
    burn_subtitles: options.BurnSubtitles = False,
    retime: options.Retime = None,
    audio_track: options.AudioTrack = None,
    stop_after: options.StopAfter = None,
    config: options.Config = None,
    profile: options.Profile = None,
    sets: options.Sets = None,
    json: options.Json = False,
) -> None:
    """Show what dub would do, how long it takes, what it costs."""
    from onevoice.cli.inputs import Rejected
    from onevoice.cli.requests import make_batch
    from onevoice.pipeline import planning

    batch = make_batch(
        inputs,
        to=to,
        source=source,
        out=out,
        config=config,
        profile=profile,
        sets=sets,
        voices=voice,
        speakers=speakers,
        keep_languages=keep_language,
        glossary=glossary,
        series=series,
        quality=quality,
        loudness=loudness,
        max_cost=max_cost,
        fail_on=None,
        lines=lines,
        deliver=deliver,
        burn_subtitles=burn_subtitles,
        retime=retime,
        audio_track=audio_track,
        stop_after=stop_after,
        force=False,
        recursive=recursive,
        salvage=salvage,
    )
    plans: list[Plan] = []
    failures = list(batch.rejected)
    with output.stdout_kept_clean():
        for request in batch.requests:
            try:
                plans.append(planning.plan(request))
            except OneVoiceError as exc:
                failures.append(Rejected(input=request.input, error=exc))
    if json:
        output.as_json(as_dict(plans, failures))
    else:
        for each in plans:
            show(each)
    for failure in failures:
        name = shown(failure.input)
        output.error(failure.error, about="" if name in failure.error.message else name)
    raise typer.Exit(status_of_batch(len(plans), [f.error for f in failures]))


def as_dict(plans: list[Plan], failures: list[Rejected]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "plans": [_plan(each) for each in plans],
        "errors": [output.error_json(f.error, input=str(f.input)) for f in failures],
    }


def _plan(each: Plan) -> dict[str, Any]:
    return {
        "input": str(each.input),
        "duration_s": _rounded(each.duration),
        "speech_s": _rounded(each.speech_seconds),
        "expected_s": _rounded(each.expected_seconds),
        "expected_usd": each.expected_usd,
        "warnings": list(each.warnings),
        "stages": [
            {
                "name": stage.name,
                "language": stage.language,
                "cached": stage.cached,
                "why": stage.why,
                "expected_s": _rounded(stage.expected_seconds),
                "expected_usd": None
                if stage.expected_usd is None
                else round(stage.expected_usd, 4),
            }
            for stage in each.stages
        ],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def show(each: Plan) -> None:
    """A table of stages, and the sums."""
    from onevoice.engines.metering import dollars

    output.line(shown(each.input))
    columns = [
        Column("Stage"),
        Column("To"),
        Column("State"),
        Column("Expected", "right"),
        Column("Why", fold=True),
    ]
    rows = [
        (
            stage.name,
            stage.language,
            "done" if stage.cached else "to do",
            None if stage.expected_seconds is None else seconds(stage.expected_seconds),
            stage.why,
        )
        for stage in each.stages
    ]
    output.table(columns, rows)
    speech = "not known yet" if each.speech_seconds is None else seconds(each.speech_seconds)
    output.line(f"Speech: {speech}, of {seconds(each.duration)}.")
    open_stages = sum(not stage.cached for stage in each.stages)
    todo = f"{plural(open_stages, 'stage')}, about {seconds(each.expected_seconds)}"
    output.line(f"To do: {todo}." if open_stages else "To do: nothing, all of it is done already.")
    for warning in each.warnings:
        output.paragraph(literal(warning), bullet="note: ")
    if each.expected_usd is None:
        output.line("Cost: not known, an engine is missing.")
    elif each.expected_usd:
        output.line(f"Cost: about {dollars(each.expected_usd)} at list price.")
    output.line()
