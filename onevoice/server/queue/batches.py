"""Messages that are sent at the same moment travel together: SQS takes ten in one request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

MOST = 10


@dataclass(frozen=True, slots=True)
class Letter:
    """A message on its way out."""

    task_id: str
    group: str | None
    delay_s: int
    sent: asyncio.Future[None] = field(compare=False)


Post = Callable[[str, Sequence[Letter]], Awaitable[Mapping[int, Exception]]]
"""Sends letters to a queue; returns why some of them were refused, by their place."""


class Batches:
    """Gathers what is sent in one turn of the event loop, and posts it."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._waiting: dict[str, list[Letter]] = {}
        self._posting: set[asyncio.Task[None]] = set()

    async def send(self, queue: str, task_id: str, group: str | None, delay_s: int) -> None:
        """Return when it is sent; raises what became of this message, or of its whole batch."""
        loop = asyncio.get_running_loop()
        letter = Letter(task_id, group, delay_s, loop.create_future())
        waiting = self._waiting.setdefault(queue, [])
        waiting.append(letter)
        if len(waiting) == 1:
            loop.call_soon(self._begin, queue)
        await letter.sent

    def _begin(self, queue: str) -> None:
        letters = self._waiting.pop(queue)
        for start in range(0, len(letters), MOST):
            posting = asyncio.create_task(self._deliver(queue, letters[start : start + MOST]))
            self._posting.add(posting)  # the loop itself keeps only weak references
            posting.add_done_callback(self._posting.discard)

    async def _deliver(self, queue: str, letters: Sequence[Letter]) -> None:
        try:
            refused = await self._post(queue, letters)
        except Exception as exc:
            refused = dict.fromkeys(range(len(letters)), exc)
        for place, letter in enumerate(letters):
            if letter.sent.done():
                continue  # nobody waits for it any more
            if place in refused:
                letter.sent.set_exception(refused[place])
            else:
                letter.sent.set_result(None)
