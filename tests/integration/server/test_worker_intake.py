"""Queues asked side by side: what comes first is taken, and nothing else is lost or kept hidden."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from onevoice.server.queue import MemoryQueue, Message, Queue
from onevoice.server.queue.base import Depth, QueueUnavailable
from onevoice.server.queue.sqs import SqsQueue
from onevoice.server.settings import load_settings
from onevoice.server.worker.intake import Intake
from tests.cloud import Aws, aws, aws_credentials, aws_settings

__all__ = ["aws_credentials"]

NAMES = ["tasks", "cpu-high", "cpu"]
RECEIVES = 3


@pytest.fixture(scope="module")
def cloud() -> Iterator[Aws]:
    with aws() as running:
        yield running


class Counting:
    """A queue that counts what it is asked, and can refuse to be asked."""

    durable: ClassVar[bool] = False

    def __init__(self, inner: Queue) -> None:
        self.inner = inner
        self.asked: Counter[str] = Counter()
        self.away = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def receive(self, queue: str, *, wait_s: float, visibility_s: int) -> Message | None:
        self.asked["long" if wait_s else "short"] += 1
        if self.away:
            raise QueueUnavailable("nobody answers")
        return await self.inner.receive(queue, wait_s=wait_s, visibility_s=visibility_s)

    async def give_back(self, message: Message) -> None:
        self.asked["given back"] += 1
        await self.inner.give_back(message)


Opened = Callable[[], Any]


@pytest.fixture(params=["memory", "sqs"])
def opened(request: pytest.FixtureRequest, aws_credentials: None) -> Opened:
    if request.param == "memory":

        @asynccontextmanager
        async def memory() -> AsyncIterator[Counting]:
            yield Counting(MemoryQueue(max_receives=RECEIVES))

        return memory
    cloud: Aws = request.getfixturevalue("cloud")

    @asynccontextmanager
    async def sqs() -> AsyncIterator[Counting]:
        given = aws_settings(cloud.endpoint, name=secrets.token_hex(4))
        queue = SqsQueue(load_settings(**given, max_attempts=RECEIVES - 2))
        await queue.create_queues()
        try:
            yield Counting(queue)
        finally:
            await queue.close()

    return sqs


def run(opened: Opened, test: Callable[[Counting, Intake], Awaitable[None]]) -> None:
    async def go() -> None:
        async with asyncio.timeout(60), opened() as queue:
            intake = Intake(queue, NAMES, wait_s=2, visibility_s=600)
            try:
                await test(queue, intake)
            finally:
                await intake.close()

    asyncio.run(go())


async def settled() -> None:
    """Time for what is under way to arrive."""
    await asyncio.sleep(0.5)


@pytest.mark.parametrize("name", NAMES)
def test_whichever_queue_has_something_it_comes_at_once(opened: Opened, name: str) -> None:
    async def test(queue: Counting, intake: Intake) -> None:
        waiting = asyncio.create_task(intake.next())
        await settled()
        sent = time.monotonic()
        await queue.send(name, "task_1", group="usr_1")
        message = await waiting
        assert time.monotonic() - sent < 0.4
        assert (message.task_id, message.queue) == ("task_1", name)

    run(opened, test)


def test_an_idle_worker_asks_each_queue_once_a_poll(opened: Opened) -> None:
    async def test(queue: Counting, intake: Intake) -> None:
        waiting = asyncio.create_task(intake.next())
        await asyncio.sleep(5)
        assert queue.asked == {"short": 3, "long": 9}, "three rounds of two seconds were begun"
        waiting.cancel()

    run(opened, test)


def test_of_what_is_there_the_most_urgent_is_taken_and_the_rest_left(opened: Opened) -> None:
    async def test(queue: Counting, intake: Intake) -> None:
        for name in reversed(NAMES):
            for n in range(4):
                await queue.send(name, f"task_{n}", group=None)
        taken = [(await intake.next()).queue for _ in range(8)]
        assert Counter(taken[:4]) == {"tasks": 3, "cpu-high": 1}
        assert Counter(taken) == {"tasks": 4, "cpu-high": 3, "cpu": 1}
        assert queue.asked["long"] == queue.asked["given back"] == 0

    run(opened, test)


def test_what_comes_at_the_same_moment_is_kept_for_a_slot_that_is_free(opened: Opened) -> None:
    async def test(queue: Counting, intake: Intake) -> None:
        waiting = asyncio.create_task(intake.next())
        await settled()
        await asyncio.gather(*(queue.send(name, f"task_{i}", group=None) for i, name in
                               enumerate(NAMES)))  # fmt: skip
        first = await waiting
        await settled()
        rest = [await intake.next() for _ in range(2)]
        assert [message.queue for message in rest] == [n for n in NAMES if n != first.queue]
        assert queue.asked["given back"] == 0
        assert {message.deliveries for message in (first, *rest)} == {1}

    run(opened, test)


@pytest.mark.parametrize("late", [False, True])
def test_what_comes_when_nothing_can_be_begun_is_there_for_others(
    opened: Opened, late: bool
) -> None:
    async def test(queue: Counting, intake: Intake) -> None:
        waiting = asyncio.create_task(intake.next())
        await settled()
        await queue.send("tasks", "task_1", group=None)
        assert (await waiting).task_id == "task_1"
        if late:
            await intake.pause()
        for name in ("cpu-high", "cpu"):
            await queue.send(name, "task_2", group="usr_1")
        await settled()
        await intake.pause()
        await settled()
        for name in ("cpu-high", "cpu"):
            assert await queue.depth(name) == Depth(1, 0, 0)
            message = await queue.receive(name, wait_s=1, visibility_s=600)
            assert message is not None and (message.deliveries, message.group) == (1, "usr_1")
        assert queue.asked["given back"] == 2, "once each: no poll is begun meanwhile"

    run(opened, test)


def test_a_burst_after_idling_leaves_no_dead_letters(opened: Opened) -> None:
    """More workers that have just begun something than receives a message may have."""

    async def test(queue: Counting, intake: Intake) -> None:
        crowd = [Intake(queue, NAMES, wait_s=10, visibility_s=600) for _ in range(5)]
        waiting = [asyncio.create_task(one.next()) for one in crowd]
        await settled()
        for n in range(5):
            await queue.send("cpu-high", f"task_{n}", group=None)
        await asyncio.gather(*waiting)
        for one in crowd:
            await one.pause()
        await queue.send("cpu", "task_9", group=None)
        async with asyncio.timeout(8):
            while queue.asked["given back"] < 5:
                await asyncio.sleep(0.1)
        await settled()
        assert queue.asked["given back"] == 5 > RECEIVES
        assert await queue.depth("cpu") == Depth(1, 0, 0)
        assert await queue.depth("cpu", dead=True) == Depth(0, 0, 0)
        assert (await intake.next()).task_id == "task_9"
        for one in crowd:
            await one.close()

    run(opened, test)


def test_a_poll_under_way_counts_for_the_next_slot(opened: Opened) -> None:
    async def test(queue: Counting, intake: Intake) -> None:
        waiting = asyncio.create_task(intake.next())
        await settled()
        await queue.send("tasks", "task_1", group=None)
        await waiting
        await intake.pause()
        waiting = asyncio.create_task(intake.next())
        await asyncio.sleep(0.1)
        await queue.send("cpu", "task_2", group=None)
        assert (await waiting).task_id == "task_2"
        assert queue.asked["given back"] == 0

    run(opened, test)


def test_what_a_closed_intake_was_about_to_get_is_there_for_others(opened: Opened) -> None:
    async def test(queue: Counting, intake: Intake) -> None:
        waiting = asyncio.create_task(intake.next())
        await settled()
        waiting.cancel()
        begun = time.monotonic()
        await intake.close()
        assert time.monotonic() - begun < 0.5
        await queue.send("cpu", "task_1", group="usr_1")
        await settled()  # on SQS a poll is still under way in its thread
        message = await queue.receive("cpu", wait_s=2, visibility_s=600)
        assert message is not None and message.deliveries == 1

    run(opened, test)


def test_an_outage_is_told_once(opened: Opened) -> None:
    async def test(queue: Counting, intake: Intake) -> None:
        queue.away = True
        with pytest.raises(QueueUnavailable):
            await intake.next()
        await intake.pause()
        queue.away = False
        await queue.send("cpu", "task_1", group=None)
        assert (await intake.next()).task_id == "task_1"

    run(opened, test)
