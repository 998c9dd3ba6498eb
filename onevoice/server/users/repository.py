"""SQL of a user's own record, and of its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth.models import User
from onevoice.server.billing.models import Subscription
from onevoice.server.jobs.models import ENDED, Job
from onevoice.server.tasks.models import Task
from onevoice.server.videos.models import Video

_PAYING = ("active", "trialing", "past_due", "paused")
_QUIET = {"synchronize_session": False}


async def change(session: AsyncSession, user_id: str, **values: Any) -> User | None:
    """Set columns of a user who is there: the row as it is then."""
    row: User | None = (
        await session.scalars(
            update(User)
            .where(User.id == user_id, User.deleted_at.is_(None))
            .values(**values)
            .returning(User),
            execution_options={**_QUIET, "populate_existing": True},
        )
    ).one_or_none()
    return row


async def pays(session: AsyncSession, user_id: str) -> bool:
    """Whether a subscription goes on to be charged."""
    found = await session.scalar(
        select(func.count())
        .select_from(Subscription)
        .where(
            Subscription.user_id == user_id,
            Subscription.status.in_(_PAYING),
            Subscription.cancel_at.is_(None),
        )
    )
    return bool(found)


async def open_jobs(session: AsyncSession, user_id: str) -> Sequence[Job]:
    """Jobs that have not ended, locked."""
    return (
        await session.scalars(
            select(Job)
            .where(Job.user_id == user_id, Job.status.not_in(ENDED))
            .order_by(Job.id)
            .with_for_update()
        )
    ).all()


async def close(session: AsyncSession, user_id: str, *, at: datetime) -> bool:
    """Mark a user as leaving: nobody logs in any more, and the address is free at once."""
    return await change(session, user_id, deleted_at=at) is not None


async def is_leaving(session: AsyncSession, user_id: str) -> bool:
    found = await session.scalar(
        select(User.id).where(User.id == user_id, User.deleted_at.is_not(None))
    )
    return found is not None


async def is_worked_for(session: AsyncSession, user_id: str) -> bool:
    """Whether a worker may still be writing for this user."""
    found = await session.scalar(
        select(Task.id).where(Task.user_id == user_id, Task.state == "running").limit(1)
    )
    return found is not None


async def drop_tasks(session: AsyncSession, user_id: str) -> None:
    """Nothing of a user's is done any more; messages of these tasks find nothing."""
    await session.execute(
        delete(Task).where(Task.user_id == user_id, Task.state != "running"),
        execution_options=_QUIET,
    )


async def open_uploads(session: AsyncSession, user_id: str) -> Sequence[tuple[str, str]]:
    """Storage key and id of each upload that was begun and not completed."""
    rows = await session.execute(
        select(Video.storage_key, Video.upload_id).where(
            Video.user_id == user_id, Video.upload_id.is_not(None), Video.status == "uploading"
        )
    )
    return [(key, upload_id) for key, upload_id in rows if upload_id]


async def erase(session: AsyncSession, user_id: str) -> None:
    """Delete the row and everything that hangs on it. Jobs first: they refer to videos."""
    for statement in (
        delete(Task).where(Task.user_id == user_id),
        delete(Job).where(Job.user_id == user_id),
        delete(Video).where(Video.user_id == user_id),
        delete(User).where(User.id == user_id, User.deleted_at.is_not(None)),
    ):
        await session.execute(statement, execution_options=_QUIET)
