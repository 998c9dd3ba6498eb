"""Who may work on a task: one conditional statement each, so that any number may try.

A claim makes the task's fence grow. Renewing, ending and giving back ask for the fence they were
given: whoever was thought dead, and has been replaced, changes nothing any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.db import now
from onevoice.server.pauses import jittered
from onevoice.server.tasks.models import Task
from onevoice.server.tasks.outbox import remember

RETRY_S = 10.0
"""Pause before a second attempt; it doubles with each that follows."""
LONGEST_RETRY_S = 900.0
LONGEST_OUTAGE_RETRY_S = 300.0
PATIENCE_S = 24 * 3600.0
"""How long what a task needs may be away before its attempts count all the same."""
SINCE = "since"
"""In the error of a task: since when what it needs is away."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A task to work on, as it was when it was claimed, until its lease is over."""

    task: Task
    fence: int


@dataclass(frozen=True, slots=True)
class Busy:
    """Not now: somebody works on it, or it is not due."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Gone:
    """There is nothing to do: it is done, dead, waiting to be let in, or unknown."""


async def claim(
    session: AsyncSession, task_id: str, *, worker: str, lease_s: float, at: datetime | None = None
) -> Claim | Busy | Gone:
    """Take a task that is due, or whose worker's lease is over. Counts as an attempt."""
    at = at or now()
    until = at + timedelta(seconds=lease_s)
    taken = await session.scalar(
        update(Task)
        .where(Task.id == task_id, Task.state.in_(("queued", "running")), Task.due_at <= at)
        .values(
            state="running",
            fence=Task.fence + 1,
            attempts=Task.attempts + 1,
            worker=worker,
            lease_until=until,
            due_at=until,
        )
        .returning(Task),
        execution_options={"populate_existing": True, "synchronize_session": False},
    )
    if taken is not None:
        session.expunge(taken)
        return Claim(taken, taken.fence)
    found = (
        await session.execute(select(Task.state, Task.due_at).where(Task.id == task_id))
    ).one_or_none()
    if found is not None and found.state in ("queued", "running"):
        return Busy(found.due_at)
    return Gone()


async def holds(session: AsyncSession, claim: Claim) -> bool:
    """Whether the claim still counts; if so, until the end of the transaction."""
    found = await session.scalar(select(Task.id).where(_mine(claim)).with_for_update())
    return found is not None


async def renew(
    session: AsyncSession, claim: Claim, *, lease_s: float, at: datetime | None = None
) -> bool:
    """Lengthen the lease; False if the claim counts no more."""
    until = (at or now()) + timedelta(seconds=lease_s)
    return await _change(session, claim, lease_until=until, due_at=until) is not None


async def finish(session: AsyncSession, claim: Claim, *, at: datetime | None = None) -> bool:
    """The task is done; False if the claim counts no more."""
    return await _change(session, claim, **_ended("done", at or now())) is not None


async def give_back(
    session: AsyncSession, claim: Claim, *, delay_s: float = 0, at: datetime | None = None
) -> bool:
    """Leave the task to others: it was no attempt. False if the claim counts no more.

    Its message is shown again by whoever holds it, so it counts as sent.
    """
    at = at or now()
    values = _queued(at + timedelta(seconds=delay_s)) | {
        "attempts": Task.attempts - 1,
        "sent_at": at,
    }
    return await _change(session, claim, **values) is not None


async def fail(
    session: AsyncSession,
    claim: Claim,
    *,
    error: dict[str, Any],
    retryable: bool,
    max_attempts: int,
    outage: bool = False,
    retry_s: float = RETRY_S,
    at: datetime | None = None,
) -> Literal["queued", "dead"] | None:
    """The attempt failed: the task is queued for later, or dead. None: the claim counts no more.

    ``outage``: because something that workers depend on was away. That was no attempt, unless it
    has been going on for ``PATIENCE_S``; and that a lease ran out meanwhile matters only if
    somebody has taken the task since.
    """
    at = at or now()
    delay_s = min(LONGEST_RETRY_S, retry_s * 2 ** (claim.task.attempts - 1))
    spared = False
    if outage:
        since = _away_since(claim.task) or at
        error = error | {SINCE: since.isoformat()}
        away_s = (at - since).total_seconds()
        if spared := away_s < PATIENCE_S:
            delay_s = min(LONGEST_OUTAGE_RETRY_S, max(retry_s, away_s / 2))
    states = ("running", "queued") if outage else ("running",)
    if not spared and (not retryable or claim.task.attempts >= max_attempts):
        dead = await _change(session, claim, states, error=error, **_ended("dead", at))
        return None if dead is None else "dead"
    # What failed together is not tried again together.
    due = at + timedelta(seconds=jittered(delay_s, 0.5, 1))
    values = _queued(due) | ({"attempts": Task.attempts - 1} if spared else {})
    queued = await _change(session, claim, states, error=error, sent_at=None, **values)
    if queued is None:
        return None
    remember(session, queued)
    return "queued"


def _away_since(task: Task) -> datetime | None:
    told = (task.error or {}).get(SINCE)
    return datetime.fromisoformat(told) if told else None


def _mine(claim: Claim, states: Sequence[str] = ("running",)) -> ColumnElement[bool]:
    return and_(
        Task.id == claim.task.id,
        Task.fence == claim.fence,
        Task.attempts == claim.task.attempts,  # it was not spared before: an answer may be lost
        Task.state.in_(states),
    )


def _queued(due: datetime) -> dict[str, Any]:
    return {"state": "queued", "due_at": due, "lease_until": None, "worker": ""}


def _ended(state: Literal["done", "dead"], at: datetime) -> dict[str, Any]:
    return {"state": state, "ended_at": at, "lease_until": None}


async def _change(
    session: AsyncSession, claim: Claim, states: Sequence[str] = ("running",), /, **values: Any
) -> Task | None:
    return await session.scalar(
        update(Task).where(_mine(claim, states)).values(**values).returning(Task),
        execution_options={"populate_existing": True, "synchronize_session": False},
    )
