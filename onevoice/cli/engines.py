"""``onevoice engines``: what is installed, what is not, and what mends it."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onevoice.cli import options, output
from onevoice.cli.output import Column
from onevoice.errors import ConfigError

if TYPE_CHECKING:
    from onevoice.config import Settings
    from onevoice.engines.base import EngineInfo
    from onevoice.engines.registry import EngineStatus

SCHEMA = "onevoice.engines/1"
_SHORT_LIST = 12


def engines(
    which: Annotated[
        str,
        typer.Argument(
            metavar="[KIND[.NAME]]", help="One kind (synthesis), or all of one (synthesis.kokoro)."
        ),
    ] = "",
    config: options.Config = None,
    profile: options.Profile = None,
    sets: options.Sets = None,
    json: options.Json = False,
) -> None:
    """List the engines, which are missing, and what mends that."""
    from onevoice.cli.settings import settings_from
    from onevoice.engines.base import KINDS
    from onevoice.engines.registry import survey
    from onevoice.pipeline.engines import runtime_for

    settings = settings_from(config=config, profile=profile, sets=sets or ())
    with output.stdout_kept_clean():
        runtime = runtime_for(settings)
        kinds = [kind for kind in KINDS if kind == which.partition(".")[0]] or KINDS
        found = survey(runtime, kinds, lambda kind, name: getattr(settings, kind).options(name))
        rows = chosen(found, which)
    if json:
        output.as_json({"schema": SCHEMA, "engines": [_engine(row, settings) for row in rows]})
        return
    if which.partition(".")[2]:
        show_one(rows[0], settings)
    else:
        show(rows, settings)


def chosen(rows: list[EngineStatus], which: str) -> list[EngineStatus]:
    """The rows of a kind, or the one called ``kind.name``. Raises ConfigError for none."""
    kind, _, name = which.partition(".")
    found = [r for r in rows if kind in ("", r.kind) and name in ("", r.name)]
    if not found:
        known = [f"{row.kind}.{row.name}" for row in rows]
        near = get_close_matches(which, [*{row.kind for row in rows}, *known], n=1)
        raise ConfigError(
            f"there is no engine called {which!r}",
            hint=f"did you mean {near[0]}?" if near else "onevoice engines lists them",
        )
    return found


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
        "hosted": info.hosted if info else None,
        "price": info.price if info else "",
        "limits": info.limits if info else "",
        "voices": info.voices if info else "",
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
    missing: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if not row.available:
            missing.setdefault((row.reason, row.mend), []).append(f"{row.kind}.{row.name}")
    for (reason, mend), names in missing.items():
        output.line()
        output.paragraph(", ".join(names))
        output.paragraph(reason, bullet="  missing: ")
        if mend:
            output.paragraph(mend, bullet="  mend it: ")
    output.line()
    output.paragraph("More on one: onevoice engines synthesis.kokoro")


def show_one(row: EngineStatus, settings: Settings) -> None:
    """All there is to know of an engine, its settings too."""
    state = "ready" if row.available else f"missing: {row.reason}"
    inuse = ", used by these settings" if used(row.kind, row.name, settings) else ""
    output.paragraph(f"{row.kind}.{row.name} ({state}{inuse})")
    if row.mend:
        output.paragraph(row.mend, bullet="mend it: ")
    if row.engine is None:
        return
    info = row.engine.info
    output.paragraph(info.summary)
    output.line()
    facts = {
        "licence": info.licence,
        "languages": _spoken(info),
        "voices": info.voices,
        "price": info.price,
        "limits": info.limits,
        "key": info.key,
        "extra": f"pip install 'onevoice[{info.extra}]'" if info.extra else "",
        "GPU": "made for one, slow without" if info.gpu else "",
        "quality": f"draft: {info.advice}" if info.quality == "draft" else "",
    }
    for name, value in facts.items():
        if value:
            output.paragraph(value, bullet=f"{name}: ")
    fields = row.engine.Params.model_fields
    if fields:
        output.line()
        columns = [Column("Setting"), Column("Default", fold=True)]
        prefix = f"{row.kind}.{row.name}."
        defaults = [(n, f.get_default(call_default_factory=True)) for n, f in fields.items()]
        output.table(columns, [(prefix + name, str(value)) for name, value in defaults])


def _spoken(info: EngineInfo) -> str:
    if info.pairs and len(info.pairs) <= _SHORT_LIST:
        return ", ".join(f"{source} to {target}" for source, target in sorted(info.pairs))
    return ", ".join(sorted(info.languages))


def _what(row: EngineStatus) -> str:
    if row.engine is None:
        return ""
    info = row.engine.info
    draft = "; draft quality" if info.quality == "draft" else ""
    return f"{info.summary}{draft} ({info.licence})"
