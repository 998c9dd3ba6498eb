"""The worker's loop on real databases and queues, and what happens to it there.

Run as a program it is a worker process, for the test that kills some.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.errors import EngineFailed, EngineRefused
from onevoice.server.db import Database, now
from onevoice.server.queue import Depth, MemoryQueue, Queue, make_queue
from onevoice.server.queue.base import QueueUnavailable
from onevoice.server.queue.sqs import SqsQueue
from onevoice.server.settings import ServerSettings, load_settings
from onevoice.server.storage import ObjectMissing, StorageUnavailable
from onevoice.server.tables import METADATA
from onevoice.server.tasks.claims import Claim, claim
from onevoice.server.tasks.models import Task
from onevoice.server.tasks.outbox import add_task, transaction
from onevoice.server.worker.handlers import LeaseLost, TaskContext
from onevoice.server.worker.intake import turn_order
from onevoice.server.worker.loop import Worker
from tests.cloud import CREDENTIALS, Aws, aws, aws_credentials, flaky
from tests.conftest import REPOSITORY
from tests.postgres import Postgres

__all__ = ["aws_credentials"]

Act = Callable[[Claim, TaskContext], Awaitable[None]]
LEASE_S = 2
ATTEMPTS = 3


class Acting:
    """A handler that does what a test says, and notes every run and every death."""

    kind: ClassVar[str] = "mail"

    def __init__(self, act: Act) -> None:
        self.act = act
        self.runs: list[str] = []
        self.deaths: list[tuple[str, dict[str, Any]]] = []

    async def run(self, claim: Claim, context: TaskContext) -> None:
        self.runs.append(claim.task.id)
        await self.act(claim, context)

    async def dead(self, session: AsyncSession, task: Task, error: dict[str, Any]) -> None:
        self.deaths.append((task.id, error))
        await note(session, task.id, "dead")


class ActingDub(Acting):
    kind: ClassVar[str] = "dub"


@dataclass
class Place:
    """A database, a queue, and the workers of a test."""

    database: Database
    queue: Queue
    settings: ServerSettings
    events: Counter[str] = field(default_factory=Counter)
    going: list[tuple[Worker, asyncio.Task[None]]] = field(default_factory=list)

    def start(self, handler: Acting, **given: Any) -> Worker:
        options: dict[str, Any] = {"queues": ["tasks"], "poll_s": 0.2, "sweep_s": 0.3}
        worker = Worker(
            database=self.database,
            queue=self.queue,
            handlers=[handler],
            settings=given.pop("settings", self.settings),
            tell=lambda event, kind, seconds: self.events.update([event]),
            retry_s=0.1,
            **(options | given),
        )
        self.going.append((worker, asyncio.create_task(worker.run())))
        return worker

    async def stop(self) -> None:
        for worker, _ in self.going:
            worker.stop()
        await asyncio.gather(*(going for _, going in self.going))
        self.going.clear()

    async def add(self, **given: Any) -> Task:
        async with transaction(self.database, self.queue) as session:
            return add_task(session, **({"kind": "mail", "queue": "tasks"} | given))

    async def task(self, task: Task) -> Task:
        async with self.database.session() as session:
            return await session.get_one(Task, task.id)

    async def ends(self, task: Task, state: str = "done") -> Task:
        async def ended() -> bool:
            return (await self.task(task)).state == state

        await until(ended)
        return await self.task(task)

    async def notes(self) -> Counter[tuple[str, str]]:
        async with self.database.session() as session:
            found = await session.execute(text("SELECT task_id, what FROM notes"))
            return Counter((row[0], row[1]) for row in found)

    async def claimed_by_nobody(self, task: Task, *, seconds: float = 60.0) -> Claim:
        """A claim of a worker that does not exist."""
        async with self.database.transaction() as session:
            taken = await claim(session, task.id, worker="nobody", lease_s=seconds)
        assert isinstance(taken, Claim)
        return taken


async def note(session: AsyncSession, task_id: str, what: str) -> None:
    """What a handler does to the world."""
    await session.execute(
        text("INSERT INTO notes (task_id, what) VALUES (:task_id, :what)"),
        {"task_id": task_id, "what": what},
    )


async def until(true: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while True:
        with suppress(Exception):  # the database may be away
            if await true():
                return
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.05)


def quick(settings: ServerSettings, **more: Any) -> ServerSettings:
    """Leases that are shorter than settings allow."""
    return settings.model_copy(update={"visibility_seconds": LEASE_S} | more)


@asynccontextmanager
async def place(settings: ServerSettings, queue: Queue) -> AsyncIterator[Place]:
    database = Database(settings)
    async with database.engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
        await connection.execute(text("CREATE TABLE notes (task_id TEXT, what TEXT)"))
    here = Place(database, queue, quick(settings))
    try:
        yield here
    finally:
        await here.stop()
        await queue.close()
        await database.close()


def run(database_url: str, test: Callable[[Place], Awaitable[None]]) -> None:
    async def go() -> None:
        settings = load_settings(database_url=database_url, max_attempts=ATTEMPTS)
        async with asyncio.timeout(60), place(settings, MemoryQueue()) as here:
            await test(here)

    asyncio.run(go())


async def finishes(claim: Claim, context: TaskContext) -> None:
    """The way of a good handler: its work and its end in one transaction."""
    async with context.transaction() as session:
        await note(session, claim.task.id, "done")
        await context.finish_with(session)


async def returns(claim: Claim, context: TaskContext) -> None:
    """A handler with nothing to write."""


# -- the usual ---------------------------------------------------------------------------------


@pytest.mark.parametrize("act", [finishes, returns])
def test_a_task_is_done_and_its_message_gone(database_url: str, act: Act) -> None:
    async def test(here: Place) -> None:
        handler = Acting(act)
        here.start(handler)
        task = await here.add()
        found = await here.ends(task)
        await here.stop()
        assert handler.runs == [task.id]
        assert (found.attempts, found.error) == (1, None)
        assert await here.queue.depth("tasks") == Depth(0, 0, 0)
        assert here.events == {"started": 1, "done": 1}

    run(database_url, test)


def test_tasks_added_by_a_handler_are_done_too(database_url: str) -> None:
    async def test(here: Place) -> None:
        async def adds(claim: Claim, context: TaskContext) -> None:
            async with context.transaction() as session:
                if claim.task.payload.get("left", 0):
                    left = claim.task.payload["left"] - 1
                    add_task(session, kind="mail", queue="tasks", payload={"left": left})
                await context.finish_with(session)

        handler = Acting(adds)
        here.start(handler)
        await here.add(payload={"left": 4})

        async def all_done() -> bool:
            return here.events["done"] == 5

        await until(all_done)

    run(database_url, test)


def test_duplicates_reordered_among_workers_run_once(database_url: str) -> None:
    async def test(here: Place) -> None:
        handler = Acting(finishes)
        tasks = [await here.add() for _ in range(20)]
        again = [task.id for task in tasks] * 3
        random.Random(4).shuffle(again)
        for task_id in again:
            await here.queue.send("tasks", task_id, group=None)
        for _ in range(3):
            here.start(handler, concurrency=3)
        for task in tasks:
            await here.ends(task)

        async def empty() -> bool:
            return await here.queue.depth("tasks") == Depth(0, 0, 0)

        await until(empty)
        assert sorted(handler.runs) == sorted(task.id for task in tasks)
        assert await here.notes() == {(task.id, "done"): 1 for task in tasks}

    run(database_url, test)


def test_a_worker_takes_no_more_than_it_can_start(database_url: str) -> None:
    async def test(here: Place) -> None:
        go_on = asyncio.Event()

        async def waits(claim: Claim, context: TaskContext) -> None:
            await go_on.wait()

        handler = Acting(waits)
        worker = here.start(handler, concurrency=2)
        tasks = [await here.add() for _ in range(5)]

        async def full() -> bool:
            return len(handler.runs) == 2

        await until(full)
        await asyncio.sleep(0.5)
        assert worker.running == len(handler.runs) == 2
        assert (await here.queue.depth("tasks")).waiting == 3
        go_on.set()
        for task in tasks:
            await here.ends(task)

    run(database_url, test)


# -- failures ----------------------------------------------------------------------------------


def test_what_fails_is_tried_again(database_url: str) -> None:
    async def test(here: Place) -> None:
        async def fails_at_first(claim: Claim, context: TaskContext) -> None:
            if claim.task.attempts < ATTEMPTS:
                raise EngineFailed("the engine broke")
            await finishes(claim, context)

        here.start(Acting(fails_at_first))
        found = await here.ends(await here.add())
        assert found.attempts == ATTEMPTS
        assert found.error is not None and found.error["code"] == "engine_failed"
        await here.stop()
        assert here.events == {"started": 3, "retried": 2, "done": 1}
        assert await here.queue.depth("tasks") == Depth(0, 0, 0)

    run(database_url, test)


def test_what_fails_too_often_or_for_good_is_dead(database_url: str) -> None:
    async def test(here: Place) -> None:
        async def fails(claim: Claim, context: TaskContext) -> None:
            if claim.task.payload:
                raise EngineRefused("it will not", hint="ask another one")
            raise RuntimeError("password=hunter2")

        handler = Acting(fails)
        here.start(handler)
        often, once = await here.add(), await here.add(payload={"for": "good"})
        assert (await here.ends(once, "dead")).attempts == 1
        assert (await here.ends(often, "dead")).attempts == ATTEMPTS
        await here.stop()
        errors = dict(handler.deaths)
        assert len(handler.deaths) == 2
        assert errors[once.id] == {
            "code": "engine_refused", "message": "it will not", "hint": "ask another one",
        }  # fmt: skip
        assert errors[often.id]["code"] == "internal"
        assert "hunter2" not in str(errors)
        assert await here.notes() == {(often.id, "dead"): 1, (once.id, "dead"): 1}

    run(database_url, test)


def test_a_task_that_kills_its_workers_is_dead_in_the_end(database_url: str) -> None:
    async def test(here: Place) -> None:
        handler = Acting(finishes)
        task = await here.add()
        for _ in range(ATTEMPTS):  # so many workers took it, and were heard of no more
            await here.claimed_by_nobody(task)
            async with here.database.transaction() as session:
                await session.execute(update(Task).values(due_at=now()))
        here.start(handler)
        await here.ends(task, "dead")
        await here.stop()
        assert handler.runs == []
        assert [error["code"] for _, error in handler.deaths] == ["interrupted"]
        assert str(ATTEMPTS) in handler.deaths[0][1]["message"]

    run(database_url, test)


def test_a_task_nobody_can_lay_to_rest_does_not_end(database_url: str) -> None:
    """What hangs on it, such as credit, would be lost."""

    async def test(here: Place) -> None:
        async def refuses(claim: Claim, context: TaskContext) -> None:
            raise EngineRefused("it will not")

        class Unburied(Acting):
            left = 3

            async def dead(self, session: AsyncSession, task: Task, error: dict[str, Any]) -> None:
                await super().dead(session, task, error)
                self.left -= 1
                if self.left:
                    raise KeyError("a mistake")

        handler = Unburied(refuses)
        here.start(handler)
        task = await here.add()
        await here.ends(task, "dead")
        await here.stop()
        assert await here.notes() == {(task.id, "dead"): 1}
        assert here.events["dead"] == 1
        assert len(handler.deaths) == 3
        assert handler.deaths[-1][1]["code"] == "engine_refused"

    run(database_url, test)


def test_a_kind_nobody_knows_is_dead_without_harm(database_url: str) -> None:
    async def test(here: Place) -> None:
        here.start(Acting(finishes))
        found = await here.ends(await here.add(kind="sing"), "dead")
        assert found.error is not None and found.error["code"] == "no_handler"

    run(database_url, test)


# -- leases ------------------------------------------------------------------------------------


def test_long_work_keeps_its_lease_and_its_message(database_url: str) -> None:
    async def test(here: Place) -> None:
        async def takes_long(claim: Claim, context: TaskContext) -> None:
            await asyncio.sleep(2.5 * LEASE_S)
            await finishes(claim, context)

        handler = Acting(takes_long)
        here.start(handler)
        here.start(handler)
        task = await here.add()
        found = await here.ends(task)
        assert (handler.runs, found.fence) == ([task.id], 1)
        assert await here.notes() == {(task.id, "done"): 1}

    run(database_url, test)


def test_who_lost_its_lease_stops_and_writes_nothing(database_url: str) -> None:
    async def test(here: Place) -> None:
        stopped: list[bool] = []

        async def is_robbed(claim: Claim, context: TaskContext) -> None:
            if claim.fence > 1:
                await finishes(claim, context)
                return
            await rob(claim)
            with pytest.raises(LeaseLost):
                await finishes(claim, context)
            try:
                await asyncio.sleep(60)
            finally:
                stopped.append(context.cancelled.is_set())

        async def rob(mine: Claim) -> None:
            async with here.database.transaction() as session:
                await session.execute(update(Task).values(due_at=now()))
                taken = await claim(session, mine.task.id, worker="thief", lease_s=3)
                assert isinstance(taken, Claim)

        handler = Acting(is_robbed)
        here.start(handler)
        task = await here.add()
        found = await here.ends(task)
        await here.stop()
        assert stopped == [True]
        assert found.fence == 3
        assert await here.notes() == {(task.id, "done"): 1}
        assert here.events["lost"] == 1

    run(database_url, test)


def test_a_handler_that_lets_the_loss_through_is_abandoned(database_url: str) -> None:
    async def test(here: Place) -> None:
        async def loses(claim: Claim, context: TaskContext) -> None:
            if claim.fence == 1:
                async with here.database.transaction() as session:
                    await session.execute(update(Task).values(fence=7))
            await finishes(claim, context)

        here.start(Acting(loses))
        task = await here.add()
        found = await here.ends(task)
        assert found.fence == 8
        assert await here.notes() == {(task.id, "done"): 1}
        assert here.events["lost"] == 1
        assert here.events["retried"] == 0

    run(database_url, test)


def test_what_a_dead_worker_held_is_done_by_another(database_url: str) -> None:
    async def test(here: Place) -> None:
        task = await here.add()
        message = await here.queue.receive("tasks", wait_s=0, visibility_s=600)
        assert message is not None
        await here.claimed_by_nobody(task, seconds=1)
        handler = Acting(finishes)
        here.start(handler)
        found = await here.ends(task)
        assert (found.attempts, handler.runs) == (2, [task.id])

    run(database_url, test)


# -- stopping ----------------------------------------------------------------------------------


def test_a_worker_that_stops_finishes_what_it_can(database_url: str) -> None:
    async def test(here: Place) -> None:
        async def takes_a_while(claim: Claim, context: TaskContext) -> None:
            await asyncio.sleep(0.7)
            await finishes(claim, context)

        handler = Acting(takes_a_while)
        here.start(handler)
        task = await here.add()
        await until_running(handler)
        waiting = await here.add()
        await here.stop()
        assert (await here.task(task)).state == "done"
        assert (await here.task(waiting)).state == "queued"
        assert await here.queue.depth("tasks") == Depth(waiting=1, in_flight=0, delayed=0)

    run(database_url, test)


def test_a_worker_that_stops_gives_the_rest_back(database_url: str) -> None:
    async def test(here: Place) -> None:
        told: list[bool] = []

        async def takes_for_ever(claim: Claim, context: TaskContext) -> None:
            try:
                await asyncio.sleep(600)
            finally:
                told.append(context.cancelled.is_set())

        handler = Acting(takes_for_ever)
        here.start(handler, settings=quick(here.settings, drain_seconds=0.2))
        task = await here.add()
        await until_running(handler)
        begun = time.monotonic()
        await here.stop()
        assert time.monotonic() - begun < 3
        found = await here.task(task)
        assert (found.state, found.attempts, found.fence) == ("queued", 0, 1)
        assert told == [True]
        assert await here.queue.depth("tasks") == Depth(waiting=1, in_flight=0, delayed=0)
        assert here.events["given_back"] == 1

    run(database_url, test)


def test_a_worker_that_is_cancelled_gives_back_at_once(database_url: str) -> None:
    async def test(here: Place) -> None:
        async def takes_for_ever(claim: Claim, context: TaskContext) -> None:
            await asyncio.sleep(600)

        handler = Acting(takes_for_ever)
        here.start(handler)
        task = await here.add()
        await until_running(handler)
        _, going = here.going.pop()
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
        assert (await here.task(task)).state == "queued"

    run(database_url, test)


async def until_running(handler: Acting) -> None:
    async def running() -> bool:
        return bool(handler.runs)

    await until(running)


# -- order -------------------------------------------------------------------------------------


def test_the_order_of_queues_leaves_none_out() -> None:
    queues = ["cpu-high", "cpu", "tasks"]
    first = [turn_order(queues, turn)[0] for turn in range(16)]
    assert Counter(first) == {"cpu-high": 12, "cpu": 2, "tasks": 2}
    assert all(sorted(turn_order(queues, turn)) == sorted(queues) for turn in range(16))
    assert turn_order(["gpu"], 3) == ["gpu"]


def test_urgent_work_goes_first_and_the_rest_is_not_starved(database_url: str) -> None:
    async def test(here: Place) -> None:
        for _ in range(8):
            await here.add(queue="cpu")
        for _ in range(16):
            await here.add(queue="cpu-high")
        order: list[str] = []

        async def notes(claim: Claim, context: TaskContext) -> None:
            order.append(claim.task.queue)

        here.start(Acting(notes), queues=["cpu-high", "cpu"])

        async def all_done() -> bool:
            return here.events["done"] == 24

        await until(all_done)
        assert order[:8].count("cpu-high") == 6
        assert order[:16].count("cpu") == 4

    run(database_url, test)


def test_an_account_has_only_so_many_dubs_under_way(database_url: str) -> None:
    async def test(here: Place) -> None:
        under_way: Counter[str] = Counter()
        most: Counter[str] = Counter()

        async def dubs(claim: Claim, context: TaskContext) -> None:
            user = str(claim.task.user_id)
            under_way[user] += 1
            most[user] = max(most[user], under_way[user])
            await asyncio.sleep(0.1)
            under_way[user] -= 1
            if claim.task.payload["n"] % 3 == 0:
                raise EngineRefused("it will not")  # a dead one makes room, too
            if claim.task.payload["n"] % 3 == 1:
                await finishes(claim, context)

        async def limit(session: AsyncSession, user_id: str) -> int:
            return {"usr_1": 1, "usr_2": 2}[user_id]

        for user in ("usr_1", "usr_2"):
            for n in range(6):
                await here.add(
                    kind="dub", queue="cpu", user_id=user, state="waiting", payload={"n": n}
                )
        handler = ActingDub(dubs)
        # One sweep lets the first in; after that each that ends lets in the next.
        here.start(handler, queues=["cpu"], concurrency=8, limit=limit, sweep_s=600)

        async def all_ended() -> bool:
            return here.events["done"] + here.events["dead"] == 12

        await until(all_ended)
        assert most == {"usr_1": 1, "usr_2": 2}
        assert len(handler.deaths) == 4

    run(database_url, test)


# -- outages -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cloud() -> Iterator[Aws]:
    with aws() as running:
        yield running


def cloud_settings(cloud: Aws, database_url: str, endpoint: str = "", **more: Any) -> Any:
    return load_settings(
        **cloud.settings(endpoint), database_url=database_url, **({"max_attempts": ATTEMPTS} | more)
    )


async def made(settings: ServerSettings) -> Queue:
    queue = make_queue(quick(settings))
    assert isinstance(queue, SqsQueue)
    await queue.create_queues()
    return queue


def test_the_database_goes_away_and_comes_back(postgres: Postgres) -> None:
    async def test() -> None:
        settings = load_settings(database_url=postgres.create(), max_attempts=ATTEMPTS)
        async with asyncio.timeout(60), place(settings, MemoryQueue()) as here:

            async def works(claim: Claim, context: TaskContext) -> None:
                await asyncio.sleep(1.0)
                if claim.task.payload:
                    await finishes(claim, context)

            handler = Acting(works)
            tasks = [await here.add(payload={"n": 1} if n else None) for n in range(2)]
            here.start(handler, concurrency=2, settings=quick(here.settings, visibility_seconds=20))

            async def both() -> bool:
                return len(handler.runs) == 2

            await until(both)
            await asyncio.to_thread(postgres.stop, "immediate")
            await here.queue.send("tasks", tasks[0].id, group=None)
            await asyncio.sleep(2.0)
            await asyncio.to_thread(postgres.start)
            for task in tasks:
                await here.ends(task)
            assert await here.notes() == {(tasks[1].id, "done"): 1}
            # What ran through the outage, and asked nothing of the database, was not done twice.
            assert handler.runs.count(tasks[0].id) == 1
            new = await here.add()
            await here.ends(new)

    try:
        asyncio.run(test())
    finally:
        postgres.start()


@pytest.mark.parametrize("away", [StorageUnavailable, QueueUnavailable, ConnectionRefusedError])
def test_an_outage_of_what_a_task_needs_is_no_attempt(
    database_url: str, away: type[Exception]
) -> None:
    async def test(here: Place) -> None:
        async def needs(claim: Claim, context: TaskContext) -> None:
            assert claim.task.attempts == 1
            if claim.fence <= 2 * ATTEMPTS:
                raise away("nobody answers")
            await finishes(claim, context)

        here.start(Acting(needs))
        task = await here.add()
        found = await here.ends(task)
        await here.stop()
        assert (found.attempts, found.fence) == (1, 2 * ATTEMPTS + 1)
        assert here.events == {"started": 2 * ATTEMPTS + 1, "retried": 2 * ATTEMPTS, "done": 1}
        assert await here.queue.depth("tasks") == Depth(0, 0, 0)

    run(database_url, test)


@pytest.mark.parametrize("error", [ObjectMissing("gone"), FileNotFoundError("gone")])
def test_what_is_missing_is_no_outage(database_url: str, error: Exception) -> None:
    async def test(here: Place) -> None:
        async def misses(claim: Claim, context: TaskContext) -> None:
            raise error

        here.start(Acting(misses))
        found = await here.ends(await here.add(), "dead")
        assert found.attempts == (1 if isinstance(error, ObjectMissing) else ATTEMPTS)

    run(database_url, test)


def test_a_lease_that_cannot_be_renewed_in_time_is_lost(postgres: Postgres) -> None:
    async def test() -> None:
        settings = load_settings(database_url=postgres.create(), max_attempts=ATTEMPTS)
        async with asyncio.timeout(60), place(settings, MemoryQueue()) as here:
            stopped = asyncio.Event()

            async def works(claim: Claim, context: TaskContext) -> None:
                if claim.fence > 1:
                    return
                try:
                    await asyncio.sleep(60)
                finally:
                    stopped.set()

            handler = Acting(works)
            here.start(handler, sweep_s=600)  # the worker itself is to say so
            task = await here.add()
            await until_running(handler)
            await asyncio.to_thread(postgres.stop)
            begun = time.monotonic()
            await stopped.wait()
            assert 0.5 * LEASE_S < time.monotonic() - begun < 2.5 * LEASE_S
            await asyncio.to_thread(postgres.start)
            found = await here.ends(task)
            assert (found.fence, found.attempts) == (2, 1), "an outage is no attempt"
            assert here.events["lost"] == 1

    try:
        asyncio.run(test())
    finally:
        postgres.start()


def test_the_queue_goes_away_and_comes_back(
    cloud: Aws, aws_credentials: None, postgres: Postgres
) -> None:
    async def test() -> None:
        with flaky(cloud.endpoint) as proxy:
            settings = cloud_settings(cloud, postgres.create(), proxy.endpoint)
            async with asyncio.timeout(90), place(settings, await made(settings)) as here:

                async def works(claim: Claim, context: TaskContext) -> None:
                    await asyncio.sleep(1.5)
                    await finishes(claim, context)

                handler = Acting(works)
                first = await here.add()
                here.start(handler)
                await until_running(handler)
                with proxy.outage():
                    second = await here.add()  # committed, and not sent
                    assert (await here.task(second)).sent_at is None
                    await here.ends(first)
                async with here.database.transaction() as session:
                    await session.execute(
                        text("UPDATE tasks SET due_at = due_at - interval '11 seconds'"
                             " WHERE state = 'queued'")
                    )  # fmt: skip
                await here.ends(second)
                # What could not be deleted came again, and was found done.
                assert await here.notes() == {(first.id, "done"): 1, (second.id, "done"): 1}
                assert sorted(handler.runs) == sorted([first.id, second.id])

    asyncio.run(test())


def test_answers_of_the_queue_that_are_lost_do_no_harm(
    cloud: Aws, aws_credentials: None, postgres: Postgres
) -> None:
    async def test() -> None:
        with flaky(cloud.endpoint) as proxy:
            settings = cloud_settings(cloud, postgres.create(), proxy.endpoint)
            async with asyncio.timeout(90), place(settings, await made(settings)) as here:
                for action in ("SendMessage", "DeleteMessage", "ReceiveMessage"):
                    proxy.fail(3, "lost", containing=action)
                proxy.fail(3, "error", containing="ChangeMessageVisibility")
                handler = Acting(finishes)
                here.start(handler, concurrency=4)
                tasks = [await here.add() for _ in range(8)]
                for task in tasks:
                    await here.ends(task)
                assert await here.notes() == {(task.id, "done"): 1 for task in tasks}

    asyncio.run(test())


# -- death -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_workers_are_killed_at_any_moment_and_every_task_ends_once(
    cloud: Aws, aws_credentials: None, postgres: Postgres
) -> None:
    """Two processes at a time, 12 of them killed; messages sent twice and out of order."""
    rng = random.Random(20)

    async def test() -> None:
        settings = cloud_settings(cloud, postgres.create(), max_attempts=20)
        async with asyncio.timeout(150), place(settings, await made(settings)) as here:
            tasks = [await here.add() for _ in range(30)]
            for task in rng.sample(tasks, 15):
                await here.queue.send("tasks", task.id, group=None, delay_s=rng.randrange(5))
            environment = os.environ | CREDENTIALS | {
                f"ONEVOICE_SERVER_{name}": value
                for name, value in {
                    "DATABASE_URL": settings.database,
                    "SQS_PREFIX": settings.sqs_prefix,
                    "AWS_ENDPOINT_URL": settings.aws_endpoint_url,
                    "MAX_ATTEMPTS": "20",
                }.items()
            }  # fmt: skip

            def start() -> subprocess.Popen[bytes]:
                return subprocess.Popen(
                    [sys.executable, "-m", __name__], env=environment, cwd=REPOSITORY
                )

            async def begun() -> bool:
                async with here.database.session() as session:
                    running = await session.scalar(
                        text("SELECT count(*) FROM tasks WHERE state = 'running'")
                    )
                return bool(running)

            workers = [start(), start()]
            try:
                for _ in range(12):
                    await until(begun)
                    await asyncio.sleep(rng.uniform(0.0, 0.8))
                    victim = workers.pop(0)
                    victim.send_signal(signal.SIGKILL)
                    victim.wait()
                    workers.append(start())
                for task in tasks:
                    await here.ends(task)
                for worker in workers:
                    worker.terminate()
                assert [worker.wait(20) for worker in workers] == [0, 0]
            finally:
                for worker in workers:
                    worker.kill()
                    worker.wait()
            notes = await here.notes()
            assert {key: n for key, n in notes.items() if key[1] == "done"} == {
                (task.id, "done"): 1 for task in tasks
            }
            assert sum(n for (_, what), n in notes.items() if what == "begun") > len(tasks), (
                "no worker was killed in the middle of a task"
            )

    asyncio.run(test())


async def _be_a_worker() -> None:
    async def act(claim: Claim, context: TaskContext) -> None:
        async with context.transaction() as session:
            await note(session, claim.task.id, "begun")
        await asyncio.sleep(random.uniform(0.05, 0.5))
        await finishes(claim, context)

    settings = quick(load_settings())
    database, queue = Database(settings), make_queue(settings)
    worker = Worker(
        database=database,
        queue=queue,
        handlers=[Acting(act)],
        settings=settings,
        queues=["tasks"],
        concurrency=2,
        poll_s=1,
        sweep_s=1,
        retry_s=0.1,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await worker.run()
    await queue.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(_be_a_worker())
