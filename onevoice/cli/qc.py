"""``onevoice qc``: measure finished dubs, and judge them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onevoice.cli import options, output
from onevoice.cli.exits import ExitStatus, status_of_batch
from onevoice.cli.output import Column
from onevoice.cli.text import clock, literal
from onevoice.cli.text import path as shown
from onevoice.errors import ConfigError, MediaNotFound, OneVoiceError, QualityGateFailed

if TYPE_CHECKING:
    from onevoice.config import Settings
    from onevoice.engines.base import CancelToken
    from onevoice.pipeline.events import Observer
    from onevoice.pipeline.project import Project
    from onevoice.pipeline.qc.model import LineReport, Measure, Report

SCHEMA = "onevoice.qc/1"
_WORST = 5
"""How many lines are shown; the page has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A report, and where it was written; ``error`` where the gate did not let it through."""

    report: Report
    path: Path
    page: Path | None
    error: QualityGateFailed | None = None


@dataclass(slots=True)
class Outcome:
    """What came of all languages asked for."""

    measured: list[Measured] = field(default_factory=list)
    errors: list[OneVoiceError] = field(default_factory=list)

    def status(self) -> ExitStatus:
        missed = [m.error for m in self.measured if m.error is not None]
        return status_of_batch(len(self.measured) - len(missed), [*missed, *self.errors])


def qc(
    target: Annotated[
        Path, typer.Argument(metavar="PROJECT|FILE", help="A project folder, or a dubbed file.")
    ],
    to: options.To = None,
    original: Annotated[
        Path | None,
        typer.Option(
            "--original", metavar="FILE", help="What the file is a dub of, whoever made it."
        ),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(
            "--text", metavar="FILE", help="With --original: what the dub was to say (subtitles)."
        ),
    ] = None,
    source: options.From = None,
    out: options.Out = None,
    fail_on: options.FailOn = None,
    thresholds: Annotated[
        Path | None, typer.Option("--thresholds", metavar="FILE", help="Limits of your own (YAML).")
    ] = None,
    config: options.Config = None,
    profile: options.Profile = None,
    sets: options.Sets = None,
    json: options.Json = False,
    quiet: options.QuietFlag = False,
) -> None:
    """Measure a dub: timing, words, loudness, tracks; pass or fail.

    onevoice qc talk.onevoice; onevoice qc dub.mp4 --original talk.mp4
    """
    from onevoice.cli.progress import display
    from onevoice.cli.signals import stopping
    from onevoice.engines.base import CancelToken

    settings = _settings(fail_on, thresholds, config, profile, sets)
    languages = _languages(to)
    cancel = CancelToken()
    with output.stdout_kept_clean(), stopping(cancel), display(quiet=quiet) as observer:
        observer.begin(target, 1, 1)
        if original is not None:
            outcome = _pair(
                settings, cancel, observer, original, target, out, languages, source, text
            )
        elif text is not None:
            raise ConfigError(
                "--text is for a dub that is measured with --original",
                hint="a project knows its texts",
            )
        else:
            project, of_file, file = find_dub(target, out)
            languages = languages or of_file
            outcome = _project(settings, cancel, observer, project, languages, file)
    if json:
        output.as_json(as_dict(outcome))
    else:
        show(outcome, quiet=quiet)
    raise typer.Exit(outcome.status())


def _settings(
    fail_on: list[str] | None,
    thresholds: Path | None,
    config: Path | None,
    profile: str | None,
    sets: list[str] | None,
) -> Settings:
    from onevoice.cli.requests import make_flags
    from onevoice.cli.settings import settings_from
    from onevoice.config import Override
    from onevoice.pipeline.qc.judge import check_names
    from onevoice.pipeline.qc.thresholds import load_thresholds

    flags = make_flags(fail_on=fail_on)
    if thresholds is not None:
        flags.append(Override("quality.thresholds", str(thresholds), "--thresholds"))
    settings = settings_from(config=config, profile=profile, sets=sets or (), flags=flags)
    check_names(settings.quality.fail_on)
    load_thresholds(Path(settings.quality.thresholds) if settings.quality.thresholds else None)
    return settings


def _languages(to: list[str] | None) -> tuple[str, ...]:
    from onevoice.languages import parse_list

    return parse_list(",".join(to)) if to else ()


def find_dub(target: Path, out: Path | None) -> tuple[Project, tuple[str, ...], Path | None]:
    """The project of what was named; of a dubbed file also its language and the file itself.

    Raises MediaNotFound, ProjectInvalid.
    """
    from onevoice.cli.segments import open_project
    from onevoice.pipeline.project import SUFFIX, Project

    stem, dot, language = target.stem.rpartition(".")
    beside = target.with_name(stem + SUFFIX)
    if dot and target.is_file() and beside.is_dir():
        project = Project.open(beside)
        if language in project.languages():
            return project, (language,), target
    try:
        return open_project(target, out), (), None
    except MediaNotFound as exc:
        if target.is_file():
            raise MediaNotFound(
                f"no project belongs to {shown(target)}",
                hint="name what it is a dub of: --original VIDEO",
            ) from exc
        raise


def _project(
    settings: Settings,
    cancel: CancelToken,
    observer: Observer,
    project: Project,
    languages: tuple[str, ...],
    file: Path | None,
) -> Outcome:
    from onevoice.pipeline.qc.dubbed import finished, made_of
    from onevoice.pipeline.report import measuring, report_dub

    wanted = languages or finished(project) or project.languages()
    if not wanted:
        raise ConfigError(
            f"nothing was dubbed in {shown(project.folder)}", hint="run onevoice dub first"
        )
    outcome = Outcome()
    with project.hold():
        for language in wanted:
            try:
                source = Path(made_of(project, language).original)
                with measuring(settings, source, cancel, observer=observer) as job:
                    report = report_dub(job, project, language, output=file, thorough=True)
            except OneVoiceError as exc:
                cancel.check()
                _told(outcome, exc, language)
                continue
            _judged(outcome, settings, report, project.report_path(language))
    return outcome


def _pair(
    settings: Settings,
    cancel: CancelToken,
    observer: Observer,
    original: Path,
    dub: Path,
    out: Path | None,
    languages: tuple[str, ...],
    source: str | None,
    text: Path | None,
) -> Outcome:
    from onevoice.languages import normalize
    from onevoice.pipeline.report import measuring, report_pair

    if len(languages) > 1:
        raise ConfigError("a dub speaks one language", hint="give one with --to, or none")
    outcome = Outcome()
    with measuring(settings, original, cancel, observer=observer) as job:
        report, path = report_pair(
            job,
            original,
            dub,
            out,
            language=languages[0] if languages else None,
            source_language=normalize(source) if source and source != "auto" else None,
            text=text,
        )
    _judged(outcome, settings, report, path)
    return outcome


def _told(outcome: Outcome, error: OneVoiceError, language: str) -> None:
    output.error(error, about=language)
    outcome.errors.append(error)


def _judged(outcome: Outcome, settings: Settings, report: Report, path: Path) -> None:
    from onevoice.pipeline.qc.judge import gate
    from onevoice.pipeline.report import page_path

    error = None
    try:
        gate(report.programme, report.warnings, settings.quality.fail_on, path)
    except QualityGateFailed as exc:
        error = exc
        output.error(exc, about=report.language)
    page = page_path(path) if settings.quality.page else None
    outcome.measured.append(Measured(report=report, path=path, page=page, error=error))


def as_dict(outcome: Outcome) -> dict[str, Any]:
    """The pinned JSON answer."""
    errors = [m.error for m in outcome.measured if m.error is not None]
    return {
        "schema": SCHEMA,
        "reports": [
            {
                "language": m.report.language,
                "verdict": m.report.verdict,
                "report": str(m.path),
                "page": str(m.page) if m.page else None,
                "programme": {
                    name: measure.model_dump(mode="json")
                    for name, measure in m.report.programme.items()
                },
            }
            for m in outcome.measured
        ],
        "errors": [output.error_json(exc) for exc in (*errors, *outcome.errors)],
    }


def show(outcome: Outcome, *, quiet: bool) -> None:
    """For people: each dub's measures with their verdicts, and the lines to look at first."""
    for number, measured in enumerate(outcome.measured):
        if quiet:
            output.line(shown(measured.path))
            continue
        if number:
            output.line()
        _show(measured)


def _show(measured: Measured) -> None:
    report = measured.report
    output.line(f"{literal(report.dub.name)} ({report.language}): {report.verdict}")
    output.line()
    columns = [Column("Measure"), Column("Value", "right"), Column("Wanted"), Column("Verdict")]
    output.table(columns, [_row(name, m) for name, m in report.programme.items()])
    worst = worst_lines(report.lines)
    if worst:
        output.line()
        heads = [Column("Line"), Column("At", "right"), Column("Flags", fold=True)]
        figures = [Column(name, "right") for name in ("Start", "Overlap", "Rate", "CER")]
        output.table([*heads, *figures], [_line(line) for line in worst])
    output.line()
    output.paragraph(shown(measured.page or measured.path), bullet="All of it: ")


def _row(name: str, measure: Measure) -> tuple[object, ...]:
    value = "–" if measure.value is None else f"{measure.value:g} {measure.unit}".strip()
    verdict = "" if measure.verdict == "none" else measure.verdict
    return name, value, str(measure.threshold or "") or None, verdict


def worst_lines(lines: tuple[LineReport, ...]) -> list[LineReport]:
    """Lines with flags: those with most of them first, then those that are understood least."""
    flagged = [line for line in lines if line.flags]
    flagged.sort(key=lambda line: (-len(line.flags), -(line.cer or 0.0), line.window))
    return flagged[:_WORST]


def _line(line: LineReport) -> tuple[object, ...]:
    figures = (line.start_offset, line.overlap, line.rate, line.cer)
    return (
        line.id,
        clock(line.window[0]),
        ", ".join(line.flags),
        *("–" if figure is None else f"{figure:.2f}" for figure in figures),
    )
