"""``onevoice keys``: keys of hosted engines in the system's keyring."""

from __future__ import annotations

import os
import re
import sys
from typing import Annotated, Any

import typer

from onevoice.cli import options, output
from onevoice.cli.output import Column
from onevoice.errors import ConfigError, EngineUnavailable

SCHEMA = "onevoice.keys/1"

app = typer.Typer(
    help="Keys of hosted engines, kept in the system's keyring.", no_args_is_help=True
)

Variable = Annotated[
    str, typer.Argument(metavar="VARIABLE", help="As the engine names it: OPENAI_API_KEY.")
]


@app.command("list")
def list_keys(json: options.Json = False) -> None:
    """List the keys that engines ask for, and where each was found; never a key itself."""
    rows = [(name, sorted(users), _where(name)) for name, users in sorted(_wanted().items())]
    if json:
        keys = [{"variable": n, "engines": u, "found": w or None} for n, u, w in rows]
        output.as_json({"schema": SCHEMA, "keys": keys})
        return
    columns = [Column("Variable"), Column("Found"), Column("For", fold=True)]
    output.table(columns, [(name, where or "–", ", ".join(users)) for name, users, where in rows])


@app.command("set")
def set_key(variable: Variable) -> None:
    """Keep a key: typed without being shown, or piped in."""
    from onevoice.engines.keys import SERVICE

    _check(variable)
    if sys.stdin.isatty():
        value = typer.prompt(f"{variable} (not shown)", hide_input=True, err=True)
    else:
        value = sys.stdin.readline()
    value = value.strip()
    if not value:
        raise ConfigError("no key was given", hint=f"onevoice keys set {variable}")
    keyring, trouble = _keyring()
    try:
        keyring.set_password(SERVICE, variable, value)
    except trouble as exc:
        raise _no_keyring(variable) from exc
    output.note(f"{variable} is kept in the keyring")


@app.command("remove")
def remove_key(variable: Variable) -> None:
    """Take a key out of the keyring."""
    from onevoice.engines.keys import SERVICE

    _check(variable)
    keyring, trouble = _keyring()
    try:
        if keyring.get_password(SERVICE, variable) is None:
            raise ConfigError(
                f"{variable} is not in the keyring", hint="onevoice keys list shows what is"
            )
        keyring.delete_password(SERVICE, variable)
    except trouble as exc:
        raise _no_keyring(variable) from exc
    output.note(f"{variable} is no longer in the keyring")


def _wanted() -> dict[str, list[str]]:
    """The variables that installed engines ask for, with the engines."""
    from onevoice.engines.base import KINDS
    from onevoice.engines.registry import load, names
    from onevoice.errors import OneVoiceError

    wanted: dict[str, list[str]] = {}
    for kind in KINDS:
        for name in names(kind):
            try:
                key = load(kind, name).info.key
            except OneVoiceError:
                continue  # a broken plug-in is told of by `onevoice engines`
            if key:
                wanted.setdefault(key, []).append(f"{kind}.{name}")
    return wanted


def _where(variable: str) -> str:
    from onevoice.engines.keys import find

    if os.environ.get(variable, "").strip():
        return "environment"
    return "keyring" if find(variable) else ""


def _check(variable: str) -> None:
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", variable):
        raise ConfigError(
            f"{variable!r} is no name of a variable",
            hint="for example OPENAI_API_KEY; onevoice keys list shows what engines ask for",
        )


def _keyring() -> tuple[Any, type[Exception]]:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as exc:
        raise EngineUnavailable(
            "the package keyring is not installed", hint="pip install 'onevoice[cloud]'"
        ) from exc
    return keyring, KeyringError


def _no_keyring(variable: str) -> EngineUnavailable:
    return EngineUnavailable(
        "this machine has no keyring that can be used",
        hint=f"put the key into the environment instead: export {variable}=...",
    )
