"""Reads and writes of billing's tables, the ledger's own apart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth.models import User
from onevoice.server.billing.models import Customer, LedgerEntry, PaddleEvent, Subscription
from onevoice.server.billing.told import ids
from onevoice.server.db import insert_new

ENTITLING = ("active", "trialing", "past_due")
"""Statuses in which a subscription gives its plan."""
_LOCK = 0x6F766269
"""Number of PostgreSQL's advisory lock: events are applied one after another."""


# -- events ------------------------------------------------------------------------------------


async def add_event(
    session: AsyncSession,
    *,
    event_id: str,
    kind: str,
    occurred_at: datetime,
    payload: dict[str, Any],
) -> bool:
    """Keep an event. False if it is there."""
    entity_id, parent_id = ids(kind, payload.get("data"))
    return await insert_new(
        session,
        PaddleEvent,
        id=event_id,
        kind=kind,
        occurred_at=occurred_at,
        payload=payload,
        entity_id=entity_id,
        parent_id=parent_id,
    )


async def lock_events(session: AsyncSession) -> None:
    """Wait until no other transaction applies events. (SQLite has one writer anyway.)"""
    if _is_postgresql(session):
        await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


async def event(session: AsyncSession, event_id: str) -> PaddleEvent | None:
    return await session.get(PaddleEvent, event_id, populate_existing=True)


async def first_event_of(session: AsyncSession, entity_id: str, *, kind: str) -> PaddleEvent | None:
    """The oldest event of a kind about something."""
    found: PaddleEvent | None = await session.scalar(
        select(PaddleEvent)
        .where(PaddleEvent.entity_id == entity_id, PaddleEvent.kind == kind)
        .order_by(PaddleEvent.occurred_at, PaddleEvent.id)
        .limit(1)
    )
    return found


async def early_events(
    session: AsyncSession, parent_id: str, *, kinds: Sequence[str], outcome: str
) -> Sequence[PaddleEvent]:
    """Events of what belongs to something, that came to this outcome; the oldest first."""
    found = await session.scalars(
        select(PaddleEvent)
        .where(
            PaddleEvent.parent_id == parent_id,
            PaddleEvent.kind.in_(kinds),
            PaddleEvent.outcome == outcome,
        )
        .order_by(PaddleEvent.occurred_at, PaddleEvent.id)
    )
    return found.all()


async def events_with(
    session: AsyncSession, *, kind: str, outcome: str, since: datetime, limit: int
) -> Sequence[PaddleEvent]:
    """Events of a kind that came to an outcome since then; the oldest first."""
    found = await session.scalars(
        select(PaddleEvent)
        .where(
            PaddleEvent.processed_at > since,
            PaddleEvent.kind == kind,
            PaddleEvent.outcome == outcome,
        )
        .order_by(PaddleEvent.processed_at)
        .limit(limit)
    )
    return found.all()


async def settle_event(
    session: AsyncSession, event_id: str, outcome: str, *, instead_of: str
) -> None:
    """Write what became of an event, unless it came to something else meanwhile."""
    await session.execute(
        update(PaddleEvent)
        .where(PaddleEvent.id == event_id, PaddleEvent.outcome == instead_of)
        .values(outcome=outcome[:200])
    )


# -- users, customers, subscriptions -----------------------------------------------------------


async def user_exists(session: AsyncSession, user_id: str) -> bool:
    """Whether somebody has this account still: one that is being erased is nobody's."""
    return bool(await users_among(session, {user_id}))


async def users_among(session: AsyncSession, user_ids: Collection[str | None]) -> set[str]:
    """Those of these who have an account still."""
    found = select(User.id).where(User.id.in_(user_ids), User.deleted_at.is_(None))
    return set(await session.scalars(found))


async def set_plan(session: AsyncSession, user_id: str, plan: str) -> None:
    await session.execute(
        update(User).where(User.id == user_id, User.plan != plan).values(plan=plan)
    )


async def customer_of(session: AsyncSession, user_id: str) -> str | None:
    found = select(Customer.id).where(Customer.user_id == user_id)
    return (await session.execute(found)).scalar_one_or_none()


async def add_customer(session: AsyncSession, user_id: str, customer_id: str) -> bool:
    """Keep a user's customer. False if the user has one, or it is somebody else's."""
    return await insert_new(session, Customer, user_id=user_id, id=customer_id)


async def subscription(session: AsyncSession, subscription_id: str) -> Subscription | None:
    """Whosever it is: for events, which know no user."""
    return await session.get(Subscription, subscription_id, populate_existing=True)


async def subscriptions_of(session: AsyncSession, user_id: str) -> Sequence[Subscription]:
    """A user's subscriptions, the newest first."""
    found = await session.scalars(
        select(Subscription)
        .where(Subscription.user_id == user_id)
        .order_by(Subscription.id.desc())
        .execution_options(populate_existing=True)
    )
    return found.all()


async def put_subscription(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Write what an event says of a subscription. False if a newer event was applied before."""
    insert = postgresql.insert if _is_postgresql(session) else sqlite.insert
    statement = insert(Subscription).values(**values)
    new = statement.excluded
    newer = or_(
        Subscription.told_at < new.told_at,
        and_(Subscription.told_at == new.told_at, Subscription.told_by < new.told_by),
    )
    changed = {name: new[name] for name in values if name not in ("id", "user_id")}
    done = await session.execute(
        statement.on_conflict_do_update(
            index_elements=[Subscription.id],
            set_=changed,
            where=and_(newer, Subscription.user_id == new.user_id),
        ).returning(Subscription.id)
    )
    return done.scalar_one_or_none() is not None


# -- what the ledger says ----------------------------------------------------------------------


async def entries_with(
    session: AsyncSession, user_id: str, keys: Sequence[str], *, book: str
) -> Sequence[LedgerEntry]:
    """A user's entries of one book in these transactions."""
    found = await session.scalars(
        select(LedgerEntry).where(
            LedgerEntry.user_id == user_id, LedgerEntry.key.in_(keys), LedgerEntry.book == book
        )
    )
    return found.all()


async def sum_of(session: AsyncSession, user_id: str, prefix: str, *, book: str) -> int:
    """What the transactions whose key begins with ``prefix`` moved into a book."""
    total = select(func.coalesce(func.sum(LedgerEntry.seconds), 0)).where(
        LedgerEntry.user_id == user_id,
        LedgerEntry.key.startswith(prefix, autoescape=True),
        LedgerEntry.book == book,
    )
    return int((await session.execute(total)).scalar_one())


async def grants_ending_with(
    session: AsyncSession, user_id: str, suffix: str, *, after: int = 0
) -> Sequence[LedgerEntry]:
    """A user's grants whose key ends with ``suffix``, the newest first."""
    found = await session.scalars(
        select(LedgerEntry)
        .where(
            LedgerEntry.user_id == user_id,
            LedgerEntry.reason == "grant",
            LedgerEntry.book == "available",
            LedgerEntry.key.endswith(suffix, autoescape=True),
            LedgerEntry.id > after,
        )
        .order_by(LedgerEntry.id.desc())
    )
    return found.all()


async def used_since(session: AsyncSession, user_id: str, entry_id: int) -> int:
    """Seconds that holds, captures and releases took away after an entry."""
    moved = select(func.coalesce(func.sum(LedgerEntry.seconds), 0)).where(
        LedgerEntry.user_id == user_id,
        LedgerEntry.book == "available",
        LedgerEntry.reason.in_(("hold", "capture", "release")),
        LedgerEntry.id > entry_id,
    )
    return -int((await session.execute(moved)).scalar_one())


async def captures(
    session: AsyncSession, user_id: str, *, start: datetime, end: datetime
) -> Sequence[tuple[str, int, datetime]]:
    """Key, seconds and time of what was spent between two moments."""
    columns = (LedgerEntry.key, LedgerEntry.seconds, LedgerEntry.at)
    found = await session.execute(
        select(*columns).where(
            LedgerEntry.user_id == user_id,
            LedgerEntry.reason == "capture",
            LedgerEntry.book == "spent",
            LedgerEntry.at >= start,
            LedgerEntry.at < end,
        )
    )
    return [(key, seconds, at) for key, seconds, at in found]


def _is_postgresql(session: AsyncSession) -> bool:
    return session.get_bind().dialect.name == "postgresql"
