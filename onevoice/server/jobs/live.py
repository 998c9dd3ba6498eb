"""Events of jobs for the clients of this process that follow them.

One loop asks the database for all of them: once a tick whether any followed job has news, and once
for the news. So a thousand open streams cost two queries a tick, not a thousand.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from types import FrameType, TracebackType
from typing import Any, Self

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
        self._closing = False
        self._signals: Callable[[], None] = lambda: None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.create_task(self._watch(), name="job events")
        self._signals = _on_signals(self.close)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._signals()
        self.close()
        if self._loop is not None:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop

    @property
    def following(self) -> int:
        """How many clients follow a job."""
        return sum(len(followers) for followers in self._followers.values())

    def close(self) -> None:
        """End all streams: their clients come back, to another process."""
        self._closing = True
        for followers in self._followers.values():
            for follower in followers:
                follower.woken.set()

    async def follow(
        self, job_id: str, after: int, *, keepalive_s: float
    ) -> AsyncGenerator[JobEvent | None]:
        """The events of a job after number ``after``; None where ``keepalive_s`` went by without.

        It ends when the caller stops asking, or the process is to stop: only the events themselves
        say that a job is over.
        """
        follower = _Follower()
        self._followers.setdefault(job_id, set()).add(follower)
        follower.woken.set()
        try:
            seen = after
            while not self._closing:
                try:
                    async with asyncio.timeout(keepalive_s):
                        await follower.woken.wait()
                except TimeoutError:
                    yield None
                    continue
                follower.woken.clear()
                while events := await self._news(job_id, seen, follower):
                    for event in events:
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

    async def _news(self, job_id: str, seen: int, follower: _Follower) -> Sequence[JobEvent]:
        """Some of the events after ``seen``; none, too, while the database does not answer."""
        recent = self._recent.get(job_id, [])
        if recent and recent[0].seq <= seen + 1:
            return [event for event in recent if event.seq > seen]
        try:
            async with self._database.session() as session:
                return await repository.events_after(session, job_id, seen)
        except Exception as exc:
            _log.warning("events.unavailable", error=type(exc).__name__)
            asyncio.get_running_loop().call_later(self._tick_s, follower.woken.set)
            return []

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
            followers = self._followers.get(job_id)
            if not followers:  # they left meanwhile
                continue
            fresh = job_id not in self._newest
            events = found.get(job_id, [])
            # The second query may have seen more than the first.
            self._newest[job_id] = events[-1].seq if events else seq
            if events:
                self._recent[job_id] = (self._recent.get(job_id, []) + events)[-_MOST:]
            if events or fresh:
                for follower in followers:
                    follower.woken.set()


def _on_signals(close: Callable[[], None]) -> Callable[[], None]:
    """Have ``close`` called when the process is asked to stop; returns what undoes that.

    Servers wait for their answers to end before they say that they are about to stop: a stream
    that went on would hold them up. Their own handlers are called all the same.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Any] = {}

    def asked(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(close)
        before[signal.Signals(number)](number, frame)

    def undo() -> None:
        for number, handler in before.items():
            if signal.getsignal(number) is asked:
                signal.signal(number, handler)

    for number in (signal.SIGTERM, signal.SIGINT):
        handler = signal.getsignal(number)
        if callable(handler):  # nobody else wants to hear of it: then it ends the process
            before[number] = handler
            signal.signal(number, asked)
    return undo
