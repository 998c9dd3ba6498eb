"""``onevoice dub``: inputs in, dubbed files out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from onevoice.cli import options, output
from onevoice.cli.exits import ExitStatus, status_of_batch, unexpected
from onevoice.cli.output import Column
from onevoice.cli.text import literal, plural, seconds
from onevoice.cli.text import path as shown
from onevoice.errors import Cancelled, OneVoiceError

if TYPE_CHECKING:
    from onevoice.cli.requests import Batch
    from onevoice.pipeline.results import Deliverable, DubFailure, DubResult
    from onevoice.types import Warning_

SCHEMA = "onevoice.dub/1"
_SHOWN_LINES = 4
"""How many lines with one and the same warning are named in the summary."""


@dataclass(slots=True)
class Report:
    """What came of a batch."""

    results: list[DubResult] = field(default_factory=list)
    failures: list[DubFailure] = field(default_factory=list)
    together: list[tuple[Path, Deliverable]] = field(default_factory=list)
    """Files that hold several languages, each with its input."""
    usd: float = 0.0

    def status(self) -> ExitStatus:
        """A result that also has a failure (a missed quality gate) does not count as done."""
        failed = {(f.input, f.language) for f in self.failures}
        done = [r for r in self.results if (r.input, r.language) not in failed]
        return status_of_batch(len(done), [f.error for f in self.failures])


def dub(
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
    fail_on: options.FailOn = None,
    deliver: options.Deliver = None,
    burn_subtitles: options.BurnSubtitles = False,
    retime: options.Retime = None,
    audio_track: options.AudioTrack = None,
    stop_after: options.StopAfter = None,
    force: options.Force = False,
    config: options.Config = None,
    profile: options.Profile = None,
    sets: options.Sets = None,
    queue: options.Queue = False,
    json: options.Json = False,
    quiet: options.QuietFlag = False,
) -> None:
    """Dub videos or audio files into one or more languages.

    onevoice dub talk.mp4 --to ko,es,pt
    """
    from onevoice.cli.requests import make_batch

    if queue:
        from onevoice.cli.queueing import check_local_only

        check_local_only(
            lines=lines,
            keep_language=keep_language,
            series=series,
            loudness=loudness,
            max_cost=max_cost,
            fail_on=fail_on,
            deliver=deliver,
            burn_subtitles=burn_subtitles,
            retime=retime,
            audio_track=audio_track is not None,
            stop_after=stop_after,
            salvage=salvage,
            config=config,
            set=sets,
        )
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
        fail_on=fail_on,
        lines=lines,
        deliver=deliver,
        burn_subtitles=burn_subtitles,
        retime=retime,
        audio_track=audio_track,
        stop_after=stop_after,
        force=force,
        recursive=recursive,
        salvage=salvage,
    )
    if queue:
        _queued(batch, profile=profile, json=json, quiet=quiet)
    with output.stdout_kept_clean():
        report = run_batch(batch, quiet=quiet)
    if json:
        output.as_json(as_dict(report))
    else:
        show(report, quiet=quiet)
    raise typer.Exit(report.status())


def _queued(batch: Batch, *, profile: str | None, json: bool, quiet: bool) -> NoReturn:
    from onevoice.cli import queueing

    outcome = queueing.run_queued(batch, profile=profile, quiet=quiet or json)
    if json:
        output.as_json(queueing.as_dict(outcome))
    else:
        queueing.show(outcome, quiet=quiet)
    raise typer.Exit(outcome.status())


def run_batch(batch: Batch, *, quiet: bool) -> Report:
    """Dub the inputs one after another; a failing one does not stop the others."""
    from onevoice.pipeline.results import DubFailure

    report = Report()
    for bad in batch.rejected:
        _failed(report, DubFailure(input=bad.input, language=None, error=bad.error))
    if not batch.requests:
        return report  # an error should not wait for what only a dub needs

    from onevoice.cli.progress import display
    from onevoice.cli.signals import stopping
    from onevoice.engines.base import CancelToken
    from onevoice.engines.metering import Meter
    from onevoice.pipeline import dubbing

    cancel = CancelToken()
    meter = Meter(batch.requests[0].settings.run.max_cost)
    with stopping(cancel), display(quiet=quiet) as observer:
        for number, request in enumerate(batch.requests, start=1):
            observer.begin(request.input, number, len(batch.requests))
            failures: list[DubFailure] = []
            try:
                outcome = dubbing.dub(request, observer=observer, cancel=cancel, meter=meter)
                # The pipeline makes paths absolute; people and programs know the one they gave.
                report.results += [replace(r, input=request.input) for r in outcome.results]
                report.together += [(request.input, made) for made in outcome.outputs]
                failures = [replace(f, input=request.input) for f in outcome.failures]
            except OneVoiceError as exc:
                failures = [DubFailure(input=request.input, language=None, error=exc)]
            except Exception as exc:
                # A bug that one input brings out must not take the rest of the night's batch.
                error = unexpected(exc)
                failures = [DubFailure(input=request.input, language=None, error=error)]
            if cancel.cancelled:
                # Whatever broke while everything was being stopped broke because of that.
                stopped = Cancelled("stopped on request", hint="run the same command to go on")
                undone = (
                    [request, *batch.requests[number:]] if failures else batch.requests[number:]
                )
                failures = [DubFailure(input=r.input, language=None, error=stopped) for r in undone]
            for failure in failures:
                _failed(report, failure)
            if cancel.cancelled:
                break
    report.usd = meter.spent
    return report


def _failed(report: Report, failure: DubFailure) -> None:
    report.failures.append(failure)
    output.error(failure.error, about=_about(failure))


def _about(failure: DubFailure) -> str:
    """The input an error is about, where its message does not name it already."""
    name, message = failure.input.name, failure.error.message
    named = shown(failure.input) in message or (
        name and (name in message or literal(name) in message)
    )
    parts = [] if named else [shown(failure.input)]
    if failure.language:
        parts.append(failure.language)
    return ": ".join(parts)


def as_dict(report: Report) -> dict[str, Any]:
    """The pinned JSON answer."""
    return {
        "schema": SCHEMA,
        "usd": round(report.usd, 6),
        "results": [_result(result) for result in report.results],
        "outputs": [{"input": str(source), **_output(made)} for source, made in report.together],
        "errors": [_failure(failure) for failure in report.failures],
    }


def _result(result: DubResult) -> dict[str, Any]:
    return {
        "input": str(result.input),
        "language": result.language,
        "output": str(result.output) if result.output else None,
        "subtitles": [str(path) for path in result.subtitles],
        "outputs": [_output(made) for made in result.outputs],
        "project": str(result.project),
        "duration_s": round(result.duration, 3),
        "lines": result.lines,
        "stages": [
            {
                "name": s.name,
                "cached": s.cached,
                "seconds": round(s.seconds, 3),
                "usd": round(s.usd, 6),
            }
            for s in result.stages
        ],
        "warnings": [
            {"code": w.code, "message": w.message, "line": w.line} for w in result.warnings
        ],
    }


def _output(made: Deliverable) -> dict[str, Any]:
    return {"kind": made.kind, "language": made.language, "path": str(made.path)}


def _failure(failure: DubFailure) -> dict[str, Any]:
    answer = output.error_json(failure.error, input=str(failure.input))
    if failure.language:
        answer["message"] = f"{failure.language}: {answer['message']}"
    return answer


def show(report: Report, *, quiet: bool) -> None:
    """The summary for people: what was made, and what to know about it."""
    together = [made.path for _, made in report.together]
    if quiet:
        paths = [result.output for result in report.results if result.output]
        for path in dict.fromkeys((*paths, *together)):
            output.line(shown(path))
        return
    if not report.results:
        return
    columns = [
        Column("Input", fold=True),
        Column("To"),
        Column("Output", fold=True),
        Column("Lines", "right"),
        Column("Warnings", "right"),
    ]
    output.table(columns, [_row(result) for result in report.results])
    for path in together:
        output.paragraph(f"All languages: {shown(path)}")
    for result in report.results:
        for text in told(result.warnings):
            output.paragraph(text, bullet=f"{result.language}: ")
    _show_ends(report)


def _row(result: DubResult) -> tuple[object, ...]:
    where = shown(result.output) if result.output else "(stopped before)"
    return shown(result.input), result.language, where, result.lines, len(result.warnings) or "–"


def told(warnings: Sequence[Warning_]) -> list[str]:
    """Warnings as sentences: those of the whole first, then by kind with the lines they are on."""
    whole = list(dict.fromkeys(w.message for w in warnings if w.line is None))
    kinds = Counter(w.code for w in warnings if w.line is not None)
    for code, count in kinds.items():
        of_kind = [w for w in warnings if w.code == code and w.line is not None]
        if count == 1:
            whole.append(f"line {of_kind[0].line}: {of_kind[0].message}")
            continue
        names = ", ".join(str(w.line) for w in of_kind[:_SHOWN_LINES])
        more = f" and {count - _SHOWN_LINES} more" if count > _SHOWN_LINES else ""
        whole.append(f"{count} lines ({names}{more}), such as: {of_kind[0].message}")
    return whole


def _show_ends(report: Report) -> None:
    """Where to go on from here."""
    from onevoice.engines.metering import dollars

    results = report.results
    projects: dict[Path, float] = {r.project: r.duration for r in results}
    output.line()
    for project in projects:
        output.paragraph(f"To edit lines: {shown(project)}, then run the same command again.")
    total = sum(projects.values())
    paid = f" Hosted engines: {dollars(report.usd)}." if report.usd else ""
    output.line(f"{plural(len(results), 'dub')} of {seconds(total)} of sound.{paid}")
