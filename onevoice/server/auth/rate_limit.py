"""How often something may be done: counted in the database, so that all processes count together.

A limit is counted in one statement and committed at once, whatever becomes of the request. Whom it
is counted for is kept as a keyed hash: the table holds no addresses. Routes that cost ask for a
limit with a dependency; logins give back what they counted when the password was right::

    @router.post("/jobs", dependencies=[limit("jobs", per_minute=30)])
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, Request

from onevoice.server.auth import rate_windows
from onevoice.server.auth.dependencies import CurrentUser
from onevoice.server.db import Database, now
from onevoice.server.errors import TooMany
from onevoice.server.unit_of_work import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """At most ``times`` in a window of ``seconds`` that begins with the first."""

    name: str
    times: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Counted:
    """A rule, and whom it is counted for."""

    rule: Rule
    who: str


class Limiter:
    """Counts, and refuses."""

    def __init__(self, database: Database, secret: bytes) -> None:
        self._database = database
        self._secret = secret

    async def count(self, *counted: Counted) -> None:
        """Count once for each, in this order, up to the first that is over its limit.

        Raises TooMany then. What comes after it is not counted: whoever is refused by a narrow
        limit must not use up a wider one that others share.
        """
        over: tuple[Rule, float] | None = None
        at = now()
        async with self._database.single() as session:
            for one in counted:
                count, ends_at = await rate_windows.count_window(
                    session,
                    key=self._key(one),
                    at=at,
                    ends_at=at + timedelta(seconds=one.rule.seconds),
                )
                if count > one.rule.times:
                    # The window may have been begun by one who came a moment later.
                    left = (ends_at - at).total_seconds()
                    over = (one.rule, min(left, one.rule.seconds))
                    break
        if over is not None:
            raise TooMany(f"too many requests ({over[0].name})", retry_after=over[1])

    @asynccontextmanager
    async def failures(self, *counted: Counted) -> AsyncIterator[None]:
        """Count only what fails: each try is counted before it begins, so that many at once cannot
        all pass, and given back when it succeeds.
        """
        await self.count(*counted)
        yield
        async with self._database.single() as session:
            for one in counted:
                await rate_windows.uncount_window(session, key=self._key(one), at=now())

    def _key(self, one: Counted) -> str:
        digest = hmac.new(self._secret, one.who.encode("utf-8", "surrogatepass"), "sha256")
        return f"{one.rule.name}:{digest.hexdigest()}"


async def _limiter(services: Services) -> Limiter:
    return Limiter(services.database, services.token_keys.derive("rate limits"))


Limits = Annotated[Limiter, Depends(_limiter)]


def limit(name: str, *, per_minute: int | None = None, per_hour: int | None = None) -> Any:
    """A dependency that limits how often one user does something."""
    rules = _rules(name, per_minute, per_hour)

    async def counted(user: CurrentUser, limits: Limits) -> None:
        await limits.count(*(Counted(rule, user.user_id) for rule in rules))

    return Depends(counted)


def limit_clients(name: str, *, per_minute: int | None = None, per_hour: int | None = None) -> Any:
    """The same by network address, for routes that ask for no login."""
    rules = _rules(name, per_minute, per_hour)

    async def counted(request: Request, services: Services, limits: Limits) -> None:
        client = client_network(request, proxies=services.settings.proxies)
        await limits.count(*(Counted(rule, client) for rule in rules))

    return Depends(counted)


def _rules(name: str, per_minute: int | None, per_hour: int | None) -> list[Rule]:
    rules = [
        Rule(name=f"{name}.{window}", times=times, seconds=seconds)
        for window, times, seconds in (("minute", per_minute, 60), ("hour", per_hour, 3600))
        if times is not None
    ]
    if not rules:
        raise ValueError(f"the limit {name} limits nothing")
    return rules


def client_address(request: Request, *, proxies: int) -> str:
    """Where a request came from.

    Each load balancer adds the address it saw to X-Forwarded-For, at the end. The entry of the
    outermost of ours is the client's; what stands before it, the client wrote.
    """
    direct = request.client.host if request.client else ""
    if not proxies:
        return direct
    entries = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    if len(entries) < proxies:
        return direct  # it did not come through the load balancers
    return _plain(entries[-proxies]) or direct


def client_network(request: Request, *, proxies: int) -> str:
    """Whom to count for: an IPv4 address, or the /64 that an IPv6 client can choose from."""
    address = client_address(request, proxies=proxies)
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _plain(entry: str) -> str:
    """An address without its port, or nothing if it is none."""
    text = entry.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
