"""What a command takes: wall clock, CPU and memory, its children included."""

from __future__ import annotations

import json
import os
import resource
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

LOOK = 0.05
"""Seconds between two looks at the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One command. ``failed`` says why there are no figures."""

    minutes: float
    what: str
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    detail: Mapping[str, float]
    failed: str = ""


def measure(
    minutes: float,
    what: str,
    command: Sequence[str],
    *,
    limit: float,
    environ: Mapping[str, str] | None = None,
) -> Measured:
    """Run a command to its end; its last line may be a JSON object of details.

    Memory is the highest sum of resident sets over the process and its descendants that two
    looks in a row saw: for a moment, a process about to start another seems to be there twice.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    peak = last = 0
    with tempfile.TemporaryFile("w+") as output:
        process = psutil.Popen(
            command,
            stdout=output,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        while process.poll() is None:
            now = _resident(process)
            peak, last = max(peak, min(last, now)), now
            if time.perf_counter() - began > limit:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                why = f"not done in {limit:.0f} s"
                return Measured(
                    minutes=minutes, what=what, peak_mb=_megabytes(peak), detail={}, failed=why
                )
            time.sleep(LOOK)
        wall = time.perf_counter() - began
        output.seek(0)
        said = output.read().strip().splitlines()
    if process.returncode:
        why = f"ended with status {process.returncode}"
        return Measured(minutes=minutes, what=what, detail={}, failed=why)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    steps = json.loads(said[-1]) if said and said[-1].startswith("{") else {}
    return Measured(
        minutes=minutes,
        what=what,
        wall_s=round(wall, 2),
        cpu_s=round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        peak_mb=_megabytes(peak),
        detail={name: round(seconds, 2) for name, seconds in steps.items()},
    )


def _megabytes(size: int) -> float:
    return round(size / 2**20, 1)


def _resident(process: psutil.Process) -> int:
    total = 0
    try:
        for each in [process, *process.children(recursive=True)]:
            total += each.memory_info().rss
    except psutil.NoSuchProcess:
        return total
    return total


def medians(rows: Sequence[Measured]) -> list[Measured]:
    """One row for each command and length, from all of its rounds."""
    found: dict[tuple[float, str], list[Measured]] = {}
    for row in rows:
        found.setdefault((row.minutes, row.what), []).append(row)
    return [_median(group) for group in found.values()]


def _median(rows: Sequence[Measured]) -> Measured:
    bad = next((row for row in rows if row.failed), None)
    if bad is not None:
        return bad
    steps = rows[0].detail
    return Measured(
        minutes=rows[0].minutes,
        what=rows[0].what,
        wall_s=round(statistics.median(row.wall_s for row in rows), 2),
        cpu_s=round(statistics.median(row.cpu_s for row in rows), 2),
        peak_mb=max(row.peak_mb for row in rows),
        detail={n: round(statistics.median(row.detail[n] for row in rows), 2) for n in steps},
    )


def table(rows: Sequence[Measured], *, floors: Sequence[str], ours: str) -> str:
    """The measurements as Markdown, and what they are to the floors and to the best peer."""
    lines = [
        "| minutes | what | wall s | CPU s | peak MB | steps (s) |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        steps = ", ".join(f"{name} {seconds}" for name, seconds in row.detail.items())
        figures = (
            f"{row.failed} | – | {row.peak_mb or '–'}"
            if row.failed
            else f"{row.wall_s} | {row.cpu_s} | {row.peak_mb}"
        )
        lines.append(f"| {row.minutes:g} | {row.what} | {figures} | {steps} |")
    return "\n".join([*lines, "", *_ratios(rows, floors=floors, ours=ours)]) + "\n"


def _ratios(rows: Sequence[Measured], *, floors: Sequence[str], ours: str) -> list[str]:
    said = []
    for minutes in dict.fromkeys(row.minutes for row in rows):
        of = {row.what: row for row in rows if row.minutes == minutes and not row.failed}
        if ours not in of:
            continue
        own = of[ours]
        peers = [row for name, row in of.items() if name not in (ours, *floors)]
        parts = [
            f"{own.wall_s / of[floor].wall_s:.2f} times the wall of the {floor}"
            for floor in floors
            if floor in of
        ]
        if peers:
            wall = min(row.wall_s for row in peers)
            cpu = min(row.cpu_s for row in peers)
            parts.append(f"{own.wall_s / wall:.2f} times the best peer's wall")
            parts.append(f"{own.cpu_s / cpu:.2f} times the least CPU of a peer")
        if parts:
            said.append(f"- {minutes:g} minutes: OneVoice takes {', '.join(parts)}.")
    return said
