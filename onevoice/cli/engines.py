"""``onevoice engines``: what is installed, what is not, and what mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onevoice.cli import options, output
from onevoice.cli.output import Column

if TYPE_CHECKING:
    from onevoice.config import Settings
    from onevoice.engines.registry import EngineStatus

SCHEMA = "onevoice.engines/1"


def engines(
    config: options.Config = None,
    profile: options.Profile = None,
    sets: options.Sets = None,
    json: options.Json = False,
) -> None:
    """List the engines, those that are missing, why, and what mends it."""
    from onevoice.cli.settings import settings_from
    from onevoice.engines.registry import survey
    from onevoice.pipeline.engines import runtime_for

    settings = settings_from(config=config, profile=profile, sets=sets or ())
    with output.stdout_kept_clean():
        rows = survey(runtime_for(settings))
    if json:
        output.as_json({"schema": SCHEMA, "engines": [_engine(row, settings) for row in rows]})
        return
    show(rows, settings)


def used(kind: str, name: str, settings: Settings) -> bool:
    """Whether the settings name this engine."""
    return name in getattr(settings, kind).engines


def _engine(row: EngineStatus, settings: Settings) -> dict[str, Any]:
    info = row.engine.info if row.engine else None
    return {
        "kind": row.kind,
        "name": row.name,
        "available": row.available,
        "reason": row.reason,
        "hint": row.mend,
        "used": used(row.kind, row.name, settings),
        "summary": info.summary if info else "",
        "licence": info.licence if info else "",
        "quality": info.quality if info else None,
        "gpu": info.gpu if info else None,
        "extra": info.extra if info else "",
        "key": info.key if info else "",
        "languages": sorted(info.languages) if info else [],
        "pairs": sorted(map(list, info.pairs)) if info else [],
    }


def show(rows: list[EngineStatus], settings: Settings) -> None:
    columns = [
        Column("Kind"),
        Column("Engine"),
        Column("Used"),
        Column("State"),
        Column("What it is", fold=True),
    ]
    output.table(
        columns,
        [
            (
                row.kind,
                row.name,
                "yes" if used(row.kind, row.name, settings) else "",
                "ready" if row.available else "missing",
                _what(row),
            )
            for row in rows
        ],
    )
    for row in rows:
        if not row.available:
            output.line()
            output.paragraph(row.reason, bullet=f"{row.kind}.{row.name}: ")
            if row.mend:
                output.paragraph(row.mend, bullet="  mend it: ")


def _what(row: EngineStatus) -> str:
    if row.engine is None:
        return ""
    info = row.engine.info
    draft = "; draft quality" if info.quality == "draft" else ""
    return f"{info.summary}{draft} ({info.licence})"
