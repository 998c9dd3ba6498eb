"""What has to be true when the dust has settled, whatever was broken before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx
from sqlalchemy import select

from onevoice.server.billing import ledger
from onevoice.server.jobs.models import Job, JobEvent, JobLanguage
from onevoice.server.tasks.models import Task
from onevoice.server.webhooks.models import WebhookDelivery
from onevoice.server.worker.housekeeping import tidy_work
from tests.integration.server.faults_site import SECONDS, Customer, until

ENDINGS = {"job.done", "job.failed", "job.cancelled"}


async def check(customer: Customer, jobs: Sequence[str], *, status: str = "done") -> None:
    """Every job ended exactly once and is whole; the books agree; nothing is left behind."""
    async with customer.server.database() as session:
        assert await ledger.check(session) == []
        books = await ledger.balance(session, customer.id)
        found = list(await session.scalars(select(Job).where(Job.user_id == customer.id)))
        languages = list(await session.scalars(select(JobLanguage)))
        events = list(await session.scalars(select(JobEvent).order_by(JobEvent.seq)))
        tasks = list(await session.scalars(select(Task)))
        deliveries = list(await session.scalars(select(WebhookDelivery)))
    assert sorted(job.id for job in found) == sorted(jobs), "no job twice, none lost"
    assert [job.status for job in found] == [status] * len(jobs)
    for job in found:
        _one_story(job, [event for event in events if event.job_id == job.id])
    wanted = "done" if status == "done" else "failed"
    assert {row.status for row in languages} == {wanted}
    assert {row.held_s for row in languages} == {0}
    charged = sum(row.charged_s for row in languages)
    assert (books.held, books.spent) == (0, charged)
    assert charged == (len(languages) * SECONDS if status == "done" else 0)
    dubs = [task for task in tasks if task.kind == "dub"]
    newest = {task.subject: task.state for task in sorted(dubs, key=lambda task: task.id)}
    assert set(newest.values()) == {"done" if status == "done" else "dead"}
    assert {task.state for task in dubs} <= {"done", "dead"}

    told = Counter(task.kind for task in tasks if task.kind in ("mail", "publish"))
    rounds = {job.id: job.round for job in found}
    endings = sum(rounds.values())
    assert told == {"mail": endings, "publish": endings}, "once an ending"
    ended = Counter(d.payload["data"]["job_id"] for d in deliveries if d.event in ENDINGS)
    assert ended == rounds

    if status == "done":
        for job_id in jobs:
            await _download(customer, job_id, [r for r in languages if r.job_id == job_id])
    await _nothing_left(customer)


def _one_story(job: Job, events: list[JobEvent]) -> None:
    """Numbers without gaps, one ending a round, and each language's end once a round."""
    assert [event.seq for event in events] == list(range(1, job.event_seq + 1))
    kinds = Counter(event.kind for event in events)
    assert sum(kinds[kind] for kind in ENDINGS) == job.round, kinds
    assert events[-1].kind in ENDINGS
    assert kinds["job.started"] == job.round
    ends = Counter(
        event.data["language"] for event in events if event.kind.startswith("job.language.")
    )
    assert set(ends.values()) == {job.round}, ends
    shares: dict[str, float] = {}
    for event in events:
        if event.kind == "job.queued":
            shares.clear()  # a round begins
        elif event.kind == "job.progress":
            for tag, told in event.data["languages"].items():
                assert told["progress"] >= shares.get(tag, 0.0), "never backwards"
                shares[tag] = told["progress"]


async def _download(customer: Customer, job_id: str, rows: list[JobLanguage]) -> None:
    answer = await customer.ask("GET", f"/jobs/{job_id}/results")
    files: list[dict[str, Any]] = answer.json()["files"]
    assert Counter(f["language"] for f in files) == {row.language: 3 for row in rows}
    async with httpx.AsyncClient(timeout=30) as client:
        for file in files:
            got = await client.get(file["url"])
            assert got.status_code == 200, file
            assert len(got.content) == file["size"] > 0, file


async def _nothing_left(customer: Customer) -> None:
    site = customer.site

    async def alone() -> bool:
        return not site.processes()

    await until(alone, 20, f"no process is left: {site.processes()}", site)
    for worker in site.workers:
        # The next worker on the machine tidies up after one that was killed.
        services = customer.server.resources
        settings = services.settings.model_copy(update={"data_dir": worker.disk})
        await tidy_work(replace(services, settings=settings))
        work = worker.disk / "work"
        assert not work.exists() or not list(work.iterdir()), "nothing is left to work on"
