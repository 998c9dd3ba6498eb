"""``/v1/webhook-endpoints``: whom to tell, and how the telling went."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from onevoice.server.auth.dependencies import Principal, require
from onevoice.server.auth.rate_limit import limit
from onevoice.server.paging import Page, PageOf, page
from onevoice.server.unit_of_work import Services, Session
from onevoice.server.webhooks import schemas, service

router = APIRouter(prefix="/webhook-endpoints", tags=["webhooks"])

_OFTEN = limit("webhooks.send", per_minute=20)
"""Messages at will are not for flooding whoever has the address."""
Reader = Annotated[Principal, require("webhooks:read")]
Writer = Annotated[Principal, require("webhooks:write", verified=True)]
EndpointId = Annotated[str, Path(max_length=40, examples=["whe_01k8e9fv2dq6v8x7m3r5t1c4yz"])]
DeliveryId = Annotated[str, Path(max_length=40, examples=["whd_01k8e9fv2dq6v8x7m3r5t1c4yz"])]


@router.post("", status_code=201, dependencies=[limit("webhooks.create", per_hour=60)])
async def create_webhook_endpoint(
    wanted: schemas.EndpointCreate, user: Writer, session: Session, services: Services
) -> schemas.EndpointWithSecret:
    """Have messages posted to an address. The secret is shown here, and never again.

    Messages are signed as https://www.standardwebhooks.com describes; any of its libraries
    verifies them. Answer with 2xx within 10 seconds; anything else is tried again, for about
    three days. Messages may come twice and in any order: go by `webhook-id` and `timestamp`.
    """
    made = await service.create_endpoint(
        session, user_id=user.user_id, wanted=wanted, settings=services.settings
    )
    return schemas.EndpointWithSecret.model_validate(made)


@router.get("")
async def list_webhook_endpoints(
    user: Reader, session: Session, wanted: PageOf
) -> Page[schemas.Endpoint]:
    """Your endpoints, newest first, without their secrets."""
    rows = await service.list_endpoints(
        session, user_id=user.user_id, before=wanted.before, limit=wanted.limit + 1
    )
    shown = [schemas.Endpoint.model_validate(row) for row in rows]
    return page(shown, wanted, key=lambda one: one.id)


@router.get("/{endpoint_id}")
async def get_webhook_endpoint(
    endpoint_id: EndpointId, user: Reader, session: Session
) -> schemas.Endpoint:
    """An endpoint, without its secret."""
    found = await service.get_endpoint(session, endpoint_id, user_id=user.user_id)
    return schemas.Endpoint.model_validate(found)


@router.patch("/{endpoint_id}")
async def update_webhook_endpoint(
    endpoint_id: EndpointId,
    wanted: schemas.EndpointUpdate,
    user: Writer,
    session: Session,
    services: Services,
) -> schemas.Endpoint:
    """Change the address or the events; switch it off, or on again."""
    changed = await service.update_endpoint(
        session, endpoint_id, user_id=user.user_id, wanted=wanted, settings=services.settings
    )
    return schemas.Endpoint.model_validate(changed)


@router.delete("/{endpoint_id}", status_code=204)
async def delete_webhook_endpoint(endpoint_id: EndpointId, user: Writer, session: Session) -> None:
    """Remove it with its log; messages that were not delivered yet are dropped."""
    await service.delete_endpoint(session, endpoint_id, user_id=user.user_id)


@router.post("/{endpoint_id}/rotate-secret")
async def rotate_webhook_secret(
    endpoint_id: EndpointId, user: Writer, session: Session
) -> schemas.EndpointWithSecret:
    """A new secret, shown once. The old one signs nothing from now on."""
    changed = await service.rotate_secret(session, endpoint_id, user_id=user.user_id)
    return schemas.EndpointWithSecret.model_validate(changed)


@router.post("/{endpoint_id}/test", status_code=202, dependencies=[_OFTEN])
async def test_webhook_endpoint(
    endpoint_id: EndpointId, user: Writer, session: Session
) -> schemas.Delivery:
    """Post a message of type `webhook.test`; the log of deliveries says how it went."""
    sent = await service.send_test(session, endpoint_id, user_id=user.user_id)
    return schemas.Delivery.model_validate(sent)


@router.get("/{endpoint_id}/deliveries")
async def list_webhook_deliveries(
    endpoint_id: EndpointId, user: Reader, session: Session, wanted: PageOf
) -> Page[schemas.Delivery]:
    """What was sent, newest first, and every try of it."""
    rows = await service.list_deliveries(
        session,
        endpoint_id,
        user_id=user.user_id,
        before=wanted.before,
        limit=wanted.limit + 1,
    )
    shown = [schemas.Delivery.model_validate(row) for row in rows]
    return page(shown, wanted, key=lambda one: one.id)


@router.post(
    "/{endpoint_id}/deliveries/{delivery_id}/redeliver", status_code=202, dependencies=[_OFTEN]
)
async def redeliver_webhook(
    endpoint_id: EndpointId, delivery_id: DeliveryId, user: Writer, session: Session
) -> schemas.Delivery:
    """Send a message again that was delivered or given up."""
    sent = await service.redeliver(session, endpoint_id, delivery_id, user_id=user.user_id)
    return schemas.Delivery.model_validate(sent)
