"""Tables of money: a double-entry ledger of credit, subscriptions, and what Paddle told us.

Credit is counted in whole seconds of dubbed video. Every transaction moves seconds between the
books of a user, and its entries add up to zero::

    granted    where credit comes from: below zero by what the user was ever given
    available  what can be spent: never below zero
    held       set aside for jobs under way: never below zero
    spent      what jobs used
    expired    what ran out, or was taken back
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from onevoice.server.db import Base, Id, now

BOOKS = ("granted", "available", "held", "spent", "expired")
REASONS = ("grant", "hold", "capture", "release", "expire", "clawback")


class Balance(Base):
    """What a user's books come to: kept beside the ledger so that a hold is one statement."""

    __tablename__ = "balances"
    __table_args__ = (
        CheckConstraint("available_s >= 0", name="available"),
        CheckConstraint("held_s >= 0", name="held"),
    )

    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    available_s: Mapped[int] = mapped_column(BigInteger, default=0)
    held_s: Mapped[int] = mapped_column(BigInteger, default=0)
    spent_s: Mapped[int] = mapped_column(BigInteger, default=0)


class LedgerEntry(Base):
    """One side of a transaction; never changed, never deleted while the user exists."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        CheckConstraint(f"book in {BOOKS}", name="book"),
        CheckConstraint(f"reason in {REASONS}", name="reason"),
        Index("ix_ledger_entries_user_id_id", "user_id", "id"),
        Index("uq_ledger_entries_key_book", "key", "book", unique=True),
    )

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    key: Mapped[str] = mapped_column(String(120))
    """Names the transaction: ``hold:job_…:es:1``. A second one of the same name is not booked."""
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    book: Mapped[str] = mapped_column(String(10))
    seconds: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(10))
    job_id: Mapped[str | None] = mapped_column(Id, index=True)
    note: Mapped[str] = mapped_column(String(200), default="")
    at: Mapped[datetime] = mapped_column(default=now)


class Subscription(Base):
    """A subscription at Paddle, as its newest event tells it."""

    __tablename__ = "subscriptions"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Paddle's own id."""
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    customer_id: Mapped[str] = mapped_column(Id)
    plan: Mapped[str] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(20))
    period_starts_at: Mapped[datetime | None]
    period_ends_at: Mapped[datetime | None]
    cancel_at: Mapped[datetime | None]
    told_at: Mapped[datetime]
    """When the event happened that was applied last: older ones change nothing."""
    told_by: Mapped[str] = mapped_column(Id)
    """That event's id: of two that happened at once, the greater one counts."""


class Customer(Base):
    """Who a user is at Paddle. Only customers made or checked for the user are written here: an
    event may name one whose address somebody else typed.
    """

    __tablename__ = "customers"

    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    id: Mapped[str] = mapped_column(Id, unique=True)
    """Paddle's own id."""


class Welcome(Base):
    """An address that had the free plan's minutes: it has them once, whoever leaves and returns."""

    __tablename__ = "welcomes"

    address_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Keyed, and of the mailbox: see welcome.py."""
    at: Mapped[datetime] = mapped_column(default=now)


class PaddleEvent(Base):
    """A verified webhook, kept once, worked on later. It goes with the account that it is about."""

    __tablename__ = "paddle_events"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Paddle's event id."""
    kind: Mapped[str] = mapped_column(String(60))
    occurred_at: Mapped[datetime]
    payload: Mapped[dict[str, Any]]
    """Whole until it is applied; then what told.py reads of it, without names and cards."""
    entity_id: Mapped[str | None] = mapped_column(Id, index=True)
    """What it is about: a subscription, a transaction, an adjustment."""
    parent_id: Mapped[str | None] = mapped_column(Id, index=True)
    """What that belongs to: a transaction's subscription, an adjustment's transaction."""
    user_id: Mapped[str | None] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    """Whose it is, once that is known."""
    received_at: Mapped[datetime] = mapped_column(default=now)
    processed_at: Mapped[datetime | None] = mapped_column(index=True)
    outcome: Mapped[str] = mapped_column(String(200), default="")
