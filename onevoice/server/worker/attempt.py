"""One claimed task, to its end: done, to be tried again, dead, given back, or lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from structlog.contextvars import bound_contextvars

from onevoice.errors import OneVoiceError
from onevoice.server.db import Database
from onevoice.server.queue import Message, Queue, QueueError
from onevoice.server.tasks import claims, outbox
from onevoice.server.tasks.claims import Claim
from onevoice.server.tasks.fairness import Limit
from onevoice.server.worker.handlers import Handler, LeaseLost, TaskContext, admit_next
from onevoice.server.worker.heartbeat import Heartbeat
from onevoice.server.worker.outages import costs_no_attempt, is_outage, persist

_log = structlog.get_logger()
_STOP_S = 30.0
"""How long a handler may take to stop once it is told to."""
_FOREVER = 1 << 30

Tell = Callable[[str, str, float], None]
"""Told what happened (started, done, retried, dead, given_back, lost …), to which kind of task,
after how many seconds: for metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What all attempts of a worker share."""

    database: Database
    queue: Queue
    limit: Limit | None
    tell: Tell
    lease_s: int
    max_attempts: int
    retry_s: float


class Attempt:
    """A worker's attempt at a task. ``aborted``: it is to be given back at once."""

    def __init__(
        self,
        tools: Tools,
        *,
        claim: Claim,
        message: Message,
        handler: Handler | None,
        aborted: asyncio.Event,
    ) -> None:
        self._tools = tools
        self._claim = claim
        self._message = message
        self._handler = handler
        self._aborted = aborted
        self._begun = time.monotonic()
        self._context = TaskContext(
            database=tools.database, queue=tools.queue, claim=claim, limit=tools.limit
        )

    async def run(self, claimed_at: float) -> None:
        """See it through. Raises nothing: what goes wrong with a task is that task's matter."""
        task = self._claim.task
        with bound_contextvars(
            task_id=task.id, kind=task.kind, user_id=task.user_id, attempt=task.attempts
        ):
            try:
                await self._run(claimed_at)
            except Exception:
                # The claim is left to run out; then the task is somebody's again.
                _log.exception("task.abandoned")
                self._tell("abandoned")

    async def _run(self, claimed_at: float) -> None:
        tools = self._tools
        heartbeat = Heartbeat(
            database=tools.database,
            queue=tools.queue,
            claim=self._claim,
            message=self._message,
            lease_s=tools.lease_s,
        )
        work = asyncio.create_task(self._work())
        lost = asyncio.create_task(heartbeat.run(claimed_at))
        aborted = asyncio.create_task(self._aborted.wait())
        try:
            await asyncio.wait({work, lost, aborted}, return_when=asyncio.FIRST_COMPLETED)
            if self._context.ending:
                # A task that has just ended cannot be renewed, either. If the lease is lost for
                # good, the fence tells the work so.
                await asyncio.wait({work}, timeout=_STOP_S)
            if work.done():
                await work
                return
            stopped = await self._stop(work)
            if lost.done():
                self._tell("lost")
                if stopped and lost.result():
                    sparing = asyncio.create_task(self._spare())
                    await asyncio.wait({sparing, aborted}, return_when=asyncio.FIRST_COMPLETED)
                    sparing.cancel()
                    await asyncio.gather(sparing, return_exceptions=True)
            elif stopped:
                await self._give_back()
        finally:
            self._context.cancelled.set()
            for task in (work, lost, aborted):
                task.cancel()
            await asyncio.gather(lost, aborted, return_exceptions=True)

    async def _work(self) -> None:
        task = self._claim.task
        if task.attempts > self._tools.max_attempts:
            # Its workers died of it, or it could not be laid to rest.
            told = {key: value for key, value in (task.error or {}).items() if key != claims.SINCE}
            await self._fail(told or _given_up(task.attempts - 1), retryable=False)
            return
        if self._handler is None:
            _log.error("task.no_handler")
            await self._fail({"code": "no_handler", "message": f"nobody does {task.kind}"})
            return
        try:
            await self._handler.run(self._claim, self._context)
        except LeaseLost:
            _log.warning("task.lease_lost")
            self._tell("lost")
            return
        except asyncio.CancelledError:
            if self._context.cancelled.is_set():
                raise
            _log.exception("task.cancelled_itself")
            await self._fail(_UNEXPECTED)
        except OneVoiceError as exc:
            _log.warning("task.failed", code=exc.code, error=exc.message)
            error = {"code": exc.code, "message": exc.message, "hint": exc.hint}
            await self._fail(error, retryable=exc.retryable, outage=costs_no_attempt(exc))
        except Exception as exc:
            if is_outage(exc):
                _log.warning("task.failed", error=type(exc).__name__)
            else:
                _log.exception("task.failed")
            await self._fail(_UNEXPECTED, outage=costs_no_attempt(exc))
        else:
            await self._finish()

    async def _finish(self) -> None:
        self._context.ending = True
        if not self._context.finished and not await persist(self._write_finish, what="finish"):
            _log.warning("task.lease_lost")
            self._tell("lost")
            return
        self._tell("done")
        await self._drop_message()

    async def _write_finish(self) -> bool:
        async with outbox.transaction(self._tools.database, self._tools.queue) as session:
            finished = await claims.finish(session, self._claim)
            if finished:
                await admit_next(session, self._claim.task, self._tools.limit)
        return finished

    async def _fail(
        self, error: dict[str, Any], *, retryable: bool = True, outage: bool = False
    ) -> None:
        if self._context.finished:
            _log.error("task.failed_after_its_end", code=error["code"])
            await self._drop_message()
            return
        try:
            outcome = await persist(
                lambda: self._write_failure(error, retryable=retryable, outage=outage), what="fail"
            )
        except Exception:
            # Nobody settled what hangs on the task: it must not end, and is tried again for ever.
            _log.exception("task.cannot_die")
            outcome = await persist(lambda: self._postpone(error), what="postpone")
        if outcome is None:
            _log.warning("task.lease_lost")
            self._tell("lost")
            return
        self._tell("dead" if outcome == "dead" else "retried")
        await self._drop_message()

    async def _write_failure(
        self, error: dict[str, Any], *, retryable: bool, outage: bool = False
    ) -> Literal["queued", "dead"] | None:
        tools, task = self._tools, self._claim.task
        async with outbox.transaction(tools.database, tools.queue) as session:
            outcome = await claims.fail(
                session,
                self._claim,
                error=error,
                retryable=retryable,
                outage=outage,
                max_attempts=tools.max_attempts,
                retry_s=tools.retry_s,
            )
            if outcome == "dead":
                if self._handler is not None:
                    await self._handler.dead(session, task, error)
                await admit_next(session, task, tools.limit)
        return outcome

    async def _postpone(self, error: dict[str, Any]) -> Literal["queued", "dead"] | None:
        async with outbox.transaction(self._tools.database, self._tools.queue) as session:
            return await claims.fail(
                session,
                self._claim,
                error=error,
                retryable=True,
                max_attempts=_FOREVER,
                retry_s=self._tools.retry_s,
            )

    async def _spare(self) -> None:
        """The lease ran out while the database was away: say that it was no attempt, once it is
        back, unless somebody has begun another.
        """
        spared = await persist(
            lambda: self._write_failure(_UNEXPECTED, retryable=True, outage=True), what="spare"
        )
        if spared is not None:
            await self._drop_message()

    async def _give_back(self) -> None:
        given = await persist(self._write_give_back, what="give back")
        if given:
            self._tell("given_back")
        with suppress(QueueError):  # shown in any case, when its time of invisibility is over
            await self._tools.queue.give_back(self._message)

    async def _write_give_back(self) -> bool:
        async with self._tools.database.transaction() as session:
            return await claims.give_back(session, self._claim)

    async def _stop(self, work: asyncio.Task[None]) -> bool:
        """Have the handler stop; whether it did."""
        self._context.cancelled.set()
        work.cancel()
        await asyncio.wait({work}, timeout=_STOP_S)
        if not work.done():
            _log.error("task.does_not_stop", seconds=_STOP_S)
            return False
        if not work.cancelled() and (error := work.exception()) is not None:
            _log.error("task.failed_while_stopping", exc_info=error)
        return True

    async def _drop_message(self) -> None:
        try:
            await self._tools.queue.delete(self._message)
        except QueueError as exc:
            # It comes again, and whoever gets it finds that there is nothing to do.
            _log.warning("task.message_not_deleted", error=exc.message)

    def _tell(self, event: str) -> None:
        seconds = time.monotonic() - self._begun
        _log.info(f"task.{event}", seconds=round(seconds, 3))
        self._tools.tell(event, self._claim.task.kind, seconds)


_UNEXPECTED = {
    "code": "internal",
    "message": "something unexpected happened on our side",
    "hint": "it has been noted; try again later",
}


def _given_up(attempts: int) -> dict[str, Any]:
    return {
        "code": "interrupted",
        "message": f"the work was interrupted {attempts} times, and given up",
        "hint": "it has been noted; try again later",
    }
