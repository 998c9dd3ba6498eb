"""The ``onevoice`` command: its sub-commands, and how errors become an exit status.

Modules of commands are light and import their work inside, so that ``--help`` stays quick.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.main import get_command

from onevoice import __version__
from onevoice.cli import (
    cache,
    config,
    consent,
    doctor,
    dub,
    engines,
    keys,
    models,
    output,
    plan,
    qc,
    segments,
    summarize,
    voices,
)
from onevoice.cli.exits import ExitStatus, status_of, unexpected
from onevoice.cli.extensions import GroupWithExtensions
from onevoice.errors import Cancelled, OneVoiceError

UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""Typer carries its own copy of click since 0.26; this names the class in either."""

_NO_ANSWER: dict[str, Any] = {"schema": "onevoice.error/1"}
_ANSWERS = {
    "dub": {"schema": dub.SCHEMA, "results": []},
    "plan": {"schema": plan.SCHEMA, "plans": []},
    "qc": {"schema": qc.SCHEMA, "reports": []},
}
"""What ``--json`` prints before the errors of a command that could not begin."""

app = typer.Typer(
    name="onevoice",
    help="Dub a video into other languages: spoken, in time with the picture, music kept.",
    cls=GroupWithExtensions,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("dub")(dub.dub)
app.command("plan")(plan.plan)
app.command("qc")(qc.qc)
app.add_typer(segments.app, name="segments")
app.command("summarize")(summarize.summarize)
app.add_typer(consent.app, name="consent")
app.command("voices")(voices.voices)
app.command("engines")(engines.engines)
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.command("doctor")(doctor.doctor)
app.add_typer(cache.app, name="cache")
app.add_typer(config.app, name="config")


def _version(wanted: bool) -> None:
    if wanted:
        output.line(f"onevoice {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    del version, debug  # both have done their work before a command is reached
    if context.invoked_subcommand is None:
        output.text_block(context.get_help())


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its status."""
    output.tolerate_encodings()
    sys.exit(run(list(sys.argv[1:] if args is None else args)))


def run(args: list[str]) -> int:
    """Run the command line; returns the exit status, prints every error."""
    end = args.index("--") if "--" in args else len(args)
    options = args[:end]
    if "--debug" in options:  # wherever a person puts it
        output.debug_on()
        args = [arg for arg in options if arg != "--debug"] + args[end:]
    try:
        status: Any = get_command(app).main(args, prog_name="onevoice", standalone_mode=False)
        return int(status or 0)
    except OneVoiceError as exc:
        return _told(exc, options)
    except UsageError as exc:
        return _told(_usage(exc), options, status=ExitStatus.USAGE)
    except (KeyboardInterrupt, typer.Abort):
        return _told(Cancelled("stopped on request"), options)
    except Exception as exc:
        # The last line of defence: a person gets one line, and a way to see the rest.
        return _told(unexpected(exc), options)


class _Usage(OneVoiceError):
    code = "usage"


def _usage(exc: Any) -> OneVoiceError:
    command = exc.ctx.command_path if getattr(exc, "ctx", None) else "onevoice"
    message = str(exc.format_message()).rstrip(".")
    return _Usage(message[:1].lower() + message[1:], hint=f"{command} --help")


def _told(exc: OneVoiceError, options: Sequence[str], status: ExitStatus | None = None) -> int:
    """Print an error, as JSON too where that was asked for."""
    output.error(exc)
    if "--json" in options:
        command = next((word for word in options if not word.startswith("-")), "")
        output.as_json({**_ANSWERS.get(command, _NO_ANSWER), "errors": [output.error_json(exc)]})
    return int(status_of(exc) if status is None else status)
