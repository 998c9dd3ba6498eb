"""The worker: it receives tasks' ids, claims the tasks, and has handlers do them.

It survives what it depends on: an outage of the database or of a queue is waited for, with pauses
that grow. Asked to stop it takes nothing new, waits a while for what runs, and gives the rest back.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

import structlog
from sqlalchemy import text

from onevoice.server.db import Database, now
from onevoice.server.ids import new_id
from onevoice.server.pauses import jittered
from onevoice.server.queue import Message, Queue
from onevoice.server.queue.base import MAX_VISIBILITY_S, known
from onevoice.server.settings import ServerSettings
from onevoice.server.tasks.claims import RETRY_S, Busy, Claim, Gone, claim
from onevoice.server.tasks.fairness import Limit
from onevoice.server.tasks.sweep import sweep, take_over
from onevoice.server.worker.attempt import Attempt, Tell, Tools
from onevoice.server.worker.handlers import Handler
from onevoice.server.worker.intake import Intake
from onevoice.server.worker.outages import Backoff

T = TypeVar("T")
_log = structlog.get_logger()
_POLL_S = 5.0
"""A worker that is to stop has to wait for the polls under way."""


class Worker:
    """Some queues, most urgent first, and as many tasks at once as ``concurrency`` says."""

    def __init__(
        self,
        *,
        database: Database,
        queue: Queue,
        handlers: Iterable[Handler],
        settings: ServerSettings,
        queues: Sequence[str],
        concurrency: int = 1,
        name: str = "",
        limit: Limit | None = None,
        tell: Tell = lambda event, kind, seconds: None,
        poll_s: float = _POLL_S,
        sweep_s: float = 30.0,
        retry_s: float = RETRY_S,
    ) -> None:
        self.name = (name or f"{socket.gethostname()}-{os.getpid()}-{new_id('w')[-6:]}")[:80]
        self._database = database
        self._queue = queue
        self._handlers = {handler.kind: handler for handler in handlers}
        self._queues = [known(queue) for queue in queues]
        self._drain_s = settings.drain_seconds
        self._sweep_s = sweep_s
        self._stopping = asyncio.Event()
        self._aborted = asyncio.Event()
        self._slots = asyncio.Semaphore(concurrency)
        self._running: set[asyncio.Task[None]] = set()
        self._intake = Intake(
            queue, self._queues, wait_s=poll_s, visibility_s=settings.visibility_seconds
        )
        self._tools = Tools(
            database=database,
            queue=queue,
            limit=limit,
            tell=tell,
            lease_s=settings.visibility_seconds,
            max_attempts=settings.max_attempts,
            retry_s=retry_s,
        )

    @property
    def running(self) -> int:
        """How many tasks it works on."""
        return len(self._running)

    def stop(self) -> None:
        """Take nothing more and let ``run`` end: for a signal handler of the event loop."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until ``stop``. When it is cancelled it gives everything back at once."""
        _log.info("worker.started", worker=self.name, queues=self._queues)
        receiving = asyncio.create_task(self._receive())
        sweeping = asyncio.create_task(self._sweep())
        try:
            await receiving
            await self._intake.close()
            if self._running:
                await asyncio.wait(self._running, timeout=self._drain_s)
        finally:
            self._stopping.set()
            self._aborted.set()
            sweeping.cancel()
            await asyncio.gather(receiving, return_exceptions=True)
            await self._intake.close()
            await asyncio.gather(sweeping, *self._running, return_exceptions=True)
            _log.info("worker.stopped", worker=self.name)

    async def _receive(self) -> None:
        backoff = Backoff()
        while await self._until_stopped(self._slot()) and not self._stopping.is_set():
            begun = False
            try:
                message = await self._until_stopped(self._intake.next())
                if message is not None and self._stopping.is_set():
                    await self._intake.give_back(message)
                elif message is not None:
                    begun = await self._begin(message)
                backoff.reset()
            except Exception as exc:
                _log.warning("worker.outage", worker=self.name, error=type(exc).__name__)
                await self._intake.pause()
                await self._until_stopped(self._recovered(backoff))
            finally:
                if not begun:
                    self._slots.release()

    async def _slot(self) -> bool:
        """Wait until one more task can be begun."""
        if self._slots.locked():
            await self._intake.pause()
        return await self._slots.acquire()

    async def _begin(self, message: Message) -> bool:
        """Claim its task and start on it; False if there is nothing to start."""
        asked = asyncio.get_running_loop().time()
        async with self._database.transaction() as session:
            taken = await claim(
                session, message.task_id, worker=self.name, lease_s=self._tools.lease_s
            )
        match taken:
            case Gone():
                await self._queue.delete(message)
            case Busy(until):
                left_s = int((until - now()).total_seconds()) + 1
                await self._queue.extend(message, min(max(left_s, 1), MAX_VISIBILITY_S))
            case Claim():
                self._start(taken, message, asked)
                return True
        return False

    def _start(self, taken: Claim, message: Message, asked: float) -> None:
        task = taken.task
        waited_s = (now() - (task.sent_at or task.created_at)).total_seconds()
        self._tools.tell("started", task.kind, max(waited_s, 0.0))
        attempt = Attempt(
            self._tools,
            claim=taken,
            message=message,
            handler=self._handlers.get(task.kind),
            aborted=self._aborted,
        )
        running = asyncio.create_task(attempt.run(asked))
        self._running.add(running)
        running.add_done_callback(self._ended)

    def _ended(self, running: asyncio.Task[None]) -> None:
        self._running.discard(running)
        self._slots.release()

    async def _recovered(self, backoff: Backoff) -> None:
        """Wait until the database answers: messages received before only use up their receives."""
        while True:
            await backoff.pause()
            try:
                async with self._database.session() as session:
                    await session.execute(text("SELECT 1"))
            except Exception as exc:
                _log.warning("worker.outage", worker=self.name, error=type(exc).__name__)
            else:
                return

    async def _sweep(self) -> None:
        taken_over = self._queue.durable
        while True:
            try:
                if not taken_over:
                    async with self._database.transaction() as session:
                        await take_over(session, gone=_has_ended)
                    taken_over = True
                swept = await sweep(self._database, self._queue, limit=self._tools.limit)
                if swept.freed or swept.sent or swept.admitted:
                    _log.info("worker.swept", freed=swept.freed, sent=swept.sent)
            except Exception as exc:
                _log.warning("worker.not_swept", worker=self.name, error=type(exc).__name__)
            await asyncio.sleep(jittered(self._sweep_s, 0.8, 1.2))

    async def _until_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What the work returns; None if the worker is to stop first: then the work is dropped."""
        doing = asyncio.create_task(work)
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return await doing if doing.done() else None
        finally:
            for task in (doing, stopping):
                task.cancel()
            await asyncio.gather(doing, stopping, return_exceptions=True)


def _has_ended(worker: str) -> bool:
    """Whether a worker of that name was a process of this machine, and is no more."""
    host, _, process = worker.rpartition("-")[0].rpartition("-")
    if host != socket.gethostname() or not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # somebody else's: the number was given out again
    return False
