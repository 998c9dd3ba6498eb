"""Messages leave after the answers, together, and before the process ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import select

from onevoice.server.db import Database
from onevoice.server.queue.base import QueueUnavailable
from onevoice.server.queue.memory import MemoryQueue
from onevoice.server.settings import load_settings
from onevoice.server.tables import METADATA
from onevoice.server.tasks.models import Task
from onevoice.server.tasks.outbox import add_task, take_tasks
from onevoice.server.tasks.sender import Sender


class SlowQueue(MemoryQueue):
    """Takes its time, and may be away."""

    away = False

    async def send(self, queue: str, task_id: str, *, group: str | None, delay_s: int = 0) -> None:
        await asyncio.sleep(0.02)
        if self.away:
            raise QueueUnavailable("SQS cannot be reached")
        await super().send(queue, task_id, group=group, delay_s=delay_s)


Test = Callable[[Database, SlowQueue, Sender], Awaitable[None]]


@pytest.fixture
def run(database_url: str) -> Callable[[Test], None]:
    def run(test: Test) -> None:
        async def go() -> None:
            database, queue = Database(load_settings(database_url=database_url)), SlowQueue()
            sender = Sender(database, queue)
            try:
                async with database.engine.begin() as connection:
                    await connection.run_sync(METADATA.create_all)
                await test(database, queue, sender)
            finally:
                await sender.close()
                await database.close()

        asyncio.run(go())

    return run


async def committed(database: Database, number: int) -> list[Task]:
    async with database.transaction() as session:
        for _ in range(number):
            add_task(session, kind="mail", queue="tasks")
    return take_tasks(session)


async def unsent(database: Database) -> int:
    async with database.session() as session:
        return len((await session.scalars(select(Task).where(Task.sent_at.is_(None)))).all())


def test_nobody_waits_for_it_and_closing_sends_the_rest(run: Callable[[Test], None]) -> None:
    async def test(database: Database, queue: SlowQueue, sender: Sender) -> None:
        sender.hand_over(await committed(database, 3))
        sender.hand_over(await committed(database, 2))
        sender.hand_over([])
        assert (await queue.depth("tasks")).waiting < 5
        await sender.close()
        assert (await queue.depth("tasks")).waiting == 5
        assert await unsent(database) == 0

    run(test)


def test_what_cannot_be_sent_is_left_for_the_sweep(run: Callable[[Test], None]) -> None:
    async def test(database: Database, queue: SlowQueue, sender: Sender) -> None:
        queue.away = True
        sender.hand_over(await committed(database, 2))
        await asyncio.sleep(0.1)
        queue.away = False
        sender.hand_over(await committed(database, 1))
        await sender.close()
        assert (await queue.depth("tasks")).waiting == 1
        assert await unsent(database) == 2

    run(test)
