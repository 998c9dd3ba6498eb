"""Credit as a double-entry ledger: granted, held, captured, released, never changed afterwards.

Every booking is named by its ``key`` and happens once: a second one of the same name does nothing
and says so. A booking is two steps in the caller's transaction. One conditional UPDATE moves the
seconds in ``balances``; its row lock lets the bookings of a user happen one after another, and its
condition keeps available and held from falling below zero. Then the entries are inserted; where
their key is there already, the UPDATE is taken back.

A hold is settled once, by :func:`capture` or :func:`release`: both book under ``settle:`` and the
hold's key, so whichever comes second does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.billing.models import Balance, LedgerEntry
from onevoice.server.db import insert_new, now, table_of
from onevoice.server.errors import PaymentRequired
from onevoice.server.jobs.models import ENDED, Job

_COLUMNS = {"available": Balance.available_s, "held": Balance.held_s, "spent": Balance.spent_s}
_BALANCES = table_of(Balance)
_MOVED = {
    _BALANCES.c[column.key]: _BALANCES.c[column.key] + bindparam(book, type_=BigInteger())
    for book, column in _COLUMNS.items()
}
_MOVE = (
    update(_BALANCES)
    .where(_BALANCES.c.user_id == bindparam("whose"), *(after >= 0 for after in _MOVED.values()))
    .values(_MOVED)
    .returning(_BALANCES.c.available_s)
)
_ENTER = insert(table_of(LedgerEntry))


class NotEnoughCredit(PaymentRequired):
    """A hold that the available seconds do not cover."""

    code = "not_enough_credit"


class LedgerError(RuntimeError):
    """The books contradict each other, or a caller asked for what cannot be: a bug, never a user's
    mistake.
    """


@dataclass(frozen=True, slots=True)
class Books:
    """What a user's books come to, in seconds."""

    available: int = 0
    held: int = 0
    spent: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """What :func:`expire` or :func:`clawback` took of what it was to take."""

    seconds: int
    short: int


async def grant(
    session: AsyncSession,
    user_id: str,
    seconds: int,
    *,
    key: str,
    note: str = "",
    at: datetime | None = None,
) -> bool:
    """Give credit. False if that was done before."""
    _positive(seconds)
    await insert_new(session, Balance, user_id=user_id)
    booking = _Booking(session, user_id, key, "grant", note=note, at=at)
    return await booking.book({"available": seconds, "granted": -seconds}) is not None


async def hold(
    session: AsyncSession,
    user_id: str,
    seconds: int,
    *,
    job_id: str,
    key: str,
    note: str = "",
) -> bool:
    """Set credit aside for a job. False if that was done before; raises NotEnoughCredit."""
    _positive(seconds)
    booking = _Booking(session, user_id, key, "hold", job_id=job_id, note=note)
    booked = await booking.book({"available": -seconds, "held": seconds})
    if booked is None and not await _exists(session, user_id, key):
        raise await _short(session, user_id, seconds)
    return booked is not None


async def hold_all(
    session: AsyncSession, user_id: str, holds: Mapping[str, int], *, job_id: str
) -> int:
    """Set credit aside for all of these, or for none: seconds by key. What is left is returned.

    For keys that are new, such as those of a round that begins: one that is there already is a
    bug and breaks the transaction. The entries are added to the session and written with what else
    is new. Raises NotEnoughCredit.
    """
    for seconds in holds.values():
        _positive(seconds)
    total = sum(holds.values())
    left = await _move(session, user_id, {"available": -total, "held": total})
    if left is None:
        raise await _short(session, user_id, total)
    at = now()
    session.add_all(
        LedgerEntry(
            key=key,
            user_id=user_id,
            book=book,
            seconds=moved,
            reason="hold",
            job_id=job_id,
            note="",
            at=at,
        )
        for key, seconds in holds.items()
        for book, moved in (("available", -seconds), ("held", seconds))
    )
    return left


async def capture(
    session: AsyncSession, user_id: str, *, hold_key: str, used: int, note: str = ""
) -> int | None:
    """Settle a hold: ``used`` seconds, at most those held, are spent and the rest comes back.

    Returns the seconds spent, or None if the hold was settled before.
    """
    if used < 0:
        raise LedgerError(f"nobody can use {used} s")
    return await _settle(session, user_id, hold_key, used, reason="capture", note=note)


async def release(session: AsyncSession, user_id: str, *, hold_key: str, note: str = "") -> bool:
    """Settle a hold: all of it comes back. False if it was settled before."""
    done = await _settle(session, user_id, hold_key, 0, reason="release", note=note)
    return done is not None


async def expire(
    session: AsyncSession, user_id: str, seconds: int, *, key: str, note: str = ""
) -> Taken | None:
    """Let credit run out, at most what is available. None if that was done before."""
    return await _take(session, user_id, seconds, key=key, reason="expire", note=note)


async def clawback(
    session: AsyncSession, user_id: str, seconds: int, *, key: str, note: str = ""
) -> Taken | None:
    """Take credit back that was paid back, at most what is available; what is short is noted.

    None if that was done before. A clawback that finds nothing is booked with zero seconds, so
    that it does not come back for what is bought later.
    """
    return await _take(session, user_id, seconds, key=key, reason="clawback", note=note)


async def balance(session: AsyncSession, user_id: str) -> Books:
    """What a user has, as the transaction sees it."""
    columns = (Balance.available_s, Balance.held_s, Balance.spent_s)
    row = (await session.execute(select(*columns).where(Balance.user_id == user_id))).one_or_none()
    return Books(*row) if row is not None else Books()


async def entries(
    session: AsyncSession, user_id: str, cursor: int | None = None, *, limit: int = 50
) -> Sequence[LedgerEntry]:
    """A user's entries, newest first; ``cursor``: only those with a lesser id."""
    wanted = select(LedgerEntry).where(LedgerEntry.user_id == user_id)
    if cursor is not None:
        wanted = wanted.where(LedgerEntry.id < cursor)
    found = await session.scalars(wanted.order_by(LedgerEntry.id.desc()).limit(limit))
    return found.all()


async def check(session: AsyncSession) -> list[str]:
    """What is wrong with the books, a line each; nothing, if all is well.

    Every transaction adds up to zero, balances are what the entries come to, and nothing is held
    for a job that has ended.
    """
    total = func.sum(LedgerEntry.seconds)
    wrong = []
    uneven = select(LedgerEntry.key, total).group_by(LedgerEntry.key).having(total != 0)
    for key, seconds in await session.execute(uneven):
        wrong.append(f"{key}: its entries add up to {seconds} s")

    books = select(LedgerEntry.user_id, LedgerEntry.book, total).group_by(
        LedgerEntry.user_id, LedgerEntry.book
    )
    sums = {(user_id, book): int(s) for user_id, book, s in await session.execute(books)}
    kept = {
        (row.user_id, book): int(getattr(row, column.key))
        for row in await session.scalars(select(Balance).execution_options(populate_existing=True))
        for book, column in _COLUMNS.items()
    }
    entered = {known: seconds for known, seconds in sums.items() if known[1] in _COLUMNS}
    for user_id, book in sorted(entered.keys() | kept.keys()):
        there, booked = kept.get((user_id, book), 0), entered.get((user_id, book), 0)
        if there != booked:
            wrong.append(f"{user_id}: {book} is {there} s, its entries say {booked} s")

    held = (
        select(LedgerEntry.user_id, LedgerEntry.job_id, total, Job.status)
        .outerjoin(Job, Job.id == LedgerEntry.job_id)
        .where(LedgerEntry.book == "held")
        .group_by(LedgerEntry.user_id, LedgerEntry.job_id, Job.status)
        .having(total != 0)
    )
    for user_id, job_id, seconds, status in await session.execute(held):
        if status is None or status in ENDED:
            wrong.append(f"{user_id}: {seconds} s are held for {job_id}, {status or 'unknown'}")
    return wrong


async def _settle(
    session: AsyncSession, user_id: str, hold_key: str, used: int, *, reason: str, note: str
) -> int | None:
    held = (
        await session.execute(
            select(LedgerEntry.seconds, LedgerEntry.job_id).where(
                LedgerEntry.user_id == user_id,
                LedgerEntry.key == hold_key,
                LedgerEntry.book == "held",
                LedgerEntry.reason == "hold",
            )
        )
    ).one_or_none()
    if held is None:
        raise LedgerError(f"there is no hold {hold_key}")
    spent: int = min(used, held.seconds)
    moves = {"held": -held.seconds, "spent": spent, "available": held.seconds - spent}
    key = f"settle:{hold_key}"
    booking = _Booking(session, user_id, key, reason, job_id=held.job_id, note=note)
    if await booking.book(moves) is not None:
        return spent
    if not await _exists(session, user_id, key):
        raise LedgerError(f"less is held than the hold {hold_key} set aside")
    return None


async def _take(
    session: AsyncSession, user_id: str, seconds: int, *, key: str, reason: str, note: str
) -> Taken | None:
    _positive(seconds)
    await insert_new(session, Balance, user_id=user_id)
    locked = select(Balance.available_s).where(Balance.user_id == user_id).with_for_update()
    taken = min(seconds, (await session.execute(locked)).scalar_one())
    short = seconds - taken
    if short:
        note = f"{note} ({short} s of {seconds} s were spent or held)".strip()
    booking = _Booking(session, user_id, key, reason, note=note)
    booked = await booking.book({"available": -taken, "expired": taken}, keep_zero=True)
    return Taken(taken, short) if booked is not None else None


@dataclass(frozen=True, slots=True)
class _Booking:
    """One transaction of the ledger, about to be written."""

    session: AsyncSession
    user_id: str
    key: str
    reason: str
    job_id: str | None = None
    note: str = ""
    at: datetime | None = None

    async def book(self, moves: Mapping[str, int], *, keep_zero: bool = False) -> int | None:
        """Move seconds between books. None: it was there already, or a book would fall below zero
        (the caller knows which of them can be).
        """
        if sum(moves.values()):
            raise LedgerError(f"{self.key} does not add up to zero")
        if await _move(self.session, self.user_id, moves) is None:
            return None
        rows = [
            {
                "key": self.key,
                "user_id": self.user_id,
                "book": book,
                "seconds": seconds,
                "reason": self.reason,
                "job_id": self.job_id,
                "note": self.note[:200],
                "at": self.at or now(),
            }
            for book, seconds in moves.items()
            if seconds or keep_zero
        ]
        # The key is taken by its first entry; whoever finds it taken undoes its own move.
        if not await insert_new(self.session, LedgerEntry, **rows[0]):
            undone = {book: -seconds for book, seconds in moves.items()}
            await _move(self.session, self.user_id, undone)
            return None
        if rows[1:]:
            await self.session.execute(_ENTER, rows[1:])
        return len(rows)


async def _move(session: AsyncSession, user_id: str, moves: Mapping[str, int]) -> int | None:
    """Move seconds in the balance: what is available then. None: a book would fall below zero."""
    values = {"whose": user_id} | {book: moves.get(book, 0) for book in _COLUMNS}
    available: int | None = (await session.execute(_MOVE, values)).scalar_one_or_none()
    return available


async def _short(session: AsyncSession, user_id: str, seconds: int) -> NotEnoughCredit:
    there = (await balance(session, user_id)).available
    return NotEnoughCredit(
        f"this needs {_minutes(seconds)} of credit, and {_minutes(there)} are available",
        hint="POST /v1/billing/checkout buys more; GET /v1/billing/plans lists what there is",
        facts={"needed_seconds": seconds, "available_seconds": there},
    )


async def _exists(session: AsyncSession, user_id: str, key: str) -> bool:
    found = select(func.count()).where(LedgerEntry.user_id == user_id, LedgerEntry.key == key)
    return bool((await session.execute(found)).scalar_one())


def _positive(seconds: int) -> None:
    if seconds <= 0:
        raise LedgerError(f"{seconds} s cannot be booked")


def _minutes(seconds: int) -> str:
    return f"{seconds // 60} min {seconds % 60} s" if seconds % 60 else f"{seconds // 60} min"
