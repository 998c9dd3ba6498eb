"""``onevoice consent``: who agreed that their voice is cloned."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onevoice.cli import options, output
from onevoice.cli.output import Column
from onevoice.cli.text import literal, plural
from onevoice.cli.text import path as shown
from onevoice.errors import ConfigError, EngineError

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
def remove(
    speaker: SpeakerArgument,
    project: ProjectOption = None,
    config: options.Config = None,
    profile: options.Profile = None,
    sets: options.Sets = None,
) -> None:
    """Withdraw a consent, with its document and the copies that services keep of the voice."""
    from onevoice.cli.settings import settings_from
    from onevoice.engines.base import CancelToken
    from onevoice.pipeline import clones, consent
    from onevoice.pipeline.engines import EnginePool, runtime_for

    settings = settings_from(config=config, profile=profile, sets=sets or ())
    opened = _open(project)
    pool = EnginePool(settings, runtime_for(settings, CancelToken()))
    with opened.hold():
        there = consent.remove(opened.folder, speaker)
        try:
            deleted = clones.forget(opened, speaker, pool)
        except EngineError as exc:
            exc.message = f"the consent is withdrawn, a copy of the voice is not: {exc.message}"
            exc.hint = f"{exc.hint}; then run it again to have the copy deleted"
            raise
        finally:
            pool.close()
    if not there and not deleted:
        raise ConfigError(
            f"no consent of {speaker!r} is on record", hint="onevoice consent list shows them"
        )
    copies = f" {plural(deleted, 'clone')} at a service deleted." if deleted else ""
    output.line(f"{literal(speaker)} may no longer be cloned.{copies}")


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
