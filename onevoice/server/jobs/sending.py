"""Messages for a job's languages: a group of them each."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth.models import User
from onevoice.server.jobs import repository
from onevoice.server.jobs.ending import OPEN
from onevoice.server.jobs.models import Job
from onevoice.server.resources import Resources
from onevoice.server.tasks.fairness import admit, has_turn
from onevoice.server.tasks.outbox import add_task


async def send_group(
    session: AsyncSession,
    services: Resources,
    job: Job,
    group: int,
    *,
    owner: User | None = None,
) -> None:
    """A message for one group of languages; it waits where the account has its share already.

    ``owner`` is the job's, for those who know them: they need not be looked up.
    """

    async def limit(session: AsyncSession, user_id: str) -> int:
        if owner is None:
            return await services.jobs_at_once(session, user_id)
        return services.plans.of(owner).jobs_at_once

    high = "-high" if job.priority == "high" else ""
    at_once = await has_turn(session, job.user_id, limit=limit)
    add_task(
        session,
        kind="dub",
        queue=f"{job.route}{high}",
        payload={"group": group, "round": job.round},
        user_id=job.user_id,
        subject=job.id,
        state="queued" if at_once else "waiting",
    )
    if not at_once:
        await session.flush()
        await admit(session, job.user_id, limit=limit)


async def send_open_groups(session: AsyncSession, services: Resources, job: Job) -> None:
    """Messages for the groups that have had none in this round.

    They wait until the analysis, which all of them need, is there: two workers would both make it.
    """
    if job.cancel_requested_at is not None:
        return
    sent = await repository.groups_sent(session, job)
    rows = await repository.languages_of(session, job.id)
    for group in sorted({row.group for row in rows if row.status in OPEN} - sent):
        await send_group(session, services, job, group)
