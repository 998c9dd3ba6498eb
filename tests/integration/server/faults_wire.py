"""The wire between the processes and AWS's services: it sees what passes, and spoils it.

What workers did is read off it afterwards: which artifacts were stored, when, and how often.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.cloud import Flaky, _Handler

Seen = Callable[[str], None]
_ENTRY = re.compile(r"/videos/(vid_\w+)/artifacts/entries/(\w\w)/(\w+)\.json")
_OBJECT = re.compile(r"/videos/(vid_\w+)/artifacts/objects/(\w\w)/(\w+)")
_TASKS = re.compile(r"task_[0-9a-z]+")


@dataclass(slots=True)
class Stored:
    """An entry of a video's artifacts as it arrived: what a stage, or a line, made."""

    video: str
    key: str
    stage: str
    said: str
    needs: frozenset[str]
    at: float


@dataclass(slots=True)
class Storm:
    """How messages are treated: sent so often, each up to so many seconds late."""

    copies: int = 1
    latest_s: int = 0


class Wire(Flaky):
    """``Flaky`` that also looks at bodies, and can multiply and delay messages."""

    def __init__(self, endpoint: str, *, seed: int) -> None:
        super().__init__(endpoint)
        self.storm = Storm()
        self.sent = 0
        """Copies of tasks' messages that were put into queues."""
        self.entries: list[Stored] = []
        self.objects: dict[tuple[str, str], float] = {}
        """When an object of a video was stored first."""
        self._random = random.Random(seed)
        self._traps: list[tuple[re.Pattern[str], Seen]] = []
        self._watch = threading.Lock()
        self._server.RequestHandlerClass = _bound(self)

    @contextmanager
    def trap(self, pattern: str, seen: Seen) -> Iterator[None]:
        """Call ``seen`` with the line of every request that matches, before it is forwarded."""
        one = (re.compile(pattern), seen)
        self._traps.append(one)
        try:
            yield
        finally:
            self._traps.remove(one)

    def passing(self, line: str) -> None:
        for pattern, seen in list(self._traps):
            if pattern.search(line):
                seen(line)

    def arrived(self, line: str, body: bytes) -> None:
        """A request to store something was answered with success."""
        with self._watch:
            if found := _OBJECT.search(line):
                self.objects.setdefault((found[1], found[2] + found[3]), time.monotonic())
            elif found := _ENTRY.search(line):
                self.entries.append(_stored(found[1], found[2] + found[3], body))

    def bodies(self, line: str, body: bytes) -> list[bytes]:
        """What is forwarded for a request: messages of tasks as the storm wants them."""
        tasks = len(_TASKS.findall(body.decode("utf-8", "replace")))
        if "SendMessage" not in line or not tasks:
            return [body]
        with self._watch:
            self.sent += tasks * self.storm.copies
            return [self._late(body) for _ in range(self.storm.copies)]

    def _late(self, body: bytes) -> bytes:
        if not self.storm.latest_s:
            return body
        sent: dict[str, Any] = json.loads(body)
        for letter in sent.get("Entries", [sent]):
            late = self._random.randint(0, self.storm.latest_s)
            letter["DelaySeconds"] = letter.get("DelaySeconds", 0) + late
        return json.dumps(sent).encode()

    def repeated(self) -> list[str]:
        """Artifacts that were stored, whole, and then stored again: finished work done twice."""
        with self._watch:
            entries, objects = list(self.entries), dict(self.objects)
        whole: dict[tuple[str, str], float] = {}
        found = []
        for entry in sorted(entries, key=lambda entry: entry.at):
            known = (entry.video, entry.key)
            # Without its objects an entry is a miss.
            needs = [objects.get((entry.video, digest), float("inf")) for digest in entry.needs]
            complete = max([entry.at, *needs])
            if whole.get(known, float("inf")) < entry.at:
                found.append(f"{entry.video}: {entry.stage} {entry.said}".strip())
            whole[known] = min(complete, whole.get(known, float("inf")))
        return found


@contextmanager
def wire(endpoint: str, *, seed: int) -> Iterator[Wire]:
    made = Wire(endpoint, seed=seed)
    try:
        yield made
    finally:
        made.close()


def _bound(made: Wire) -> type[_Handler]:
    class Handler(_Handler):
        proxy = made

        def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            target = self.headers.get("X-Amz-Target", "")
            line = f"{self.command} {self.path} {target}".strip()
            made.passing(line)
            for one in made.bodies(line, body):
                answer = super()._forward(one)
            if self.command == "PUT" and answer[0] == 200:
                made.arrived(line, body)
            return answer

    return Handler


def _stored(video: str, key: str, body: bytes) -> Stored:
    record = json.loads(_unchunked(body))["body"]
    digests = re.findall(r'"([0-9a-f]{64})"', json.dumps([record["outputs"], record["refs"]]))
    meta = record["meta"]
    return Stored(
        video=video,
        key=key,
        stage=meta.get("stage", ""),
        said=meta.get("said", ""),
        needs=frozenset(digests),
        at=time.monotonic(),
    )


def _unchunked(body: bytes) -> bytes:
    """boto3 sends bodies in chunks of its own, with their checksums behind them."""
    return body[body.index(b"{") : body.rindex(b"}") + 1]
