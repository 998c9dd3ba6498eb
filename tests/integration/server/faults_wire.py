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
from dataclasses import dataclass
from typing import Any, Literal

from tests.cloud import Flaky, Kind, _Handler

Seen = Callable[[str], None]
_FAULTS: tuple[Kind, ...] = ("drop", "cut", "lost", "delay", "slow_down", "error")
_ENTRY = re.compile(r"/videos/(vid_\w+)/artifacts/entries/(\w\w)/(\w+)\.json")
_OBJECT = re.compile(r"/videos/(vid_\w+)/artifacts/objects/(\w\w)/(\w+)")
_SENDER = re.compile(r"app/([\w-]+)")
_NEVER = float("inf")
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
        self.stored: list[tuple[str, str]] = []
        """Keys of everything that was stored, in order, and who stored them."""
        self.objects: dict[tuple[str, str], float] = {}
        """When an object of a video was stored first."""
        self._random = random.Random(seed)
        self._bad_share = 0.0
        self._bad_kinds = _FAULTS
        self._traps: list[tuple[re.Pattern[str], Seen]] = []
        self._watch = threading.Lock()
        self._server.RequestHandlerClass = _bound(self)
        # Those who are killed do not wait for their answers.
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]

    @contextmanager
    def spoiled_storage(self, share: float, faults: tuple[Kind, ...] = _FAULTS) -> Iterator[None]:
        """This share of S3's requests meets one fault or another while this lasts."""
        self._bad_share, self._bad_kinds = share, faults
        try:
            yield
        finally:
            self._bad_share, self._bad_kinds = 0.0, _FAULTS

    def meet(self, line: str) -> tuple[Kind | Literal[""], float]:
        with self._watch:
            bad = "/onevoice-" in line and self._random.random() < self._bad_share
            kind: Kind = self._random.choice(self._bad_kinds)
        if bad:
            self.fail(1, kind, containing=line, seconds=0.5)
        return super().meet(line)

    @contextmanager
    def trap(self, pattern: str, seen: Seen) -> Iterator[None]:
        """Call ``seen`` with the line of every request that matches, before it is forwarded.

        A line ends in ``by worker-3.``: who sent it.
        """
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
        path = re.split(r"[? ]", line.removeprefix("PUT /"), maxsplit=1)[0]
        with self._watch:
            self.stored.append((path.partition("/")[2], line.rpartition(" by ")[2].rstrip(".")))
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

    def repeated(self) -> list[Stored]:
        """Artifacts that were stored, whole, and then stored again: finished work done twice.

        Figures of the report are left out: they take a hundredth of the film's length, and two
        workers, each with languages of one film, may measure its original side by side.
        """
        whole: dict[tuple[str, str], float] = {}
        found = []
        for entry, complete in self.finished():
            if entry.stage.startswith("qc."):
                continue
            known = (entry.video, entry.key)
            if whole.get(known, _NEVER) < entry.at:
                found.append(entry)
            whole[known] = min(complete, whole.get(known, _NEVER))
        return found

    def finished(self) -> list[tuple[Stored, float]]:
        """Entries in order, with the time from which on they count: with all of their objects."""
        with self._watch:
            entries, objects = sorted(self.entries, key=lambda e: e.at), dict(self.objects)
        return [
            (entry, max([entry.at, *(objects.get((entry.video, d), _NEVER) for d in entry.needs)]))
            for entry in entries
        ]


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
            sender = _SENDER.search(self.headers.get("User-Agent", ""))
            line = f"{self.command} {self.path} {target} by {sender[1] if sender else 'nobody'}."
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
