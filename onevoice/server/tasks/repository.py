"""Tasks as those who asked for them see them: by what they are about."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.db import now
from onevoice.server.tasks.fairness import lock_account
from onevoice.server.tasks.models import Task


async def of_subject(session: AsyncSession, subject: str, *, user_id: str | None) -> Sequence[Task]:
    """All tasks of an account about one thing, oldest first."""
    found = await session.scalars(
        select(Task).where(Task.subject == subject, Task.user_id == user_id).order_by(Task.id)
    )
    return found.all()


async def withdraw(session: AsyncSession, subject: str, *, user_id: str) -> list[Task]:
    """End the tasks about something that nobody has begun; those that were ended.

    Running ones go on: their handlers are told by what they read. ``admit`` should follow, there
    may be room now.
    """
    await lock_account(session, user_id)
    ended = await session.scalars(
        update(Task)
        .where(
            Task.subject == subject,
            Task.user_id == user_id,
            Task.state.in_(("waiting", "queued")),
        )
        .values(state="done", ended_at=now())
        .returning(Task),
        execution_options={"populate_existing": True, "synchronize_session": False},
    )
    return list(ended)
