"""Tasks of kind ``webhook``: one try each to post a message to an endpoint.

The pauses between tries are hours long, more than retries of a task go; so a try that fails ends
its task and adds a new one. A task is good for the try it was added for: it names how many were
logged before, and does nothing once there are more.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter, time
from typing import Any, ClassVar

import httpx
import structlog
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.errors import OneVoiceError
from onevoice.server import metrics
from onevoice.server.auth.models import User
from onevoice.server.db import now
from onevoice.server.net import make_client
from onevoice.server.notifications.mail import add_mail_to
from onevoice.server.pauses import jittered
from onevoice.server.resources import Resources
from onevoice.server.tasks.claims import Claim
from onevoice.server.tasks.models import Task
from onevoice.server.webhooks import repository
from onevoice.server.webhooks.models import WebhookDelivery, WebhookEndpoint
from onevoice.server.webhooks.service import add_attempt
from onevoice.server.webhooks.signature import headers
from onevoice.server.worker.handlers import TaskContext

DELAYS_S = (5, 30, 120, 600, 3600, 6 * 3600, 12 * 3600, 24 * 3600, 24 * 3600)
"""Pauses after failures; after the last the message is given up, almost three days old."""
TIMEOUT_S = 10.0
GIVEN_UP = 5
"""An endpoint is switched off when so many messages in a row were given up."""
_GONE = 410
_OFF = "the endpoint is switched off"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a try went; ``error`` is empty if the receiver has the message."""

    at: datetime
    status: int | None
    milliseconds: int
    error: str = ""

    def row(self) -> dict[str, Any]:
        return {
            "at": self.at.isoformat(),
            "status": self.status,
            "milliseconds": self.milliseconds,
            "error": self.error or None,
        }


class WebhookHandler:
    """Posts messages. 2xx is success; redirects are not followed, what is answered is not read."""

    kind: ClassVar[str] = "webhook"

    def __init__(self, services: Resources, *, timeout_s: float = TIMEOUT_S) -> None:
        self._settings = services.settings
        self._timeout_s = timeout_s

    async def run(self, claim: Claim, context: TaskContext) -> None:
        async with context.database.session() as session:
            found = await _find(session, claim.task)
        if found is None:
            return
        delivery, endpoint = found
        outcome = await self._post(delivery, endpoint) if endpoint.enabled else None
        async with context.transaction() as session:
            # Asked again: minutes may have passed, and the user may have deleted or resent it.
            found = await _find(session, claim.task, lock=True)
            result = "dropped"
            if found is not None:
                result = await self._note(session, *found, claim.task, outcome)
            await context.finish_with(session)
        metrics.webhook_tried(outcome=result)
        _log.info(
            "webhook.tried",
            delivery=delivery.id,
            webhook_event=delivery.event,
            outcome=result,
            status=outcome.status if outcome else None,
            error=outcome.error if outcome else _OFF,
            ms=outcome.milliseconds if outcome else None,
        )

    async def dead(self, session: AsyncSession, task: Task, error: dict[str, Any]) -> None:
        found = await _find(session, task, lock=True)
        if found is not None:
            delivery, _ = found
            outcome = Outcome(
                at=now(), status=None, milliseconds=0, error="the server failed to send it"
            )
            delivery.attempts = [*delivery.attempts, outcome.row()]
            delivery.status, delivery.ended_at = "failed", outcome.at
        metrics.webhook_tried(outcome="failed")
        _log.error("webhook.failed", delivery=task.subject, code=error.get("code"))

    async def _post(self, delivery: WebhookDelivery, endpoint: WebhookEndpoint) -> Outcome:
        body = json.dumps(
            {"id": delivery.id, **delivery.payload}, ensure_ascii=False, separators=(",", ":")
        ).encode()
        signed = headers(endpoint.secret, message_id=delivery.id, timestamp=int(time()), body=body)
        at, started = now(), perf_counter()
        status, error = None, ""
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                make_client(
                    allow_hosts=self._settings.import_hosts, timeout=self._timeout_s
                ) as client,
                client.stream(
                    "POST",
                    endpoint.url,
                    content=body,
                    headers=signed | {"Content-Type": "application/json"},
                ) as response,
            ):
                status = response.status_code
        except (TimeoutError, httpx.TimeoutException):
            error = f"no answer within {self._timeout_s:g} s"
        except OneVoiceError as exc:  # the guard's, which name neither addresses nor secrets
            error = exc.message
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            error = f"it cannot be reached ({type(exc).__name__})"
        if status is not None:
            # Its whole answer is in the status, even where the rest of it breaks.
            error = "" if 200 <= status < 300 else f"it answers with {status}"
        return Outcome(
            at=at,
            status=status,
            milliseconds=round((perf_counter() - started) * 1000),
            error=error,
        )

    async def _note(
        self,
        session: AsyncSession,
        delivery: WebhookDelivery,
        endpoint: WebhookEndpoint,
        task: Task,
        outcome: Outcome | None,
    ) -> str:
        """Log the try and decide what follows from it."""
        if outcome is None:
            outcome = Outcome(at=now(), status=None, milliseconds=0, error=_OFF)
            again = False
        else:
            again = outcome.status != _GONE
        delivery.attempts = [*delivery.attempts, outcome.row()]
        series = int(task.payload["series"])
        if not outcome.error:
            delivery.status, delivery.ended_at = "delivered", now()
            return "delivered"
        if again and endpoint.enabled and series < len(DELAYS_S):
            add_attempt(
                session,
                delivery,
                user_id=endpoint.user_id,
                series=series + 1,
                # What failed together is not tried again together.
                delay_s=round(jittered(DELAYS_S[series], 1, 1.2)),
            )
            return "retried"
        delivery.status, delivery.ended_at = "failed", now()
        await session.flush()
        if endpoint.enabled and (
            outcome.status == _GONE or await _keeps_failing(session, endpoint)
        ):
            await self._switch_off(session, endpoint)
        return "failed"

    async def _switch_off(self, session: AsyncSession, endpoint: WebhookEndpoint) -> None:
        switched = await session.scalar(
            update(WebhookEndpoint)
            .where(WebhookEndpoint.id == endpoint.id, WebhookEndpoint.enabled.is_(True))
            .values(enabled=False)
            .returning(WebhookEndpoint.id)
        )
        user = await session.get(User, endpoint.user_id)
        if switched is None or user is None or user.deleted_at is not None:
            return
        app = self._settings.app_url
        link = f"{app or f'{self._settings.public_url}/v1'}/webhook-endpoints/{endpoint.id}"
        shown = httpx.URL(endpoint.url).copy_with(query=None, fragment=None)
        add_mail_to(session, user, "webhook_disabled", url=str(shown), link=link)


async def _find(
    session: AsyncSession, task: Task, *, lock: bool = False
) -> tuple[WebhookDelivery, WebhookEndpoint] | None:
    """The delivery, if it still waits for the try that the task is for."""
    if task.subject is None or task.user_id is None:
        return None
    found = await repository.find_delivery(session, task.subject, user_id=task.user_id, lock=lock)
    if found is None or found[0].status != "pending":
        return None
    return found if len(found[0].attempts) == task.payload["logged"] else None


async def _keeps_failing(session: AsyncSession, endpoint: WebhookEndpoint) -> bool:
    ended = await repository.last_outcomes(session, endpoint.id, count=GIVEN_UP)
    return len(ended) == GIVEN_UP and set(ended) == {"failed"}
