"""Submissions: how many a second, how late the slowest, and what each costs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles

from sqlalchemy import text

from serving.bare import TABLE
from serving.load import Seen, Work
from serving.place import Person, Place, Process, cpu_of

GOAL = 2.5
WORKERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much is asked, and how long."""

    seconds: float
    warm_up: float
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run; times in milliseconds, CPU per request."""

    what: str
    per_second: float
    p50: float
    p99: float
    server: float
    database: float
    load: float

    @property
    def cost(self) -> float:
        return self.server + self.database


def measure(
    place: Place,
    *,
    seconds: float,
    warm_up: float,
    connections: int,
    people: int,
    languages: Sequence[str],
) -> str:
    """The table."""
    place.fresh()
    _make_bare_table(place)
    known = place.people(people)
    load = Load(seconds=seconds, warm_up=warm_up, connections=connections)
    rows: list[Row] = []
    with place.bare(workers=WORKERS) as bare:
        rows.append(_row("bare insert", place, bare, known, languages[:1], load))
    with place.bare(workers=WORKERS, module="by_hand") as by_hand:
        rows.append(_row("same statements by hand", place, by_hand, known, languages[:1], load))
    with place.server(workers=WORKERS) as server:
        for number in sorted({1, len(languages)}):
            what = f"submission, {number} language{'s' if number > 1 else ''}"
            row = _row(what, place, server, known, languages[:number], load)
            rows.append(row)
    floor = rows[0]
    lines = [
        f"{connections} connections, {WORKERS} Uvicorn workers, {people} accounts, {seconds:g} s "
        "each; fsync and synchronous_commit on",
        "",
        "| what | per second | p50 ms | p99 ms | CPU ms a request: server | PostgreSQL | both "
        "| x bare: CPU | server's CPU | wall | load's CPU ms |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        (
            f"| {row.what} | {row.per_second:.0f} | {row.p50:.1f} | {row.p99:.1f} "
            f"| {row.server:.2f} | {row.database:.2f} | {row.cost:.2f} "
            f"| {row.cost / floor.cost:.1f} | {row.server / floor.server:.1f} "
            f"| {floor.per_second / row.per_second:.1f} | {row.load:.2f} |"
        )
        for row in rows
    ]
    return "\n".join(lines)


def _row(
    what: str,
    place: Place,
    process: Process,
    people: Sequence[Person],
    languages: Sequence[str],
    load: Load,
) -> Row:
    body = {"languages": list(languages), "confirm": True}
    work = Work(
        port=process.port,
        path="/v1/jobs",
        people=[(one.key, json.dumps(body | {"video_id": one.video_id})) for one in people],
        connections=load.connections,
        seconds=load.seconds,
        warm_up=load.warm_up,
    )
    seen, server, database = _loaded(place, process, work)
    if seen.failure or not seen.latencies:
        raise SystemExit(f"{what}: {seen.failure or 'nothing was answered'}")
    number = len(seen.latencies)
    return Row(
        what=what,
        per_second=number / load.seconds,
        p50=median(seen.latencies),
        p99=quantiles(seen.latencies, n=100)[-1],
        server=server / number * 1000,
        database=database / number * 1000,
        load=seen.cpu / number * 1000,
    )


def _loaded(place: Place, process: Process, work: Work) -> tuple[Seen, float, float]:
    """What the load saw, and the CPU seconds of server and database in that time."""
    root = Path(__file__).parents[1]
    with tempfile.TemporaryFile("w+") as out:
        load = subprocess.Popen(
            [sys.executable, "-m", "serving.load"], cwd=root, text=True,
            stdin=subprocess.PIPE, stdout=out,
        )  # fmt: skip
        assert load.stdin is not None
        load.stdin.write(json.dumps(asdict(work)))
        load.stdin.close()
        time.sleep(work.warm_up + 0.3)  # about what it needs to start
        before = process.cpu, cpu_of(place.postgres_process)
        time.sleep(work.seconds)
        after = process.cpu, cpu_of(place.postgres_process)
        if load.wait(60):
            raise SystemExit("the load failed")
        out.seek(0)
        seen = Seen(**json.load(out))
    return seen, after[0] - before[0], after[1] - before[1]


def _make_bare_table(place: Place) -> None:
    async def make() -> None:
        async with place.database() as database, database.transaction() as session:
            await session.execute(text(TABLE))

    asyncio.run(make())
