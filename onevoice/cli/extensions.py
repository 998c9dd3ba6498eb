"""Commands that other packages (and the server) register in the group ``onevoice.commands``.

An entry point names a Typer app or a function. It is loaded when its command is run, not when
the commands are listed; one that cannot be loaded says so and disturbs nobody else.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from onevoice.errors import EngineUnavailable

GROUP = "onevoice.commands"


@cache
def extension_entries() -> dict[str, EntryPoint]:
    """Entry points by the name of their command; the first of two with one name counts."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        found.setdefault(entry.name, entry)
    return found


class Extension(TyperCommand):
    """Stands for a command until it is run."""

    def __init__(self, entry: EntryPoint) -> None:
        package = entry.dist.name if entry.dist else entry.value
        super().__init__(entry.name, help=f"(from {package})")
        self.entry = entry

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        return _load(self.entry).make_context(info_name, args, parent=parent, **extra)


class GroupWithExtensions(TyperGroup):
    """A group that also has the registered commands; its own come first and cannot be replaced."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*self.commands, *sorted(set(extension_entries()) - set(self.commands))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        entry = extension_entries().get(cmd_name)
        return Extension(entry) if entry else None


def _load(entry: EntryPoint) -> Any:
    """The click command behind an entry point. Raises EngineUnavailable."""
    try:
        target = entry.load()
        if not isinstance(target, typer.Typer):
            app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            app.command(entry.name)(target)
            target = app
        return get_command(target)
    except Exception as exc:
        # A package may fail in any way at all; only its own command is lost.
        package = entry.dist.name if entry.dist else entry.value
        needs = f"{package}[{','.join(entry.extras)}]" if entry.extras else package
        raise EngineUnavailable(
            f"the command {entry.name!r} cannot be loaded: {type(exc).__name__}: {exc}",
            hint=f"pip install '{needs}'" if entry.extras else f"reinstall {package}",
        ) from exc
