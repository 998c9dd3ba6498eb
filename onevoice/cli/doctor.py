"""``onevoice doctor``: whether this machine has what a dub needs."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from onevoice.cli import options, output
from onevoice.cli.exits import ExitStatus
from onevoice.cli.output import Column
from onevoice.cli.text import path as shown
from onevoice.cli.text import size
from onevoice.errors import OneVoiceError

if TYPE_CHECKING:
    from onevoice.config import Settings
    from onevoice.engines.base import Runtime

SCHEMA = "onevoice.doctor/1"
_LOW_DISK = 5e9
_NO_DISK = 5e8
_LOW_MEMORY = 3.5e9
"""The embedded models are loaded one after another; the largest needs some 2 GB."""

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. A note is worth knowing; a problem keeps a dub from working."""

    name: str
    state: State
    found: str
    hint: str = ""


def doctor(
    config: options.Config = None,
    profile: options.Profile = None,
    sets: options.Sets = None,
    json: options.Json = False,
) -> None:
    """Look at this machine: programs, memory, disk, engines, models."""
    from onevoice.cli.settings import settings_from
    from onevoice.pipeline.engines import runtime_for

    settings = settings_from(config=config, profile=profile, sets=sets or ())
    with output.stdout_kept_clean():
        checks = list(examine(settings, runtime_for(settings)))
    if json:
        rows = [
            {"name": c.name, "state": c.state, "found": c.found, "hint": c.hint} for c in checks
        ]
        output.as_json({"schema": SCHEMA, "checks": rows})
    else:
        show(checks)
    bad = any(check.state == "problem" for check in checks)
    raise typer.Exit(ExitStatus.ENGINE if bad else ExitStatus.DONE)


def examine(settings: Settings, runtime: Runtime) -> Iterator[Check]:
    """All checks, in the order they are shown."""
    from onevoice.config import cache_dir

    yield _python()
    yield _program("ffmpeg", _ffmpeg)
    yield _program("espeak-ng", _espeak)
    yield _vision(settings)
    yield _cores()
    yield _memory()
    yield _cache(cache_dir())
    yield _disk("disk of the cache", cache_dir())
    yield _disk("disk of this folder", Path.cwd())
    yield from _engines(settings, runtime)
    yield from _models(runtime)


def _python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    good = sys.version_info >= (3, 11)
    return Check("python", "ok" if good else "problem", found, "" if good else "use 3.11 or later")


def _program(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, "ok", look())
    except OneVoiceError as exc:
        return Check(name, "problem", exc.message, exc.hint)


def _ffmpeg() -> str:
    from onevoice.media import ffmpeg_path, ffmpeg_version

    return f"{ffmpeg_version()} ({ffmpeg_path()})"


def _espeak() -> str:
    from onevoice.engines.synthesis.espeak import source

    return source()


def _vision(settings: Settings) -> Check:
    from onevoice import vision

    wanted, reason = settings.vision.enabled, vision.missing()
    if not wanted:
        return Check("on and off screen", "ok", "switched off (vision.enabled)")
    if not reason:
        return Check("on and off screen", "ok", "ready")
    state: State = "problem" if wanted is True else "note"
    return Check("on and off screen", state, reason, "pip install 'onevoice[embedded]'")


def _cores() -> Check:
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    slow = count < 2
    return Check("cores", "note" if slow else "ok", str(count), "it will be slow" if slow else "")


def memory_bytes() -> int | None:
    """Physical memory, None where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _memory() -> Check:
    total = memory_bytes()
    if total is None:
        return Check("memory", "note", "unknown")
    low = total < _LOW_MEMORY
    hint = "close other programs; 4 GB are needed for the language model" if low else ""
    return Check("memory", "note" if low else "ok", size(total), hint)


def _cache(folder: Path) -> Check:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        return Check(
            "cache",
            "problem",
            f"{shown(folder)} cannot be written: {exc.strerror or exc}",
            "set ONEVOICE_CACHE_DIR to a folder you can write to",
        )
    return Check("cache", "ok", shown(folder))


def _disk(name: str, folder: Path) -> Check:
    there = next((p for p in (folder, *folder.parents) if p.exists()), Path("/"))
    free = shutil.disk_usage(there).free
    state: State = "problem" if free < _NO_DISK else "note" if free < _LOW_DISK else "ok"
    hint = "" if state == "ok" else "free some space; onevoice cache gc drops old results"
    return Check(name, state, f"{size(free)} free", hint)


def _engines(settings: Settings, runtime: Runtime) -> Iterator[Check]:
    """One line per engine of the settings; a kind without any that runs is the problem."""
    from onevoice.engines.base import KINDS
    from onevoice.engines.registry import survey

    rows = survey(runtime, options=lambda kind, name: getattr(settings, kind).options(name))
    for kind in KINDS:
        wanted = getattr(settings, kind).engines
        status = {row.name: row for row in rows if row.kind == kind and row.name in wanted}
        someone = any(row.available for row in status.values())
        for name in wanted:
            row = status[name]
            label = f"{kind}: {name}"
            if row.available:
                yield Check(label, "ok", "ready")
            else:
                yield Check(label, "note" if someone else "problem", row.reason, row.mend)


def _models(runtime: Runtime) -> Iterator[Check]:
    from onevoice.engines import assets

    for asset in assets.catalog():
        state = assets.status(asset.name, runtime)
        label = f"model: {asset.name}"
        if state in ("ready", "available"):
            yield Check(label, "ok", "ready" if state == "ready" else "in an installed package")
        elif state == "damaged":
            hint = f"onevoice models pull {asset.name}"
            yield Check(label, "problem", f"damaged, {asset.purpose}", hint)
        elif not asset.optional:
            hint = f"onevoice models pull {asset.name}"
            yield Check(label, "note", f"not here, for {asset.purpose}", hint)


def show(checks: list[Check]) -> None:
    columns = [Column("Check"), Column("State"), Column("Found", fold=True)]
    output.table(columns, [(check.name, check.state, check.found) for check in checks])
    for check in checks:
        if check.hint:
            output.line()
            output.paragraph(check.hint, bullet=f"{check.name}: ")
    problems = sum(check.state == "problem" for check in checks)
    output.line()
    output.line("Ready to dub." if not problems else f"{problems} to mend before a dub.")
