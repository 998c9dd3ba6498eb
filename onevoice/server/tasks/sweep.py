"""What makes sure that nothing is forgotten: messages, workers that died, turns to take.

Any number of processes may sweep at once: every change is conditional, and a message too many does
no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.db import Database, now
from onevoice.server.queue import Queue
from onevoice.server.tasks.fairness import LIMITED, Limit, admit
from onevoice.server.tasks.models import Task
from onevoice.server.tasks.outbox import dispatch, transaction

LOST_S = 900.0
"""A task that was sent so long ago and is still queued is sent again."""
GRACE_S = 10.0
"""Whoever has just committed a task is about to send its message."""
_BATCH = 200
_FREED: dict[str, Any] = {"state": "queued", "lease_until": None, "worker": "", "sent_at": None}


@dataclass(frozen=True, slots=True)
class Swept:
    """How many tasks were taken from dead workers, let in, and sent again."""

    freed: int
    admitted: int
    sent: int


async def sweep(
    database: Database,
    queue: Queue,
    *,
    limit: Limit | None = None,
    lost_s: float = LOST_S,
    at: datetime | None = None,
) -> Swept:
    """Free what dead workers held, let in what waits, send what has no message."""
    at = at or now()
    async with database.transaction() as session:
        freed = await _free(session, at)
    admitted = 0
    if limit is not None:
        async with database.session() as session:
            users = await _waiting_users(session)
        for user_id in users:
            async with transaction(database, queue) as session:
                admitted += len(await admit(session, user_id, limit=limit))
    async with database.transaction() as session:
        unsent = await _take_unsent(session, at, lost_s)
    return Swept(freed, admitted, await dispatch(queue, database, unsent, at=at))


async def _free(session: AsyncSession, at: datetime) -> int:
    over = (
        select(Task.id)
        .where(Task.state == "running", Task.due_at <= at)
        .order_by(Task.due_at)
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    )
    freed = await session.scalars(
        update(Task)
        .where(Task.id.in_(over), Task.state == "running", Task.due_at <= at)
        # Overdue at once: its message is to be sent in this sweep, not after the grace.
        .values(_FREED | {"due_at": at - timedelta(seconds=GRACE_S)})
        .returning(Task.id),
        execution_options={"synchronize_session": False},
    )
    return len(freed.all())


async def _waiting_users(session: AsyncSession) -> list[str]:
    found = await session.scalars(
        select(Task.user_id)
        .where(Task.state == "waiting", Task.kind == LIMITED, Task.user_id.is_not(None))
        .distinct()
    )
    return [user_id for user_id in found if user_id]


async def _take_unsent(session: AsyncSession, at: datetime, lost_s: float) -> list[Task]:
    """Tasks to send, whose ``sent_at`` is cleared so that sending them notes it anew."""
    never = and_(Task.sent_at.is_(None), Task.due_at <= at - timedelta(seconds=GRACE_S))
    lost = and_(Task.sent_at <= at - timedelta(seconds=lost_s), Task.due_at <= at)
    wanted = (
        select(Task.id)
        .where(Task.state == "queued", or_(never, lost))
        .order_by(Task.due_at)
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    )
    taken = await session.scalars(
        update(Task)
        .where(Task.id.in_(wanted), Task.state == "queued")
        .values(sent_at=None)
        .returning(Task),
        execution_options={"populate_existing": True, "synchronize_session": False},
    )
    return list(taken)


async def take_over(session: AsyncSession, *, gone: Callable[[str], bool]) -> None:
    """The queue was in a process that has ended: what was sent to it is to be sent again, and what
    its worker held is free before the lease is over. ``gone`` tells of a worker's name whether its
    process is known to have ended.
    """
    query = select(Task.id, Task.fence, Task.worker).where(Task.state == "running")
    for held in (await session.execute(query)).all():
        if gone(held.worker):
            await session.execute(
                update(Task)
                .where(Task.id == held.id, Task.fence == held.fence, Task.state == "running")
                .values(_FREED | {"due_at": now() - timedelta(seconds=GRACE_S)})
                .execution_options(synchronize_session=False)
            )
    await session.execute(
        update(Task)
        .where(Task.state == "queued")
        .values(sent_at=None)
        .execution_options(synchronize_session=False)
    )
