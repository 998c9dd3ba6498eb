"""Requests as fast as they are answered, over connections that are kept: lean, and a process of its
own, so that it does not eat what it measures.

Reads what to send from standard input and writes what it saw to standard output, both JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What to send: a body for each person in turn, for so many seconds after a warm-up."""

    port: int
    path: str
    people: list[tuple[str, str]]
    """Token and body of each."""
    connections: int
    seconds: float
    warm_up: float


@dataclass(slots=True)
class Seen:
    """What was answered while it counted; latencies in milliseconds."""

    began: float = 0.0
    """Of the machine's clock (time.time), as ``ended``."""
    ended: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    failure: str = ""
    """The first answer that was no success."""
    cpu: float = 0.0


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, work: Work, numbers: count[int], seen: Seen) -> None:
        self._work, self._numbers, self._seen = work, numbers, seen
        self._received = b""
        self._sent = 0.0
        self._transport: Any = None
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._received = b""
        self._note(int(head[9:12]), body)
        if time.time() < self._seen.ended:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(None)
        if time.time() < self._seen.ended and not self._seen.failure:
            self._seen.failure = f"the connection was closed: {exc}"

    def _ask(self) -> None:
        number = next(self._numbers)
        token, body = self._work.people[number % len(self._work.people)]
        self._sent = time.perf_counter()
        self._transport.write(
            (
                f"POST {self._work.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
                f"Idempotency-Key: {os.getpid()}-{number}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode()
        )

    def _note(self, status: int, body: bytes) -> None:
        seen = self._seen
        if not seen.began <= time.time() < seen.ended:
            return
        seen.latencies.append((time.perf_counter() - self._sent) * 1000)
        seen.statuses[status] = seen.statuses.get(status, 0) + 1
        if status >= 300 and not seen.failure:
            seen.failure = body.decode(errors="replace")[:500]


async def run(work: Work) -> Seen:
    """Ask until the time is over."""
    numbers: count[int] = count()
    loop = asyncio.get_running_loop()
    seen = Seen(began=time.time() + work.warm_up)
    seen.ended = seen.began + work.seconds
    connections = []
    for _ in range(work.connections):
        _, one = await loop.create_connection(
            lambda: _Connection(work, numbers, seen), "127.0.0.1", work.port
        )
        connections.append(one)
        await asyncio.sleep(0.02)  # processes that share a socket take turns only if given time
    await asyncio.sleep(max(0.0, seen.began - time.time()))
    used = time.process_time()
    await asyncio.sleep(max(0.0, seen.ended - time.time()))
    seen.cpu = time.process_time() - used
    await asyncio.wait([one.over for one in connections], timeout=30)
    return seen


if __name__ == "__main__":
    import uvloop

    print(json.dumps(asdict(uvloop.run(run(Work(**json.load(sys.stdin)))))))
