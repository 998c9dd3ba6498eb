"""What workers do now and then: quotes and results that run out, rows that nobody asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from onevoice.server.auth.models import IdempotencyKey, RateWindow, User
from onevoice.server.billing.models import Welcome
from onevoice.server.db import now
from onevoice.server.ids import new_id
from onevoice.server.jobs.keys import job_prefix, result_key
from onevoice.server.jobs.models import Job, JobLanguage
from onevoice.server.settings import ServerSettings
from onevoice.server.storage import LocalStorage
from onevoice.server.tasks.claims import claim
from onevoice.server.tasks.models import Task
from onevoice.server.tasks.outbox import transaction
from onevoice.server.webhooks.models import WebhookDelivery, WebhookEndpoint
from onevoice.server.worker.housekeeping import (
    expire_quotes,
    tidy_database,
    tidy_results,
)
from tests.integration.server.dubbing import Ada, fake_engines, join, settings, studio, working
from tests.integration.server.test_jobs import finish

__all__ = ["fake_engines", "settings"]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.05)


async def ended_before(ada: Ada, job_id: str, **ago: float) -> None:
    async with ada.server.database() as session:
        await session.execute(
            update(Job)
            .where(Job.id == job_id)
            .values(ended_at=now() - timedelta(**ago), created_at=now() - timedelta(**ago))
        )


def put(ada: Ada, job_id: str, round_: int, language: str = "es") -> str:
    key = result_key(ada.user_id, job_id, round_, language, 1, "video.mp4")
    ada.server.resources.storage.put_bytes(key, b"abc")
    return key


async def made(ada: Ada) -> str:
    """A job that is done, with a result in the storage."""
    job: str = (await ada.submit(await ada.video(), "es"))["id"]
    await finish(ada, job)
    put(ada, job, 1)
    return job


async def gone(ada: Ada) -> bool:
    return not await ada.server.count(
        Task, Task.kind == "erase_job", Task.state.in_(("queued", "running"))
    )


def stored(ada: Ada, job_id: str) -> int:
    prefix = job_prefix(ada.user_id, job_id)
    return len(list(ada.server.resources.storage.list(prefix)))


def test_quotes_run_out(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            video = await ada.video()
            old = (await ada.submit(video, "es", confirm=False))["id"]
            fresh = (await ada.submit(video, "es", confirm=False))["id"]
            begun = (await ada.submit(video, "es"))["id"]
            for job in (old, begun):
                await ended_before(ada, job, hours=25)
            await asyncio.gather(*(expire_quotes(ada.server.resources) for _ in range(3)))
            found = {
                job["id"]: (job["status"], job["languages"][0]["status"])
                for job in (await ada.ok("GET", "/jobs"))["items"]
            }
            assert found == {
                old: ("expired", "cancelled"),
                fresh: ("quoted", "queued"),
                begun: ("queued", "queued"),
            }
            assert await ada.kinds(old) == ["job.expired"]
            answer = await ada.ask("POST", f"/jobs/{old}/confirm")
            assert answer.json()["code"] == "not_quoted"
            assert (await ada.ask("POST", f"/jobs/{old}/retry")).status_code == 409
            assert await ada.books() == (592, 8, 0)

    asyncio.run(work())


def test_results_are_kept_as_long_as_the_plan_says(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:  # creator: 60 days
            bob = await join(ada.server, plan="free")  # 7 days
            eve = await join(ada.server, plan="no-more")  # as free
            jobs = {person.user_id: await made(person) for person in (ada, bob, eve)}
            fresh = await made(bob)
            for person in (ada, bob, eve):
                await ended_before(person, jobs[person.user_id], days=8)
            services = ada.server.resources
            await asyncio.gather(*(tidy_results(services) for _ in range(3)))
            assert await ada.server.count(Task, Task.kind == "erase_job") == 2
            for person in (bob, eve):
                answer = await person.ask("GET", f"/jobs/{jobs[person.user_id]}/results")
                assert (answer.status_code, answer.json()["code"]) == (410, "gone")
                assert answer.json()["hint"]
            for person, job in ((ada, jobs[ada.user_id]), (bob, fresh)):
                assert len((await person.ok("GET", f"/jobs/{job}/results"))["files"]) == 1
            await ended_before(ada, jobs[ada.user_id], days=61)
            await tidy_results(services)
            await tidy_results(services)
            async with working(ada.server):
                await until(lambda: gone(ada))
            assert await ada.server.count(Task, Task.kind == "erase_job") == 3, "once each"
            assert [stored(p, jobs[p.user_id]) for p in (ada, bob, eve)] == [0, 0, 0]
            assert stored(bob, fresh) == 1
            job = await bob.ok("GET", f"/jobs/{jobs[bob.user_id]}")
            assert job["status"] == "done", "the job itself stays, with its lines"
            lines = f"/jobs/{jobs[bob.user_id]}/languages/es/lines"
            assert (await bob.ok("GET", lines))["lines"]

    asyncio.run(work())


def test_a_later_round_keeps_its_results(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            job = await made(ada)
            await ended_before(ada, job, days=61)
            await tidy_results(ada.server.resources)
            # Before the task is done, a line is spoken anew.
            await ada.ok("PATCH", f"/jobs/{job}/languages/es/lines/s1", json={"text": "Hola."})
            await ada.ok("POST", f"/jobs/{job}/redub", json={"confirm": True})
            await finish(ada, job)
            second = put(ada, job, 2)
            async with working(ada.server):
                await until(lambda: gone(ada))
            prefix = job_prefix(ada.user_id, job)
            found = [one.key for one in ada.server.resources.storage.list(prefix)]
            assert found == [second]
            assert len((await ada.ok("GET", f"/jobs/{job}/results"))["files"]) == 1

    asyncio.run(work())


def test_what_cannot_be_removed_is_tried_again(
    settings: ServerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = LocalStorage.delete_prefix
    refused = 0

    def refuse(self: LocalStorage, prefix: str) -> int:
        nonlocal refused
        if refused < 3:
            refused += 1
            raise OSError("the disk is broken")
        return real(self, prefix)

    monkeypatch.setattr(LocalStorage, "delete_prefix", refuse)
    given = settings.model_copy(update={"max_attempts": 2})

    async def work() -> None:
        async with studio(given) as ada:
            job = await made(ada)
            await ada.ok("DELETE", f"/jobs/{job}")
            async with working(ada.server):
                # Twice, then it is given up, and put off for an hour.
                await until(
                    lambda: _any(ada, Task.kind == "erase_job", Task.state == "dead"),
                )
                await _put_forward(ada)
                await until(lambda: gone(ada))
            assert refused == 3 and stored(ada, job) == 0

    asyncio.run(work())


def test_a_worker_that_may_still_write_is_waited_for(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            job = await made(ada)
            async with ada.server.database() as session:
                task_id = await session.scalar(select(Task.id).where(Task.subject == job))
                assert task_id
                await session.execute(update(Task).where(Task.id == task_id).values(state="queued"))
                await claim(session, task_id, worker="elsewhere", lease_s=60)
            await ada.ok("DELETE", f"/jobs/{job}")
            async with working(ada.server):
                await until(lambda: _any(ada, Task.kind == "erase_job", Task.state == "done"))
                assert stored(ada, job) == 1 and not await gone(ada)
                async with ada.server.database() as session:
                    await session.execute(
                        update(Task).where(Task.id == task_id).values(state="done")
                    )
                await _put_forward(ada)
                await until(lambda: gone(ada))
            assert stored(ada, job) == 0

    asyncio.run(work())


def test_rows_that_have_run_out(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            old, fresh = now() - timedelta(days=60), now()
            async with ada.server.database() as session:
                session.add(
                    WebhookEndpoint(
                        id="whe_1", user_id=ada.user_id, url="-", secret="-", events=["*"]
                    )
                )
                await session.flush()
                session.add(_delivery("pending", old, ended_at=None))
                session.add(Welcome(address_hash="forgotten", at=now() - timedelta(days=731)))
                for name, at in (("old", old), ("fresh", fresh)):
                    session.add(_delivery(name, at, ended_at=at))
                    session.add(Welcome(address_hash=name, at=at))
                    session.add(
                        IdempotencyKey(
                            user_id=ada.user_id, key=name, request_hash="-", created_at=at
                        )
                    )
                    session.add(RateWindow(key=name, ends_at=at + timedelta(days=1)))
                    for state in ("done", "dead", "queued"):
                        session.add(
                            Task(
                                id=new_id("task"),
                                kind="mail",
                                queue="tasks",
                                payload={},
                                state=state,
                                ended_at=None if state == "queued" else at,
                                created_at=at,
                            )
                        )
            await tidy_database(ada.server.resources)
            async with ada.server.database() as session:
                for column in (IdempotencyKey.key, RateWindow.key):
                    assert list(await session.scalars(select(column))) == ["fresh"]
                kept = await session.scalars(select(WebhookDelivery.id))
                assert set(kept) == {"pending", "fresh"}, "what is still to be sent stays"
                assert set(await session.scalars(select(Welcome.address_hash))) == {"old", "fresh"}
            assert await ada.server.count(Task, Task.kind == "mail") == 4
            assert await ada.server.count(User) == 1 and await ada.server.count(JobLanguage) == 0

    asyncio.run(work())


def _delivery(name: str, at: datetime, *, ended_at: datetime | None) -> WebhookDelivery:
    return WebhookDelivery(
        id=name, endpoint_id="whe_1", event="job.done", payload={}, attempts=[], created_at=at,
        ended_at=ended_at, status="delivered" if ended_at else "pending",
    )  # fmt: skip


async def _any(ada: Ada, *where: Any) -> bool:
    return bool(await ada.server.count(Task, *where))


async def _put_forward(ada: Ada) -> None:
    """Make what is to be erased later due now."""
    services = ada.server.resources
    async with transaction(services.database, services.queue) as session:
        tasks = await session.scalars(
            update(Task)
            .where(Task.kind == "erase_job", Task.state == "queued")
            .values(due_at=now() - timedelta(seconds=1), sent_at=None)
            .returning(Task)
        )
        found = list(tasks)
    for task in found:
        await services.queue.send(task.queue, task.id, group=task.user_id)
