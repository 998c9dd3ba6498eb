"""What every worker does now and then, whoever comes first: all of it may be done twice."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import delete, select

from onevoice.server.auth.models import (
    IdempotencyKey,
    LoginSession,
    MailedToken,
    RateWindow,
    RefreshToken,
)
from onevoice.server.billing.models import Welcome
from onevoice.server.db import now
from onevoice.server.idempotency import KEPT_DAYS
from onevoice.server.jobs.ending import end_quoted
from onevoice.server.jobs.erasing import drop_old_results
from onevoice.server.jobs.repository import quoted_before
from onevoice.server.jobs.service import QUOTE_HOURS
from onevoice.server.pauses import beside, jittered
from onevoice.server.resources import Resources
from onevoice.server.storage import LocalStorage
from onevoice.server.tasks.models import Task
from onevoice.server.tasks.outbox import transaction
from onevoice.server.videos.service import expire_uploads
from onevoice.server.webhooks.models import WebhookDelivery

EVERY_S = 600.0
TASKS_KEPT_DAYS = 30
"""How long ended tasks are kept: they say what became of what."""
DELIVERIES_KEPT_DAYS = 30
"""How long the log of webhooks goes back."""
WELCOMES_KEPT_DAYS = 730
"""How long an address is known to have had the free minutes."""
ARTIFACTS_KEPT_S = 24 * 3600.0
"""How long a worker keeps artifacts that nobody asked for again; the storage still has them."""
_BATCH = 100
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def keep_house(services: Resources) -> AsyncIterator[None]:
    """Do it all the while the block runs."""
    async with beside(_keep(services)):
        yield


async def _keep(services: Resources) -> None:
    chores: list[Callable[[Resources], Awaitable[None]]] = [
        expire_quotes,
        tidy_database,
        tidy_uploads,
        tidy_results,
        tidy_disk,
        tidy_work,
    ]
    while True:
        for chore in chores:
            try:
                await chore(services)
            except Exception as exc:
                # It comes round again; what it depends on may be away.
                _log.warning("housekeeping.failed", what=chore.__name__, error=type(exc).__name__)
        await asyncio.sleep(jittered(EVERY_S, 0.8, 1.2))


async def expire_quotes(services: Resources) -> None:
    """End jobs that nobody confirmed in time."""
    found = _BATCH
    while found == _BATCH:
        async with services.database.transaction() as session:
            old = now() - timedelta(hours=QUOTE_HOURS)
            jobs = await quoted_before(session, old, limit=_BATCH)
            for job in jobs:
                await end_quoted(session, job, status="expired")
        found = len(jobs)


async def tidy_results(services: Resources) -> None:
    """Drop results that were kept as long as their owner's plan says."""
    found = _BATCH
    while found == _BATCH:
        async with transaction(services.database, services.queue) as session:
            found = await drop_old_results(session, services.plans, at=now(), limit=_BATCH)


async def tidy_database(services: Resources) -> None:
    """Drop what has run out."""
    at = now()
    async with services.database.transaction() as session:
        await session.execute(delete(RateWindow).where(RateWindow.ends_at < at))
        for table in (RefreshToken, MailedToken, LoginSession):
            await session.execute(delete(table).where(table.expires_at < at - timedelta(days=1)))
        old = at - timedelta(days=KEPT_DAYS)
        await session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < old))
        ended = Task.ended_at < at - timedelta(days=TASKS_KEPT_DAYS)
        await session.execute(delete(Task).where(Task.state.in_(("done", "dead")), ended))
        told = WebhookDelivery.ended_at < at - timedelta(days=DELIVERIES_KEPT_DAYS)
        await session.execute(delete(WebhookDelivery).where(told))
        forgotten = Welcome.at < at - timedelta(days=WELCOMES_KEPT_DAYS)
        await session.execute(delete(Welcome).where(forgotten))


async def tidy_uploads(services: Resources) -> None:
    """End uploads that were never completed."""
    await expire_uploads(services)


async def tidy_disk(services: Resources) -> None:
    """Drop artifacts of others' videos from the disk of a worker, which only keeps copies."""
    if not isinstance(services.storage, LocalStorage):
        folder = services.settings.data_dir / "artifacts"
        await asyncio.to_thread(_drop_unused, folder, older_than=time.time() - ARTIFACTS_KEPT_S)


async def tidy_work(services: Resources) -> None:
    """Drop the folders of dubs whose worker was killed: whoever goes on has one of its own."""
    left = {path.name: path for path in (services.settings.data_dir / "work").glob("*.*")}
    if not left:
        return
    ids = {name.partition(".")[0] for name in left}
    query = select(Task.id, Task.fence).where(Task.id.in_(ids), Task.state == "running")
    async with services.database.session() as session:
        held = {f"{row.id}.{row.fence}" for row in await session.execute(query)}
    for name in left.keys() - held:
        await asyncio.to_thread(shutil.rmtree, left[name], ignore_errors=True)


def _drop_unused(folder: Path, *, older_than: float) -> None:
    for video in folder.glob("*/*"):
        # Each look-up touches the entries it finds; each new one changes its folder.
        used = [video.stat().st_mtime, *(e.stat().st_mtime for e in video.glob("entries/*/*"))]
        if max(used) < older_than:
            shutil.rmtree(video, ignore_errors=True)
