"""What has gone wrong with a request: whatever an SDK raises, as an error of ours.

Keys are taken out of what is said.
"""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from onevoice.engines.keys import redact
from onevoice.errors import (
    EngineError,
    EngineFailed,
    EngineRateLimited,
    EngineRefused,
    EngineUnavailable,
)

_RETRIED = frozenset({408, 409, 425, 429})
_OUT_OF_MONEY = ("insufficient_quota", "quota_exceeded", "billing_hard_limit", "payment_required")
_LONGEST_MESSAGE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A hosted service as engines use it.

    ``broken`` are the SDK's exceptions for connections and time-outs, ``garbled`` those for
    answers that are no answer; both are tried again.
    """

    name: str
    key: str = ""
    """The variable with its key; empty when it needs none."""
    broken: tuple[type[Exception], ...] = (ConnectionError, TimeoutError)
    garbled: tuple[type[Exception], ...] = (json.JSONDecodeError, UnicodeDecodeError)


class Garbled(Exception):
    """Raised inside a request by an engine that finds the answer useless: ask again."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """The error to raise, and whether it is worth asking again first."""

    error: EngineError
    again: bool
    retry_after: float | None = None


def trouble_of(service: Service, exc: Exception, what: str) -> Trouble | None:
    """What an exception means; None when it is not the service's: a bug, an error of ours."""
    if isinstance(exc, Garbled):
        return Trouble(_failed(service, what, f"a useless answer: {_short(exc)}"), again=True)
    status = _status(exc)
    if status is not None:
        return _from_status(service, status, exc, what)
    if isinstance(exc, service.garbled):
        return Trouble(_failed(service, what, f"an answer that is none: {_short(exc)}"), True)
    if isinstance(exc, service.broken):
        said = _short(exc) or type(exc).__name__
        return Trouble(_failed(service, what, f"no answer: {said}"), again=True)
    return None


def _from_status(service: Service, status: int, exc: Exception, what: str) -> Trouble:
    if status < 400:
        # The key and the film would go along, to whatever host it names.
        return Trouble(
            EngineRefused(
                f"{service.name} sends elsewhere ({status}), which is not followed ({what})",
                hint="set the engine's address to the one it sends to, if you trust that",
            ),
            again=False,
        )
    said = f"{service.name} answered {status} to {what}: {_message(exc) or 'without a word'}"
    if status == 402 or (status in (401, 403, 429) and _is_out_of_money(exc)):
        mend = f"add credit to the account at {service.name}, or choose another engine"
        return Trouble(EngineUnavailable(said, hint=mend), again=False)
    if status in (401, 403):
        mend = f"check {service.key}" if service.key else "check its settings"
        return Trouble(EngineUnavailable(said, hint=mend), again=False)
    if status in _RETRIED or status >= 500:
        kind = EngineRateLimited if status == 429 else EngineFailed
        error = kind(said, hint="try again later: what is done is kept")
        return Trouble(error, again=True, retry_after=_retry_after(exc))
    return Trouble(
        EngineRefused(said, hint="change what is asked, or choose another engine"), False
    )


def _failed(service: Service, what: str, said: str) -> EngineFailed:
    return EngineFailed(
        f"{service.name} gave {said} ({what})",
        hint="check that it can be reached, then run again: what is done is kept",
    )


def _status(exc: Exception) -> int | None:
    """The HTTP status of an SDK's exception that is none of success, wherever it is kept."""
    for holder in (exc, getattr(exc, "response", None)):
        for name in ("status_code", "status"):
            value = getattr(holder, name, None)
            if isinstance(value, int) and value >= 300:
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


def harmless(exc: Exception) -> Exception | None:
    """The cause to show in a traceback: none where it, or what it came from, holds a key."""
    link: BaseException | None = exc
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        text = f"{link!r} {link}"
        if redact(text) != text:
            return None
        link = link.__cause__ or link.__context__
    return exc
