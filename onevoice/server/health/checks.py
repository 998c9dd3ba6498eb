"""Whether what the server works with answers: database, storage, queue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import monotonic

import structlog
from sqlalchemy import text

from onevoice.server.resources import Resources

TIMEOUT = 2.0
KEPT_SECONDS = 1.0
_log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Part:
    """How one part is: ``ok``, ``timeout`` or ``failed``. Why is in the log, for the operator."""

    state: str
    milliseconds: int


class Readiness:
    """Asks every part at once, and remembers the answer for a second.

    However often it is asked, each part is asked once a second at most, and a part that hangs holds
    one check and no more.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        timeout: float = TIMEOUT,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        self._checks = checks
        self._timeout = timeout
        self._kept = kept_seconds
        self._lock = asyncio.Lock()
        self._running: dict[str, asyncio.Future[None]] = {}
        self._found: dict[str, Part] = {}
        self._until = 0.0

    async def ask(self) -> dict[str, Part]:
        async with self._lock:
            if monotonic() >= self._until:
                found = await asyncio.gather(*(self._one(*item) for item in self._checks.items()))
                self._found = dict(zip(self._checks, found, strict=True))
                self._until = monotonic() + self._kept
            return dict(self._found)

    async def _one(self, name: str, check: Check) -> Part:
        started = monotonic()
        task = self._running.get(name)
        if task is None or task.done():
            task = asyncio.ensure_future(check())
            task.add_done_callback(_error)
            self._running[name] = task
        # Not cancelled: a thread would go on all the same, and the next check would add one more.
        await asyncio.wait({task}, timeout=self._timeout)
        if not task.done():
            state = "timeout"
        elif (error := _error(task)) is None:
            state = "ok"
        else:
            state = "failed"
            _log.warning("health.failed", part=name, error=type(error).__name__)
        return Part(state, round((monotonic() - started) * 1000))


def _error(task: asyncio.Future[None]) -> BaseException | None:
    # Also called for one that ends after its time-out: an error nobody asked for is logged loudly.
    return asyncio.CancelledError() if task.cancelled() else task.exception()


def checks_of(resources: Resources) -> dict[str, Check]:
    async def database() -> None:
        async with resources.database.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def storage() -> None:
        await asyncio.to_thread(resources.storage.check)

    return {"database": database, "storage": storage, "queue": resources.queue.check}
