"""Statements about videos. What a user may name is looked up together with who they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.jobs.models import Job
from onevoice.server.paging import Wanted
from onevoice.server.videos.models import Video

UNFINISHED = ("uploading", "importing", "inspecting")
_UNDER_WAY = ("queued", "running")


async def video_of(
    session: AsyncSession, user_id: str, video_id: str, *, lock: bool = False
) -> Video | None:
    """A user's video, unless it was deleted."""
    query = select(Video).where(
        Video.id == video_id, Video.user_id == user_id, Video.status != "deleted"
    )
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return await session.scalar(query)


async def whatever_became_of(session: AsyncSession, user_id: str, video_id: str) -> Video | None:
    """A user's video, deleted or not."""
    return await session.scalar(select(Video).where(Video.id == video_id, Video.user_id == user_id))


async def videos_of(
    session: AsyncSession, user_id: str, wanted: Wanted, *, status: str | None = None
) -> Sequence[Video]:
    """Newest first; one more than wanted if there are more."""
    query = select(Video).where(Video.user_id == user_id, Video.status != "deleted")
    if wanted.before is not None:
        query = query.where(Video.id < wanted.before)
    if status is not None:
        query = query.where(Video.status == status)
    found = await session.scalars(query.order_by(Video.id.desc()).limit(wanted.limit + 1))
    return found.all()


async def count_unfinished(session: AsyncSession, user_id: str) -> int:
    return await count_of(session, user_id, *UNFINISHED)


async def count_of(session: AsyncSession, user_id: str, *statuses: str) -> int:
    query = select(func.count()).where(Video.user_id == user_id, Video.status.in_(statuses))
    return await session.scalar(query) or 0


async def job_under_way(session: AsyncSession, user_id: str, video_id: str) -> str | None:
    """A job that works on the video now, or will."""
    query = select(Job.id).where(
        Job.user_id == user_id, Job.video_id == video_id, Job.status.in_(_UNDER_WAY)
    )
    return await session.scalar(query.limit(1))


async def expired_uploads(session: AsyncSession, at: datetime, *, limit: int) -> Sequence[Video]:
    """Uploads, of whomever, that took too long."""
    query = (
        select(Video)
        .where(Video.status == "uploading", Video.upload_expires_at <= at)
        .order_by(Video.upload_expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return (await session.scalars(query)).all()
