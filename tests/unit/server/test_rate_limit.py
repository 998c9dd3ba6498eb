"""Limits: counted exactly under concurrency, over in time, by the right address, by no address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from starlette.requests import Request

from onevoice.server.auth import rate_limit
from onevoice.server.auth.models import RateWindow
from onevoice.server.auth.rate_limit import Counted, Limiter, Rule, client_address, client_network
from onevoice.server.db import Database, now
from onevoice.server.errors import TooMany, Unauthorized
from onevoice.server.settings import ServerSettings
from onevoice.server.tables import METADATA

RULE = Rule(name="test", times=3, seconds=60)
WIDE = Rule(name="wide", times=100, seconds=60)
ADDRESS = "ada@example.com"


@asynccontextmanager
async def database(folder: Path) -> AsyncIterator[Database]:
    found = Database(ServerSettings(data_dir=folder))
    try:
        async with found.engine.begin() as connection:
            await connection.run_sync(METADATA.create_all)
        yield found
    finally:
        await found.close()


def run(folder: Path, work: Callable[[Database, Limiter], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with database(folder) as found:
            await work(found, Limiter(found, b"k" * 32))

    asyncio.run(inside())


async def rows(found: Database) -> dict[str, int]:
    async with found.session() as session:
        return {row.key: row.count for row in await session.scalars(select(RateWindow))}


def test_one_more_than_allowed_is_refused_and_told_when(tmp_path: Path) -> None:
    async def work(_: Database, limits: Limiter) -> None:
        for _try in range(3):
            await limits.count(Counted(RULE, ADDRESS))
        with pytest.raises(TooMany) as caught:
            await limits.count(Counted(RULE, ADDRESS))
        assert 55 <= int(caught.value.headers["Retry-After"]) <= 60
        await limits.count(Counted(RULE, "somebody else"))

    run(tmp_path, work)


def test_many_at_once_pass_exactly_as_often_as_allowed(tmp_path: Path) -> None:
    async def work(_: Database, limits: Limiter) -> None:
        tries = (limits.count(Counted(RULE, ADDRESS)) for _try in range(20))
        answers = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(answer is None for answer in answers) == 3
        assert sum(isinstance(answer, TooMany) for answer in answers) == 17

    run(tmp_path, work)


def test_a_window_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(found: Database, limits: Limiter) -> None:
        for _try in range(3):
            await limits.count(Counted(RULE, ADDRESS))
        later: datetime = now() + timedelta(seconds=61)
        monkeypatch.setattr(rate_limit, "now", lambda: later)
        await limits.count(Counted(RULE, ADDRESS))
        assert list((await rows(found)).values()) == [1]

    run(tmp_path, work)


def test_only_failures_count(tmp_path: Path) -> None:
    async def work(found: Database, limits: Limiter) -> None:
        for _try in range(10):
            async with limits.failures(Counted(RULE, ADDRESS), Counted(WIDE, ADDRESS)):
                pass
        assert set((await rows(found)).values()) == {0}
        for _try in range(3):
            with pytest.raises(Unauthorized):
                async with limits.failures(Counted(RULE, ADDRESS), Counted(WIDE, ADDRESS)):
                    raise Unauthorized("no")
        with pytest.raises(TooMany):
            async with limits.failures(Counted(RULE, ADDRESS)):
                raise AssertionError("nothing is tried any more")

    run(tmp_path, work)


def test_the_refused_do_not_use_up_what_others_share(tmp_path: Path) -> None:
    async def work(found: Database, limits: Limiter) -> None:
        for _try in range(50):
            with pytest.raises((TooMany, Unauthorized)):
                async with limits.failures(Counted(RULE, "attacker"), Counted(WIDE, ADDRESS)):
                    raise Unauthorized("no")
        counts = {key.partition(":")[0]: count for key, count in (await rows(found)).items()}
        assert counts == {"test": 50, "wide": 3}

    run(tmp_path, work)


def test_no_address_is_stored(tmp_path: Path) -> None:
    async def work(found: Database, limits: Limiter) -> None:
        await limits.count(Counted(RULE, ADDRESS), Counted(WIDE, "\ud800"))
        for key in await rows(found):
            name, _, digest = key.partition(":")
            assert name in ("test", "wide") and len(digest) == 64 and "ada" not in digest
        other = Limiter(found, b"o" * 32)
        await other.count(Counted(RULE, ADDRESS))
        assert len(await rows(found)) == 3, "without the key nobody can look an address up"

    run(tmp_path, work)


def test_a_limit_that_limits_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="limits nothing"):
        rate_limit.limit("jobs")


def request(client: str | None = "203.0.113.9", *forwarded: str) -> Request:
    return Request(
        {
            "type": "http",
            "headers": [(b"x-forwarded-for", value.encode()) for value in forwarded],
            "client": (client, 1234) if client else None,
        }
    )


@pytest.mark.parametrize(
    ("proxies", "forwarded", "found"),
    [
        (0, (), "203.0.113.9"),
        (0, ("198.51.100.1",), "203.0.113.9"),  # nobody asked for it: the client wrote it
        (1, ("198.51.100.1",), "198.51.100.1"),
        (1, ("10.0.0.1, 198.51.100.1",), "198.51.100.1"),  # the first is invented
        (1, ("10.0.0.1", "198.51.100.1"), "198.51.100.1"),  # … also in a header of its own
        (2, ("10.0.0.1, 198.51.100.1, 192.0.2.7",), "198.51.100.1"),
        (2, ("192.0.2.7",), "203.0.113.9"),  # it came past one of them
        (1, (), "203.0.113.9"),
        (1, ("198.51.100.1:4711",), "198.51.100.1"),
        (1, ("[2001:db8::1]:4711",), "2001:db8::1"),
        (1, ("2001:db8::1",), "2001:db8::1"),
        (1, ("<script>",), "203.0.113.9"),
        (1, ("",), "203.0.113.9"),
    ],
)
def test_whose_address_counts(proxies: int, forwarded: tuple[str, ...], found: str) -> None:
    assert client_address(request("203.0.113.9", *forwarded), proxies=proxies) == found


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        (None, ""),
    ],
)
def test_an_ipv6_client_has_one_network(address: str | None, network: str) -> None:
    assert client_network(request(address), proxies=0) == network
