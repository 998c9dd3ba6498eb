"""Sends the messages of tasks that requests have committed, after their answers.

A request does not wait for SQS, and what several requests committed meanwhile is sent and noted
together. A process that dies before it has sent everything loses nothing: the sweep sends it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from onevoice.server.db import Database
from onevoice.server.queue.base import Queue
from onevoice.server.tasks.models import Task
from onevoice.server.tasks.outbox import dispatch

_AT_ONCE = 100
_MOST = 10_000
"""More than this wait only while SQS is away; the sweep sends the others."""
_CLOSING_S = 5.0


class Sender:
    """What waits to be sent in this process."""

    def __init__(self, database: Database, queue: Queue) -> None:
        self._database = database
        self._queue = queue
        self._waiting: deque[Task] = deque(maxlen=_MOST)
        self._sending: asyncio.Task[None] | None = None

    def hand_over(self, tasks: Iterable[Task]) -> None:
        """Send the messages of committed tasks soon; never fails and does not wait."""
        self._waiting.extend(tasks)
        if self._waiting and (self._sending is None or self._sending.done()):
            self._sending = asyncio.create_task(self._send(), name="messages of tasks")

    async def close(self) -> None:
        """Send what waits, unless that takes too long."""
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=_CLOSING_S)
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    async def _send(self) -> None:
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
            await dispatch(self._queue, self._database, some)
