"""What Paddle's events do to plans and credit, in whatever order and number they come."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import select, update

from onevoice.server.auth.models import User
from onevoice.server.billing import events, ledger
from onevoice.server.billing.ledger import Books
from onevoice.server.billing.models import PaddleEvent, Subscription
from onevoice.server.billing.plans import BUILT_IN, Plans
from onevoice.server.billing.repository import add_event
from onevoice.server.db import Database, now
from onevoice.server.ids import new_id
from onevoice.server.settings import load_settings
from onevoice.server.tables import METADATA
from tests.simulators.paddle import PaddleSimulator

CREATOR, STUDIO, PACK = "pri_creator", "pri_studio", "pri_pack"
PRICES = {CREATOR: (2900, True), STUDIO: (11900, True), PACK: (900, False), "pri_new": (1, True)}
MONTH, PACKED = 300 * 60, 60 * 60
ADA = "user_ada"


def plans(tmp_path: Path) -> Plans:
    """The built-in plans with prices."""
    content = yaml.safe_load(BUILT_IN.read_text(encoding="utf-8"))
    content["plans"][1]["paddle_price_id"] = CREATOR
    content["plans"][2]["paddle_price_id"] = STUDIO
    content["packs"][0]["paddle_price_id"] = PACK
    path = tmp_path / "plans.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return Plans.load(path)


@dataclass
class World:
    """A database, Paddle, and how far its events were told."""

    database: Database
    paddle: PaddleSimulator
    plans: Plans
    told: int = 0

    async def apply(self, given: Iterable[dict[str, Any]]) -> list[str]:
        """Store events, where they are new, and apply each."""
        outcomes = []
        for event in given:
            async with self.database.transaction() as session:
                await add_event(
                    session,
                    event_id=event["event_id"],
                    kind=event["event_type"],
                    occurred_at=datetime.fromisoformat(event["occurred_at"]),
                    payload=event,
                )
            async with self.database.transaction() as session:
                outcomes.append(await events.apply(session, self.plans, event["event_id"]))
        return outcomes

    async def catch_up(self) -> list[str]:
        """Apply what has happened since the last time, in order."""
        new, self.told = self.paddle.events[self.told :], len(self.paddle.events)
        return await self.apply(new)

    async def add_user(self, user_id: str) -> None:
        async with self.database.transaction() as session:
            session.add(User(id=user_id, email=user_id, email_key=user_id, password_hash=""))

    async def state(self, user_id: str = ADA) -> tuple[str, int]:
        """A user's plan and available seconds."""
        async with self.database.session() as session:
            user = await session.get_one(User, user_id)
            return user.plan, (await ledger.balance(session, user_id)).available

    async def use(self, seconds: int, user_id: str = ADA) -> None:
        async with self.database.transaction() as session:
            key = new_id("hold")
            await ledger.hold(session, user_id, seconds, job_id="job_1", key=key)
            await ledger.capture(session, user_id, hold_key=key, used=seconds)


Work = Callable[[World], Awaitable[None]]


@pytest.fixture
def run(database_url: str, tmp_path: Path) -> Callable[[Work], None]:
    """Runs a test in a world with one user; the books must be right at its end."""

    async def all_of_it(work: Work) -> None:
        database = Database(load_settings(database_url=database_url, database_pool=15))
        try:
            async with database.engine.begin() as connection:
                await connection.run_sync(METADATA.create_all)
            with PaddleSimulator(prices=PRICES) as paddle:
                world = World(database, paddle, plans(tmp_path))
                await world.add_user(ADA)
                await work(world)
            async with database.session() as session:
                assert await ledger.check(session) == []
        finally:
            await database.close()

    return lambda work: asyncio.run(all_of_it(work))


def test_a_plan_is_bought(run: Callable[[Work], None]) -> None:
    async def work(world: World) -> None:
        transaction = world.paddle.sell(CREATOR, ADA)
        outcomes = await world.catch_up()
        assert f"{MONTH} s granted" in outcomes
        assert "creator: active" in outcomes
        assert await world.state() == ("creator", MONTH)
        async with world.database.session() as session:
            row = (await session.scalars(select(Subscription))).one()
            assert (row.user_id, row.plan, row.status) == (ADA, "creator", "active")
            assert row.id == world.paddle.subscription_of(transaction)
            assert row.period_ends_at - row.period_starts_at == timedelta(days=30)
            assert row.cancel_at is None

    run(work)


def test_packs_and_how_many_of_them(run: Callable[[Work], None]) -> None:
    async def work(world: World) -> None:
        world.paddle.sell(PACK, ADA, quantity=3)
        await world.catch_up()
        assert await world.state() == ("free", 3 * PACKED)

    run(work)


def test_a_renewal_ends_what_is_left_of_the_month_and_no_pack(run: Callable[[Work], None]) -> None:
    async def work(world: World) -> None:
        subscription = world.paddle.subscription_of(world.paddle.sell(CREATOR, ADA))
        world.paddle.sell(PACK, ADA)
        await world.catch_up()
        await world.use(1000)
        assert await world.state() == ("creator", MONTH + PACKED - 1000)
        world.paddle.renew(subscription)
        await world.catch_up()
        assert await world.state() == ("creator", MONTH + PACKED)
        await world.use(MONTH + 500)  # the month's first, then the pack's
        world.paddle.renew(subscription)
        await world.catch_up()
        assert await world.state() == ("creator", MONTH + PACKED - 500)

    run(work)


def test_what_is_held_at_the_renewal_counts_as_the_old_months(run: Callable[[Work], None]) -> None:
    async def work(world: World) -> None:
        subscription = world.paddle.subscription_of(world.paddle.sell(CREATOR, ADA))
        await world.catch_up()
        async with world.database.transaction() as session:
            await ledger.hold(session, ADA, 600, job_id="job_1", key="h")
        world.paddle.renew(subscription)
        await world.catch_up()
        assert await world.state() == ("creator", MONTH)
        async with world.database.transaction() as session:
            await ledger.release(session, ADA, hold_key="h")
            assert await ledger.balance(session, ADA) == Books(MONTH + 600, 0, 0)

    run(work)


def test_another_plan_in_the_middle_of_a_month(run: Callable[[Work], None]) -> None:
    async def work(world: World) -> None:
        subscription = world.paddle.subscription_of(world.paddle.sell(CREATOR, ADA))
        world.paddle.change_plan(subscription, STUDIO, rate="0.25")
        await world.catch_up()
        assert await world.state() == ("studio", MONTH + 1500 * 60 // 4)
        world.paddle.change_card(subscription)
        assert "ignored: nothing was sold" in await world.catch_up()
        world.paddle.renew(subscription)
        await world.catch_up()
        assert await world.state() == ("studio", 1500 * 60)

    run(work)


def test_the_life_of_a_subscription(run: Callable[[Work], None]) -> None:
    async def work(world: World) -> None:
        subscription = world.paddle.subscription_of(world.paddle.sell(CREATOR, ADA))
        world.paddle.sell(PACK, ADA)
        await world.catch_up()
        for status, plan in (
            ("past_due", "creator"),
            ("paused", "free"),
            ("active", "creator"),
            ("trialing", "creator"),
        ):
            world.paddle.set_status(subscription, status)
            await world.catch_up()
            assert await world.state() == (plan, MONTH + PACKED), status
        world.paddle.set_status(subscription, "canceled")
        await world.catch_up()
        assert await world.state() == ("free", PACKED)

    run(work)


def test_the_greatest_of_several_plans_counts(run: Callable[[Work], None]) -> None:
    async def work(world: World) -> None:
        world.paddle.sell(CREATOR, ADA)
        great = world.paddle.subscription_of(world.paddle.sell(STUDIO, ADA))
        world.paddle.sell(CREATOR, ADA)
        await world.catch_up()
        assert (await world.state())[0] == "studio"
        world.paddle.set_status(great, "canceled")
        await world.catch_up()
        assert (await world.state())[0] == "creator"

    run(work)


def test_older_events_change_nothing(run: Callable[[Work], None]) -> None:
    async def work(world: World) -> None:
        subscription = world.paddle.subscription_of(world.paddle.sell(CREATOR, ADA))
        world.paddle.set_status(subscription, "paused")
        world.paddle.set_status(subscription, "active")
        outcomes = await world.apply(reversed(world.paddle.events))
        assert outcomes.count("ignored: a newer event was applied before") == 3
        assert await world.state() == ("creator", MONTH)

    run(work)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_at_once_the_greater_id_counts(
    run: Callable[[Work], None], order: tuple[int, int]
) -> None:
    async def work(world: World) -> None:
        subscription = world.paddle.subscription_of(world.paddle.sell(CREATOR, ADA))
        await world.catch_up()
        world.paddle.set_status(subscription, "paused")
        world.paddle.set_status(subscription, "past_due")
        last = world.paddle.events[-2:]
        last[0]["occurred_at"] = last[1]["occurred_at"]
        last[0]["event_id"], last[1]["event_id"] = "evt_01a", "evt_01b"
        await world.apply(last[number] for number in order)
        assert (await world.state())[0] == "creator"

    run(work)


def test_refunds_and_chargebacks(run: Callable[[Work], None]) -> None:
    async def work(world: World) -> None:
        paddle = world.paddle
        pack = paddle.sell(PACK, ADA)
        refused = paddle.refund(pack)
        await world.catch_up()
        paddle.decide(refused, "rejected")
        await world.catch_up()
        assert (await world.state())[1] == PACKED
        partial = paddle.refund(pack, cents=495)  # half of 9.90, taxes and all
        await world.catch_up()
        assert (await world.state())[1] == PACKED
        paddle.decide(partial)
        paddle.decide(partial)  # told twice, under two ids
        await world.catch_up()
        assert (await world.state())[1] == PACKED // 2
        other = paddle.sell(PACK, ADA)
        await world.catch_up()
        await world.use(PACKED)
        paddle.refund(other, action="chargeback")
        outcomes = await world.catch_up()
        assert f"{PACKED // 2} s of {PACKED} s taken back" in outcomes
        assert (await world.state())[1] == 0
        paddle.refund(other, action="chargeback_reverse")
        await world.catch_up()
        assert (await world.state())[1] == PACKED // 2  # what was taken, not what it was worth
        paddle.refund(other, action="chargeback_warning")
        assert await world.catch_up() == ["ignored: chargeback_warning moves no minutes"]

    run(work)


def test_refunds_of_a_sale_never_take_more_than_it_brought(run: Callable[[Work], None]) -> None:
    async def work(world: World) -> None:
        paddle = world.paddle
        pack = paddle.sell(PACK, ADA)
        paddle.sell(PACK, ADA)
        await world.catch_up()
        paddle.decide(paddle.refund(pack, cents=495))
        paddle.refund(pack, action="chargeback")  # of all of it, the half that came back included
        await world.catch_up()
        assert (await world.state())[1] == PACKED
        paddle.refund(pack, action="chargeback_reverse")
        await world.catch_up()
        assert (await world.state())[1] == 2 * PACKED

    run(work)


def test_a_refunded_pack_saves_no_minutes_of_the_plan(run: Callable[[Work], None]) -> None:
    async def work(world: World) -> None:
        paddle = world.paddle
        plan = paddle.sell(CREATOR, ADA)
        pack = paddle.sell(PACK, ADA)
        paddle.decide(paddle.refund(pack))
        await world.catch_up()
        assert (await world.state())[1] == MONTH
        paddle.renew(paddle.subscription_of(plan))
        await world.catch_up()
        assert (await world.state())[1] == MONTH
        paddle.refund(plan, action="chargeback")  # nothing of that month is left to take
        await world.catch_up()
        assert (await world.state())[1] == MONTH

    run(work)


def test_a_chargeback_that_was_won_saves_no_minutes_of_the_plan(
    run: Callable[[Work], None],
) -> None:
    async def work(world: World) -> None:
        paddle = world.paddle
        plan = paddle.sell(CREATOR, ADA)
        paddle.refund(plan, action="chargeback")
        paddle.refund(plan, action="chargeback_reverse")
        await world.catch_up()
        assert (await world.state())[1] == MONTH
        paddle.renew(paddle.subscription_of(plan))
        await world.catch_up()
        assert (await world.state())[1] == MONTH

    run(work)


def test_what_is_kept_of_an_event_names_nobody(run: Callable[[Work], None]) -> None:
    async def work(world: World) -> None:
        paddle = world.paddle
        plan = paddle.sell(CREATOR, ADA)
        paddle.decide(paddle.refund(plan))
        for event in paddle.events:
            event["data"]["payments"] = [{"card": {"cardholder_name": "Ada Lovelace"}}]
        customer = {
            "event_id": "evt_customer", "event_type": "customer.created",
            "occurred_at": paddle.events[0]["occurred_at"],
            "data": {"id": "ctm_1", "name": "Ada Lovelace", "email": "ada@example.com"},
        }  # fmt: skip
        await world.catch_up()
        await world.apply([customer])
        async with world.database.session() as session:
            kept = (await session.scalars(select(PaddleEvent))).all()
        assert len(kept) == len(paddle.events) + 1
        for row in kept:
            assert "Ada Lovelace" not in str(row.payload)
            assert row.processed_at is not None
            assert row.payload["data"]["id"] == row.entity_id
            assert row.user_id == (None if row.outcome.startswith("ignored") else ADA)
        async with world.database.transaction() as session:  # and it is enough to begin anew
            await session.execute(update(PaddleEvent).values(processed_at=None, outcome=""))
        before = await world.state()
        async with world.database.transaction() as session:
            for event in (*paddle.events, customer):
                assert "unreadable" not in await events.apply(
                    session, world.plans, event["event_id"]
                )
        assert await world.state() == before
        async with world.database.transaction() as session:
            await session.delete(await session.get_one(User, ADA))
        async with world.database.session() as session:
            left = (await session.scalars(select(PaddleEvent))).all()
        assert all(row.outcome.startswith("ignored") for row in left)
        assert all(set(row.payload["data"]) >= {"id"} for row in left)
        assert ADA not in str([row.payload for row in left]), "events go with their account"

    run(work)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_refunded_plan_that_ends_is_taken_once(
    run: Callable[[Work], None], order: tuple[int, int]
) -> None:
    async def work(world: World) -> None:
        paddle = world.paddle
        plan = paddle.sell(CREATOR, ADA)
        paddle.sell(PACK, ADA)
        await world.catch_up()
        paddle.decide(paddle.refund(plan))
        paddle.set_status(paddle.subscription_of(plan), "canceled")
        ends = [paddle.events[-2], paddle.events[-1]]
        await world.apply(ends[number] for number in order)
        assert await world.state() == ("free", PACKED)

    run(work)


def test_what_is_unknown_is_noted_and_is_no_error(run: Callable[[Work], None]) -> None:
    async def work(world: World) -> None:
        paddle = world.paddle
        paddle.sell(PACK, "user_gone")
        paddle.sell(CREATOR, None)
        assert (await world.catch_up()).count("no account is known for it") == 4
        paddle.sell("pri_new", ADA)
        outcomes = await world.catch_up()
        assert "0 s granted; no plan or pack has the price pri_new" in outcomes
        assert "no plan or pack has the price pri_new" in outcomes
        for kind, data in (
            ("report.created", {"id": "rep_1"}),
            ("something.new", {}),
            ("subscription.updated", {}),
            ("subscription.updated", {"id": 5, "items": "none"}),
            ("transaction.completed", {"id": "txn_1", "custom_data": []}),
            ("adjustment.updated", {"id": "x" * 4000}),
        ):
            paddle.tell(kind, data)
        outcomes = await world.catch_up()
        assert [outcome.partition(":")[0] for outcome in outcomes] == ["ignored"] * 2 + [
            "unreadable"
        ] * 4
        assert await world.state() == ("free", 0)

    run(work)


def test_an_account_that_is_being_erased_is_nobodys(run: Callable[[Work], None]) -> None:
    async def work(world: World) -> None:
        await world.add_user("user_bo")
        async with world.database.transaction() as session:
            (await session.get_one(User, "user_bo")).deleted_at = now()
        world.paddle.sell(PACK, "user_bo")
        assert events.NO_ACCOUNT in await world.catch_up()
        assert (await world.state("user_bo"))[1] == 0

    run(work)


def test_a_price_that_becomes_known_is_applied_again(run: Callable[[Work], None]) -> None:
    async def work(world: World) -> None:
        world.paddle.sell("pri_new", ADA)
        world.paddle.sell(CREATOR, ADA)
        await world.catch_up()
        known = world.plans.plans[2].model_copy(update={"paddle_price_id": "pri_new"})
        better = world.plans.model_copy(update={"plans": [*world.plans.plans[:2], known]})
        for _ in range(3):  # more often than needed
            for event in world.paddle.events:
                async with world.database.transaction() as session:
                    await session.execute(update(PaddleEvent).values(processed_at=None))
                    await events.apply(session, better, event["event_id"])
        assert await world.state() == ("studio", MONTH + 1500 * 60)

    run(work)


def test_somebody_elses_subscription_stays_theirs(run: Callable[[Work], None]) -> None:
    async def work(world: World) -> None:
        await world.add_user("user_bo")
        subscription = world.paddle.subscription_of(world.paddle.sell(CREATOR, ADA))
        await world.catch_up()
        world.paddle.state["subscriptions"][subscription]["custom_data"] = {"user_id": "user_bo"}
        world.paddle.set_status(subscription, "past_due")
        assert await world.catch_up() == ["ignored: the subscription is another account's"]
        assert (await world.state("user_bo"))[0] == "free"
        assert (await world.state())[0] == "creator"

    run(work)


def test_any_order_comes_to_the_same(run: Callable[[Work], None]) -> None:
    """Eight buyers' histories, each in an order of its own, with everything told thrice."""

    async def work(world: World) -> None:
        paddle, chance = world.paddle, random.Random(3)
        for number in range(8):
            user_id = f"user_{number}"
            await world.add_user(user_id)
            begin = len(paddle.events)
            plan = paddle.sell(CREATOR, user_id)
            pack = paddle.sell(PACK, user_id)
            subscription = paddle.subscription_of(plan)
            for status in ("past_due", "active", "paused", "active"):
                paddle.set_status(subscription, status)
            paddle.decide(paddle.refund(pack, cents=330))  # a third
            told = paddle.events[begin:]
            # Without the transactions' own word on whose they are, the subscription has it.
            for event in told if number % 2 else []:
                if (
                    event["event_type"] == "transaction.completed"
                    and event["data"]["subscription_id"]
                ):
                    event["data"]["custom_data"] = None
            shuffled = told * 3
            chance.shuffle(shuffled)
            await world.apply(shuffled)
            assert await world.state(user_id) == ("creator", MONTH + PACKED * 2 // 3), number
        async with world.database.session() as session:
            stored = (await session.scalars(select(PaddleEvent))).all()
            assert len(stored) == len(paddle.events)
            assert all(event.processed_at for event in stored)

    run(work)


def test_all_at_once_comes_to_the_same(run: Callable[[Work], None]) -> None:
    async def work(world: World) -> None:
        paddle, chance = world.paddle, random.Random(5)
        plan = paddle.sell(CREATOR, ADA)
        pack = paddle.sell(PACK, ADA)
        paddle.set_status(paddle.subscription_of(plan), "past_due")
        paddle.decide(paddle.refund(pack))
        shuffled = paddle.events * 5
        chance.shuffle(shuffled)
        await asyncio.gather(*(world.apply([event]) for event in shuffled))
        assert await world.state() == ("creator", MONTH)

    run(work)


def test_late_renewals_only_grant(run: Callable[[Work], None]) -> None:
    async def work(world: World) -> None:
        subscription = world.paddle.subscription_of(world.paddle.sell(CREATOR, ADA))
        world.paddle.renew(subscription)
        await world.apply(reversed(world.paddle.events))
        assert await world.state() == ("creator", 2 * MONTH)
        world.paddle.renew(subscription)
        await world.apply(world.paddle.events)
        assert await world.state() == ("creator", MONTH)

    run(work)


def test_an_event_that_is_not_there(run: Callable[[Work], None]) -> None:
    async def work(world: World) -> None:
        async with world.database.transaction() as session:
            assert await events.apply(session, world.plans, "evt_none") == "there is no such event"
            await session.execute(update(User).values(name="still usable"))

    run(work)
