"""Working on tasks in tests: a real worker, and a clock that is put forward."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta

from sqlalchemy import select, update

from onevoice.server import tables
from onevoice.server.auth.models import User
from onevoice.server.db import now
from onevoice.server.ids import new_id
from onevoice.server.resources import Resources, open_resources
from onevoice.server.settings import ServerSettings
from onevoice.server.tasks.models import Task
from onevoice.server.worker.handlers import Handler
from onevoice.server.worker.loop import Worker


@asynccontextmanager
async def server(settings: ServerSettings) -> AsyncIterator[Resources]:
    """Everything a process of the server works with, on empty tables."""
    async with open_resources(settings) as services:
        async with services.database.engine.begin() as connection:
            await connection.run_sync(tables.METADATA.create_all)
        yield services


async def add_user(services: Resources, *, locale: str = "en") -> User:
    user = User(
        id=new_id("user"),
        email=f"{new_id('u')}@example.com",
        email_key=new_id("key"),
        password_hash="",
        locale=locale,
    )
    async with services.database.transaction() as session:
        session.add(user)
    return user


async def work(services: Resources, handlers: Iterable[Handler]) -> None:
    """Do every task that is due, by a worker, until none is left."""
    worker = Worker(
        database=services.database,
        queue=services.queue,
        handlers=handlers,
        settings=services.settings,
        queues=["tasks"],
        concurrency=4,
        poll_s=0.02,
        sweep_s=3600,
        retry_s=0.01,
    )
    running = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(30):
            while await _due(services):
                await asyncio.sleep(0.02)
    finally:
        worker.stop()
        await running


async def put_clock_forward(services: Resources) -> int:
    """Make what is to be done later due now; how many tasks that were."""
    async with services.database.transaction() as session:
        found = await session.scalars(
            update(Task)
            .where(Task.state == "queued", Task.due_at > now())
            .values(due_at=now() - timedelta(seconds=1))
            .returning(Task)
        )
        later = found.all()
    for task in later:
        await services.queue.send(task.queue, task.id, group=task.user_id)
    return len(later)


async def all_tasks(services: Resources, kind: str) -> list[Task]:
    async with services.database.session() as session:
        query = select(Task).where(Task.kind == kind).order_by(Task.id)
        return list((await session.scalars(query)).all())


async def _due(services: Resources) -> bool:
    async with services.database.session() as session:
        soon = now() + timedelta(seconds=2)
        found = await session.scalar(
            select(Task.id)
            .where((Task.state == "running") | ((Task.state == "queued") & (Task.due_at <= soon)))
            .limit(1)
        )
    return found is not None
