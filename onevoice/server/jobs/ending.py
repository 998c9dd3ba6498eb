"""How languages and jobs end: once, with their credit settled, and everybody told.

Whoever calls these holds the row of the job (``lock=True``, ``lock_job``), so that two workers,
or a worker and a user who cancels, cannot end one thing twice.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth.models import User
from onevoice.server.billing import ledger
from onevoice.server.db import now
from onevoice.server.jobs import repository
from onevoice.server.jobs.keys import hold_key
from onevoice.server.jobs.models import ENDED, Job, JobLanguage
from onevoice.server.notifications.mail import add_mail_to
from onevoice.server.notifications.topic import add_publication
from onevoice.server.resources import Resources
from onevoice.server.videos.models import Video
from onevoice.server.webhooks.service import enqueue

OPEN = ("queued", "running")
TOLD_TO_WEBHOOKS = frozenset(
    {"job.queued", "job.started", "job.language.done", "job.done", "job.failed", "job.cancelled"}
)
_KIND = {"done": "job.done", "partial": "job.done", "failed": "job.failed"}


async def tell(
    session: AsyncSession, job: Job, kind: str, data: dict[str, Any], *, first: bool = False
) -> None:
    """Note an event: the stream shows it, and webhooks tell it where they are asked to.

    ``first``: the job was written in this transaction, with the number of this event.
    """
    data = {"job_id": job.id, **data}
    if first:
        repository.add_first_event(session, job, kind, data)
    else:
        await repository.add_event(session, job, kind, data)
    if kind in TOLD_TO_WEBHOOKS:
        await enqueue(session, job.user_id, kind, data)


async def end_language(
    session: AsyncSession,
    job: Job,
    row: JobLanguage,
    *,
    status: str,
    used_s: int = 0,
    error: dict[str, Any] | None = None,
) -> None:
    """End a language of the round under way and settle its hold: ``used_s`` seconds are spent."""
    if row.status not in OPEN:
        return
    key = hold_key(job.id, row.language, job.round)
    if used_s:
        row.charged_s += await ledger.capture(session, job.user_id, hold_key=key, used=used_s) or 0
    else:
        await ledger.release(session, job.user_id, hold_key=key)
    row.status, row.held_s = status, 0
    row.error, row.ended_at = error, now()
    if status == "done":
        row.progress, row.stage = 1.0, ""
    data: dict[str, Any] = {"language": row.language, "charged_seconds": row.charged_s}
    if error is not None:
        data["error"] = error
    await tell(session, job, f"job.language.{status}", data)


async def end_if_over(session: AsyncSession, services: Resources, job: Job) -> bool:
    """End the job, once, when all of its languages have ended; says whether they have."""
    if job.status in ENDED:  # by whoever had another group of its languages
        return True
    await session.flush()
    rows = await repository.languages_of(session, job.id)
    if any(row.status in OPEN for row in rows):
        return False
    done = [row.language for row in rows if row.status == "done"]
    job.status = _verdict([row.status for row in rows])
    job.ended_at = now()
    kind = _KIND.get(job.status, "job.cancelled")
    await tell(session, job, kind, {"status": job.status, "languages": done})
    await _notify(session, services, job, kind, [row.language for row in rows], done)
    return True


async def end_quoted(session: AsyncSession, job: Job, *, status: str) -> None:
    """End a job that nobody confirmed: nothing was held, but somebody may follow it."""
    job.status, job.ended_at = status, now()
    for row in await repository.languages_of(session, job.id):
        row.status, row.ended_at = "cancelled", now()
    await tell(session, job, f"job.{status}", {"status": status, "languages": []})


def _verdict(statuses: list[str]) -> str:
    """What a job is when its languages are this."""
    if all(status == "done" for status in statuses):
        return "done"
    if "done" in statuses:
        return "partial"
    return "failed" if "failed" in statuses else "cancelled"


async def _notify(
    session: AsyncSession,
    services: Resources,
    job: Job,
    kind: str,
    languages: list[str],
    done: list[str],
) -> None:
    add_publication(session, kind, {"job_id": job.id, "status": job.status})
    if kind == "job.cancelled":
        return
    user = await session.get(User, job.user_id)
    video = await session.get(Video, job.video_id)
    if user is None or user.deleted_at is not None or video is None:
        return
    settings = services.settings
    link = f"{settings.app_url or f'{settings.public_url}/v1'}/jobs/{job.id}"
    template = "job_done" if kind == "job.done" else "job_failed"
    told = done if kind == "job.done" else languages
    add_mail_to(session, user, template, title=video.name, languages=told, link=link)
