"""The task that applies a stored event of Paddle."""

from __future__ import annotations

from typing import Any, ClassVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.billing import events
from onevoice.server.billing.plans import Plans
from onevoice.server.billing.webhook import KIND
from onevoice.server.tasks.claims import Claim
from onevoice.server.tasks.models import Task
from onevoice.server.worker.handlers import TaskContext

_log = structlog.get_logger(__name__)


class PaddleHandler:
    """Applies an event, and ends the task, in one transaction."""

    kind: ClassVar[str] = KIND

    def __init__(self, plans: Plans) -> None:
        self._plans = plans

    async def run(self, claim: Claim, context: TaskContext) -> None:
        event_id = claim.task.subject or ""
        async with context.transaction() as session:
            outcome = await events.apply(session, self._plans, event_id)
            await context.finish_with(session)
        log = _log.warning if events.is_odd(outcome) else _log.info
        log("paddle.applied", paddle_event=event_id, outcome=outcome)

    async def dead(self, session: AsyncSession, task: Task, error: dict[str, Any]) -> None:
        """The event stays, unprocessed, and the task, to be queued again: see operations.md."""
        _log.error("paddle.failed", paddle_event=task.subject, code=error.get("code"))
