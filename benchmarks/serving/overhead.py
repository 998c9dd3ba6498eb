"""A hosted job beside the same ``onevoice dub``: the same engines, both from empty caches."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import select

from onevoice.client import Client
from onevoice.config import cache_dir
from onevoice.server.jobs.models import Job, JobEvent
from serving.place import Person, Place, Process

GOAL = 1.05
SPEAKERS = 2


@dataclass(slots=True)
class Round:
    """Seconds of one dub: all of it, what the processors worked, and its parts in their order."""

    whole: float
    cpu: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)


def measure(place: Place, *, video: Path, language: str, rounds: int) -> str:
    """The table; command line and server take turns."""
    models = cache_dir() / "models"
    if not models.is_dir():
        raise SystemExit(f"the embedded models are not in {models}: dub something once")
    place.fresh(s3=True)
    people = iter(place.people(rounds + 1))
    here: list[Round] = []
    hosted: list[Round] = []
    caches = _caches(place, models)
    environ = {"ONEVOICE_CACHE_DIR": str(caches())}
    place.environ |= environ
    with place.server() as server, place.worker("tasks", "cpu", concurrency=2) as worker:
        _hosted(place, server, worker, next(people), video, language)  # imports, connections
        for _ in range(rounds):
            here.append(_dub(video, language, caches()))
            hosted.append(_hosted(place, server, worker, next(people), video, language))
    return _table(video, language, here, hosted)


def _caches(place: Place, models: Path) -> Callable[[], Path]:
    """Makes empty caches that have the models."""
    made: list[Path] = []

    def make() -> Path:
        folder = place.folder / f"cache{len(made)}"
        folder.mkdir()
        (folder / "models").symlink_to(models)
        made.append(folder)
        return folder

    return make


def _dub(video: Path, language: str, cache: Path) -> Round:
    out = cache / "out"
    began, worked = time.perf_counter(), _children()
    done = subprocess.run(
        [sys.executable, "-m", "onevoice", "dub", str(video), "--to", language, "--speakers",
         str(SPEAKERS), "--out", str(out), "--json"],
        env=os.environ | {"ONEVOICE_CACHE_DIR": str(cache)}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    whole, cpu = time.perf_counter() - began, _children() - worked
    if done.returncode:
        raise SystemExit(f"onevoice dub: status {done.returncode}\n{done.stderr[-3000:]}")
    stages = json.loads(done.stdout)["results"][0]["stages"]
    parts = {stage["name"]: stage["seconds"] for stage in stages}
    return Round(whole, cpu, {"start": whole - sum(parts.values())} | parts)


def _children() -> float:
    """Seconds of CPU of the processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _hosted(
    place: Place, server: Process, worker: Process, person: Person, video: Path, language: str
) -> Round:
    """From the answer to the submission until the job has ended; the upload comes before it.

    CPU is the server's and the worker's, not that of S3, SQS and the database.
    """
    with Client(server.url, person.key) as client:
        uploaded = client.upload(video)
        worked = server.cpu + worker.cpu
        job = client.dub(uploaded["id"], [language], options={"speakers": SPEAKERS})
        answered = time.time()
        for event in client.follow(job["id"]):
            if event["kind"] == "job.failed":
                raise SystemExit(f"the hosted job failed: {client.job(job['id'])}")
        time.sleep(1.0)  # for the process of the dub to be gone, and be counted
        cpu = server.cpu + worker.cpu - worked
    return replace(asyncio.run(_told(place, job["id"], language, answered)), cpu=cpu)


async def _told(place: Place, job_id: str, language: str, answered: float) -> Round:
    """What the job's events say about where its time went."""
    async with place.database() as database, database.session() as session:
        job = await session.get_one(Job, job_id)
        events = (
            await session.scalars(
                select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.seq)
            )
        ).all()
    assert job.started_at is not None and job.ended_at is not None
    marks: list[tuple[str, datetime]] = [("fetch, start a process", job.started_at)]
    for event in events:
        stage: Any = event.data.get("languages", {})
        if event.kind == "job.progress" and language in stage:
            name = stage[language]["stage"]
            if name != marks[-1][0]:
                marks.append((name, event.at))
        elif event.kind == "job.language.done":
            marks.append(("end", event.at))
    marks.append(("", job.ended_at))
    parts = {"wait for the worker": job.started_at.timestamp() - answered}
    for (name, at), (_, after) in pairwise(marks):
        parts[name] = parts.get(name, 0.0) + (after - at).total_seconds()
    return Round(job.ended_at.timestamp() - answered, parts=parts)


def _table(video: Path, language: str, here: list[Round], hosted: list[Round]) -> str:
    ratio = median(b.whole for b in hosted) / median(a.whole for a in here)
    cpu = median(b.cpu for b in hosted) / median(a.cpu for a in here)
    lines = [
        f"{video.name} to {language}, {len(here)} rounds, in turns; from the answer of POST "
        "/v1/jobs until the job has ended, beside the whole command",
        "",
        "| round | onevoice dub s | hosted s | hosted / dub | CPU: dub s | hosted s | ratio |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {place} | {a.whole:.1f} | {b.whole:.1f} | {b.whole / a.whole:.3f} "
            f"| {a.cpu:.1f} | {b.cpu:.1f} | {b.cpu / a.cpu:.3f} |"
            for place, (a, b) in enumerate(zip(here, hosted, strict=True), 1)
        ),
        f"| median | | | {ratio:.3f} (goal: at most {GOAL:g}) | | | {cpu:.3f} |",
        "",
        "Where the time of the last round went; the server's parts begin when an event tells of "
        "them, so a short one may be counted to its neighbour.",
        "",
        "| onevoice dub | s | hosted | s |",
        "|---|---|---|---|",
    ]
    left, right = list(here[-1].parts.items()), list(hosted[-1].parts.items())
    for row in range(max(len(left), len(right))):
        cells = [
            (f"{side[row][0]} | {side[row][1]:.2f}" if row < len(side) else " | ")
            for side in (left, right)
        ]
        lines.append(f"| {cells[0]} | {cells[1]} |")
    return "\n".join(lines)
