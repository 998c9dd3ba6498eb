"""What a worker does with a task of a kind: the handler's side of the worker's loop.

However often a task is delivered and whoever is killed, what a handler writes counts once: it
writes in transactions of its context, and those fail for a worker whose claim has passed to another
one. Ending the task is part of the last of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.errors import OneVoiceError
from onevoice.server.db import Database
from onevoice.server.queue import Queue
from onevoice.server.tasks import outbox
from onevoice.server.tasks.claims import Claim, finish, holds
from onevoice.server.tasks.fairness import LIMITED, Limit, admit
from onevoice.server.tasks.models import Task

_FINISHES = "finishes"


class LeaseLost(OneVoiceError):
    """Another worker has the task, or may have it: whatever is being done for it is in vain."""

    code = "lease_lost"


class TaskContext:
    """What a handler works with while its claim counts."""

    def __init__(
        self, *, database: Database, queue: Queue, claim: Claim, limit: Limit | None = None
    ) -> None:
        self.database = database
        self.cancelled = asyncio.Event()
        """Set when the work is to stop: the lease is lost, or the worker is going away."""
        self.finished = False
        """Whether a transaction that ended the task was committed."""
        self.ending = False
        """Whether such a transaction was begun: its commit looks like the loss of the lease."""
        self._queue = queue
        self._claim = claim
        self._limit = limit

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A transaction that is committed only by who holds the task; LeaseLost for others.

        While it is open nobody else can claim the task, nor the lease be renewed: keep it short.
        Messages of tasks that it adds are sent when it is committed.
        """
        async with outbox.transaction(self.database, self._queue) as session:
            if not await holds(session, self._claim):
                raise LeaseLost(f"task {self._claim.task.id} has passed to another worker")
            yield session
            finishes = session.info.get(_FINISHES, False)
            if finishes:
                # Last: whoever holds an account's turn waits for no other lock.
                await admit_next(session, self._claim.task, self._limit)
        self.finished = self.finished or finishes

    async def finish_with(self, session: AsyncSession) -> None:
        """End the task in this transaction of ``transaction()``, together with what it wrote."""
        self.ending = True
        if not await finish(session, self._claim):
            raise LeaseLost(f"task {self._claim.task.id} has passed to another worker")
        session.info[_FINISHES] = True


class Handler(Protocol):
    """Does the tasks of one kind."""

    kind: ClassVar[str]

    async def run(self, claim: Claim, context: TaskContext) -> None:
        """Do the task. An error that is retryable, or unexpected, has it tried again.

        It may be run again after any part of it was done. Unless ``finish_with`` was used the task
        is ended on return. On cancellation it stops what it began, soon.
        """

    async def dead(self, session: AsyncSession, task: Task, error: dict[str, Any]) -> None:
        """The task will not be tried again: settle what hangs on it, in this transaction."""


async def admit_next(session: AsyncSession, task: Task, limit: Limit | None) -> None:
    """A task has ended: let in what waited for its place."""
    if limit is not None and task.kind == LIMITED and task.user_id is not None:
        await admit(session, task.user_id, limit=limit)
