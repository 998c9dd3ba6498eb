"""Where hosted services end and OneVoice begins: one request, with all that can go wrong.

A request waits for a place, has its cost set aside, is sent, and is tried again where that makes
sense: after 408, 409, 425, 429 and 5xx, broken connections, silence and garbled answers, with
exponential backoff and jitter, or after what the service asks for in Retry-After. Whatever an
SDK raises becomes an error of ours: :mod:`onevoice.engines.trouble`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from onevoice.engines.base import Runtime
from onevoice.engines.trouble import Garbled, Service, harmless, trouble_of
from onevoice.errors import EngineUnavailable
from onevoice.types import Usage

if TYPE_CHECKING:
    import httpx

__all__ = ["Garbled", "Service", "each", "patience", "request"]

T = TypeVar("T")
R = TypeVar("R")

PATIENCE_S = 300.0
"""A service that wants to be left alone for longer counts as unavailable."""
ATTEMPTS_TO_LIST = 3
"""For what is asked before any work is done: a service that is down is passed over soon."""
CONNECT_S = 10.0
"""A host that does not even take a connection for so long is not there."""
_LONGEST_BACKOFF_S = 30.0


def request(
    service: Service,
    send: Callable[[], T],
    *,
    runtime: Runtime,
    what: str,
    usd: float = 0.0,
    used: Callable[[T], Iterable[Usage]] | None = None,
    attempts: int | None = None,
) -> T:
    """Make one request and return its answer.

    Parameters
    ----------
    send
        Makes the request, from the start each time, and reads the answer to its end. The SDK's
        own retries must be off.
    what
        What it is about, for errors: ``the line 'Hello'``.
    usd
        What it is expected to cost: set aside until what it did cost is booked.
    used
        What an answer used, to be booked; left out for what is free, or booked by the caller.
    attempts
        How often it is tried at most; as often as the runtime says when None.

    Raises
    ------
    EngineUnavailable
        Offline; the key is missing or not accepted; nothing is left on the account.
    EngineRefused
        The service understood and will not.
    EngineRateLimited, EngineFailed
        It asked to wait, or broke, until all attempts were used up.
    BudgetExceeded, Cancelled
        As they say.
    """
    if runtime.offline:
        raise EngineUnavailable(
            f"{service.name} needs the network, and run.offline is set",
            hint="use --set run.offline=false, or another engine",
        )

    def wait(seconds: float) -> None:
        _sleep(seconds, runtime)

    attempts = min(attempts or runtime.attempts, runtime.attempts)
    for attempt in range(1, attempts + 1):
        runtime.cancel.check()
        with (
            runtime.gate.passing(service.name, runtime.requests_at_once, wait),
            runtime.meter.hold(usd, what),
        ):
            try:
                answer = send()
            except Exception as exc:
                trouble = trouble_of(service, exc, what)
                if trouble is None:
                    raise
                cause = exc
            else:
                # Before the money set aside is free again: nobody else may spend it in between.
                for usage in used(answer) if used else ():
                    runtime.meter.record(usage)
                return answer
        last = attempt == attempts
        if not trouble.again or last or (trouble.retry_after or 0.0) > PATIENCE_S:
            raise trouble.error from harmless(cause)
        pause = _pause(attempt, runtime.backoff, trouble.retry_after)
        if trouble.retry_after is not None:
            runtime.gate.close_for(service.name, pause)
        wait(pause)
    raise AssertionError("an attempt returns or raises")


def each(
    items: Iterable[T], work: Callable[[T], R], *, at_once: int, runtime: Runtime
) -> Iterator[R]:
    """The results of ``work`` in the order of the items, ``at_once`` under way at a time.

    When one fails, those under way are finished (they may be paid for) and no other is begun.
    """
    failed: list[int] = []
    threads = ThreadPoolExecutor(max_workers=max(1, at_once), thread_name_prefix="request")

    def careful(place: int, item: T) -> R:
        runtime.cancel.check()
        if any(place > other for other in failed):
            raise CancelledError  # nobody sees this: the results end where another failed
        try:
            return work(item)
        except BaseException:
            failed.append(place)
            raise

    try:
        waiting: list[Future[R]] = [
            threads.submit(copy_context().run, careful, place, item)
            for place, item in enumerate(items)
        ]
        for future in waiting:
            yield future.result()
    finally:
        threads.shutdown(wait=True, cancel_futures=True)


def patience(runtime: Runtime, grace: float = 0.0) -> httpx.Timeout:
    """Time-outs of a request: a silent service gets the runtime's, an absent one less.

    ``grace`` is seconds more, for work that takes long in silence.
    """
    import httpx

    return httpx.Timeout(runtime.timeout + grace, connect=min(runtime.timeout, CONNECT_S))


def _pause(attempt: int, backoff: float, retry_after: float | None) -> float:
    """Seconds before the next attempt: full jitter over an exponential, or what was asked for."""
    from tenacity.wait import wait_random_exponential

    if retry_after is not None:
        return max(retry_after, backoff)  # "0" is no leave to hammer
    state: Any = type("State", (), {"attempt_number": attempt})()
    return backoff / 2 + wait_random_exponential(multiplier=backoff, max=_LONGEST_BACKOFF_S)(state)


def _sleep(seconds: float, runtime: Runtime) -> None:
    """Sleep in slices, so that Ctrl-C is not kept waiting."""
    until = time.monotonic() + seconds
    while True:
        runtime.cancel.check()
        left = until - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, 0.2))
