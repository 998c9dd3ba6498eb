"""What comes in: a worker's queues, asked side by side.

A poll that was begun goes on when another queue was first: who breaks one off may lose the message
that is on its way. What it brings is for the next task that can be begun; while none can, it is
given back at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from onevoice.server.queue import Message, Queue, QueueError

_log = structlog.get_logger()
_LOWER_TURN = 4
"""Of so many turns one begins at a lower queue."""


class Intake:
    """Messages of some queues, most urgent first."""

    def __init__(
        self, queue: Queue, names: Sequence[str], *, wait_s: float, visibility_s: int
    ) -> None:
        self._queue = queue
        self._names = list(names)
        self._wait_s = wait_s
        self._visibility_s = visibility_s
        self._turn = 0
        self._wanted = False
        self._polls: dict[str, asyncio.Task[Message | None]] = {}

    async def next(self) -> Message:
        """The next message of any queue; waits for one."""
        self._wanted = True
        order = turn_order(self._names, self._turn)
        self._turn += 1
        # Where there is work in every queue, long polls would fetch more than can be begun.
        for name in order:
            if (message := await self._look(name)) is not None:
                return message
        while True:
            for name in order:
                if name not in self._polls:
                    self._polls[name] = asyncio.create_task(self._poll(name))
            await asyncio.wait(self._polls.values(), return_when=asyncio.FIRST_COMPLETED)
            for name in order:
                if (message := self._brought(name)) is not None:
                    return message

    async def pause(self) -> None:
        """Nothing can be begun until ``next`` is called again."""
        self._wanted = False
        for name in [name for name, poll in self._polls.items() if poll.done()]:
            poll = self._polls.pop(name)
            if poll.exception() is None and (message := poll.result()) is not None:
                await self.give_back(message)

    async def close(self) -> None:
        """Have no poll under way any more; what one brings all the same goes back."""
        await self.pause()
        for poll in self._polls.values():
            poll.cancel()
        await asyncio.gather(*self._polls.values(), return_exceptions=True)
        self._polls.clear()

    async def give_back(self, message: Message) -> None:
        """Leave a message to others. Raises nothing: it is shown again after its time anyway."""
        try:
            await self._queue.give_back(message)
        except QueueError as exc:
            _log.warning("worker.message_not_given_back", error=exc.message)

    async def _look(self, name: str) -> Message | None:
        if name in self._polls:
            return self._brought(name)
        return await self._queue.receive(name, wait_s=0, visibility_s=self._visibility_s)

    async def _poll(self, name: str) -> Message | None:
        try:
            message = await self._queue.receive(
                name, wait_s=self._wait_s, visibility_s=self._visibility_s
            )
        except Exception:
            if self._wanted:
                raise
            return None  # who asks again will see whether it still fails
        if message is None or self._wanted:
            return message
        await self.give_back(message)
        return None

    def _brought(self, name: str) -> Message | None:
        """What a poll came back with; None while it is under way. Raises what it failed with."""
        if not self._polls[name].done():
            return None
        return self._polls.pop(name).result()


def turn_order(names: Sequence[str], turn: int) -> list[str]:
    """Most urgent first; now and then another one comes first, each in its turn."""
    if len(names) < 2 or turn % _LOWER_TURN != _LOWER_TURN - 1:
        return list(names)
    first = 1 + (turn // _LOWER_TURN) % (len(names) - 1)
    return [names[first], *names[:first], *names[first + 1 :]]
