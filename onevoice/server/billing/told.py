"""Paddle's entities as its events tell them: the part that matters here; they have far more."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

PaddleId = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Custom(_Told):
    user_id: PaddleId | None = None


class _Price(_Told):
    id: PaddleId


class _Proration(_Told):
    rate: Decimal = Field(ge=0, le=1)


class _Item(_Told):
    price: _Price
    quantity: int = Field(default=1, ge=1, le=10_000)
    proration: _Proration | None = None


class _Period(_Told):
    starts_at: datetime
    ends_at: datetime


class _Change(_Told):
    action: str
    effective_at: datetime


class _Totals(_Told):
    total: Decimal
    grand_total: Decimal | None = None


class _Details(_Told):
    totals: _Totals


class ToldSubscription(_Told):
    id: PaddleId
    status: Annotated[str, StringConstraints(max_length=20)]
    customer_id: PaddleId
    items: list[_Item]
    custom_data: _Custom | None = None
    current_billing_period: _Period | None = None
    scheduled_change: _Change | None = None


class ToldTransaction(_Told):
    id: PaddleId
    origin: str
    items: list[_Item]
    details: _Details
    subscription_id: PaddleId | None = None
    custom_data: _Custom | None = None

    def key(self, what: str) -> str:
        """The key of a grant: of a ``pack``, of a ``plan`` that opens a period, or of ``more``."""
        about = self.subscription_id or "-"
        return f"paddle:{self.id}:{what}" if what == "pack" else f"paddle:{self.id}:{about}:{what}"


class ToldAdjustment(_Told):
    id: PaddleId
    action: str
    status: str
    transaction_id: PaddleId
    type: str | None = None
    totals: _Totals


COMPLETED = "transaction.completed"
ADJUSTED = ("adjustment.created", "adjustment.updated")


def told_by(kind: str) -> type[ToldSubscription | ToldTransaction | ToldAdjustment] | None:
    """What an event of this kind tells of, where it matters here."""
    if kind.startswith("subscription."):
        return ToldSubscription
    if kind == COMPLETED:
        return ToldTransaction
    return ToldAdjustment if kind in ADJUSTED else None


def ids(kind: str, data: Any) -> tuple[str | None, str | None]:
    """The entity that an event is about, and the one which that belongs to."""
    found = data if isinstance(data, dict) else {}
    above = "transaction_id" if kind in ADJUSTED else "subscription_id"
    return _id(found.get("id")), _id(found.get(above))


def reduced(kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    """An event without what is not read of it: names, addresses, cards. Raises ValidationError."""
    model, data = told_by(kind), payload.get("data")
    if model is None:
        kept = {"id": ids(kind, data)[0]}
    else:
        kept = model.model_validate(data).model_dump(mode="json", exclude_none=True)
    return {**payload, "data": kept}


def _id(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 40 else None
