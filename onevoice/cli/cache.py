"""``onevoice cache``: what earlier runs left behind, so that later ones need not redo it."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from onevoice.cli import options, output
from onevoice.cli.exits import ExitStatus
from onevoice.cli.output import Column
from onevoice.cli.parse import parse_age, parse_size
from onevoice.cli.text import path as shown
from onevoice.cli.text import plural, size

if TYPE_CHECKING:
    from onevoice.pipeline.store import LocalStore

SCHEMA = "onevoice.cache/1"

app = typer.Typer(help="Results of stages, kept for the next run.", no_args_is_help=True)


def _store() -> LocalStore:
    from onevoice.config import cache_dir
    from onevoice.pipeline.store import LocalStore

    return LocalStore(cache_dir() / "artifacts")


@app.command("ls")
def ls(json: options.Json = False) -> None:
    """Show what the cache holds, by stage."""
    store = _store()
    counts: dict[str, int] = defaultdict(int)
    sizes: dict[str, int] = defaultdict(int)
    latest: dict[str, float] = defaultdict(float)
    for entry, used in store.entries():
        stage = str(entry.meta.get("stage", "other"))
        counts[stage] += 1
        sizes[stage] += sum(artifact.size for artifact in entry.outputs.values())
        latest[stage] = max(latest[stage], used)
    objects, total = store.size()
    if json:
        stages = [
            {"name": s, "entries": counts[s], "size": sizes[s], "last_used": _iso(latest[s])}
            for s in sorted(counts)
        ]
        output.as_json(
            {
                "schema": SCHEMA,
                "folder": str(store.root),
                "objects": objects,
                "size": total,
                "stages": stages,
            }
        )
        return
    columns = [
        Column("Stage"),
        Column("Results", "right"),
        Column("Size", "right"),
        Column("Last used"),
    ]
    rows = [(s, counts[s], size(sizes[s]), _iso(latest[s])[:10]) for s in sorted(counts)]
    if rows:
        output.table(columns, rows)
        output.line()
    output.line(f"{plural(objects, 'file')}, {size(total)}, in {shown(store.root)}")


@app.command("gc")
def gc(
    max_size: Annotated[
        str | None,
        typer.Option("--max-size", metavar="SIZE", help="Keep at most this much, e.g. 5GB."),
    ] = None,
    max_age: Annotated[
        str | None,
        typer.Option("--max-age", metavar="AGE", help="Drop what was not used for, e.g. 30d."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Drop what was used longest ago; without a limit, only what nothing refers to."""
    limit = parse_size(max_size) if max_size is not None else None
    age = parse_age(max_age) if max_age is not None else None
    report = _store().gc(max_bytes=limit, max_age_days=age)
    if json:
        answer = {"removed": report.removed, "freed": report.freed_bytes}
        output.as_json({"schema": SCHEMA, **answer})
        return
    output.line(f"removed {plural(report.removed, 'file')}, {size(report.freed_bytes)} freed")


@app.command("verify")
def verify(json: options.Json = False) -> None:
    """Hash everything again; what is damaged is removed and made anew by the next run."""
    report = _store().verify()
    if json:
        answer = {"checked": report.checked, "damaged": list(report.damaged)}
        output.as_json({"schema": SCHEMA, **answer})
    else:
        found = f"{len(report.damaged)} damaged and removed" if report.damaged else "all sound"
        output.line(f"checked {plural(report.checked, 'file')}: {found}")
    raise typer.Exit(ExitStatus.FAILED if report.damaged else ExitStatus.DONE)


def _iso(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="seconds")
