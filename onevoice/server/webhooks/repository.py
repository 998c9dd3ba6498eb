"""Queries of webhook endpoints and deliveries; each is held to one user."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.webhooks.models import WebhookDelivery, WebhookEndpoint


async def count_endpoints(session: AsyncSession, *, user_id: str) -> int:
    found = await session.scalar(
        select(func.count()).select_from(WebhookEndpoint).where(WebhookEndpoint.user_id == user_id)
    )
    return found or 0


async def list_endpoints(
    session: AsyncSession, *, user_id: str, before: str | None, limit: int
) -> Sequence[WebhookEndpoint]:
    """Newest first."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.user_id == user_id)
    if before is not None:
        query = query.where(WebhookEndpoint.id < before)
    return (await session.scalars(query.order_by(WebhookEndpoint.id.desc()).limit(limit))).all()


async def find_endpoint(
    session: AsyncSession, endpoint_id: str, *, user_id: str
) -> WebhookEndpoint | None:
    found: WebhookEndpoint | None = await session.scalar(
        select(WebhookEndpoint).where(
            WebhookEndpoint.id == endpoint_id, WebhookEndpoint.user_id == user_id
        )
    )
    return found


_ENABLED = select(WebhookEndpoint).where(
    WebhookEndpoint.user_id == bindparam("user_id"), WebhookEndpoint.enabled.is_(True)
)


async def enabled_endpoints(session: AsyncSession, *, user_id: str) -> Sequence[WebhookEndpoint]:
    return (await session.scalars(_ENABLED, {"user_id": user_id})).all()


async def disable_endpoints(session: AsyncSession, *, user_id: str) -> None:
    """Switch all of a user's endpoints off."""
    await session.execute(
        update(WebhookEndpoint).where(WebhookEndpoint.user_id == user_id).values(enabled=False),
        execution_options={"synchronize_session": False},
    )


async def list_deliveries(
    session: AsyncSession, endpoint_id: str, *, user_id: str, before: str | None, limit: int
) -> Sequence[WebhookDelivery]:
    """Newest first."""
    query = (
        select(WebhookDelivery)
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .where(WebhookDelivery.endpoint_id == endpoint_id, WebhookEndpoint.user_id == user_id)
    )
    if before is not None:
        query = query.where(WebhookDelivery.id < before)
    return (await session.scalars(query.order_by(WebhookDelivery.id.desc()).limit(limit))).all()


async def find_delivery(
    session: AsyncSession, delivery_id: str, *, user_id: str, lock: bool = False
) -> tuple[WebhookDelivery, WebhookEndpoint] | None:
    """A delivery and its endpoint; ``lock`` keeps others from changing the delivery meanwhile."""
    query = (
        select(WebhookDelivery, WebhookEndpoint)
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .where(WebhookDelivery.id == delivery_id, WebhookEndpoint.user_id == user_id)
        .execution_options(populate_existing=True)
    )
    if lock:
        query = query.with_for_update(of=WebhookDelivery)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1])


async def delete_deliveries(session: AsyncSession, endpoint_id: str) -> None:
    await session.execute(
        delete(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint_id),
        execution_options={"synchronize_session": False},
    )


async def last_outcomes(session: AsyncSession, endpoint_id: str, *, count: int) -> Sequence[str]:
    """How the newest messages to an endpoint ended, newest first."""
    query = (
        select(WebhookDelivery.status)
        .where(WebhookDelivery.endpoint_id == endpoint_id, WebhookDelivery.ended_at.is_not(None))
        .order_by(WebhookDelivery.ended_at.desc(), WebhookDelivery.id.desc())
        .limit(count)
    )
    return (await session.scalars(query)).all()
