"""Routes of jobs: quote, begin, follow, fetch, change, begin again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth.dependencies import Principal, require
from onevoice.server.auth.rate_limit import limit
from onevoice.server.db import now
from onevoice.server.errors import Gone, NotFound
from onevoice.server.idempotency import OncePerKey
from onevoice.server.jobs import lines, repository, service
from onevoice.server.jobs.live import EventHub
from onevoice.server.jobs.models import ENDED, Job
from onevoice.server.jobs.schemas import (
    Confirm,
    EventOut,
    JobOut,
    LineChange,
    LineChangeOf,
    LineChanges,
    LinesOut,
    NewJob,
    Redub,
    RedubOut,
    ResultFile,
    Results,
)
from onevoice.server.paging import Page, PageOf, page
from onevoice.server.unit_of_work import Services, Session

router = APIRouter(prefix="/jobs", tags=["jobs"])

Reader = Annotated[Principal, require("jobs:read")]
Writer = Annotated[Principal, require("jobs:write", verified=True)]
JobId = Annotated[str, Path(max_length=40, examples=["job_01k3…"])]
Language = Annotated[str, Path(max_length=20, examples=["es"])]

KEEPALIVE_S = 15.0
ENDINGS = frozenset({"job.done", "job.failed", "job.cancelled", "job.expired"})
_EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "The event's `seq`: send it as Last-Event-ID."},
        "event": {"type": "string", "description": "Its `kind`."},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": EventOut.model_json_schema(),
        },
    },
}


@router.post("", status_code=201, dependencies=[limit("jobs", per_minute=60)])
async def create_job(
    body: NewJob, user: Writer, services: Services, session: Session, once: OncePerKey
) -> JobOut:
    """Ask what a dub costs, and have it made.

    Without `confirm` the job is only quoted: `POST …/confirm` begins it, within a day. Beginning
    holds the quoted credit; what was not used comes back when a language ends.
    """

    async def work() -> JobOut:
        job, languages = await service.create(session, services, user.user, body)
        return JobOut.of(job, languages)

    return await once.answer(201, work)  # type: ignore[return-value]


@router.get("")
async def list_jobs(
    user: Reader,
    session: Session,
    wanted: PageOf,
    status: Annotated[
        Literal["quoted", "queued", "running", "done", "partial", "failed", "cancelled", "expired"]
        | None,
        Query(description="Only jobs that are this."),
    ] = None,
    video_id: Annotated[str | None, Query(max_length=40)] = None,
) -> Page[JobOut]:
    """Your jobs, newest first."""
    jobs = await repository.jobs_of(session, user.user_id, wanted, status=status, video_id=video_id)
    languages = await repository.languages_of_all(session, [job.id for job in jobs])
    return page([JobOut.of(job, languages[job.id]) for job in jobs], wanted, key=lambda job: job.id)


@router.get("/{job_id}")
async def get_job(job_id: JobId, user: Reader, session: Session) -> JobOut:
    """A job and how each of its languages stands."""
    return await _out(session, await _job(session, user, job_id))


@router.delete("/{job_id}", status_code=204)
async def delete_job(job_id: JobId, user: Writer, session: Session) -> Response:
    """Delete a job that has ended, and its dubs. What it cost stays in the books."""
    await service.delete(session, await _job(session, user, job_id, lock=True))
    return Response(status_code=204)


@router.post("/{job_id}/confirm", dependencies=[limit("jobs", per_minute=60)])
async def confirm_job(
    job_id: JobId,
    user: Writer,
    services: Services,
    session: Session,
    once: OncePerKey,
    body: Confirm | None = None,
) -> JobOut:
    """Begin a quoted job: its credit is held, and a worker takes it."""

    async def work() -> JobOut:
        job = await _job(session, user, job_id, lock=True)
        await service.confirm(session, services, user.user, job)
        return await _out(session, job)

    return await once.answer(200, work)  # type: ignore[return-value]


@router.post("/{job_id}/cancel")
async def cancel_job(job_id: JobId, user: Writer, services: Services, session: Session) -> JobOut:
    """Stop a job. Finished languages stay, the credit of the others comes back."""
    job = await _job(session, user, job_id, lock=True)
    await service.cancel(session, services, job)
    return await _out(session, job)


@router.post("/{job_id}/retry", dependencies=[limit("jobs", per_minute=60)])
async def retry_job(
    job_id: JobId, user: Writer, services: Services, session: Session, once: OncePerKey
) -> JobOut:
    """Try the languages again that failed or were cancelled; what was finished is not repeated."""

    async def work() -> JobOut:
        job = await _job(session, user, job_id, lock=True)
        await service.retry(session, services, user.user, job)
        return await _out(session, job)

    return await once.answer(200, work)  # type: ignore[return-value]


@router.get("/{job_id}/results")
async def get_results(job_id: JobId, user: Reader, services: Services, session: Session) -> Results:
    """Where to download the dubs. The URLs need no login and run out: ask again for new ones."""
    job = await _job(session, user, job_id)
    rows = await repository.languages_of(session, job.id)
    if any(row.outputs == [] for row in rows) and not any(row.outputs for row in rows):
        raise Gone(
            "the results of this job were kept as long as the plan says, and then deleted",
            hint="make the job again; a larger plan keeps results longer",
        )
    seconds = services.settings.download_seconds
    expires_at = now() + timedelta(seconds=seconds)
    files = [
        ResultFile(
            language=row.language,
            kind=output["kind"],
            name=output["name"],
            size=output["size"],
            media_type=output["media_type"],
            url=services.storage.download_url(
                output["key"],
                seconds=seconds,
                filename=output["name"],
                media_type=output["media_type"],
            ),
        )
        for row in rows
        for output in row.outputs or []
    ]
    return Results(files=files, expires_at=expires_at)


@router.get("/{job_id}/languages/{language}/lines")
async def get_lines(job_id: JobId, language: Language, user: Reader, session: Session) -> LinesOut:
    """What is said in a language, line by line, with the changes nobody has spoken yet."""
    return await lines.lines_of(session, await _job(session, user, job_id), language)


@router.patch("/{job_id}/languages/{language}/lines")
async def change_lines(
    job_id: JobId, language: Language, body: LineChanges, user: Writer, session: Session
) -> LinesOut:
    """Change several lines. `POST …/redub` then speaks them."""
    job = await _job(session, user, job_id, lock=True)
    return await lines.edit_lines(session, job, language, body.lines)


@router.patch("/{job_id}/languages/{language}/lines/{line_id}")
async def change_line(
    job_id: JobId,
    language: Language,
    line_id: Annotated[str, Path(max_length=40)],
    body: LineChange,
    user: Writer,
    session: Session,
) -> LinesOut:
    """Change one line."""
    job = await _job(session, user, job_id, lock=True)
    change = LineChangeOf(id=line_id, **body.model_dump())
    return await lines.edit_lines(session, job, language, [change])


@router.post("/{job_id}/redub", dependencies=[limit("jobs", per_minute=60)])
async def redub_job(
    job_id: JobId,
    body: Redub,
    user: Writer,
    services: Services,
    session: Session,
    once: OncePerKey,
) -> RedubOut:
    """Speak changed lines anew. Only their seconds are charged; without `confirm` only quoted."""

    async def work() -> RedubOut:
        job = await _job(session, user, job_id, lock=True)
        quote = await service.redub(session, services, user.user, job, body)
        return RedubOut(quote=quote, job=await _out(session, job) if body.confirm else None)

    return await once.answer(200, work)  # type: ignore[return-value]


@router.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events; each `data` is an event of the job.",
            "content": {"text/event-stream": {"itemSchema": _EVENT}},
        }
    },
)
async def follow_job(
    job_id: JobId,
    user: Reader,
    services: Services,
    request: Request,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=2**31 - 1, description="Go on after this event.")
    ] = None,
) -> StreamingResponse:
    """Follow a job: every event so far, then each as it happens, until the job has ended.

    A client that was cut off comes back with `Last-Event-ID` and misses nothing.
    """
    async with services.database.session() as session:  # not held while the stream is open
        job = await _job(session, user, job_id)
    hub: EventHub = request.app.state.events
    return StreamingResponse(
        _stream(hub, job, last_event_id or 0),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(hub: EventHub, job: Job, after: int) -> AsyncIterator[bytes]:
    yield b"retry: 2000\n\n"
    if job.status in ENDED and after >= job.event_seq:
        return
    # Nobody has seen what has not happened: a number that is too great is one of another job.
    after = min(after, job.event_seq)
    async with aclosing(hub.follow(job.id, after, keepalive_s=KEEPALIVE_S)) as events:
        async for event in events:
            if event is None:
                yield b": still here\n\n"
                continue
            told = EventOut(seq=event.seq, kind=event.kind, at=event.at, data=event.data)
            body = json.dumps(told.model_dump(mode="json"), ensure_ascii=False)
            yield f"id: {event.seq}\nevent: {event.kind}\ndata: {body}\n\n".encode()
            if event.kind in ENDINGS and event.seq >= job.event_seq:  # others ended other rounds
                return


async def _job(session: AsyncSession, user: Principal, job_id: str, *, lock: bool = False) -> Job:
    job = await repository.job_of(session, user.user_id, job_id, lock=lock)
    if job is None:
        raise NotFound(f"there is no job {job_id}", hint="GET /v1/jobs lists yours")
    return job


async def _out(session: AsyncSession, job: Job) -> JobOut:
    await session.flush()
    return JobOut.of(job, await repository.languages_of(session, job.id))
