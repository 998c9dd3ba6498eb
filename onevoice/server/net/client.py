"""The client for addresses of users: httpx over connections that the guard has checked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpcore
import httpx
from httpcore import AnyIOBackend

from onevoice.server.net.guard import AddressUseless, Guard, refused


def make_client(
    *,
    allow_hosts: Collection[str] = (),
    timeout: float = 20.0,
    verify: ssl.SSLContext | None = None,
) -> httpx.AsyncClient:
    """A client for addresses of users: guarded, without proxies, cookies or redirects.

    Raises AddressRefused where a plain client would connect; else as any client of httpx.
    """
    return httpx.AsyncClient(
        transport=_Transport(Guard(allow_hosts), verify or _public_authorities()),
        timeout=timeout,
        trust_env=False,
        follow_redirects=False,
        headers={"User-Agent": "OneVoice", "Accept": "*/*", "Accept-Encoding": "identity"},
    )


@cache
def _public_authorities() -> ssl.SSLContext:
    """Made once: reading all certificates takes longer than a request."""
    return httpx.create_ssl_context(trust_env=False)


class _Backend(httpcore.AsyncNetworkBackend):
    """Opens connections to checked addresses only."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._plain = AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._guard.addresses(host, port)
        except TimeoutError as exc:
            raise httpcore.ConnectTimeout("its name server does not answer") from exc
        error: Exception = httpcore.ConnectError("its name leads nowhere")
        for address in addresses[:4]:
            try:
                return await self._plain.connect_tcp(
                    str(address),
                    port,
                    timeout=timeout,
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                error = exc
        raise error

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise refused("only http and https are reached")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Transport(httpx.AsyncBaseTransport):
    """A pool of httpcore's over the guarded backend.

    httpx's own transport takes no backend, and one put into its private parts would be lost
    without a sound if those changed.
    """

    def __init__(self, guard: Guard, context: ssl.SSLContext) -> None:
        self._guard = guard
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=100,
            max_keepalive_connections=0,
            network_backend=_Backend(guard),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._guard.check(request.url)
        with _translated():
            response = await self._pool.handle_async_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=request.url.raw_scheme,
                        host=request.url.raw_host,
                        port=request.url.port,
                        target=request.url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        headers = httpx.Headers([(k, v) for k, v in response.headers if k.lower() != b"set-cookie"])
        packed = headers.get("content-encoding", "identity").strip().lower()
        stream = _Stream(response, host=request.url.host, packed=packed not in ("", "identity"))
        return httpx.Response(
            status_code=response.status,
            headers=headers,
            stream=stream,
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Stream(httpx.AsyncByteStream):
    """A body as it comes. A packed one cannot be read: few bytes may unpack to terabytes, and
    nobody was asked to pack.
    """

    def __init__(self, response: httpcore.Response, *, host: str, packed: bool) -> None:
        self._response = response
        self._host = host
        self._packed = packed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._packed:
            raise AddressUseless(
                f"{self._host} answers with compressed data, which was not asked for",
                hint="give an address that answers with the file as it is",
            )
        with _translated():
            async for chunk in self._response.aiter_stream():
                yield chunk

    async def aclose(self) -> None:
        with _translated():
            await self._response.aclose()


@contextmanager
def _translated() -> Iterator[None]:
    """httpcore's errors as httpx's: they have the same names."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError,
            httpcore.ProxyError, httpcore.UnsupportedProtocol) as exc:  # fmt: skip
        kind = getattr(httpx, type(exc).__name__, httpx.TransportError)
        raise kind(str(exc)) from exc
