"""What is stored of a job goes: all of it when it is deleted, its results when their time is up.

The rows say at once that it is gone; the task ``erase_job`` removes it from the storage, and is
tried again where that fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

import structlog
from sqlalchemy import ColumnElement, Text, and_, cast, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth.models import User
from onevoice.server.billing.plans import FREE, Plans
from onevoice.server.jobs import repository
from onevoice.server.jobs.keys import job_prefix, results_prefix
from onevoice.server.jobs.models import ENDED, Job, JobLanguage
from onevoice.server.resources import Resources
from onevoice.server.tasks.claims import Claim
from onevoice.server.tasks.models import Task
from onevoice.server.tasks.outbox import add_task
from onevoice.server.worker.handlers import TaskContext

KIND = "erase_job"
WAIT_S = 60
"""Pause while a worker whose claim is lost may still be writing."""
AGAIN_S = 3600
"""Pause after all attempts have failed: a promise to delete does not lapse."""
_log = structlog.get_logger(__name__)


def erase(
    session: AsyncSession,
    *,
    user_id: str | None,
    job_id: str | None,
    rounds: int | None = None,
    delay_s: float = 0,
) -> None:
    """Have what is stored of a job removed; only the results of ``rounds`` where that is given."""
    add_task(
        session,
        kind=KIND,
        queue="tasks",
        payload={"rounds": rounds},
        user_id=user_id,
        subject=job_id,
        delay_s=delay_s,
    )


async def drop_old_results(
    session: AsyncSession, plans: Plans, *, at: datetime, limit: int = 100
) -> int:
    """Drop the results that were kept as long as the plan of their owner says; of how many jobs."""
    jobs = await _overdue(session, plans, at=at, limit=limit)
    for job in jobs:
        for row in await repository.languages_of(session, job.id):
            if row.outputs is not None:
                row.outputs = []  # it had some, and they are gone
        # A round that begins from now on has results of its own.
        erase(session, user_id=job.user_id, job_id=job.id, rounds=job.round)
    return len(jobs)


async def _overdue(
    session: AsyncSession, plans: Plans, *, at: datetime, limit: int
) -> Sequence[Job]:
    kept = (
        select(JobLanguage.job_id)
        .where(
            JobLanguage.job_id == Job.id,
            JobLanguage.outputs.is_not(None),
            cast(JobLanguage.outputs, Text).not_in(("[]", "null")),
        )
        .exists()
    )
    query = (
        select(Job)
        .join(User, User.id == Job.user_id)
        .where(Job.status.in_(ENDED), or_(*_times_up(plans, at)), kept)
        .order_by(Job.ended_at)
        .limit(limit)
        .with_for_update(of=Job, skip_locked=True)
    )
    return (await session.scalars(query)).all()


def _times_up(plans: Plans, at: datetime) -> list[ColumnElement[bool]]:
    """One condition a plan; users of a plan that is no more have the free one."""
    names = [plan.name for plan in plans.plans]
    return [
        and_(
            Job.ended_at < at - timedelta(days=plan.retention_days),
            or_(User.plan == plan.name, User.plan.not_in(names))
            if plan.name == FREE
            else User.plan == plan.name,
        )
        for plan in plans.plans
    ]


class EraseJobHandler:
    """Removes what is stored of a job."""

    kind: ClassVar[str] = KIND

    def __init__(self, services: Resources) -> None:
        self._storage = services.storage

    async def run(self, claim: Claim, context: TaskContext) -> None:
        task = claim.task
        if task.subject is None or task.user_id is None:
            return
        rounds = task.payload["rounds"]
        async with context.transaction() as session:
            if rounds is None and await repository.is_worked_on(session, task.subject):
                _again(session, task, WAIT_S)
                await context.finish_with(session)
                return
        removed = await asyncio.to_thread(self._remove, task.user_id, task.subject, rounds)
        _log.info("job.erased", job_id=task.subject, objects=removed)

    def _remove(self, user_id: str, job_id: str, rounds: int | None) -> int:
        if rounds is None:
            return self._storage.delete_prefix(job_prefix(user_id, job_id))
        return sum(
            self._storage.delete_prefix(results_prefix(user_id, job_id, number))
            for number in range(1, rounds + 1)
        )

    async def dead(self, session: AsyncSession, task: Task, error: dict[str, Any]) -> None:
        _log.error("job.not_erased", job_id=task.subject, error=error.get("code"))
        _again(session, task, AGAIN_S)


def _again(session: AsyncSession, task: Task, delay_s: float) -> None:
    erase(
        session,
        user_id=task.user_id,
        job_id=task.subject,
        rounds=task.payload["rounds"],
        delay_s=delay_s,
    )
