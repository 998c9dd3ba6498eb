"""How many dubs of an account are under way at once; the others wait their turn.

The limit is the plan's, and plans are no business of this module: it is handed a function.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.db import now, table_of
from onevoice.server.tasks.models import Task
from onevoice.server.tasks.outbox import remember

LIMITED = "dub"
"""The kind of task that is counted."""

Limit = Callable[[AsyncSession, str], Awaitable[int]]
"""How many dubs a user's plan lets be under way at once."""


_TASKS = table_of(Task)
_STATES = (
    select(_TASKS.c.state, func.count())
    .where(
        _TASKS.c.user_id == bindparam("whose"),
        _TASKS.c.kind == LIMITED,
        _TASKS.c.state.in_(("waiting", "queued", "running")),
    )
    .group_by(_TASKS.c.state)
)
_LOCK = select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("account"), 0)))


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


async def has_turn(session: AsyncSession, user_id: str, *, limit: Limit) -> bool:
    """Whether another dub of an account may be queued at once: there is room, and none waits.

    In the transaction that adds it; :func:`admit` for one that has to wait.
    """
    await session.flush()  # those that this transaction has added count, too
    await lock_account(session, user_id)
    counted = await session.execute(_STATES, {"whose": user_id})
    states = {state: number for state, number in counted.all()}  # noqa: C416
    under_way = states.get("queued", 0) + states.get("running", 0)
    return not states.get("waiting") and under_way < await limit(session, user_id)


async def lock_account(session: AsyncSession, user_id: str) -> None:
    """One at a time counts an account's tasks: two would both see the same room, or none.

    SQLite has one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(_LOCK, {"account": f"tasks:{user_id}"})
