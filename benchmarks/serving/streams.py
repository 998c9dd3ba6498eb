"""Server-sent events: what a thousand open streams cost, and how late an event arrives."""

from __future__ import annotations

import asyncio
import random
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

from sqlalchemy import insert, text

from onevoice.server.db import Database, table_of
from onevoice.server.ids import new_id
from onevoice.server.jobs import repository
from onevoice.server.jobs.live import TICK_S
from onevoice.server.jobs.models import Job
from serving.place import Person, Place, Process

PEOPLE = 50


@dataclass(slots=True)
class _Stream:
    """One open stream: when each event arrived, by its number."""

    job_id: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    arrived: dict[int, float] = field(default_factory=dict)

    async def read(self) -> None:
        while line := await self.reader.readline():
            if line.startswith(b"id: "):
                self.arrived[int(line[4:])] = time.perf_counter()


def measure(place: Place, *, streams: int, seconds: float, events: int) -> str:
    """The table."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    place.fresh()
    people = place.people(PEOPLE)
    with place.server() as server:
        return asyncio.run(_measure(place, server, people, streams, seconds, events))


async def _measure(
    place: Place,
    server: Process,
    people: Sequence[Person],
    streams: int,
    seconds: float,
    events: int,
) -> str:
    async with place.database() as database:
        jobs = await _make_jobs(database, people, streams)
        memory = server.memory
        began = time.perf_counter()
        opened = [await _open(server, person, job_id) for person, job_id in jobs]
        opening = time.perf_counter() - began
        reading = [asyncio.create_task(one.read()) for one in opened]
        await asyncio.sleep(4 * TICK_S)
        grown = server.memory - memory
        cpu, asked = server.cpu, await _transactions(database)
        await asyncio.sleep(seconds)
        idle = (server.cpu - cpu) / seconds
        per_tick = (await _transactions(database) - asked) / (seconds / TICK_S)
        cpu = server.cpu
        delays = await _tell(database, opened, events)
        busy = server.cpu - cpu
        lost = sum(1 for task in reading if task.done())
        for one in opened:
            one.writer.close()
        await asyncio.gather(*reading, return_exceptions=True)
    if lost or len(delays) < events:
        raise SystemExit(f"{lost} streams ended, {events - len(delays)} events did not arrive")
    return "\n".join(
        [
            f"{streams} clients follow {streams} jobs of {PEOPLE} accounts at one process",
            "",
            "| what | figure |",
            "|---|---|",
            f"| opening all, one after another | {opening:.1f} s "
            f"({opening / streams * 1000:.1f} ms each) |",
            f"| memory per stream | {grown / streams / 1024:.1f} KiB |",
            f"| CPU while nothing happens | {idle * 100:.1f} % of a core |",
            f"| transactions per tick of {TICK_S:g} s (all streams together) | {per_tick:.1f} |",
            f"| from commit to client, p50 | {median(delays) * 1000:.0f} ms |",
            f"| from commit to client, p99 | {quantiles(delays, n=100)[-1] * 1000:.0f} ms |",
            f"| CPU per event, ticks included | {busy / events * 1000:.1f} ms |",
        ]
    )


async def _make_jobs(
    database: Database, people: Sequence[Person], number: int
) -> list[tuple[Person, str]]:
    jobs = [(people[place % len(people)], new_id("job")) for place in range(number)]
    rows = [
        {
            "id": job_id, "user_id": person.user_id, "video_id": person.video_id,
            "status": "running", "profile": "embedded", "route": "cpu", "settings": {}, "quote": {},
        }
        for person, job_id in jobs
    ]  # fmt: skip
    async with database.transaction() as session:
        await session.execute(insert(table_of(Job)), rows)
    return jobs


async def _open(server: Process, person: Person, job_id: str) -> _Stream:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"GET /v1/jobs/{job_id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {person.key}\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"a stream was refused:\n{head.decode()}")
    return _Stream(job_id, reader, writer)


async def _tell(database: Database, opened: Sequence[_Stream], events: int) -> list[float]:
    """Events of jobs chosen by chance, at moments chosen by chance: how late each arrived."""
    chance = random.Random(7)
    told: list[tuple[_Stream, int, float]] = []
    for _ in range(events):
        stream = chance.choice(opened)
        async with database.transaction() as session:
            job = await session.get_one(Job, stream.job_id)
            data: dict[str, Any] = {"languages": {"es": {"stage": "translate", "progress": 0.5}}}
            event = await repository.add_event(session, job, "job.progress", data)
        told.append((stream, event.seq, time.perf_counter()))
        await asyncio.sleep(chance.uniform(0.02, 0.1))
    await asyncio.sleep(3 * TICK_S)
    return [max(0.0, stream.arrived[seq] - at) for stream, seq, at in told if seq in stream.arrived]


async def _transactions(database: Database) -> int:
    query = (
        "SELECT xact_commit + xact_rollback FROM pg_stat_database "
        "WHERE datname = current_database()"
    )
    async with database.single() as session:
        await session.execute(text("SELECT pg_stat_clear_snapshot()"))
        found: int = (await session.execute(text(query))).scalar_one()
        return found
