"""Commands that other packages register."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import pytest
import typer

from onevoice.cli import extensions

Run = Callable[..., Any]


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("theirs")
    app = typer.Typer()

    @app.command()
    def start(port: int = 80) -> None:
        sys.stdout.write(f"serving on {port}\n")

    @app.command()
    def stop() -> None:
        raise typer.Exit(3)

    def hello(name: str) -> None:
        """Greet."""
        sys.stdout.write(f"hello {name}\n")

    module.app, module.hello = app, hello
    monkeypatch.setitem(sys.modules, "theirs", module)
    entries = {
        name: EntryPoint(name=name, value=value, group=extensions.GROUP)
        for name, value in {
            "serve": "theirs:app",
            "hello": "theirs:hello",
            "broken": "not_there.at_all:app [server]",
            "odd": "theirs:missing",
            "dub": "theirs:hello",
        }.items()
    }
    monkeypatch.setattr(extensions, "extension_entries", lambda: entries)


@pytest.mark.usefixtures("registered")
def test_apps_and_functions_become_commands(cli: Run) -> None:
    assert cli("serve", "start", "--port", "8080").out == "serving on 8080\n"
    assert cli("serve", "stop").status == 3
    assert cli("hello", "you").out == "hello you\n"
    assert "--port" in cli("serve", "start", "--help").out


@pytest.mark.usefixtures("registered")
def test_help_lists_them_and_loads_none(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EntryPoint, "load", lambda self: pytest.fail(f"{self.name} was loaded"))
    answer = cli("--help")
    assert answer.status == 0
    for name in ("serve", "hello", "broken", "odd"):
        assert f"\n  {name} " in answer.out


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(("name", "hint"), [("broken", "[server]'"), ("odd", "reinstall")])
def test_a_broken_one_says_so_and_disturbs_nobody(cli: Run, name: str, hint: str) -> None:
    answer = cli(name)
    assert answer.status == 4
    assert f"the command '{name}' cannot be loaded" in answer.err
    assert hint in answer.err
    assert cli("hello", "you").status == 0


@pytest.mark.usefixtures("registered")
def test_our_own_commands_cannot_be_replaced(cli: Run) -> None:
    assert "INPUTS" in cli("dub", "--help").out


@pytest.mark.usefixtures("registered")
def test_an_unknown_command_is_a_usage_error(cli: Run) -> None:
    answer = cli("dubb")
    assert answer.status == 2
    assert "dubb" in answer.err
    assert answer.err.startswith("error: no such command")
