"""Databases and queues that do not answer for a while: what that looks like, and how to wait."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from sqlalchemy import exc as sql

from onevoice.server.queue import QueueError

T = TypeVar("T")
_log = structlog.get_logger()
_OUTAGES = (sql.DBAPIError, sql.TimeoutError, OSError, TimeoutError, QueueError)
_MISTAKES = (sql.IntegrityError, sql.ProgrammingError, sql.DataError, sql.NotSupportedError)


def is_outage(error: Exception) -> bool:
    """Whether it may pass by itself. A driver's own error, raised while connecting, counts."""
    if isinstance(error, _MISTAKES):
        return False
    return isinstance(error, _OUTAGES) or type(error).__module__.startswith("asyncpg.")


class Backoff:
    """Pauses that grow while something fails, and differ from one worker to another."""

    def __init__(self, *, first_s: float = 0.25, longest_s: float = 30.0) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._failures = 0

    def reset(self) -> None:
        self._failures = 0

    async def pause(self) -> None:
        limit = min(self._longest_s, self._first_s * 2 ** min(self._failures, 16))
        self._failures += 1
        await asyncio.sleep(limit * random.uniform(0.5, 1))  # noqa: S311


async def persist(work: Callable[[], Awaitable[T]], *, what: str) -> T:
    """Do it, again and again while there is an outage; the caller limits the time."""
    backoff = Backoff(longest_s=5.0)
    while True:
        try:
            return await work()
        except Exception as exc:
            if not is_outage(exc):
                raise
            _log.warning("worker.outage", what=what, error=type(exc).__name__)
            await backoff.pause()
