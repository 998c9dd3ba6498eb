"""Events of jobs for the clients of this process that follow them.

One loop asks the database for all of them: once a tick whether any followed job has news, and once
for the news. So a thousand open streams cost two queries a tick, not a thousand.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import structlog

from onevoice.server.db import Database
from onevoice.server.jobs import repository
from onevoice.server.jobs.models import JobEvent

TICK_S = 0.5
_MOST = 200
"""Events that wait for a slow client; one that is further behind reads them from the database."""
_log = structlog.get_logger(__name__)


class _Follower:
    def __init__(self) -> None:
        self.woken = asyncio.Event()


class EventHub:
    """Wakes those who follow a job when it has news. Use as an async context manager."""

    def __init__(self, database: Database, *, tick_s: float = TICK_S) -> None:
        self._database = database
        self._tick_s = tick_s
        self._followers: dict[str, set[_Follower]] = {}
        self._newest: dict[str, int] = {}
        self._recent: dict[str, list[JobEvent]] = {}
        self._loop: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.create_task(self._watch(), name="job events")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._loop is not None:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop

    async def follow(
        self, job_id: str, after: int, *, keepalive_s: float
    ) -> AsyncIterator[JobEvent | None]:
        """The events of a job after number ``after``; None where ``keepalive_s`` went by without.

        It ends when the caller stops asking: only the events themselves say that a job is over.
        """
        follower = _Follower()
        self._followers.setdefault(job_id, set()).add(follower)
        try:
            seen = after
            for event in await self._read(job_id, seen):
                seen = event.seq
                yield event
            while True:
                try:
                    async with asyncio.timeout(keepalive_s):
                        await follower.woken.wait()
                except TimeoutError:
                    yield None
                    continue
                follower.woken.clear()
                for event in await self._news(job_id, seen):
                    seen = event.seq
                    yield event
        finally:
            self._leave(job_id, follower)

    def _leave(self, job_id: str, follower: _Follower) -> None:
        others = self._followers.get(job_id, set())
        others.discard(follower)
        if not others:
            for known in (self._followers, self._newest, self._recent):
                known.pop(job_id, None)

    async def _news(self, job_id: str, seen: int) -> list[JobEvent]:
        recent = self._recent.get(job_id, [])
        if recent and recent[0].seq <= seen + 1:
            return [event for event in recent if event.seq > seen]
        return await self._read(job_id, seen)

    async def _read(self, job_id: str, seen: int) -> list[JobEvent]:
        found: list[JobEvent] = []
        async with self._database.session() as session:
            while page := await repository.events_after(session, job_id, seen):
                found += page
                seen = page[-1].seq
        return found

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._tick_s)
            try:
                if self._followers:
                    await self._look()
            except Exception as exc:
                # A database that is away for a while: clients wait, and nothing is lost.
                _log.warning("events.unavailable", error=type(exc).__name__)

    async def _look(self) -> None:
        followed = list(self._followers)
        async with self._database.session() as session:
            newest = await repository.newest_events(session, followed)
            behind = {
                job_id: self._newest[job_id]
                for job_id, seq in newest.items()
                if self._newest.get(job_id, seq) < seq
            }
            found = await repository.events_of_all(session, behind)
        for job_id, seq in newest.items():
            fresh = job_id not in self._newest
            self._newest[job_id] = seq
            events = found.get(job_id)
            if events:
                self._recent[job_id] = (self._recent.get(job_id, []) + events)[-_MOST:]
            if events or fresh:
                for follower in self._followers.get(job_id, ()):
                    follower.woken.set()
