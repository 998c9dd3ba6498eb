"""The task that erases an account: its media first, then its rows."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.resources import Resources
from onevoice.server.storage import StorageError
from onevoice.server.tasks.claims import Claim
from onevoice.server.tasks.models import Task
from onevoice.server.tasks.outbox import add_task
from onevoice.server.users import repository
from onevoice.server.users.keys import account_prefix
from onevoice.server.users.service import ERASE
from onevoice.server.worker.handlers import TaskContext

WAIT_S = 60
"""Pause while a worker that was told to stop may still be writing."""
AGAIN_S = 3600
"""Pause after all attempts have failed: a promise to delete does not lapse."""
_log = structlog.get_logger()


class EraseAccountHandler:
    """Deletes ``accounts/{user_id}/`` and then the user, of whom nothing remains."""

    kind: ClassVar[str] = ERASE

    def __init__(self, services: Resources) -> None:
        self._storage = services.storage

    async def run(self, claim: Claim, context: TaskContext) -> None:
        user_id = claim.task.subject
        if not user_id:
            return
        async with context.transaction() as session:
            if not await repository.is_leaving(session, user_id):
                return  # erased before
            await repository.drop_tasks(session, user_id)
            if await repository.is_worked_for(session, user_id):
                _again(session, user_id, WAIT_S)
                await context.finish_with(session)
                return
            uploads = await repository.open_uploads(session, user_id)
        removed = await asyncio.to_thread(self._remove, user_id, uploads)
        async with context.transaction() as session:
            await repository.erase(session, user_id)
            await context.finish_with(session)
        _log.info("account.erased", user_id=user_id, objects=removed)

    def _remove(self, user_id: str, uploads: Any) -> int:
        for key, upload_id in uploads:
            try:
                self._storage.abort_upload(key, upload_id)
            except StorageError as exc:
                if exc.retryable:
                    raise
                _log.info("account.upload_gone", key=key)  # completed or aborted meanwhile
        return self._storage.delete_prefix(account_prefix(user_id))

    async def dead(self, session: AsyncSession, task: Task, error: dict[str, Any]) -> None:
        if task.subject:
            _log.error("account.not_erased", user_id=task.subject, error=error.get("code"))
            _again(session, task.subject, AGAIN_S)


def _again(session: AsyncSession, user_id: str, delay_s: float) -> None:
    add_task(session, kind=ERASE, queue="tasks", subject=user_id, delay_s=delay_s)
