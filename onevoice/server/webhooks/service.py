"""Webhooks to users: who is told of what, and which messages there are to send.

A message is a delivery row and a task, both written in the transaction of what happened; the task's
handler posts it. Messages may come twice and in any order: receivers go by ``webhook-id`` and by
the ``timestamp`` in the message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic_core import to_jsonable_python
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.errors import ConfigError
from onevoice.server.auth import repository as accounts
from onevoice.server.db import now
from onevoice.server.errors import Conflict, Invalid, NotFound
from onevoice.server.ids import new_id
from onevoice.server.net import check_url
from onevoice.server.settings import ServerSettings
from onevoice.server.tasks.outbox import add_task
from onevoice.server.webhooks import repository
from onevoice.server.webhooks.models import WebhookDelivery, WebhookEndpoint
from onevoice.server.webhooks.schemas import EndpointCreate, EndpointUpdate, Event
from onevoice.server.webhooks.signature import new_secret

EVENTS: tuple[str, ...] = get_args(Event)
TEST_EVENT = "webhook.test"
MOST_ENDPOINTS = 20
MOST_ATTEMPTS = 100
"""Tries that one message is logged with, redeliveries included."""


async def enqueue(
    session: AsyncSession, user_id: str, event: str, data: Mapping[str, Any]
) -> list[WebhookDelivery]:
    """Tell every endpoint of the user that asked for ``event``, after the commit."""
    if event not in EVENTS:
        raise ConfigError(f"no webhook event is called {event!r}", hint=", ".join(EVENTS))
    return [
        _add_delivery(session, endpoint, event, data)
        for endpoint in await repository.enabled_endpoints(session, user_id=user_id)
        if event in endpoint.events or "*" in endpoint.events
    ]


async def create_endpoint(
    session: AsyncSession, *, user_id: str, wanted: EndpointCreate, settings: ServerSettings
) -> WebhookEndpoint:
    await accounts.user_by_id(session, user_id, lock=True)  # two at once count one another
    if await repository.count_endpoints(session, user_id=user_id) >= MOST_ENDPOINTS:
        raise Conflict(
            f"there are {MOST_ENDPOINTS} webhook endpoints already",
            hint="delete one that is not needed any more",
            code="too_many_endpoints",
        )
    _check(wanted.url, settings)
    endpoint = WebhookEndpoint(
        id=new_id("whe"),
        user_id=user_id,
        url=wanted.url,
        secret=new_secret(),
        events=list(wanted.events),
        enabled=True,
        created_at=now(),
    )
    session.add(endpoint)
    await session.flush()
    return endpoint


async def list_endpoints(
    session: AsyncSession, *, user_id: str, before: str | None, limit: int
) -> Sequence[WebhookEndpoint]:
    return await repository.list_endpoints(session, user_id=user_id, before=before, limit=limit)


async def get_endpoint(session: AsyncSession, endpoint_id: str, *, user_id: str) -> WebhookEndpoint:
    found = await repository.find_endpoint(session, endpoint_id, user_id=user_id)
    if found is None:
        raise NotFound(
            f"there is no webhook endpoint {endpoint_id}",
            hint="GET /v1/webhook-endpoints lists yours",
        )
    return found


async def update_endpoint(
    session: AsyncSession,
    endpoint_id: str,
    *,
    user_id: str,
    wanted: EndpointUpdate,
    settings: ServerSettings,
) -> WebhookEndpoint:
    endpoint = await get_endpoint(session, endpoint_id, user_id=user_id)
    if wanted.url is not None:
        _check(wanted.url, settings)
        endpoint.url = wanted.url
    if wanted.events is not None:
        endpoint.events = list(wanted.events)
    if wanted.enabled is not None:
        endpoint.enabled = wanted.enabled
    await session.flush()
    return endpoint


async def delete_endpoint(session: AsyncSession, endpoint_id: str, *, user_id: str) -> None:
    endpoint = await get_endpoint(session, endpoint_id, user_id=user_id)
    # Deliveries before their endpoint, as who delivers one locks them.
    await repository.delete_deliveries(session, endpoint.id)
    await session.delete(endpoint)
    await session.flush()


async def rotate_secret(
    session: AsyncSession, endpoint_id: str, *, user_id: str
) -> WebhookEndpoint:
    """A new secret; what is sent from now on is signed with it alone."""
    endpoint = await get_endpoint(session, endpoint_id, user_id=user_id)
    endpoint.secret = new_secret()
    await session.flush()
    return endpoint


async def send_test(session: AsyncSession, endpoint_id: str, *, user_id: str) -> WebhookDelivery:
    """A message of its own, whatever the endpoint asked to be told of."""
    endpoint = await get_endpoint(session, endpoint_id, user_id=user_id)
    _check_enabled(endpoint)
    delivery = _add_delivery(session, endpoint, TEST_EVENT, {"endpoint_id": endpoint.id})
    await session.flush()
    return delivery


async def list_deliveries(
    session: AsyncSession, endpoint_id: str, *, user_id: str, before: str | None, limit: int
) -> Sequence[WebhookDelivery]:
    await get_endpoint(session, endpoint_id, user_id=user_id)
    return await repository.list_deliveries(
        session, endpoint_id, user_id=user_id, before=before, limit=limit
    )


async def redeliver(
    session: AsyncSession, endpoint_id: str, delivery_id: str, *, user_id: str
) -> WebhookDelivery:
    """Send an ended message again, with the same id and the same words."""
    found = await repository.find_delivery(session, delivery_id, user_id=user_id, lock=True)
    if found is None or found[0].endpoint_id != endpoint_id:
        raise NotFound(
            f"there is no delivery {delivery_id} to this endpoint",
            hint=f"GET /v1/webhook-endpoints/{endpoint_id}/deliveries lists them",
        )
    delivery, endpoint = found
    _check_enabled(endpoint)
    if delivery.status == "pending":
        raise Conflict(
            f"the delivery {delivery_id} is still being tried",
            hint="wait until its status is delivered or failed",
            code="delivery_pending",
        )
    if len(delivery.attempts) >= MOST_ATTEMPTS:
        raise Conflict(
            f"the delivery {delivery_id} was tried {MOST_ATTEMPTS} times",
            hint="fetch what it tells of from the API",
            code="delivery_worn_out",
        )
    delivery.status = "pending"
    delivery.ended_at = None
    add_attempt(session, delivery, user_id=user_id, series=0, delay_s=0)
    await session.flush()
    return delivery


def add_attempt(
    session: AsyncSession, delivery: WebhookDelivery, *, user_id: str, series: int, delay_s: int
) -> None:
    """A task for the next try.

    Parameters
    ----------
    series
        How many tries of this series were failures: it decides about the delay after the next.
    """
    # "logged" makes the task good for this one try, however often the task itself comes.
    add_task(
        session,
        kind="webhook",
        queue="tasks",
        payload={"logged": len(delivery.attempts), "series": series},
        user_id=user_id,
        subject=delivery.id,
        delay_s=delay_s,
    )


def _add_delivery(
    session: AsyncSession, endpoint: WebhookEndpoint, event: str, data: Mapping[str, Any]
) -> WebhookDelivery:
    at = now()
    delivery = WebhookDelivery(
        id=new_id("whd"),
        endpoint_id=endpoint.id,
        event=event,
        payload={
            "type": event,
            "timestamp": at.isoformat().replace("+00:00", "Z"),
            "data": to_jsonable_python(dict(data)),
        },
        status="pending",
        attempts=[],
        created_at=at,
    )
    session.add(delivery)
    add_attempt(session, delivery, user_id=endpoint.user_id, series=0, delay_s=0)
    return delivery


def _check(address: str, settings: ServerSettings) -> None:
    url = check_url(address, allow_hosts=settings.import_hosts)
    listed = {url.host, f"{url.host}:{url.port}"} & set(settings.import_hosts)
    if settings.environment == "hosted" and url.scheme != "https" and not listed:
        raise Invalid(
            "a webhook endpoint has to be reached by https",
            hint="messages tell of your videos: give an https address",
            code="https_needed",
        )


def _check_enabled(endpoint: WebhookEndpoint) -> None:
    if not endpoint.enabled:
        raise Conflict(
            f"the webhook endpoint {endpoint.id} is switched off",
            hint='PATCH it with {"enabled": true} first',
            code="endpoint_disabled",
        )
