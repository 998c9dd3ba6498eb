"""Telling a user, once, that the credit is nearly used up."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth.models import User
from onevoice.server.db import now
from onevoice.server.notifications.mail import add_mail_to
from onevoice.server.resources import Resources
from onevoice.server.tasks.models import Task
from onevoice.server.webhooks.service import enqueue

EVENT = "credit.low"
TEMPLATE = "credit_low"
MAIL_AGAIN = timedelta(days=1)
"""Who begins and cancels jobs all day long is not mailed each time."""


async def tell_if_low(
    session: AsyncSession, services: Resources, user: User, *, held: int, left: int
) -> bool:
    """To be called in the transaction that has just held seconds and left so many: says whether it
    told.

    Told is who falls below the threshold of the plan by this; who was below it before knows.
    """
    plan = services.plans.of(user)
    if not left < plan.low_seconds <= left + held:
        return False
    data = {"available_seconds": left, "low_seconds": plan.low_seconds, "plan": plan.name}
    await enqueue(session, user.id, EVENT, data)
    if not await _was_mailed(session, user.id):
        app = services.settings.app_url
        link = f"{app}/billing" if app else ""
        add_mail_to(session, user, TEMPLATE, minutes=left // 60, link=link)
    return True


async def _was_mailed(session: AsyncSession, user_id: str) -> bool:
    found = await session.scalar(
        select(Task.id)
        .where(
            Task.user_id == user_id,
            Task.kind == "mail",
            Task.payload["template"].as_string() == TEMPLATE,
            Task.created_at > now() - MAIL_AGAIN,
        )
        .limit(1)
    )
    return found is not None
