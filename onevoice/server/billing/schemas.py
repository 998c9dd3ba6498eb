"""What billing's routes take and give."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from onevoice.server.billing import plans
from onevoice.server.billing.models import LedgerEntry
from onevoice.server.schemas import Shown, Strict


class PlanOut(plans.Plan):
    """A plan; ``sold`` where it can be bought here."""

    sold: bool


class PackOut(plans.Pack):
    """Minutes bought once; ``sold`` where they can be bought here."""

    sold: bool


class PlansOut(Shown):
    """What there is, from the least to the greatest."""

    plans: list[PlanOut]
    packs: list[PackOut]


class BalanceOut(Shown):
    """Credit in seconds of dubbed video; minutes are what people are shown."""

    plan: str = Field(examples=["creator"])
    available_seconds: int = Field(examples=[14400], description="Can be spent.")
    held_seconds: int = Field(examples=[600], description="Set aside for jobs under way.")
    spent_seconds: int = Field(examples=[3000], description="Used by all jobs so far.")
    available_minutes: float = Field(examples=[240.0])


class Used(Shown):
    """What was spent in a language on a day (UTC)."""

    day: date = Field(examples=["2026-03-14"])
    language: str = Field(examples=["es"])
    seconds: int = Field(examples=[840])


class UsageOut(Shown):
    """What was spent, day by day and language by language; days without are left out."""

    start: date
    end: date
    total_seconds: int = Field(examples=[840])
    items: list[Used]


class EntryOut(Shown):
    """One change of the available credit, or of what is held."""

    id: str = Field(examples=["1234"])
    at: datetime
    reason: str = Field(
        examples=["capture"], description="grant, hold, capture, release, expire or clawback."
    )
    book: str = Field(
        examples=["available"],
        description="granted, available, held, spent or expired; the entries of a booking add up "
        "to zero.",
    )
    seconds: int = Field(examples=[-600])
    job_id: str | None = Field(examples=["job_01k8e9fv2dq6v8x7m3r5t1c4yz"])
    note: str

    @classmethod
    def of(cls, entry: LedgerEntry) -> Self:
        return cls(
            id=str(entry.id),
            at=entry.at,
            reason=entry.reason,
            book=entry.book,
            seconds=entry.seconds,
            job_id=entry.job_id,
            note=entry.note,
        )


class CheckoutIn(Strict):
    """What to buy: the name of a plan or of a pack."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"offer": "studio"}]})

    offer: str = Field(
        min_length=1, max_length=40, description="A name of GET /v1/billing/plans.",
        examples=["creator", "pack-60"],
    )  # fmt: skip


class CheckoutOut(Shown):
    """Where to pay. The credit is there as soon as the payment service has told us."""

    id: str = Field(examples=["txn_01k8e9fv2dq6v8x7m3r5t1c4yz"])
    url: str = Field(examples=["https://pay.example.com/?_ptxn=txn_01k8e9fv2dq6v8x7m3r5t1c4yz"])


class LinkOut(Shown):
    """An address to open; it is good for a short while, and for this user only."""

    url: str = Field(examples=["https://customer-portal.paddle.com/cpl_01…"])


class SubscriptionOut(Shown):
    """The subscription as the payment service last told it."""

    id: str = Field(examples=["sub_01k8e9fv2dq6v8x7m3r5t1c4yz"])
    plan: str = Field(examples=["creator"])
    status: str = Field(
        examples=["active"], description="active, trialing, past_due, paused or canceled."
    )
    period_starts_at: datetime | None
    period_ends_at: datetime | None
    cancel_at: datetime | None = Field(description="When it ends, where that was asked for.")


class InvoiceOut(Shown):
    """A payment; ``total`` in the smallest unit of its currency."""

    id: str = Field(examples=["txn_01k8e9fv2dq6v8x7m3r5t1c4yz"])
    number: str | None = Field(examples=["325-10566"])
    status: str = Field(examples=["completed"])
    total: int = Field(examples=[2900])
    currency: str = Field(examples=["USD"])
    billed_at: datetime | None


class Received(Shown):
    """The event is kept."""

    received: bool = True


class EventIn(BaseModel):
    """An event of Paddle, as far as it has to be right to be kept."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [
                {
                    "event_id": "evt_01k8e9fv2dq6v8x7m3r5t1c4yz",
                    "event_type": "transaction.completed",
                    "occurred_at": "2026-03-14T09:26:53.589Z",
                    "data": {"id": "txn_01k8e9fv2dq6v8x7m3r5t1c4yz"},
                }
            ]
        },
    )

    event_id: Annotated[str, StringConstraints(pattern=r"^evt_[a-z0-9]{1,36}$")]
    event_type: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}\.[a-z_]{1,19}$")]
    occurred_at: datetime
    data: dict[str, Any]

    @field_validator("occurred_at")
    @classmethod
    def _zoned(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("it has no time zone")
        return value
