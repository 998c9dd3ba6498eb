"""What the API of webhook endpoints takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from onevoice.server.schemas import Shown, Strict

Event = Literal[
    "job.queued",
    "job.started",
    "job.language.done",
    "job.done",
    "job.failed",
    "job.cancelled",
    "video.ready",
    "video.rejected",
    "credit.low",
]
Subscription = Event | Literal["*"]


def _once(events: list[Subscription]) -> list[Subscription]:
    return list(dict.fromkeys(events))


Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2000,
        description="Public http(s) address that messages are posted to.",
        examples=["https://example.com/hooks/onevoice"],
    ),
]
Subscriptions = Annotated[
    list[Subscription],
    Field(
        min_length=1,
        max_length=20,
        description="Events to be told of; `*` for all, those of the future too.",
        examples=[["job.done", "job.failed"]],
    ),
    AfterValidator(_once),
]


class EndpointCreate(Strict):
    url: Url
    events: Subscriptions = Field(default=["*"])


class EndpointUpdate(Strict):
    """What is not given stays as it is."""

    url: Url | None = None
    events: Subscriptions | None = None
    enabled: bool | None = Field(
        default=None, description="False: nothing is sent. True: an endpoint switched off is back."
    )


class Endpoint(Shown):
    id: str = Field(examples=["whe_01k8e9fv2dq6v8x7m3r5t1c4yz"])
    url: str = Field(examples=["https://example.com/hooks/onevoice"])
    events: list[str] = Field(examples=[["job.done", "job.failed"]])
    enabled: bool
    created_at: datetime


class EndpointWithSecret(Endpoint):
    """Shown once: keep the secret where the receiver verifies signatures."""

    secret: str = Field(examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"])


class Attempt(BaseModel):
    """One try to deliver a message."""

    at: datetime
    status: int | None = Field(description="HTTP status of the answer; null without one.")
    milliseconds: int
    error: str | None = Field(description="Why it was no success; null if it was one.")


class Delivery(Shown):
    """One message to one endpoint, however often it was tried."""

    id: str = Field(
        description="Sent as `webhook-id`, the same in every try.",
        examples=["whd_01k8e9fv2dq6v8x7m3r5t1c4yz"],
    )
    endpoint_id: str
    event: str = Field(examples=["job.done"])
    status: Literal["pending", "delivered", "failed"]
    payload: dict[str, Any]
    attempts: list[Attempt]
    created_at: datetime
    ended_at: datetime | None
