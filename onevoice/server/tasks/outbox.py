"""From a row to a message: sent after the transaction that wrote the row, never within it.

Between the commit and the message a process may die: a task without ``sent_at`` is sent by the
sweep. A message may so be sent twice, which the claim makes harmless.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Literal

import structlog
from sqlalchemy import bindparam, update
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.db import Database, now, table_of
from onevoice.server.ids import new_id
from onevoice.server.queue import Queue
from onevoice.server.queue.base import MAX_DELAY_S, known
from onevoice.server.tasks.models import Task

_log = structlog.get_logger()
_REMEMBERED = "tasks"
_TASKS = table_of(Task)
_NOTE_SENT = (
    update(_TASKS)
    .where(_TASKS.c.id.in_(bindparam("sent", expanding=True)), _TASKS.c.sent_at.is_(None))
    .values(sent_at=bindparam("at"))
)


def add_task(
    session: AsyncSession,
    *,
    kind: str,
    queue: str,
    payload: dict[str, Any] | None = None,
    user_id: str | None = None,
    subject: str | None = None,
    delay_s: float = 0,
    state: Literal["queued", "waiting"] = "queued",
) -> Task:
    """Add a task to the transaction; its message follows the commit.

    ``waiting``: it gets none until ``admit`` lets it in.
    """
    task = Task(
        id=new_id("task"),
        kind=kind,
        queue=known(queue),
        payload=payload or {},
        user_id=user_id,
        subject=subject,
        state=state,
        due_at=now() + timedelta(seconds=delay_s),
    )
    session.add(task)
    remember(session, task)
    return task


def remember(session: AsyncSession, task: Task) -> None:
    """Have the task's message sent once the session's transaction is committed."""
    session.info.setdefault(_REMEMBERED, []).append(task)


def take_tasks(session: AsyncSession) -> list[Task]:
    """The tasks to send, which the session forgets: for whoever has committed it."""
    taken: list[Task] = session.info.pop(_REMEMBERED, [])
    return taken


@asynccontextmanager
async def transaction(database: Database, queue: Queue) -> AsyncIterator[AsyncSession]:
    """A transaction of the database whose tasks are sent when it is committed."""
    async with database.transaction() as session:
        yield session
    await dispatch(queue, database, take_tasks(session))


async def dispatch(
    queue: Queue, database: Database, tasks: Sequence[Task], *, at: datetime | None = None
) -> int:
    """Send the messages of committed tasks; how many were sent. Raises nothing.

    What cannot be sent, or is due later than a message can be delayed, is left for the sweep.
    """
    at = at or now()
    ready = {task.id: task for task in tasks if task.state == "queued"}
    sent = await asyncio.gather(*(_send(queue, task, at) for task in ready.values()))
    ids = [task_id for task_id, done in zip(ready, sent, strict=True) if done]
    if not ids:
        return 0
    try:
        async with database.single() as session:
            await session.execute(_NOTE_SENT, {"sent": ids, "at": at})
    except Exception as exc:
        # What asked for them is committed, and must not seem to have failed. They are sent all the
        # same, and the sweep will send them once more.
        _log.warning("tasks.sent_not_noted", tasks=ids, error=type(exc).__name__)
    return len(ids)


async def _send(queue: Queue, task: Task, at: datetime) -> bool:
    delay_s = max(0, math.ceil((task.due_at - at).total_seconds()))
    if delay_s > MAX_DELAY_S:
        return False
    try:
        await queue.send(task.queue, task.id, group=task.user_id, delay_s=delay_s)
    except Exception as exc:
        _log.warning("tasks.not_sent", task=task.id, queue=task.queue, error=str(exc))
        return False
    return True
