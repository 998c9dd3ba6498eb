"""Which addresses may be reached, and the errors that say which may not."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Collection
from ipaddress import IPv4Address, ip_address

import httpcore
import httpx

from onevoice.engines.public_addresses import Address, is_public, never
from onevoice.server.errors import Invalid, TooLarge, Unavailable

PORTS = frozenset({80, 443, 8080, 8443})
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)\.?", re.IGNORECASE)


class AddressRefused(Invalid):
    """An address that is no business of ours."""

    code = "address_refused"


class AddressUseless(Invalid):
    """The address was asked, and gives nothing that could be used."""

    code = "address_useless"


class AddressUnreachable(Unavailable):
    """Nobody answers there, or not in time."""

    code = "address_unreachable"


class ContentTooLarge(TooLarge):
    code = "content_too_large"


def check_url(address: str, *, allow_hosts: Collection[str] = ()) -> httpx.URL:
    """The URL, if it could be one that is reached; its name is not looked up.

    Raises
    ------
    AddressRefused
        It is no URL, not http(s), carries a password, or names a port or host that is refused.
    """
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError, TypeError) as exc:
        raise refused("it is no URL") from exc
    Guard(allow_hosts).check(url)
    return url


class Guard:
    """What may be reached."""

    def __init__(self, allow_hosts: Collection[str]) -> None:
        self._listed = frozenset(host.lower() for host in allow_hosts)

    def check(self, url: httpx.URL) -> None:
        """Look at everything that can be seen without asking anybody."""
        if url.scheme not in ("http", "https") or not url.host:
            raise refused("only http and https are reached")
        if url.userinfo:
            raise refused("it carries a name or a password")
        if "%" in url.host:
            raise refused("its host is no name")
        port = url.port if url.port is not None else 443 if url.scheme == "https" else 80
        if port not in PORTS and not self._is_listed(url.host, port):
            raise refused(f"port {port} is not reached, only {', '.join(map(str, sorted(PORTS)))}")
        literal = _literal(url.host)
        if literal is not None:
            self._check_address(literal, url.host, port)
        elif _NUMERIC.fullmatch(url.host.rstrip(".").rpartition(".")[2] or "0"):
            # 2130706433, 0x7f.1 and 127.1 are 127.0.0.1 to the system, and honest to nobody.
            raise refused("its host is a number in disguise")

    async def addresses(self, host: str, port: int) -> tuple[Address, ...]:
        """Where a name leads, looked up once. Raises AddressRefused unless all may be reached."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )
        except (OSError, UnicodeError) as exc:
            raise httpcore.ConnectError("its name leads nowhere") from exc
        addresses = tuple(
            dict.fromkeys(ip_address(str(one[4][0]).partition("%")[0]) for one in found)
        )
        for address in addresses:
            self._check_address(address, host, port)
        # Many machines have no way out over IPv6: IPv4 first.
        return tuple(sorted(addresses, key=lambda one: not isinstance(one, IPv4Address)))

    def _check_address(self, address: Address, host: str, port: int) -> None:
        # The address itself is not told: names of our network are nobody's to explore.
        if never(address) or not (is_public(address) or self._is_listed(host, port)):
            raise refused("it leads into a private network")

    def _is_listed(self, host: str, port: int) -> bool:
        host = host.lower()
        return host in self._listed or f"{host}:{port}" in self._listed


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def refused(why: str) -> AddressRefused:
    """The error for an address that is not asked."""
    return AddressRefused(
        f"the address is not reached: {why}",
        hint="give a public http or https address",
    )
