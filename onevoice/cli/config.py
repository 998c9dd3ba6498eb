"""``onevoice config``: every setting, and where its value comes from."""

from __future__ import annotations

import json as codec
from typing import Any

import typer

from onevoice.cli import options, output
from onevoice.cli.output import Column

SCHEMA = "onevoice.config/1"

app = typer.Typer(help="Settings, and where they come from.", no_args_is_help=True)


@app.command("show")
def show(
    config: options.Config = None,
    profile: options.Profile = None,
    sets: options.Sets = None,
    json: options.Json = False,
) -> None:
    """List every setting with its value and its source."""
    from onevoice.cli.settings import settings_from
    from onevoice.config import parse_set, trace_settings

    settings_from(config=config, profile=profile, sets=sets or ())
    overrides = [parse_set(text) for text in sets or ()]
    rows = trace_settings(profile=profile, config=config, overrides=overrides)
    if json:
        settings = [{"key": r.key, "value": r.value, "from": r.origin} for r in rows]
        output.as_json({"schema": SCHEMA, "settings": settings})
        return
    columns = [Column("Setting"), Column("Value", fold=True), Column("From", fold=True)]
    output.table(columns, [(r.key, _value(r.value), r.origin) for r in rows])


def _value(value: Any) -> str:
    """As it can be given to ``--set``."""
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return value if isinstance(value, str) else codec.dumps(value, ensure_ascii=False)


@app.command("profiles")
def profiles(json: options.Json = False) -> None:
    """List the profiles that come with OneVoice."""
    from onevoice.config import profile_names, profile_path

    if json:
        rows = [{"name": name, "path": str(profile_path(name))} for name in profile_names()]
        output.as_json({"schema": SCHEMA, "profiles": rows})
        return
    for name in profile_names():
        output.line(f"{name}: {profile_path(name)}")
