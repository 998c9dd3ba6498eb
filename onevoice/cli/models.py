"""``onevoice models``: the models engines load, where they come from, whether they are sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from onevoice.cli import options, output
from onevoice.cli.exits import ExitStatus, status_of_batch
from onevoice.cli.output import Column
from onevoice.cli.text import size
from onevoice.errors import OneVoiceError

if TYPE_CHECKING:
    from onevoice.engines.assets import Asset
    from onevoice.engines.base import Runtime

SCHEMA = "onevoice.models/1"
_MEANING = {
    "ready": "ready",
    "available": "packed",
    "missing": "missing",
    "damaged": "damaged",
}

app = typer.Typer(help="The models that engines load.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAMES]...", help="Models, by name.")]


@app.command("list")
def list_models(json: options.Json = False) -> None:
    """List the models: purpose, size, licence, and whether they are here."""
    from onevoice.engines import assets

    runtime = _runtime()
    rows = [(asset, assets.status(asset.name, runtime)) for asset in assets.catalog()]
    if json:
        output.as_json({"schema": SCHEMA, "models": [_model(a, s) for a, s in rows]})
        return
    columns = [
        Column("Model"),
        Column("State"),
        Column("Size", "right"),
        Column("For", fold=True),
        Column("Licence", fold=True),
    ]
    output.table(
        columns,
        [(a.name, _MEANING[s], size(a.size), a.purpose, a.licence) for a, s in rows],
    )
    if any(state == "available" for _, state in rows):
        output.line()
        output.paragraph("packed: in an installed package; unpacked and checked on first use.")


@app.command("pull")
def pull(names: Names = None, config: options.Config = None, json: options.Json = False) -> None:
    """Bring models here and check them: those named, or all that the default profile needs."""
    from onevoice.cli.settings import settings_from
    from onevoice.engines import assets
    from onevoice.pipeline.engines import runtime_for

    chosen = _chosen(names) or tuple(a for a in assets.catalog() if not a.optional)
    runtime = runtime_for(settings_from(config=config, profile=None, sets=()))
    errors: list[OneVoiceError] = []
    for asset in chosen:
        output.note(f"{asset.name} ({size(asset.size)}) …")
        try:
            with output.stdout_kept_clean():
                assets.ensure(runtime, asset.name)
        except OneVoiceError as exc:
            errors.append(exc)
            output.error(exc)
    _finish(chosen, runtime, errors, json=json)


@app.command("verify")
def verify(names: Names = None, json: options.Json = False) -> None:
    """Hash the files of the models that are here again: those named, or all."""
    from onevoice.engines import assets
    from onevoice.errors import AssetDamaged, AssetMissing

    runtime = _runtime()
    chosen = _chosen(names)
    errors: list[OneVoiceError] = []
    for asset in chosen or assets.catalog():
        state = assets.verify(asset.name, runtime)
        if state == "damaged":
            hint = f"onevoice models pull {asset.name} puts it right"
            errors.append(AssetDamaged(f"the model {asset.name} is damaged", hint=hint))
        elif chosen and state == "missing":
            hint = f"onevoice models pull {asset.name}"
            errors.append(AssetMissing(f"the model {asset.name} is not here", hint=hint))
    for error in errors:
        output.error(error)
    _finish(chosen or assets.catalog(), runtime, errors, json=json)


def _runtime() -> Runtime:
    from onevoice.config import Settings
    from onevoice.pipeline.engines import runtime_for

    return runtime_for(Settings())


def _chosen(names: list[str] | None) -> tuple[Asset, ...]:
    from onevoice.engines import assets

    return tuple(assets.get(name) for name in names or ())


def _model(asset: Asset, state: str) -> dict[str, Any]:
    return {
        "name": asset.name,
        "state": state,
        "purpose": asset.purpose,
        "size": asset.size,
        "licence": asset.licence,
        "origin": asset.origin,
        "optional": asset.optional,
    }


def _finish(
    chosen: tuple[Asset, ...], runtime: Runtime, errors: list[OneVoiceError], *, json: bool
) -> None:
    from onevoice.engines import assets

    states = [(asset, assets.status(asset.name, runtime)) for asset in chosen]
    if json:
        output.as_json(
            {
                "schema": SCHEMA,
                "models": [_model(asset, state) for asset, state in states],
                "errors": [output.error_json(error) for error in errors],
            }
        )
    else:
        for asset, state in states:
            output.line(f"{asset.name}: {_MEANING[state]}")
    status = status_of_batch(len(chosen) - len(errors), errors)
    raise typer.Exit(ExitStatus.ENGINE if status == ExitStatus.PARTIAL else status)
