"""How long a submitted job waits for a worker that has nothing else to do."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from statistics import median
from typing import Any

from sqlalchemy import select

from onevoice.server.jobs.models import Job
from serving.place import Person, Place, Process


def measure(place: Place, *, jobs: int) -> str:
    """The table: the worker's beginning of a job, from the answer to its POST."""
    rows = []
    place.fresh(sqs=True)
    people = place.people(jobs)
    with place.server() as server, place.worker("tasks", "cpu", concurrency=2):
        rows.append(("a worker process, SQS (moto)", _waits(place, server, people)))
    place.fresh(sqs=False)
    people = place.people(jobs)
    with place.server() as server:
        rows.append(("the worker inside a local server", _waits(place, server, people)))
    return "\n".join(
        [
            f"{jobs} jobs, one after another; from the answer of POST /v1/jobs until the worker "
            "has claimed and begun it",
            "",
            "| queue | p50 ms | longest ms |",
            "|---|---|---|",
            *(f"| {name} | {median(w) * 1000:.0f} | {max(w) * 1000:.0f} |" for name, w in rows),
        ]
    )


def _waits(place: Place, server: Process, people: list[Person]) -> list[float]:
    _wait(place, server, people[0])  # the first one finds everything cold
    return [_wait(place, server, person) for person in people]


def _wait(place: Place, server: Process, person: Person) -> float:
    """Its media are not there: it begins, which is what counts, and then fails at once."""
    body = {"video_id": person.video_id, "languages": ["es"], "confirm": True}
    request = urllib.request.Request(  # noqa: S310 (loopback)
        f"{server.url}/v1/jobs",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {person.key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 (loopback)
        job_id = json.load(answer)["id"]
    answered = time.time()
    return max(0.0, asyncio.run(_started(place, job_id)) - answered)


async def _started(place: Place, job_id: str) -> float:
    async with place.database() as database:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            async with database.single() as session:
                row: Any = (
                    await session.execute(
                        select(Job.started_at, Job.status).where(Job.id == job_id)
                    )
                ).one()
            if row.started_at is not None:
                moment: float = row.started_at.timestamp()
                return moment
            await asyncio.sleep(0.05)
    raise SystemExit(f"no worker began {job_id} within a minute")
