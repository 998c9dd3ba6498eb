"""Queues inside the process: of a server on one's own machine, and of tests.

They behave as SQS does, and forget everything when the process ends: what should have been sent is
known to the database, and the sweep sends it again.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import structlog

from onevoice.server.queue.base import (
    MAX_DELAY_S,
    MAX_VISIBILITY_S,
    QUEUES,
    Depth,
    Message,
    known,
    names_task,
)

_log = structlog.get_logger()


@dataclass(slots=True)
class _Letter:
    task_id: str
    group: str | None
    visible_at: float
    deliveries: int = 0
    receipt: str = ""


class MemoryQueue:
    """All queues of a process, for one event loop."""

    durable: ClassVar[bool] = False

    def __init__(self, *, max_receives: int = 6) -> None:
        self._max_receives = max_receives
        self._letters: dict[str, list[_Letter]] = {name: [] for name in QUEUES}
        self._dead: dict[str, list[_Letter]] = {name: [] for name in QUEUES}
        self._changed = asyncio.Condition()

    async def send(self, queue: str, task_id: str, *, group: str | None, delay_s: int = 0) -> None:
        due = time.monotonic() + min(max(delay_s, 0), MAX_DELAY_S)
        async with self._changed:
            self._letters[known(queue)].append(_Letter(task_id, group, due))
            self._changed.notify_all()

    async def receive(self, queue: str, *, wait_s: float, visibility_s: int) -> Message | None:
        letters = self._letters[known(queue)]
        end = time.monotonic() + wait_s
        async with self._changed:
            while True:
                at = time.monotonic()
                self._bury(queue, at)
                letter = _next(letters, at)
                if letter is not None:
                    break
                upcoming = min([end, *(letter.visible_at for letter in letters)])
                if at >= end:
                    return None
                try:
                    async with asyncio.timeout(max(upcoming - at, 0.001)):
                        await self._changed.wait()
                except TimeoutError:
                    continue  # one came due, or the wait is over
            letter.deliveries += 1
            letter.receipt = secrets.token_hex(8)
            letter.visible_at = at + min(visibility_s, MAX_VISIBILITY_S)
        if not names_task(letter.task_id):
            _log.error("queue.garbled", queue=queue, deliveries=letter.deliveries)
            return None
        return Message(letter.task_id, letter.receipt, queue, letter.deliveries, letter.group)

    async def extend(self, message: Message, visibility_s: int) -> None:
        async with self._changed:
            letter = self._find(message)
            if letter is not None and letter.visible_at > time.monotonic():
                letter.visible_at = time.monotonic() + min(visibility_s, MAX_VISIBILITY_S)
                self._changed.notify_all()

    async def give_back(self, message: Message) -> None:
        async with self._changed:
            letter = self._find(message)
            if letter is not None and letter.visible_at > time.monotonic():
                letter.deliveries -= 1
                letter.visible_at = time.monotonic()
                self._changed.notify_all()

    async def delete(self, message: Message) -> None:
        async with self._changed:
            letter = self._find(message)
            if letter is not None:
                self._letters[message.queue].remove(letter)

    async def depth(self, queue: str, *, dead: bool = False) -> Depth:
        letters = (self._dead if dead else self._letters)[known(queue)]
        at = time.monotonic()
        hidden = [letter for letter in letters if letter.visible_at > at]
        delayed = sum(letter.deliveries == 0 for letter in hidden)
        return Depth(len(letters) - len(hidden), len(hidden) - delayed, delayed)

    async def redrive(self, queue: str) -> int:
        async with self._changed:
            dead, self._dead[known(queue)] = self._dead[known(queue)], []
            self._letters[queue] += [_Letter(letter.task_id, letter.group, 0.0) for letter in dead]
            self._changed.notify_all()
        return len(dead)

    async def check(self) -> None:
        """It is there as long as the process is."""

    async def close(self) -> None:
        """Nothing is held."""

    def _bury(self, queue: str, at: float) -> None:
        letters = self._letters[queue]
        spent = [
            letter
            for letter in letters
            if letter.deliveries >= self._max_receives and letter.visible_at <= at
        ]
        for letter in spent:
            letters.remove(letter)
            self._dead[queue].append(letter)

    def _find(self, message: Message) -> _Letter | None:
        for letter in self._letters[known(message.queue)]:
            if letter.receipt == message.receipt:
                return letter
        return None


def _next(letters: list[_Letter], at: float) -> _Letter | None:
    """The oldest that is visible, of the group that has least in flight."""
    visible = [letter for letter in letters if letter.visible_at <= at]
    busy = Counter(
        letter.group for letter in letters if letter.deliveries and letter not in visible
    )
    return min(visible, key=lambda letter: busy[letter.group], default=None)
