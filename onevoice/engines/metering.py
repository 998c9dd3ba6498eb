"""What hosted services may cost, what they did cost, and how hard they are asked.

A :class:`Meter` lives as long as a command: it holds the budget of all its inputs. A
:class:`Gate` keeps the number of open requests to a service down, and makes all of them wait
when the service asks one of them to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock, Semaphore

from onevoice.errors import BudgetExceeded
from onevoice.types import Usage

Collector = Callable[[Usage, Mapping[str, str]], None]
"""Told of everything that is recorded, with the labels of the place it was recorded at."""

_COLLECTORS: ContextVar[tuple[Collector, ...]] = ContextVar("collectors", default=())
_LABELS: ContextVar[Mapping[str, str]] = ContextVar("labels")


class Meter:
    """Spending against a limit, in US dollars at list price; safe between threads."""

    def __init__(self, limit: float | None = None) -> None:
        self.limit = limit
        self._spent = 0.0
        self._held = 0.0
        self._lock = Lock()

    @property
    def spent(self) -> float:
        return self._spent

    @property
    def left(self) -> float | None:
        """What may still be spent; None without a limit."""
        return None if self.limit is None else max(0.0, self.limit - self._spent - self._held)

    def require(self, usd: float, what: str) -> None:
        """Raise BudgetExceeded when ``what`` is expected to cost more than is left."""
        if self.limit is not None and self._spent + self._held + usd > self.limit + 1e-9:
            raise BudgetExceeded(
                f"{what} would cost about {dollars(usd)}: with {dollars(self._spent)} spent, that "
                f"is over the limit of {dollars(self.limit)}",
                hint="raise --max-cost and run again: what is paid for is kept",
            )

    @contextmanager
    def hold(self, usd: float, what: str) -> Iterator[None]:
        """Set money aside while a request is under way. Raises BudgetExceeded."""
        with self._lock:
            self.require(usd, what)
            self._held += usd
        try:
            yield
        finally:
            with self._lock:
                self._held -= usd

    def record(self, usage: Usage) -> None:
        """Book what a request used, with every collector that is open here."""
        with self._lock:
            self._spent += usage.usd
        for collector in _COLLECTORS.get():
            collector(usage, _LABELS.get({}))


@contextmanager
def collecting() -> Iterator[list[Usage]]:
    """Collect what is recorded inside, in this thread and in those that got its context."""
    collected: list[Usage] = []
    with telling(lambda usage, labels: collected.append(usage)):
        yield collected


@contextmanager
def telling(collector: Collector) -> Iterator[None]:
    """Tell ``collector`` at once of everything that is recorded inside."""
    token = _COLLECTORS.set((*_COLLECTORS.get(), collector))
    try:
        yield
    finally:
        _COLLECTORS.reset(token)


@contextmanager
def labelled(**labels: str) -> Iterator[None]:
    """Say what the requests inside are for: ``stage="synthesize", line="s3"``."""
    token = _LABELS.set({**_LABELS.get({}), **labels})
    try:
        yield
    finally:
        _LABELS.reset(token)


def labels() -> Mapping[str, str]:
    """What the work at hand is for, as :func:`labelled` said it."""
    return _LABELS.get({})


class Gate:
    """How many requests each service gets at once, and until when it wants to be left alone."""

    def __init__(self) -> None:
        self._semaphores: dict[str, Semaphore] = {}
        self._not_before: dict[str, float] = {}
        self._lock = Lock()

    @contextmanager
    def passing(self, service: str, at_once: int, wait: Callable[[float], None]) -> Iterator[None]:
        """Wait for a place and for the service's leave; ``wait`` sleeps, and may raise."""
        with self._lock:
            semaphore = self._semaphores.setdefault(service, Semaphore(max(1, at_once)))
        while not semaphore.acquire(timeout=0.2):
            wait(0.0)
        try:
            while (pause := self._not_before.get(service, 0.0) - time.monotonic()) > 0:
                wait(pause)
            yield
        finally:
            semaphore.release()

    def close_for(self, service: str, seconds: float) -> None:
        """Nobody asks ``service`` anything for so long: it said Retry-After."""
        with self._lock:
            until = time.monotonic() + seconds
            self._not_before[service] = max(self._not_before.get(service, 0.0), until)


def total(usage: Iterable[Usage]) -> float:
    """Dollars, in a form that does not show the noise of adding floats."""
    return round(sum(item.usd for item in usage), 6)


def dollars(usd: float) -> str:
    """``$1.20``; small sums with the digits that matter."""
    if not usd:
        return "$0"
    return f"${usd:.2f}" if usd >= 0.995 else f"${usd:.4f}".rstrip("0")
