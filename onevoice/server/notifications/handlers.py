"""Tasks that tell somebody: ``mail`` and ``publish``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import structlog
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.errors import OneVoiceError
from onevoice.server import metrics
from onevoice.server.notifications.mail import render
from onevoice.server.notifications.mailer import MailUnavailable
from onevoice.server.resources import Resources
from onevoice.server.tasks.claims import Claim
from onevoice.server.tasks.models import Task
from onevoice.server.tasks.outbox import add_task
from onevoice.server.worker.handlers import TaskContext

DELAYS_S = (15, 60, 300, 900, 1800, 3600, 7200)
"""Pauses before a mail is tried again while its carrier is away: about four hours in all."""
_log = structlog.get_logger(__name__)


class MailHandler:
    """Sends a mail, and then forgets what was in it.

    A carrier that is away is no attempt at the mail: a new task takes it over, later. A worker that
    dies between the carrier's answer and the commit has the mail sent twice.
    """

    kind: ClassVar[str] = "mail"

    def __init__(self, services: Resources) -> None:
        self._mailer = services.mailer

    async def run(self, claim: Claim, context: TaskContext) -> None:
        payload = claim.task.payload
        mail = render(
            to=payload["to"],
            locale=payload["locale"],
            template=payload["template"],
            values=payload["values"],
        )
        tries = payload.get("tries", 0)
        try:
            name = await self._mailer.send(mail)
        except MailUnavailable as exc:
            if tries >= len(DELAYS_S):
                raise
            await self._later(claim.task, context, tries, exc)
            return
        async with context.transaction() as session:
            await _forget(session, claim.task)
            await context.finish_with(session)
        metrics.mail_ended(template=payload["template"], outcome="sent")
        _log.info("mail.sent", template=payload["template"], mail=name)

    async def dead(self, session: AsyncSession, task: Task, error: dict[str, Any]) -> None:
        template = str(task.payload.get("template", ""))
        await _forget(session, task)
        metrics.mail_ended(template=template, outcome="failed")
        _log.error("mail.failed", template=template, code=error.get("code"))

    async def _later(
        self, task: Task, context: TaskContext, tries: int, error: OneVoiceError
    ) -> None:
        async with context.transaction() as session:
            add_task(
                session,
                kind=self.kind,
                queue=task.queue,
                payload=task.payload | {"tries": tries + 1},
                user_id=task.user_id,
                delay_s=DELAYS_S[tries],
            )
            await _forget(session, task)
            await context.finish_with(session)
        metrics.mail_ended(template=task.payload["template"], outcome="later")
        _log.warning("mail.later", template=task.payload["template"], error=error.message)


class PublishHandler:
    """Tells the topic. Told twice if a worker dies in between."""

    kind: ClassVar[str] = "publish"

    def __init__(self, services: Resources) -> None:
        self._topic = services.topic

    async def run(self, claim: Claim, context: TaskContext) -> None:
        payload: Mapping[str, Any] = claim.task.payload
        await self._topic.publish(payload["kind"], payload["data"], at=payload["at"])

    async def dead(self, session: AsyncSession, task: Task, error: dict[str, Any]) -> None:
        _log.error("topic.failed", topic_kind=task.payload.get("kind"), code=error.get("code"))


async def _forget(session: AsyncSession, task: Task) -> None:
    """Addresses and one-time links have no business in the row of an ended task."""
    await session.execute(
        update(Task)
        .where(Task.id == task.id)
        .values(payload={"template": task.payload.get("template", "")})
        .execution_options(synchronize_session=False)
    )
