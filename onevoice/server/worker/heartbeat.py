"""The sign of life of a worker: it keeps a task claimed, and its message hidden."""

from __future__ import annotations

import asyncio

import structlog

from onevoice.server.db import Database
from onevoice.server.queue import Message, Queue
from onevoice.server.tasks.claims import Claim, renew
from onevoice.server.worker.outages import costs_no_attempt

_log = structlog.get_logger()


class Heartbeat:
    """Renews a claim every third of its lease."""

    def __init__(
        self, *, database: Database, queue: Queue, claim: Claim, message: Message, lease_s: int
    ) -> None:
        self._database = database
        self._queue = queue
        self._claim = claim
        self._message = message
        self._lease_s = lease_s

    async def run(self, claimed_at: float) -> bool:
        """Go on until the lease is lost: somebody else has it, or it could not be renewed in time.

        Returns whether it ran out because the database was away. ``claimed_at``: when the claim was
        asked for, by the clock of the event loop.
        """
        clock = asyncio.get_running_loop().time
        over = claimed_at + self._lease_s
        pause = self._lease_s / 3
        away = False
        while True:
            await asyncio.sleep(min(pause, max(0.0, over - clock())))
            asked = clock()
            if asked >= over:
                _log.warning("task.lease_over")
                return away
            try:
                # An answer that does not come must leave time to ask again.
                async with asyncio.timeout(min(over - asked, self._lease_s / 4)):
                    renewed = await self._renew()
            except Exception as exc:
                _log.warning("task.not_renewed", error=type(exc).__name__)
                pause = self._lease_s / 20
                away = costs_no_attempt(exc)
                continue
            if not renewed:
                _log.warning("task.lease_lost")
                return False
            away = False
            over, pause = asked + self._lease_s, self._lease_s / 3
            await self._extend()

    async def _renew(self) -> bool:
        async with self._database.transaction() as session:
            return await renew(session, self._claim, lease_s=self._lease_s)

    async def _extend(self) -> None:
        try:
            async with asyncio.timeout(self._lease_s / 4):
                await self._queue.extend(self._message, self._lease_s)
        except Exception as exc:
            # The message may come to another worker, who finds the task claimed.
            _log.warning("task.message_not_extended", error=str(exc) or type(exc).__name__)
