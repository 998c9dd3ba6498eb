"""The door for Paddle's webhooks: whose signature is wrong, or old, leaves no trace."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass

from paddle_billing.Notifications.Secret import Secret
from paddle_billing.Notifications.Verifier import Verifier
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server import metrics
from onevoice.server.billing import repository
from onevoice.server.billing.schemas import EventIn
from onevoice.server.billing.sdk import not_configured
from onevoice.server.errors import ApiError, Invalid, Unauthorized
from onevoice.server.settings import ServerSettings
from onevoice.server.tasks.outbox import add_task

KIND = "paddle"
"""Kind of the tasks that apply events."""
HEADER = "Paddle-Signature"
_REFUSALS = {401: "forged", 422: "unreadable", 503: "not configured"}
TOLERANCE_S = 5
"""How far Paddle's clock and ours may be apart, in both directions."""
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# Four lines of the SDK for each request; ours says how it was answered.
logging.getLogger("paddle_billing").disabled = True
_FORM = re.compile(r"ts=(\d{1,12})((?:;h1=[0-9a-f]{64}){1,4})")


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A request as the SDK wants to see it."""

    body: bytes
    headers: dict[str, str]


async def take(
    session: AsyncSession, settings: ServerSettings, *, body: bytes, signature: str
) -> None:
    """Verify an event and keep it, and count what came of it."""
    try:
        verify(settings, body=body, signature=signature)
        outcome = "accepted" if await receive(session, body) else "replayed"
    except ApiError as exc:
        metrics.webhook_received(source="paddle", outcome=_REFUSALS.get(exc.status, "failed"))
        raise
    metrics.webhook_received(source="paddle", outcome=outcome)


def verify(settings: ServerSettings, *, body: bytes, signature: str) -> None:
    """Raises Unauthorized unless Paddle signed this body just now.

    The form of the header and its time are checked here first: the SDK drops its check of the time
    when TEST_MODE is in the environment, and stumbles over headers of another form.
    """
    given = settings.paddle_webhook_secrets.get_secret_value().split(",")
    secrets = [Secret(secret.strip()) for secret in given if secret.strip()]
    if not secrets:
        raise not_configured()
    form = _FORM.fullmatch(signature)
    if form is None or abs(time.time() - int(form[1])) > TOLERANCE_S:
        raise _refused()
    try:
        right = Verifier(TOLERANCE_S).verify(_Delivery(body, {HEADER: signature}), secrets)
    except (
        ConnectionRefusedError,
        ValueError,
    ) as exc:  # the SDK's "no", and a body that is no text
        raise _refused() from exc
    if not right:
        raise _refused()


async def receive(session: AsyncSession, body: bytes) -> bool:
    """Keep a verified event and have it applied later. False if it is there already."""
    try:
        event = EventIn.model_validate_json(body)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise Invalid(
            f"{where}: {first['msg']}", hint="this takes Paddle's events, as version 1 of its API"
        ) from exc
    if _NUL.search(body):
        raise Invalid("the event holds a NUL character", hint="no database keeps it")
    new = await repository.add_event(
        session,
        event_id=event.event_id,
        kind=event.event_type,
        occurred_at=event.occurred_at,
        payload=event.model_dump(mode="json"),
    )
    if new:
        add_task(session, kind=KIND, queue="tasks", subject=event.event_id)
    return new


def _refused() -> Unauthorized:
    return Unauthorized(
        "the signature is not Paddle's, or not of now",
        hint="the notification destination's secret and this server's clock have to be right",
        code="invalid_signature",
    )
