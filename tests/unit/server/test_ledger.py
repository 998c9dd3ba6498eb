"""The ledger on SQLite and on PostgreSQL: what may happen, what may not, and all at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError

from onevoice.server.auth.models import User
from onevoice.server.billing import ledger
from onevoice.server.billing.ledger import Books, LedgerError, NotEnoughCredit, Taken
from onevoice.server.billing.models import Balance, LedgerEntry
from onevoice.server.db import Database
from onevoice.server.jobs.keys import hold_key
from onevoice.server.jobs.models import Job
from onevoice.server.settings import load_settings
from onevoice.server.tables import METADATA
from onevoice.server.videos.models import Video

USER = "user_ada"
OTHER = "user_bo"
Work = Callable[[Database], Awaitable[Any]]


def run(database_url: str, work: Work) -> None:
    """Do the work on an empty database with two users; the books must agree afterwards."""

    async def all_of_it() -> None:
        database = Database(load_settings(database_url=database_url, database_pool=15))
        try:
            async with database.engine.begin() as connection:
                await connection.run_sync(METADATA.create_all)
            async with database.transaction() as session:
                for name in (USER, OTHER):
                    session.add(User(id=name, email=name, email_key=name, password_hash=""))
            await work(database)
            async with database.session() as session:
                wrong = [w for w in await ledger.check(session) if "are held for" not in w]
                assert wrong == []
        finally:
            await database.close()

    asyncio.run(all_of_it())


async def books(database: Database, user_id: str = USER) -> Books:
    async with database.session() as session:
        return await ledger.balance(session, user_id)


async def granted(database: Database, seconds: int, user_id: str = USER) -> None:
    async with database.transaction() as session:
        assert await ledger.grant(session, user_id, seconds, key=f"test:{user_id}", note="given")


def test_a_job_of_one_language(database_url: str) -> None:
    async def work(database: Database) -> None:
        await granted(database, 600)
        key = hold_key("job_1", "es", 1)
        async with database.transaction() as session:
            assert await ledger.hold(session, USER, 240, job_id="job_1", key=key)
            assert await ledger.balance(session, USER) == Books(360, 240, 0)
        async with database.transaction() as session:
            assert await ledger.capture(session, USER, hold_key=key, used=200) == 200
        assert await books(database) == Books(400, 0, 200)
        async with database.session() as session:
            found = await ledger.entries(session, USER)
            assert [(e.book, e.seconds, e.reason) for e in reversed(found)] == [
                ("available", 600, "grant"),
                ("granted", -600, "grant"),
                ("available", -240, "hold"),
                ("held", 240, "hold"),
                ("held", -240, "capture"),
                ("spent", 200, "capture"),
                ("available", 40, "capture"),
            ]
            assert {e.job_id for e in found if e.reason == "capture"} == {"job_1"}
            older = await ledger.entries(session, USER, found[1].id, limit=2)
            assert [e.id for e in older] == [e.id for e in found[2:4]]
            assert await ledger.entries(session, OTHER) == []

    run(database_url, work)


def test_every_booking_happens_once(database_url: str) -> None:
    async def work(database: Database) -> None:
        async with database.transaction() as session:
            answers = [await ledger.grant(session, USER, 100, key="g") for _ in range(3)]
            assert answers == [True, False, False]
            answers = [
                await ledger.hold(session, USER, 80, job_id="job_1", key="h") for _ in range(3)
            ]
            assert answers == [True, False, False]  # though the rest would not do for a second
            assert await ledger.hold(session, USER, 20, job_id="job_1", key="h2")
            assert await ledger.capture(session, USER, hold_key="h", used=50) == 50
            assert await ledger.capture(session, USER, hold_key="h", used=80) is None
            assert await ledger.release(session, USER, hold_key="h") is False
            assert await ledger.release(session, USER, hold_key="h2") is True
            assert await ledger.capture(session, USER, hold_key="h2", used=20) is None
            assert await ledger.expire(session, USER, 10, key="e") == Taken(10, 0)
            assert await ledger.expire(session, USER, 10, key="e") is None
            assert await ledger.clawback(session, USER, 30, key="c") == Taken(30, 0)
            assert await ledger.clawback(session, USER, 30, key="c") is None
            assert await ledger.balance(session, USER) == Books(10, 0, 50)

    run(database_url, work)


def test_a_capture_never_takes_more_than_was_held(database_url: str) -> None:
    async def work(database: Database) -> None:
        await granted(database, 600)
        async with database.transaction() as session:
            await ledger.hold(session, USER, 100, job_id="job_1", key="h")
            assert await ledger.capture(session, USER, hold_key="h", used=10_000) == 100
            await ledger.hold(session, USER, 100, job_id="job_1", key="h2")
            assert await ledger.capture(session, USER, hold_key="h2", used=0) == 0
        assert await books(database) == Books(500, 0, 100)

    run(database_url, work)


def test_what_is_missing_is_said_and_nothing_is_booked(database_url: str) -> None:
    async def work(database: Database) -> None:
        async with database.transaction() as session:
            with pytest.raises(NotEnoughCredit, match="0 min are available"):
                await ledger.hold(session, USER, 60, job_id="job_1", key="h")
        await granted(database, 90)
        async with database.transaction() as session:
            with pytest.raises(NotEnoughCredit) as caught:
                await ledger.hold(session, USER, 91, job_id="job_1", key="h")
            assert caught.value.facts == {"needed_seconds": 91, "available_seconds": 90}
            assert "needs 1 min 31 s" in caught.value.message
            # The transaction goes on: a refusal left nothing in it.
            assert await ledger.hold(session, USER, 90, job_id="job_1", key="h")
        assert await books(database) == Books(0, 90, 0)

    run(database_url, work)


def test_nobody_settles_the_hold_of_somebody_else(database_url: str) -> None:
    async def work(database: Database) -> None:
        await granted(database, 90)
        await granted(database, 90, OTHER)
        async with database.transaction() as session:
            await ledger.hold(session, USER, 60, job_id="job_1", key="h")
            with pytest.raises(LedgerError, match="no hold"):
                await ledger.capture(session, OTHER, hold_key="h", used=60)
            with pytest.raises(LedgerError, match="no hold"):
                await ledger.release(session, OTHER, hold_key="h")

    run(database_url, work)


@pytest.mark.parametrize("seconds", [0, -1])
def test_amounts_are_positive(database_url: str, seconds: int) -> None:
    async def work(database: Database) -> None:
        await granted(database, 90)
        async with database.transaction() as session:
            for booking in (
                ledger.grant(session, USER, seconds, key="k"),
                ledger.hold(session, USER, seconds, job_id="job_1", key="k"),
                ledger.expire(session, USER, seconds, key="k"),
                ledger.clawback(session, USER, seconds, key="k"),
                ledger.capture(session, USER, hold_key="k", used=-1),
            ):
                with pytest.raises(LedgerError):
                    await booking
        assert await books(database) == Books(90, 0, 0)

    run(database_url, work)


def test_a_clawback_takes_what_is_there_and_never_comes_back(database_url: str) -> None:
    async def work(database: Database) -> None:
        await granted(database, 100)
        async with database.transaction() as session:
            await ledger.hold(session, USER, 70, job_id="job_1", key="h")
            assert await ledger.clawback(session, USER, 100, key="c1") == Taken(30, 70)
            assert await ledger.clawback(session, USER, 50, key="c2") == Taken(0, 50)
            await ledger.grant(session, USER, 500, key="later")
            assert await ledger.clawback(session, USER, 50, key="c2") is None
            notes = {e.key: e.note for e in await ledger.entries(session, USER)}
            assert "70 s of 100 s" in notes["c1"]
        assert await books(database) == Books(500, 70, 0)

    run(database_url, work)


def test_100_holds_at_once_against_credit_for_10(database_url: str) -> None:
    async def work(database: Database) -> None:
        await granted(database, 600)

        async def submit(number: int) -> bool:
            try:
                async with database.transaction() as session:
                    await ledger.hold(session, USER, 60, job_id=f"job_{number}", key=f"h:{number}")
            except NotEnoughCredit:
                return False
            return True

        passed = await asyncio.gather(*(submit(number) for number in range(100)))
        assert sum(passed) == 10
        assert await books(database) == Books(0, 600, 0)

    run(database_url, work)


def test_the_same_bookings_many_times_at_once(database_url: str) -> None:
    async def work(database: Database) -> None:
        await granted(database, 600)

        async def once(booking: Callable[[Any], Awaitable[Any]]) -> Any:
            async with database.transaction() as session:
                return await booking(session)

        async def storm(booking: Callable[[Any], Awaitable[Any]]) -> list[Any]:
            return list(await asyncio.gather(*(once(booking) for _ in range(20))))

        grants = await storm(lambda s: ledger.grant(s, OTHER, 60, key="g"))
        assert sorted(grants) == [False] * 19 + [True]
        holds = await storm(lambda s: ledger.hold(s, USER, 400, job_id="job_1", key="h"))
        assert sorted(holds) == [False] * 19 + [True]
        ends = await asyncio.gather(
            *(
                once(lambda s: ledger.capture(s, USER, hold_key="h", used=150))
                if number % 2
                else once(lambda s: ledger.release(s, USER, hold_key="h"))
                for number in range(20)
            )
        )
        assert sum(1 for end in ends if end not in (None, False)) == 1
        after = await books(database)
        assert after in (Books(450, 0, 150), Books(600, 0, 0))
        claws = await storm(lambda s: ledger.clawback(s, USER, 100, key="c"))
        assert [c for c in claws if c is not None] == [Taken(100, 0)]
        assert (await books(database)).available == after.available - 100

    run(database_url, work)


def test_transactions_over_several_holds_in_any_order_do_not_block_each_other(
    database_url: str,
) -> None:
    async def work(database: Database) -> None:
        await granted(database, 100_000)
        names = [f"h:{number}" for number in range(6)]
        chance = random.Random(7)
        async with database.transaction() as session:
            for name in names:
                await ledger.hold(session, USER, 10, job_id="job_1", key=name)

        async def end_all(order: list[str]) -> None:
            async with database.transaction() as session:
                for name in order:
                    await ledger.capture(session, USER, hold_key=name, used=5)

        orders = [chance.sample(names, len(names)) for _ in range(12)]
        await asyncio.gather(*(end_all(order) for order in orders))
        assert await books(database) == Books(100_000 - 30, 0, 30)

    run(database_url, work)


def test_random_bookings_keep_the_books_right(database_url: str) -> None:
    async def work(database: Database) -> None:
        chance = random.Random(11)
        given = 0
        holds: list[str] = []
        async with database.transaction() as session:
            for number in range(150):
                kind = chance.choice(["grant", "hold", "hold", "capture", "release", "claw"])
                if kind == "grant":
                    seconds = chance.randint(1, 500)
                    given += seconds
                    await ledger.grant(session, USER, seconds, key=f"g:{number}")
                elif kind == "hold":
                    seconds = chance.randint(1, 400)
                    try:
                        await ledger.hold(session, USER, seconds, job_id="job_1", key=f"h:{number}")
                        holds.append(f"h:{number}")
                    except NotEnoughCredit:
                        assert (await ledger.balance(session, USER)).available < seconds
                elif kind == "claw":
                    await ledger.clawback(session, USER, chance.randint(1, 50), key=f"c:{number}")
                elif holds:
                    name = chance.choice(holds)  # also one that was settled
                    if kind == "capture":
                        used = chance.randint(0, 500)
                        await ledger.capture(session, USER, hold_key=name, used=used)
                    else:
                        await ledger.release(session, USER, hold_key=name)
                now = await ledger.balance(session, USER)
                assert min(now.available, now.held, now.spent) >= 0
                assert now.available + now.held + now.spent <= given

    run(database_url, work)


def test_check_finds_what_is_wrong(database_url: str) -> None:
    async def work(database: Database) -> None:
        await granted(database, 600)
        async with database.transaction() as session:
            session.add(Video(id="vid_1", user_id=USER, name="", status="ready", storage_key=""))
            await session.flush()
            for number, status in enumerate(("running", "done"), 1):
                session.add(
                    Job(
                        id=f"job_{number}", user_id=USER, video_id="vid_1", status=status,
                        profile="embedded", route="cpu", settings={}, quote={},
                    )
                )  # fmt: skip
                await ledger.hold(session, USER, 10, job_id=f"job_{number}", key=f"h:{number}")
        async with database.transaction() as session:
            assert await ledger.check(session) == [f"{USER}: 10 s are held for job_2, done"]
            await ledger.release(session, USER, hold_key="h:2")
            assert await ledger.check(session) == []
        async with database.session() as session:  # rolled back: the books were right
            await session.execute(update(Balance).values(available_s=Balance.available_s + 5))
            await session.execute(
                update(LedgerEntry)
                .where(LedgerEntry.key == "h:1", LedgerEntry.book == "held")
                .values(seconds=11)
            )
            assert await ledger.check(session) == [
                "h:1: its entries add up to 1 s",
                f"{USER}: available is 595 s, its entries say 590 s",
                f"{USER}: held is 10 s, its entries say 11 s",
            ]

    run(database_url, work)


def test_the_database_itself_refuses_less_than_nothing(database_url: str) -> None:
    async def work(database: Database) -> None:
        await granted(database, 10)
        async with database.session() as session:
            with pytest.raises(Exception, match="available"):
                await session.execute(text("UPDATE balances SET available_s = -1"))

    run(database_url, work)


def test_the_languages_of_a_job_are_held_together_or_not_at_all(database_url: str) -> None:
    async def work(database: Database) -> None:
        await granted(database, 100)
        async with database.transaction() as session:
            with pytest.raises(NotEnoughCredit) as caught:
                await ledger.hold_all(session, USER, {"h:es": 60, "h:ko": 41}, job_id="job_1")
            assert caught.value.facts == {"needed_seconds": 101, "available_seconds": 100}
            with pytest.raises(LedgerError):
                await ledger.hold_all(session, USER, {"h:es": 60, "h:ko": 0}, job_id="job_1")
        assert await books(database) == Books(100, 0, 0)
        async with database.transaction() as session:
            await ledger.hold_all(session, USER, {"h:es": 60, "h:ko": 40}, job_id="job_1")
        assert await books(database) == Books(0, 100, 0)
        async with database.transaction() as session:
            assert await ledger.capture(session, USER, hold_key="h:es", used=50) == 50
            assert await ledger.release(session, USER, hold_key="h:ko")
        assert await books(database) == Books(50, 0, 50)

    run(database_url, work)


def test_a_hold_of_many_that_was_there_breaks_the_transaction(database_url: str) -> None:
    async def work(database: Database) -> None:
        await granted(database, 100)
        async with database.transaction() as session:
            await ledger.hold_all(session, USER, {"h:es": 10}, job_id="job_1")
        with pytest.raises(IntegrityError):
            async with database.transaction() as session:
                await ledger.hold_all(session, USER, {"h:ko": 5, "h:es": 10}, job_id="job_1")
        assert await books(database) == Books(90, 10, 0)

    run(database_url, work)


def test_many_holds_of_several_at_once_never_overdraw(database_url: str) -> None:
    async def work(database: Database) -> None:
        await granted(database, 100)

        async def one(number: int) -> bool:
            holds = {f"h:{number}:es": 6, f"h:{number}:ko": 4}
            try:
                async with database.transaction() as session:
                    await ledger.hold_all(session, USER, holds, job_id=f"job_{number}")
            except NotEnoughCredit:
                return False
            return True

        assert sum(await asyncio.gather(*(one(number) for number in range(25)))) == 10
        assert await books(database) == Books(0, 100, 0)

    run(database_url, work)
