"""How the client talks to a server: what is tried again, and what answers mean."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from onevoice.errors import (
    BudgetExceeded,
    ConfigError,
    OneVoiceError,
    ServiceFailed,
    ServiceUnavailable,
)

ATTEMPTS = 6
PATIENCE_S = 60.0
"""Most that is waited before another attempt, whatever the server asks for."""
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


def again(
    send: Callable[[], httpx.Response],
    *,
    url: str,
    refused: Callable[[httpx.Response], OneVoiceError] | None = None,
) -> httpx.Response:
    """Send until there is an answer that is worth having. Raises what the server refuses.

    ``url`` is what is named when nobody answers.
    """
    for attempt in range(1, ATTEMPTS + 1):
        wait = pause(attempt)
        try:
            answer = send()
        except httpx.TransportError as exc:
            if attempt == ATTEMPTS:
                raise silent(url) from exc
        else:
            if answer.is_success:
                return answer
            if answer.status_code not in PASSING or attempt == ATTEMPTS:
                raise (refused or refusal)(answer)
            asked = answer.headers.get("retry-after", "")
            wait = min(float(asked), PATIENCE_S) if asked.isdecimal() else wait
        time.sleep(wait)
    raise AssertionError("an attempt returns or raises")


def events(blocks: Iterator[bytes]) -> Iterator[Any]:
    """The data of server-sent events. Each of ours is one line of JSON.

    Lines end with a line feed alone: what Unicode also calls the end of a line may be in the text.
    """
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield json.loads(line.removeprefix(b"data:"))


def decoded(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError as exc:
        raise ServiceFailed(
            f"{answer.url.host} does not answer as a OneVoice server does",
            hint="check ONEVOICE_API_URL",
        ) from exc


def is_replay(answer: httpx.Response) -> bool:
    return "idempotent-replay" in answer.headers


def refusal(answer: httpx.Response) -> OneVoiceError:
    """What a problem document says, as an error of ours."""
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    message = str(problem.get("detail") or f"the server answered {answer.status_code}")
    hint = str(problem.get("hint") or "")
    if answer.status_code == 402:
        return BudgetExceeded(message, hint=hint)
    if answer.status_code == 401:
        return ConfigError(message, hint="check ONEVOICE_API_KEY")
    if answer.status_code == 403:
        return ConfigError(message, hint=hint or "check ONEVOICE_API_KEY")
    if answer.status_code in PASSING - {500}:
        return ServiceUnavailable(message, hint=hint or "try again later")
    return ServiceFailed(message, hint=hint or ("" if problem else "check ONEVOICE_API_URL"))


def storage_refusal(answer: httpx.Response) -> OneVoiceError:
    """Storage knows no problem documents, and no keys."""
    return ServiceFailed(
        f"the server's storage answered {answer.status_code}",
        hint="run it again: addresses of files run out",
    )


def silent(url: str) -> ServiceUnavailable:
    return ServiceUnavailable(
        f"the server {url} does not answer", hint="check ONEVOICE_API_URL, or try again later"
    )


def checked_url(url: str, *, whole: bool = False) -> str:
    """An address of http or https; ``whole`` as it is, otherwise that of the server."""
    try:
        httpx.URL(url)
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (httpx.InvalidURL, ValueError):
        good = False
    if not good:
        raise ConfigError(
            f"{url[:80]!r} is no address of a server",
            hint="ONEVOICE_API_URL is like https://api.example.com",
        )
    return url if whole else url.rstrip("/").removesuffix("/v1")


def pause(attempt: int) -> float:
    return min(0.5 * 2.0**attempt, 10.0)
