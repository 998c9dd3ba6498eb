"""Paddle's entities as its events tell them: the part that matters here; they have far more."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

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
