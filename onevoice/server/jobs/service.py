"""What happens to jobs on a user's word. Each function is part of the request's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from onevoice import languages as tags
from onevoice.server.auth.models import User
from onevoice.server.billing import credit, ledger
from onevoice.server.db import now
from onevoice.server.errors import Conflict, NotFound
from onevoice.server.ids import new_id
from onevoice.server.jobs import ordering, repository
from onevoice.server.jobs.ending import end_if_over, end_language, end_quoted, tell
from onevoice.server.jobs.erasing import erase
from onevoice.server.jobs.keys import hold_key
from onevoice.server.jobs.lines import changed_lines, changed_seconds
from onevoice.server.jobs.models import ENDED, Job, JobLanguage
from onevoice.server.jobs.schemas import (
    NewJob,
    Quote,
    Redub,
)
from onevoice.server.jobs.sending import send_group
from onevoice.server.new_rows import write_new
from onevoice.server.resources import Resources
from onevoice.server.tasks.fairness import admit
from onevoice.server.tasks.repository import withdraw
from onevoice.server.videos.models import Video

QUOTE_HOURS = 24


async def create(
    session: AsyncSession, services: Resources, user: User, wanted: NewJob
) -> tuple[Job, list[JobLanguage]]:
    """A quoted job, begun where that is confirmed: else :func:`confirm` begins it.

    Raises what :func:`confirm` does; nothing is written then.
    """
    video = await _video(session, user.id, wanted.video_id)
    plan = services.plans.of(user)
    profile = ordering.wanted_profile(wanted.profile, services.settings)
    languages = ordering.wanted_languages(wanted.languages, wanted.options.source_language, plan)
    await ordering.accept(profile, languages, wanted.options)
    assert video.duration_ms is not None  # noqa: S101 (it is ready)
    seconds = ordering.seconds_of(video.duration_ms)
    quote = _quote(dict.fromkeys(languages, seconds), valid=True)
    job = Job(
        id=new_id("job"),
        user_id=user.id,
        video_id=video.id,
        status="quoted",
        profile=profile,
        route="gpu" if profile in services.settings.gpu_profiles else "cpu",
        priority=plan.priority,
        settings=wanted.options.model_dump(mode="json"),
        quote=quote.model_dump(mode="json"),
        round=1,
        event_seq=0,
        usd=0.0,
    )
    places = ordering.groups(languages, services.settings.languages_per_message)
    rows = [
        JobLanguage(job_id=job.id, language=tag, group=places[tag]) for tag in sorted(languages)
    ]
    if wanted.confirm:
        job.confirmed_at = now()
        await _begin(session, services, user, job, rows, quote.by_language, new=True)
    else:
        session.add_all([job, *rows])
        await write_new(session)
    return job, rows


async def confirm(session: AsyncSession, services: Resources, user: User, job: Job) -> None:
    """Hold the credit and send the job to a worker.

    Raises
    ------
    Conflict
        It was confirmed before, or its quote has run out.
    PaymentRequired
        There is not enough credit; nothing is held.
    """
    if job.status != "quoted":
        raise Conflict(
            f"the job is {job.status}: there is nothing to confirm",
            hint="GET it to see how it stands",
            code="not_quoted",
        )
    quote = Quote.model_validate(job.quote)
    if quote.expires_at is not None and quote.expires_at < now():
        raise Conflict("the quote has expired", hint="make the job again", code="quote_expired")
    await _video(session, user.id, job.video_id)
    job.confirmed_at = now()
    rows = await repository.languages_of(session, job.id)
    await _begin(session, services, user, job, rows, quote.by_language)


async def cancel(session: AsyncSession, services: Resources, job: Job) -> None:
    """Stop a job. What is finished stays, and is paid; the rest of the credit comes back."""
    if job.status in ENDED:
        raise Conflict(
            f"the job is {job.status} already", hint="there is nothing to cancel", code="ended"
        )
    job.cancel_requested_at = job.cancel_requested_at or now()
    if job.status == "quoted":
        await end_quoted(session, job, status="cancelled")
        return
    await repository.lock_books(session, job.user_id)
    await withdraw(session, job.id, user_id=job.user_id)
    under_way = await repository.groups_under_way(session, job)
    for row in await repository.languages_of(session, job.id):
        if row.group not in under_way:  # those that a worker has, it ends itself
            await end_language(session, job, row, status="cancelled")
    await end_if_over(session, services, job)
    await admit(session, job.user_id, limit=services.jobs_at_once)


async def retry(session: AsyncSession, services: Resources, user: User, job: Job) -> None:
    """Try the languages again that did not come out."""
    if job.status not in ("partial", "failed", "cancelled"):
        raise Conflict(
            f"the job is {job.status}: there is nothing to try again",
            hint="a job that has failed, in part or whole, or was cancelled can be tried again",
            code="not_failed",
        )
    video = await _video(session, user.id, job.video_id)
    assert video.duration_ms is not None  # noqa: S101 (it is ready)
    whole = ordering.seconds_of(video.duration_ms)
    failed = {
        row.language: row
        for row in await repository.languages_of(session, job.id)
        if row.status in ("failed", "cancelled")
    }
    changed = await changed_lines(session, job, failed)
    # What was dubbed once, and failed when it was to be spoken anew, is charged as that would be.
    costs = {
        tag: changed_seconds(row.lines, changed.get(tag, set())) if row.lines else whole
        for tag, row in failed.items()
    }
    job.confirmed_at = job.confirmed_at or now()
    await _next_round(session, services, user, job, costs)


async def delete(session: AsyncSession, job: Job) -> None:
    """Forget a job; what is stored of it goes soon after. Raises Conflict before its end."""
    if job.status not in ENDED:
        raise Conflict(
            f"the job is {job.status}",
            hint="cancel it, or wait until it has ended",
            code="not_ended",
        )
    erase(session, user_id=job.user_id, job_id=job.id)
    await session.delete(job)


async def redub(
    session: AsyncSession, services: Resources, user: User, job: Job, wanted: Redub
) -> Quote:
    """Quote the changed seconds, and speak them where that is confirmed."""
    if job.status not in ("done", "partial"):
        raise Conflict(
            f"the job is {job.status}: lines are spoken anew once it is done",
            hint="wait until it has ended",
            code="not_done",
        )
    await _video(session, user.id, job.video_id)
    rows = {row.language: row for row in await repository.languages_of(session, job.id)}
    asked = [tags.normalize(tag) for tag in wanted.languages or rows]
    unknown = next((tag for tag in asked if tag not in rows), None)
    if unknown is not None:
        raise NotFound(
            f"the job has no {tags.name(unknown)}", hint=f"its languages: {', '.join(rows)}"
        )
    changed = await changed_lines(session, job, asked)
    costs = {
        tag: changed_seconds(rows[tag].lines or [], ids)
        for tag, ids in changed.items()
        if rows[tag].status == "done"
    }
    if not costs:
        raise Conflict(
            "no line was changed since it was spoken",
            hint="PATCH the lines of a finished language first",
            code="nothing_changed",
        )
    if wanted.confirm:
        await _next_round(session, services, user, job, costs)
    return _quote(costs)


# --- inner workings -------------------------------------------------------------------------


async def _next_round(
    session: AsyncSession, services: Resources, user: User, job: Job, costs: dict[str, int]
) -> None:
    job.round += 1
    job.cancel_requested_at = None
    job.ended_at = None
    job.usd = job.usd or 0.0
    rows = [row for row in await repository.languages_of(session, job.id) if row.language in costs]
    for row in rows:
        row.status, row.progress, row.stage = "queued", 0.0, ""
        row.error, row.ended_at = None, None
    await _begin(session, services, user, job, rows, costs)


async def _begin(
    session: AsyncSession,
    services: Resources,
    user: User,
    job: Job,
    rows: Sequence[JobLanguage],
    costs: dict[str, int],
    *,
    new: bool = False,
) -> None:
    """Hold what it may cost, and send the first group of languages.

    The other groups follow when the analysis that all share is done: see the worker. A ``new`` job
    is written here, once and as it will be, together with all that comes of it.
    """
    job.status = "queued"
    for row in rows:
        row.held_s = costs[row.language]
    holds = {hold_key(job.id, row.language, job.round): row.held_s for row in rows}
    told = {"languages": [row.language for row in rows]}
    with session.no_autoflush:
        left = await ledger.hold_all(session, job.user_id, holds, job_id=job.id)
        await credit.tell_if_low(session, services, user, held=sum(holds.values()), left=left)
        await send_group(session, services, job, min(row.group for row in rows), owner=user)
        if new:
            job.event_seq = 1
            session.add_all([job, *rows])
        await tell(session, job, "job.queued", told, first=new)
    await write_new(session)


def _quote(costs: dict[str, int], *, valid: bool = False) -> Quote:
    seconds = sum(costs.values())
    return Quote(
        seconds=seconds,
        minutes=ordering.minutes(seconds),
        by_language=costs,
        expires_at=now() + timedelta(hours=QUOTE_HOURS) if valid else None,
    )


async def _video(session: AsyncSession, user_id: str, video_id: str) -> Video:
    video = await repository.video_of(session, user_id, video_id)
    if video is None:
        raise NotFound(f"there is no video {video_id}", hint="GET /v1/videos lists yours")
    if video.status != "ready":
        raise Conflict(
            f"the video is {video.status}: only a ready one can be dubbed",
            hint="GET the video to see when it is, or why it will not be",
            code="video_not_ready",
        )
    return video
