"""Fetching a file from an address: redirects by hand, bounded in bytes and in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from onevoice.server.net.guard import (
    AddressUnreachable,
    AddressUseless,
    ContentTooLarge,
    refused,
)

MOST_REDIRECTS = 5
_CHUNK = 1 << 20
_SLOWEST_S = 60.0
"""A chunk that takes longer ends it: whoever drips bytes would keep a worker for hours."""
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What :func:`fetch` wrote: the address it came from in the end, its size in bytes."""

    url: str
    size: int
    media_type: str


async def fetch(
    client: httpx.AsyncClient, address: str, path: Path, *, max_bytes: int, max_seconds: float
) -> Fetched:
    """Write what ``address`` gives to ``path``.

    Raises
    ------
    AddressRefused, AddressUseless, AddressUnreachable
        As their names say; only the last is worth another try.
    ContentTooLarge
        It is longer than ``max_bytes``.
    """
    try:
        async with asyncio.timeout(max_seconds):
            return await _follow(client, address, path, max_bytes)
    except TimeoutError as exc:
        raise AddressUnreachable(
            f"the address gave nothing whole within {max_seconds:g} s",
            hint="put the file where it can be fetched faster, or upload it",
        ) from exc
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as exc:
        raise refused("it is no URL") from exc
    except httpx.TransportError as exc:
        raise AddressUnreachable(
            f"the address cannot be reached: {_reason(exc)}",
            hint="check that it opens in a browser that is not logged in anywhere",
        ) from exc


async def _follow(client: httpx.AsyncClient, address: str, path: Path, most: int) -> Fetched:
    url = httpx.URL(address)
    for _ in range(MOST_REDIRECTS + 1):
        async with client.stream("GET", url) as response:
            if response.has_redirect_location:
                url = url.join(response.headers["location"])
                continue
            if response.status_code in _LATER:
                raise AddressUnreachable(f"{url.host} answers with {response.status_code}")
            if response.status_code != 200:
                raise AddressUseless(
                    f"{url.host} answers with {response.status_code}",
                    hint="check that the address opens without being logged in",
                )
            size = await _write(response, path, most)
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            return Fetched(url=str(url), size=size, media_type=kind[:100])
    raise AddressUseless(
        f"the address sends elsewhere more than {MOST_REDIRECTS} times",
        hint="give the address of the file itself",
    )


async def _write(response: httpx.Response, path: Path, most: int) -> int:
    announced = response.headers.get("content-length", "")
    size = int(announced) if announced.isdecimal() else 0
    _hold(size, most)
    size = 0
    chunks = response.aiter_raw(_CHUNK)
    with path.open("wb") as file:
        while chunk := await _next(chunks):
            size += len(chunk)
            _hold(size, most)
            await asyncio.to_thread(file.write, chunk)
    return size


async def _next(chunks: AsyncIterator[bytes]) -> bytes:
    try:
        async with asyncio.timeout(_SLOWEST_S):
            return await anext(chunks, b"")
    except TimeoutError as exc:
        raise AddressUseless(
            f"the address gives less than {_CHUNK >> 10} KiB in {_SLOWEST_S:g} s",
            hint="put the file where it can be fetched faster, or upload it",
        ) from exc


def _hold(size: int, most: int) -> None:
    if size > most:
        raise ContentTooLarge(
            f"what the address gives is longer than {most} bytes",
            hint="fetch a smaller version, or choose a plan that allows larger videos",
            facts={"max_bytes": most},
        )


def _reason(exc: httpx.TransportError) -> str:
    if isinstance(exc, httpx.TimeoutException):
        return "it does not answer in time"
    text = str(exc)
    return "its certificate is not valid" if "CERTIFICATE" in text else text or "it hung up"
