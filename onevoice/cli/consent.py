"""``onevoice consent``: who agreed that their voice is cloned."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onevoice.cli import options, output
from onevoice.cli.output import Column
from onevoice.cli.text import literal
from onevoice.cli.text import path as shown
from onevoice.errors import ConfigError

if TYPE_CHECKING:
    from onevoice.pipeline.project import Project

SCHEMA = "onevoice.consent/1"

app = typer.Typer(help="Consent to clone the voices of a project.", no_args_is_help=True)

SpeakerArgument = Annotated[str, typer.Argument(metavar="SPEAKER", help="As in transcript.yaml.")]
ProjectOption = Annotated[
    Path | None,
    typer.Option(
        "--project",
        metavar="PROJECT",
        help="Project folder, or its video [default: the one here].",
    ),
]


@app.command("add")
def add(
    speaker: SpeakerArgument,
    file: Annotated[
        Path, typer.Option("--file", metavar="FILE", help="The signed paper, or a recording.")
    ],
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who agreed.")] = "",
    project: ProjectOption = None,
    json: options.Json = False,
) -> None:
    """Record that a speaker agreed; the document is copied into the project."""
    from onevoice.pipeline import consent

    opened = _open(project)
    known = sorted(person.id for person in opened.transcript().speakers)
    if speaker not in known:
        raise ConfigError(
            f"nobody is called {speaker!r} in {shown(opened.folder)}",
            hint=f"there are: {', '.join(known)}",
        )
    with opened.hold():
        record = consent.add(opened.folder, speaker, file, by=by)
    if json:
        output.as_json({"schema": SCHEMA, "consents": [asdict(record)]})
        return
    output.line(f"{speaker} may be cloned: {shown(opened.folder / record.document)}")


@app.command("list")
def list_records(project: ProjectOption = None, json: options.Json = False) -> None:
    """List the records of a project."""
    from onevoice.pipeline import consent

    records = consent.read(_open(project).folder)
    if json:
        rows = [asdict(record) for record in records.values()]
        output.as_json({"schema": SCHEMA, "consents": rows})
        return
    columns = [
        Column("Speaker"),
        Column("By", fold=True),
        Column("Recorded"),
        Column("Document", fold=True),
    ]
    rows_shown = [
        (literal(r.speaker), literal(r.by) or "–", r.recorded, literal(r.document))
        for r in records.values()
    ]
    output.table(columns, rows_shown)


@app.command("remove")
def remove(speaker: SpeakerArgument, project: ProjectOption = None) -> None:
    """Withdraw a speaker's consent, with its document."""
    from onevoice.pipeline import consent

    opened = _open(project)
    with opened.hold():
        if not consent.remove(opened.folder, speaker):
            raise ConfigError(
                f"no consent of {speaker!r} is on record", hint="onevoice consent list shows them"
            )
    output.line(f"{literal(speaker)} may no longer be cloned.")


def _open(given: Path | None) -> Project:
    from onevoice.cli.segments import open_project

    if given is not None:
        return open_project(given, None)
    here = sorted(Path().glob("*.onevoice"))
    if len(here) != 1:
        raise ConfigError(
            "there is no project here" if not here else "there are several projects here",
            hint="name it: --project talk.onevoice",
        )
    return open_project(here[0], None)
