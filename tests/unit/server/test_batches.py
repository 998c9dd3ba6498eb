"""Messages of one moment travel together, and each learns what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from onevoice.server.queue.base import QueueError, QueueUnavailable
from onevoice.server.queue.batches import MOST, Batches, Letter


class Post:
    """What SQS would be told."""

    def __init__(self, refused: Mapping[str, Exception] | None = None) -> None:
        self.posted: list[tuple[str, list[str]]] = []
        self.away: Exception | None = None
        self._refused = dict(refused or {})

    async def __call__(self, queue: str, letters: Sequence[Letter]) -> Mapping[int, Exception]:
        self.posted.append((queue, [letter.task_id for letter in letters]))
        await asyncio.sleep(0)
        if self.away is not None:
            raise self.away
        return {
            place: self._refused[letter.task_id]
            for place, letter in enumerate(letters)
            if letter.task_id in self._refused
        }


async def send(batches: Batches, queue: str, names: Sequence[str]) -> list[BaseException | None]:
    return await asyncio.gather(
        *(batches.send(queue, name, "usr_1", 0) for name in names), return_exceptions=True
    )


def test_what_is_sent_at_once_travels_together() -> None:
    async def work() -> None:
        post = Post()
        batches = Batches(post)
        names = [f"task_{number}" for number in range(MOST + 3)]
        results = await asyncio.gather(
            send(batches, "cpu", names), send(batches, "gpu", ["task_x"])
        )
        assert results == [[None] * len(names), [None]]
        assert sorted(post.posted) == [
            ("cpu", names[:MOST]),
            ("cpu", names[MOST:]),
            ("gpu", ["task_x"]),
        ]
        await batches.send("cpu", "task_later", None, 0)
        assert post.posted[-1] == ("cpu", ["task_later"])

    asyncio.run(work())


def test_a_refused_message_fails_alone_and_an_outage_fails_all() -> None:
    async def work() -> None:
        post = Post({"task_1": QueueError("no")})
        batches = Batches(post)
        good, bad, also_good = await send(batches, "cpu", ["task_0", "task_1", "task_2"])
        assert good is None and also_good is None and isinstance(bad, QueueError)
        post.away = QueueUnavailable("SQS cannot be reached")
        assert await send(batches, "cpu", ["task_3", "task_4"]) == [post.away, post.away]
        post.away = None
        assert await send(batches, "cpu", ["task_5"]) == [None]

    asyncio.run(work())


def test_one_that_nobody_waits_for_any_more_harms_no_other() -> None:
    async def work() -> None:
        post = Post()
        batches = Batches(post)
        given_up = asyncio.create_task(batches.send("cpu", "task_0", None, 0))
        other = asyncio.create_task(batches.send("cpu", "task_1", None, 0))
        await asyncio.sleep(0)
        given_up.cancel()
        await other
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert post.posted == [("cpu", ["task_0", "task_1"])]

    asyncio.run(work())
