"""The worker's side of a dub that runs in a process of its own.

A native library that crashes takes one dub with it and not the worker, memory comes back whole,
and what a dub may take can be limited. :mod:`.guard` says how nothing of it outlives the worker.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

import structlog

from onevoice.errors import Cancelled, OneVoiceError
from onevoice.server.jobs.environment import environment, secrets_in
from onevoice.server.jobs.guard import end_session
from onevoice.server.jobs.orders import ErrorFacts, Event, Failed, Finished, Order, read_event
from onevoice.server.settings import ServerSettings

_log = structlog.get_logger(__name__)

GRACE = 10.0
"""Seconds a dub gets to stop by itself: a model in the middle of a line, ffmpeg at once."""
_LEAVE = 1.0
"""Seconds the guard gets to end its session before it is ended from here."""
_MOST_LINE = 64 << 20
"""Bytes of one event: the lines of a long film are one."""
_MOST_LOGGED = 2000
"""Lines of standard error that are logged; the last ones are kept for the crash in any case."""
_MOST_LOGGED_WIDTH = 500


class DubCrashed(OneVoiceError):
    """The process of a dub ended without a word."""

    code = "dub_crashed"
    retryable = True


class DubTimedOut(OneVoiceError):
    """A dub took longer than the operator allows."""

    code = "dub_timed_out"


class DubProcess:
    """An order under way::

    async with DubProcess(order, settings=settings) as run:
        async for event in run.events():
            ...

    Leaving the block ends the process and everything it started.
    """

    def __init__(
        self,
        order: Order,
        *,
        settings: ServerSettings,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._order = order
        self._environ = environment(
            os.environ if environ is None else environ, settings=settings, profile=order.profile
        )
        self._hours = settings.job_hours
        self._deadline = 0.0
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._tail: deque[str] = deque(maxlen=20)
        self._tasks: list[asyncio.Task[None]] = []
        self._process: asyncio.subprocess.Process | None = None
        self._stopped = False

    @property
    def pid(self) -> int:
        """Of the guard, which leads the session that all processes of the dub are in."""
        return self._running.pid

    # -- beginning and end -------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the worker's folder is none to import from
            "-m",
            "onevoice.server.jobs.child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environ,
            start_new_session=True,
            limit=_MOST_LINE,
        )
        self._deadline = time.monotonic() + self._hours * 3600
        _, stdout, stderr = self._pipes
        self._tasks = [
            asyncio.create_task(self._read_events(stdout)),
            asyncio.create_task(self._read_log(stderr)),
        ]
        try:
            await self._send_order()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end()

    async def stop(self, grace: float = GRACE) -> None:
        """Ask the dub to stop, and make it stop after ``grace`` seconds.

        What it finished by then is kept. :meth:`events` ends with ``failed`` (cancelled), unless
        the dub was done before it heard of it.
        """
        self._stopped = True
        process = self._running
        with suppress(ProcessLookupError):
            process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await process.wait()
        await self._end()

    async def _end(self) -> None:
        """End the process, its whole session, and our own tasks; safe to call again."""
        process = self._running
        stdin, _, _ = self._pipes
        stdin.close()  # the guard sees it and ends its session
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE):
                await process.wait()
        await asyncio.to_thread(end_session, process.pid)
        if process.returncode is None:
            await process.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- events ------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[Event]:
        """What the dub tells, in order; the last one is ``finished`` or ``failed``.

        Raises
        ------
        DubCrashed
            The process ended without telling how.
        DubTimedOut
            It took longer than ``job_hours``; it is dead by then.
        """
        while True:
            try:
                async with asyncio.timeout(max(0.0, self._deadline - time.monotonic())):
                    event = await self._events.get()
            except TimeoutError:
                await self.stop()
                raise DubTimedOut(
                    f"the dub took more than {self._hours:g} hours",
                    hint="dub shorter parts, or ask the operator for a higher limit",
                ) from None
            if event is None:
                break
            yield event
            if isinstance(event, Finished | Failed):
                return
        if self._stopped:
            yield Failed(error=ErrorFacts.of(Cancelled("stopped on request")))
            return
        await self._end()
        status = await self._running.wait()
        _log.warning("dub_crashed", pid=self.pid, status=status, stderr=list(self._tail))
        raise DubCrashed(
            f"the process of the dub {_how(status)}",
            hint="it is tried again; what was finished is not done twice",
        )

    async def _read_events(self, stdout: asyncio.StreamReader) -> None:
        try:
            while line := await stdout.readline():
                try:
                    self._events.put_nowait(read_event(line))
                except ValueError:  # cut off by a kill in the middle of a line
                    _log.warning("dub_event_unreadable", pid=self.pid, size=len(line))
        finally:
            self._events.put_nowait(None)

    # -- the pipes ---------------------------------------------------------------------------

    async def _send_order(self) -> None:
        stdin, _, _ = self._pipes
        with suppress(BrokenPipeError, ConnectionResetError):  # events() will say what happened
            stdin.write(self._order.encoded())
            await stdin.drain()

    async def _read_log(self, stderr: asyncio.StreamReader) -> None:
        """Log what libraries say, as far as it goes; read it all, or they would wait."""
        secrets = secrets_in(self._environ)
        left = _MOST_LOGGED
        rest = ""
        while data := await stderr.read(65536):
            *lines, rest = (rest + data.decode(errors="replace")).replace("\r", "\n").split("\n")
            rest = rest[-4096:]
            for text in filter(None, map(str.strip, lines)):
                for secret in secrets:
                    text = text.replace(secret, "***")
                text = text[:_MOST_LOGGED_WIDTH]
                self._tail.append(text)
                if left > 0:
                    left -= 1
                    _log.debug("dub_says", pid=self.pid, text=text)

    @property
    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("the process is begun by 'async with'")
        return self._process

    @property
    def _pipes(self) -> tuple[asyncio.StreamWriter, asyncio.StreamReader, asyncio.StreamReader]:
        process = self._running
        assert process.stdin and process.stdout and process.stderr  # noqa: S101 (all piped)
        return process.stdin, process.stdout, process.stderr


def _how(status: int) -> str:
    """How a process ended, for people."""
    if status >= 0:
        return f"left with status {status} and without a word"
    with suppress(ValueError):
        name = signal.Signals(-status).name
        what = "; most likely memory ran out" if name == "SIGKILL" else ""
        return f"was ended by {name}{what}"
    return f"was ended by signal {-status}"
