"""``onevoice summarize``: what a film is about, as a deliverable and as context for translators."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onevoice.cli import options, output
from onevoice.cli.text import path as shown

if TYPE_CHECKING:
    from onevoice.pipeline.project import Project
    from onevoice.types import Summary

SCHEMA = "onevoice.summary/1"


def summarize(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A video or audio file.")],
    spoken: options.From = None,
    out: options.Out = None,
    speakers: options.Speakers = None,
    glossary: options.Glossary = None,
    max_cost: options.MaxCost = None,
    config: options.Config = None,
    profile: options.Profile = None,
    sets: options.Sets = None,
    json: options.Json = False,
    quiet: options.QuietFlag = False,
) -> None:
    """Tell what a film is about: synopsis, register, names, speakers."""
    from onevoice.cli.progress import display
    from onevoice.cli.requests import make_flags
    from onevoice.cli.settings import settings_from
    from onevoice.cli.signals import stopping
    from onevoice.engines.base import CancelToken
    from onevoice.pipeline.dubbing import summarize_film
    from onevoice.pipeline.results import DubRequest

    flags = make_flags(source=spoken, speakers=speakers, glossary=glossary, max_cost=max_cost)
    settings = settings_from(config=config, profile=profile, sets=sets or (), flags=flags)
    request = DubRequest(input=source, languages=(), settings=settings, out=out)
    cancel = CancelToken()
    with output.stdout_kept_clean(), stopping(cancel), display(quiet=quiet) as observer:
        observer.begin(source, 1, 1)
        project, summary = summarize_film(request, observer=observer, cancel=cancel)
    if json:
        output.as_json(as_dict(project, summary))
    else:
        show(project, summary, quiet=quiet)


def as_dict(project: Project, summary: Summary) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "project": str(project.folder),
        "synopsis": summary.synopsis,
        "register": summary.register,
        "terms": list(summary.terms),
        "speakers": summary.speakers,
    }


def show(project: Project, summary: Summary, *, quiet: bool) -> None:
    """The summary as paragraphs, and where it can be edited."""
    if quiet:
        output.line(shown(project.summary.path))
        return
    output.paragraph(summary.synopsis or "(nothing could be said about it)")
    if summary.register:
        output.paragraph(summary.register, bullet="Register: ")
    if summary.terms:
        output.paragraph(", ".join(summary.terms), bullet="Names and terms: ")
    for speaker, note in sorted(summary.speakers.items()):
        output.paragraph(note, bullet=f"{speaker}: ")
    output.line()
    output.paragraph(f"To edit it: {shown(project.summary.path)}")
