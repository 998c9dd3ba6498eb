"""Databases, queues and storages that do not answer for a while: what that looks like, and how to
wait.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from sqlalchemy import exc as sql

from onevoice.errors import OneVoiceError
from onevoice.server.pauses import jittered
from onevoice.server.queue import QueueError
from onevoice.server.queue.base import QueueUnavailable
from onevoice.server.storage import StorageUnavailable

T = TypeVar("T")
_log = structlog.get_logger()
_OUTAGES = (sql.DBAPIError, sql.TimeoutError, OSError, TimeoutError, QueueError)
_MISTAKES = (sql.IntegrityError, sql.ProgrammingError, sql.DataError, sql.NotSupportedError)
_AWAY = ("08", "53", "57P")
"""Classes of SQLSTATE: no connection, no resources, stopped by an operator."""


def is_outage(error: Exception) -> bool:
    """Whether it may pass by itself. A driver's own error, raised while connecting, counts."""
    if isinstance(error, _MISTAKES):
        return False
    return isinstance(error, _OUTAGES) or type(error).__module__.startswith("asyncpg.")


def is_code_of_outage(code: str) -> bool:
    """The same of the code of an error, which may have happened in another process."""
    return code in (StorageUnavailable.code, QueueUnavailable.code)


def costs_no_attempt(error: Exception) -> bool:
    """Whether a task failed because of it, and not because of what the task is.

    Narrower than ``is_outage``: a task that breaks something each time must come to an end.
    """
    if isinstance(error, OneVoiceError):
        return is_code_of_outage(error.code)
    if isinstance(error, sql.DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        return error.connection_invalidated or state.startswith(_AWAY)
    away = (sql.TimeoutError, ConnectionError, TimeoutError, socket.gaierror)
    return isinstance(error, away) or type(error).__module__.startswith("asyncpg.")


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
        await asyncio.sleep(jittered(limit, 0.5, 1))


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
