"""How many dubs of an account are under way at once; the others wait their turn.

The limit is the plan's, and plans are no business of this module: it is handed a function.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.db import now
from onevoice.server.tasks.models import Task
from onevoice.server.tasks.outbox import remember

LIMITED = "dub"
"""The kind of task that is counted."""

Limit = Callable[[AsyncSession, str], Awaitable[int]]
"""How many dubs a user's plan lets be under way at once."""


async def admit(session: AsyncSession, user_id: str, *, limit: Limit) -> list[Task]:
    """Queue the oldest waiting dubs of an account as far as there is room for them.

    To be called in the transaction that adds dubs or ends one.
    """
    await lock_account(session, user_id)
    under_way = await session.scalar(
        select(func.count())
        .select_from(Task)
        .where(Task.user_id == user_id, Task.kind == LIMITED, Task.state.in_(("queued", "running")))
    )
    room = await limit(session, user_id) - (under_way or 0)
    if room <= 0:
        return []
    oldest = (
        select(Task.id)
        .where(Task.user_id == user_id, Task.kind == LIMITED, Task.state == "waiting")
        .order_by(Task.created_at, Task.id)
        .limit(room)
    )
    admitted = await session.scalars(
        update(Task)
        .where(Task.id.in_(oldest), Task.state == "waiting")
        .values(state="queued", due_at=now(), sent_at=None)
        .returning(Task),
        execution_options={"populate_existing": True, "synchronize_session": False},
    )
    tasks = sorted(admitted, key=lambda task: task.id)
    for task in tasks:
        remember(session, task)
    return tasks


async def lock_account(session: AsyncSession, user_id: str) -> None:
    """One at a time counts an account's tasks: two would both see the same room, or none.

    SQLite has one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        key = func.hashtextextended(f"tasks:{user_id}", 0)
        await session.execute(select(func.pg_advisory_xact_lock(key)))
