"""Queries about jobs. Whatever a user may name is looked up together with who they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.billing.models import Balance
from onevoice.server.db import now
from onevoice.server.jobs.models import Job, JobEvent, JobLanguage, LineEdit
from onevoice.server.paging import Wanted
from onevoice.server.tasks.models import Task
from onevoice.server.videos.models import Video

_VIDEO_OF = (
    select(Video)
    .where(
        Video.id == bindparam("video_id"),
        Video.user_id == bindparam("user_id"),
        Video.deleted_at.is_(None),
    )
    .with_for_update(read=True, key_share=True)
)


async def video_of(session: AsyncSession, user_id: str, video_id: str) -> Video | None:
    """A user's video, which is not deleted before the transaction ends."""
    asked = {"user_id": user_id, "video_id": video_id}
    found: Video | None = await session.scalar(_VIDEO_OF, asked)
    return found


async def lock_books(session: AsyncSession, user_id: str) -> None:
    """Take a user's turn at the ledger.

    Whoever needs it and the turn at the account's tasks takes it first, as workers do that settle
    credit and then let the next task in: otherwise each would wait for the other.
    """
    await session.execute(
        select(Balance.user_id).where(Balance.user_id == user_id).with_for_update()
    )


async def job_of(
    session: AsyncSession, user_id: str, job_id: str, *, lock: bool = False
) -> Job | None:
    query = select(Job).where(Job.id == job_id, Job.user_id == user_id)
    return await session.scalar(query.with_for_update() if lock else query)


async def lock_job(session: AsyncSession, job_id: str) -> Job | None:
    """A job for a worker, which acts for whoever it belongs to."""
    query = select(Job).where(Job.id == job_id).with_for_update()
    return await session.scalar(query.execution_options(populate_existing=True))


async def jobs_of(
    session: AsyncSession,
    user_id: str,
    wanted: Wanted,
    *,
    status: str | None = None,
    video_id: str | None = None,
) -> Sequence[Job]:
    query = select(Job).where(Job.user_id == user_id)
    if wanted.before is not None:
        query = query.where(Job.id < wanted.before)
    if status is not None:
        query = query.where(Job.status == status)
    if video_id is not None:
        query = query.where(Job.video_id == video_id)
    rows = await session.scalars(query.order_by(Job.id.desc()).limit(wanted.limit + 1))
    return rows.all()


async def languages_of(session: AsyncSession, job_id: str) -> list[JobLanguage]:
    query = select(JobLanguage).where(JobLanguage.job_id == job_id).order_by(JobLanguage.language)
    return list(await session.scalars(query))


async def languages_of_all(
    session: AsyncSession, job_ids: Collection[str]
) -> dict[str, list[JobLanguage]]:
    """The languages of several jobs, in one query."""
    found: dict[str, list[JobLanguage]] = {job_id: [] for job_id in job_ids}
    query = select(JobLanguage).where(JobLanguage.job_id.in_(job_ids))
    for row in await session.scalars(query.order_by(JobLanguage.language)):
        found[row.job_id].append(row)
    return found


async def edits_of(
    session: AsyncSession, job_id: str, languages: Collection[str], *, pending: bool = False
) -> list[LineEdit]:
    query = select(LineEdit).where(LineEdit.job_id == job_id, LineEdit.language.in_(languages))
    if pending:
        query = query.where(LineEdit.applied_round.is_(None))
    return list(await session.scalars(query.order_by(LineEdit.language, LineEdit.line_id)))


async def note_edits(
    session: AsyncSession, job_id: str, language: str, changes: Iterable[tuple[str, dict[str, Any]]]
) -> None:
    """Lay changes over those there are already."""
    for line_id, change in changes:
        edit = await session.get(LineEdit, (job_id, language, line_id))
        if edit is None:
            session.add(LineEdit(job_id=job_id, language=language, line_id=line_id, changes=change))
        else:
            edit.changes = {**edit.changes, **change}
            edit.applied_round = None
            edit.updated_at = now()


async def groups_under_way(session: AsyncSession, job: Job) -> set[int]:
    """The groups of languages that a worker has in this round, or had when it died."""
    query = select(Task.payload).where(
        Task.subject == job.id, Task.kind == "dub", Task.state == "running"
    )
    return {
        payload["group"]
        for payload in await session.scalars(query)
        if payload["round"] == job.round
    }


async def is_worked_on(session: AsyncSession, job_id: str) -> bool:
    """Whether a worker may still be writing for a job, in whichever round."""
    query = select(Task.id).where(
        Task.subject == job_id, Task.kind == "dub", Task.state == "running"
    )
    return await session.scalar(query.limit(1)) is not None


async def quoted_before(session: AsyncSession, at: datetime, *, limit: int) -> Sequence[Job]:
    """Jobs, of whomever, that nobody confirmed in time."""
    query = (
        select(Job)
        .where(Job.status == "quoted", Job.created_at < at)
        .order_by(Job.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return (await session.scalars(query)).all()


async def groups_sent(session: AsyncSession, job: Job) -> set[int]:
    """The groups of languages of this round that have had a message, whatever became of it."""
    query = select(Task.payload).where(Task.subject == job.id, Task.kind == "dub")
    return {
        payload["group"]
        for payload in await session.scalars(query)
        if payload["round"] == job.round
    }


def add_first_event(session: AsyncSession, job: Job, kind: str, data: dict[str, Any]) -> None:
    """The first event of a job that this transaction has written with ``event_seq`` 1."""
    session.add(JobEvent(job_id=job.id, seq=1, kind=kind, data=data))


async def add_event(session: AsyncSession, job: Job, kind: str, data: dict[str, Any]) -> JobEvent:
    """The job's next event. The row of the job is locked by it, so numbers have no gaps."""
    seq = await session.scalar(
        update(Job)
        .where(Job.id == job.id)
        .values(event_seq=Job.event_seq + 1)
        .returning(Job.event_seq)
        .execution_options(synchronize_session=False)
    )
    assert seq is not None  # noqa: S101 (the job is there)
    event = JobEvent(job_id=job.id, seq=seq, kind=kind, data=data)
    session.add(event)
    return event


async def events_after(
    session: AsyncSession, job_id: str, seq: int, *, limit: int = 500
) -> Sequence[JobEvent]:
    query = select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.seq > seq)
    return (await session.scalars(query.order_by(JobEvent.seq).limit(limit))).all()


async def newest_events(session: AsyncSession, job_ids: Collection[str]) -> dict[str, int]:
    """The number of the newest event of each job."""
    rows = await session.execute(select(Job.id, Job.event_seq).where(Job.id.in_(job_ids)))
    return {row.id: row.event_seq for row in rows}


async def events_of_all(
    session: AsyncSession, after: Mapping[str, int]
) -> dict[str, list[JobEvent]]:
    """The events of several jobs, of each those after a number, in one query."""
    found: dict[str, list[JobEvent]] = {}
    if not after:
        return found
    news = [and_(JobEvent.job_id == job_id, JobEvent.seq > seq) for job_id, seq in after.items()]
    query = select(JobEvent).where(or_(*news)).order_by(JobEvent.job_id, JobEvent.seq)
    for event in await session.scalars(query):
        found.setdefault(event.job_id, []).append(event)
    return found
