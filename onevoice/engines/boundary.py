"""Where hosted services end and OneVoice begins: one request, with all that can go wrong.

A request waits for a place, has its cost set aside, is sent, and is tried again where that makes
sense: after 408, 409, 425, 429 and 5xx, broken connections, silence and garbled answers, with
exponential backoff and jitter, or after what the service asks for in Retry-After. Whatever an
SDK raises becomes an error of ours, with the keys taken out of its text.
"""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

from onevoice.engines.base import Runtime
from onevoice.engines.keys import redact
from onevoice.errors import (
    EngineError,
    EngineFailed,
    EngineRateLimited,
    EngineRefused,
    EngineUnavailable,
)

T = TypeVar("T")
R = TypeVar("R")

PATIENCE_S = 300.0
"""A service that wants to be left alone for longer counts as unavailable."""
_LONGEST_BACKOFF_S = 30.0
_RETRIED = frozenset({408, 409, 425, 429})
_OUT_OF_MONEY = ("insufficient_quota", "quota_exceeded", "billing_hard_limit", "payment_required")
_LONGEST_MESSAGE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A hosted service as one engine uses it.

    ``broken`` are the SDK's exceptions for connections and time-outs, ``garbled`` those for
    answers that are no answer; both are tried again.
    """

    name: str
    engine: str
    """Kind and name: ``synthesis.elevenlabs``."""
    key: str = ""
    """The variable with its key; empty when it needs none."""
    broken: tuple[type[Exception], ...] = (ConnectionError, TimeoutError)
    garbled: tuple[type[Exception], ...] = (json.JSONDecodeError, UnicodeDecodeError)


class Garbled(Exception):
    """Raised inside a request by an engine that finds the answer useless: ask again."""


@dataclass(frozen=True, slots=True)
class _Trouble:
    error: EngineError
    again: bool
    retry_after: float | None = None


def request(
    service: Service,
    send: Callable[[], T],
    *,
    runtime: Runtime,
    what: str,
    usd: float = 0.0,
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
        What it is expected to cost: set aside while it is under way. What it did cost is for
        the caller to record, after the answer is read.

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

    for attempt in range(1, runtime.attempts + 1):
        runtime.cancel.check()
        with (
            runtime.gate.passing(service.name, runtime.requests_at_once, wait),
            runtime.meter.hold(usd, what),
        ):
            try:
                return send()
            except Exception as exc:
                trouble = _trouble(service, exc, what)
                if trouble is None:
                    raise
                cause = exc
        last = attempt == runtime.attempts
        if not trouble.again or last or (trouble.retry_after or 0.0) > PATIENCE_S:
            raise trouble.error from _harmless(cause)
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
    threads = ThreadPoolExecutor(max_workers=max(1, at_once), thread_name_prefix="request")

    def careful(item: T) -> R:
        runtime.cancel.check()
        return work(item)

    try:
        waiting: list[Future[R]] = [
            threads.submit(copy_context().run, careful, item) for item in items
        ]
        for future in waiting:
            yield future.result()
    finally:
        threads.shutdown(wait=True, cancel_futures=True)


def _pause(attempt: int, backoff: float, retry_after: float | None) -> float:
    """Seconds before the next attempt: full jitter over an exponential, or what was asked for."""
    from tenacity.wait import wait_random_exponential

    if retry_after is not None:
        return retry_after
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


# --- what went wrong ------------------------------------------------------------------------


def _trouble(service: Service, exc: Exception, what: str) -> _Trouble | None:
    """What an exception means; None when it is not the service's (a bug, an error of ours)."""
    if isinstance(exc, Garbled):
        return _Trouble(_failed(service, what, f"a useless answer: {_short(exc)}"), again=True)
    status = _status(exc)
    if status is not None:
        return _from_status(service, status, exc, what)
    if isinstance(exc, service.garbled):
        return _Trouble(_failed(service, what, f"an answer that is none: {_short(exc)}"), True)
    if isinstance(exc, service.broken):
        said = _short(exc) or type(exc).__name__
        return _Trouble(_failed(service, what, f"no answer: {said}"), again=True)
    return None


def _from_status(service: Service, status: int, exc: Exception, what: str) -> _Trouble:
    said = f"{service.name} answered {status} to {what}: {_message(exc)}"
    if status == 402 or (status in (401, 403, 429) and _is_out_of_money(exc)):
        mend = f"add credit to the account at {service.name}, or choose another engine"
        return _Trouble(EngineUnavailable(said, hint=mend), again=False)
    if status in (401, 403):
        mend = f"check {service.key}" if service.key else "check its settings"
        return _Trouble(EngineUnavailable(said, hint=mend), again=False)
    if status in _RETRIED or status >= 500:
        kind = EngineRateLimited if status == 429 else EngineFailed
        error = kind(said, hint="try again later: what is done is kept")
        return _Trouble(error, again=True, retry_after=_retry_after(exc))
    return _Trouble(
        EngineRefused(said, hint="change what is asked, or choose another engine"), False
    )


def _failed(service: Service, what: str, said: str) -> EngineFailed:
    return EngineFailed(
        f"{service.name} gave {said} ({what})",
        hint="check that it can be reached, then run again: what is done is kept",
    )


def _status(exc: Exception) -> int | None:
    """The HTTP status of an SDK's exception: each keeps it on itself or on its response."""
    for holder in (exc, getattr(exc, "response", None)):
        for name in ("status_code", "status"):
            value = getattr(holder, name, None)
            if isinstance(value, int) and value >= 400:
                return value
    return None


def _retry_after(exc: Exception) -> float | None:
    """Seconds the service asks to wait (RFC 9110: seconds or a date), None when it does not."""
    headers = _headers(exc)
    milliseconds = headers.get("retry-after-ms", "")
    if milliseconds.replace(".", "", 1).isdigit():
        return float(milliseconds) / 1000
    value = headers.get("retry-after", "")
    if value.replace(".", "", 1).isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _headers(exc: Exception) -> dict[str, str]:
    for holder in (exc, getattr(exc, "response", None)):
        headers = getattr(holder, "headers", None)
        if isinstance(headers, Mapping):
            return {str(name).lower(): str(value) for name, value in headers.items()}
    return {}


def _is_out_of_money(exc: Exception) -> bool:
    said = _message(exc, longest=10_000).lower()
    return any(word in said for word in _OUT_OF_MONEY)


def _message(exc: Exception, longest: int = _LONGEST_MESSAGE) -> str:
    """What the service said, as one line; the exception's own text where it said nothing."""
    body = getattr(exc, "body", None)
    if body is None:
        return _short(exc, longest)
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, default=str)
    return redact(" ".join(text.split()))[:longest]


def _short(exc: Exception, longest: int = _LONGEST_MESSAGE) -> str:
    return redact(" ".join(str(exc).split()))[:longest]


def _harmless(exc: Exception) -> Exception | None:
    """The cause to show in a traceback: none where its own text holds a key."""
    text = f"{exc!r} {exc}"
    return exc if redact(text) == text else None
