"""Fetching what a service points at, without letting it point at anything it likes.

A service that answers with a URL makes this machine ask for that URL, from inside whatever
network it stands in. So only the service's own host is asked, and hosts the user listed; a listed
name must lead to public addresses (or to the service's own), and the connection goes to the very
address that was looked at.
"""

from __future__ import annotations

import socket
from collections.abc import Collection
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from onevoice.engines.public_addresses import is_public
from onevoice.engines.synthesis.answers import StatusError
from onevoice.errors import EngineRefused

if TYPE_CHECKING:
    import httpx

_LONGEST_ERROR = 1 << 16


@dataclass(frozen=True, slots=True)
class Target:
    """Where to fetch from: the URL to connect to, and the name the host goes by."""

    url: httpx.URL
    own: bool
    """It is the service itself: it may have the request's headers."""
    headers: dict[str, str] = field(default_factory=dict)
    extensions: dict[str, str] = field(default_factory=dict)


def target_of(address: str, *, service: str, hosts: Collection[str]) -> Target:
    """Where an answer's URL leads, if the service may point there.

    Parameters
    ----------
    address : what the service answered; relative to ``service`` where it names no host.
    hosts : names (or addresses) of further hosts that may be asked, ``name:port`` for one port.

    Raises
    ------
    EngineRefused
        The URL is none, is not http(s), or leads where the service may not point.
    """
    import httpx

    try:
        home = httpx.URL(service)
        url = home.join(address)
    except (httpx.InvalidURL, ValueError, TypeError) as exc:
        raise _refused(address, "it is no URL") from exc
    if url.scheme not in ("http", "https") or not url.host or url.userinfo:
        raise _refused(address, "only plain http and https are fetched")
    port = url.port or _default_port(url)
    if (url.scheme, url.host, port) == (home.scheme, home.host, home.port or _default_port(home)):
        return Target(url, own=True)
    if url.host not in hosts and f"{url.host}:{port}" not in hosts:
        raise _refused(address, "its host is neither the service's nor in download_hosts")
    literal = _literal(url.host)
    if literal is not None:
        return Target(url, own=False)  # the user wrote this very address down
    found = _addresses(url.host, port)
    theirs = _addresses(home.host, home.port or _default_port(home))
    if not all(is_public(one) or one in theirs for one in found):
        raise _refused(address, "its name leads into a private network")
    return Target(
        url.copy_with(host=str(found[0])),
        own=False,
        headers={"Host": url.netloc.decode("ascii")},
        extensions={"sni_hostname": url.host},
    )


def read(response: httpx.Response, limit: int) -> bytes:
    """The body of a streamed answer.

    Raises
    ------
    StatusError
        The status is an error.
    EngineRefused
        The body is longer than ``limit`` bytes, or the service sends elsewhere.
    """
    if response.is_redirect:
        raise EngineRefused(
            f"{response.url.host} sends elsewhere ({response.status_code}), which is not followed",
            hint="put the address it sends to into synthesis.custom.url",
        )
    if response.is_error:
        body = _up_to(response, _LONGEST_ERROR)[:_LONGEST_ERROR]
        text = body.decode(errors="replace")
        raise StatusError(response.status_code, text, response.headers)
    data = _up_to(response, limit)
    if len(data) > limit:
        raise EngineRefused(
            f"the answer of {response.url.host} is longer than {limit} bytes",
            hint="shorten this line, or raise synthesis.custom.max_bytes",
        )
    return data


def _up_to(response: httpx.Response, limit: int) -> bytes:
    """The body, or a little more than ``limit`` bytes of it."""
    data = bytearray()
    for chunk in response.iter_bytes():
        data += chunk
        if len(data) > limit:
            break
    return bytes(data)


def _default_port(url: httpx.URL) -> int:
    return 443 if url.scheme == "https" else 80


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _addresses(host: str, port: int) -> tuple[IPv4Address | IPv6Address, ...]:
    """Where a name leads. Raises OSError when it leads nowhere."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(_plain(ip_address(str(entry[4][0]).partition("%")[0])) for entry in found)


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one wraps."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _refused(address: object, why: str) -> EngineRefused:
    return EngineRefused(
        f"the service answered with {str(address)[:120]!r}, which is not fetched: {why}",
        hint="name the host in synthesis.custom.download_hosts if you trust it",
    )
