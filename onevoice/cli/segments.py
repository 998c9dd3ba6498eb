"""``onevoice segments``: read and change a project's lines from the shell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onevoice.cli import options, output
from onevoice.cli.output import Column
from onevoice.cli.parse import parse_time
from onevoice.cli.text import clock, literal, plural
from onevoice.cli.text import path as shown
from onevoice.errors import ConfigError, MediaNotFound

if TYPE_CHECKING:
    from onevoice.pipeline.project import Project
    from onevoice.subtitles import Cue
    from onevoice.types import Line, Segment

SCHEMA = "onevoice.segments/1"
WRITTEN = (".srt", ".vtt")
READ = (*WRITTEN, ".ass", ".ssa")

app = typer.Typer(help="The lines of a project: show, set, import, export.", no_args_is_help=True)

ProjectArgument = Annotated[
    Path, typer.Argument(metavar="PROJECT", help="The project folder, or the video it is of.")
]
Language = Annotated[
    str | None,
    typer.Option("--to", metavar="LANG", help="Language of the lines [default: the source's]."),
]
LineLanguage = Annotated[
    str | None,
    typer.Option("--to", metavar="LANG", help="Language; needed where there are several."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="DIR", help="Where dub was told to write its results."),
]


@app.command("show")
def show(
    project: ProjectArgument,
    to: Language = None,
    out: Out = None,
    json: options.Json = False,
) -> None:
    """Show what was heard, or with --to what will be said."""
    opened = open_project(project, out)
    language = _language(to)
    rows = opened.lines(language) if language else opened.transcript().segments
    if json:
        spoken = language or opened.transcript().language
        output.as_json(
            {
                "schema": SCHEMA,
                "project": str(opened.folder),
                "language": spoken,
                "languages": list(opened.languages()),
                "segments": [_row_json(row) for row in rows],
            }
        )
        return
    columns = [
        Column("Line"),
        Column("From", "right"),
        Column("To", "right"),
        Column("Who"),
        Column("Text", fold=True),
    ]
    output.table(columns, [_row(row) for row in rows])
    others = [tag for tag in opened.languages() if tag != language]
    if others:
        output.line()
        output.line(f"Also: {', '.join(f'--to {tag}' for tag in others)}")


@app.command("set")
def set_(
    project: ProjectArgument,
    line: Annotated[str, typer.Argument(metavar="LINE", help="The line, as show names it.")],
    to: LineLanguage = None,
    text: Annotated[str | None, typer.Option(help="What to say.")] = None,
    voice: Annotated[str | None, typer.Option(help="Voice (onevoice voices).")] = None,
    speaker: Annotated[str | None, typer.Option(help="Who speaks, e.g. S2.")] = None,
    start: Annotated[str | None, typer.Option(metavar="TIME", help="12.5 or 1:02.5.")] = None,
    end: Annotated[str | None, typer.Option(metavar="TIME", help="12.5 or 1:02.5.")] = None,
    keep: Annotated[
        bool | None, typer.Option("--keep/--no-keep", help="Keep the original sound here.")
    ] = None,
    lock: Annotated[
        bool | None, typer.Option("--lock/--unlock", help="Never let a machine change the text.")
    ] = None,
    out: Out = None,
    json: options.Json = False,
) -> None:
    """Change one line. Only that line is spoken anew by the next dub."""
    given: dict[str, Any] = {
        "text": text,
        "voice": voice,
        "speaker": speaker,
        "start": None if start is None else parse_time(start),
        "end": None if end is None else parse_time(end),
        "keep": keep,
        "lock": lock,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise ConfigError("nothing to change is given", hint="for example --text 'Hola'")
    if text is not None and not text.strip():
        raise ConfigError("the text is empty", hint="--keep leaves the original sound instead")
    opened = open_project(project, out)
    language = _one_language(to, opened)
    with opened.hold():
        changed = opened.set_line(language, line, **changes)
    if json:
        output.as_json(
            {"schema": SCHEMA, "project": str(opened.folder), "segments": [_row_json(changed)]}
        )
        return
    output.line(f"line {changed.id} ({language}): {changed.text}")
    _say_next()


@app.command("import")
def import_(
    project: ProjectArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An SRT, VTT or ASS file.")],
    to: LineLanguage = None,
    out: Out = None,
    json: options.Json = False,
) -> None:
    """Take the texts of a subtitle file, line by line by their times."""
    from onevoice import subtitles

    _check_format(file, READ)
    if not file.is_file():
        raise MediaNotFound(f"no such file: {shown(file)}", hint="check the name")
    opened = open_project(project, out)
    language = _one_language(to, opened)
    cues = subtitles.read(file)
    with opened.hold():
        changed = opened.import_lines(language, cues)
    if json:
        output.as_json({"schema": SCHEMA, "project": str(opened.folder), "changed": changed})
        return
    output.line(f"{plural(changed, 'line')} changed ({language}) in {shown(opened.folder)}")
    if changed:
        _say_next()


@app.command("export")
def export(
    project: ProjectArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An .srt or .vtt file to write.")],
    to: Language = None,
    out: Out = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
    json: options.Json = False,
) -> None:
    """Write what was heard, or with --to what will be said, as subtitles."""
    from onevoice import subtitles
    from onevoice.errors import OutputExists

    _check_format(file, WRITTEN)
    opened = open_project(project, out)
    language = _language(to)
    rows = opened.lines(language) if language else opened.transcript().segments
    if file.exists() and not force:
        raise OutputExists(f"{shown(file)} is there already", hint="--force replaces it")
    spoken = language or opened.transcript().language
    subtitles.write(file, [_cue(row) for row in rows], language=spoken, punctual=True)
    if json:
        answer = {"project": str(opened.folder), "file": str(file), "lines": len(rows)}
        output.as_json({"schema": SCHEMA, **answer})
        return
    output.line(f"{plural(len(rows), 'line')} written to {shown(file)}")


def open_project(given: Path, out: Path | None) -> Project:
    """The project at a folder, or of a video. Raises MediaNotFound, ProjectInvalid."""
    from onevoice.pipeline.project import Project, project_folder

    folder = given if given.is_dir() else project_folder(given, out)
    if not folder.is_dir():
        missing = given if not given.exists() else folder
        raise MediaNotFound(
            f"no such project: {shown(missing)}",
            hint="run onevoice dub VIDEO --to LANG --stop-after translate first",
        )
    return Project.open(folder)


def _language(to: str | None) -> str | None:
    from onevoice.languages import normalize

    return None if to is None else normalize(to)


def _one_language(to: str | None, project: Project) -> str:
    """The language asked for, or the only one there is."""
    known = project.languages()
    language = _language(to)
    if language is None and len(known) == 1:
        return known[0]
    if language in known and language is not None:
        return language
    there = ", ".join(known) or "none yet"
    if language is None:
        raise ConfigError("which language is not given", hint=f"--to LANG; there are: {there}")
    raise ConfigError(f"the project has no lines in {language}", hint=f"there are: {there}")


def _check_format(file: Path, formats: tuple[str, ...]) -> None:
    if file.suffix.lower() not in formats:
        raise ConfigError(
            f"{shown(file)} is no subtitle file name", hint=f"use {', '.join(formats)}"
        )


def _row(row: Line | Segment) -> tuple[object, ...]:
    voice = getattr(row, "voice", "")
    marks = [name for name in ("keep", "lock") if getattr(row, name, False)]
    who = f"{row.speaker} {voice}".strip()
    text = f"[{', '.join(marks)}] {row.text}" if marks else row.text
    return row.id, clock(row.start), clock(row.end), who, literal(text)


def _row_json(row: Line | Segment) -> dict[str, Any]:
    return {
        "id": row.id,
        "start": row.start,
        "end": row.end,
        "speaker": row.speaker,
        "voice": getattr(row, "voice", None),
        "keep": row.keep,
        "lock": getattr(row, "lock", None),
        "source": getattr(row, "source", None),
        "text": row.text,
    }


def _cue(row: Line | Segment) -> Cue:
    from onevoice.subtitles import Cue

    return Cue(start=row.start, end=row.end, text=row.text)


def _say_next() -> None:
    output.note("run the same dub command again to hear it")
