"""Tasks on SQLite and on PostgreSQL: outbox, claims, turns, sweep."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.db import Database, now
from onevoice.server.queue import Depth, MemoryQueue, Message
from onevoice.server.queue.base import QueueMissing, QueueUnavailable
from onevoice.server.settings import load_settings
from onevoice.server.tables import METADATA
from onevoice.server.tasks import claims, repository
from onevoice.server.tasks.claims import Busy, Claim, Gone
from onevoice.server.tasks.fairness import admit
from onevoice.server.tasks.models import Task
from onevoice.server.tasks.outbox import add_task, dispatch, take_tasks, transaction
from onevoice.server.tasks.sweep import Swept, sweep, take_over

USER = "usr_1"
Test = Callable[[Database, "BrokenQueue"], Awaitable[None]]


class BrokenQueue(MemoryQueue):
    """A queue that can be made to take no messages."""

    broken = False

    async def send(self, queue: str, task_id: str, *, group: str | None, delay_s: int = 0) -> None:
        if self.broken:
            raise QueueUnavailable("SQS cannot be reached")
        await super().send(queue, task_id, group=group, delay_s=delay_s)


@pytest.fixture
def run(database_url: str) -> Callable[[Test], None]:
    """Run a test on an empty database that has all tables."""

    def run(test: Test) -> None:
        async def go() -> None:
            database = Database(load_settings(database_url=database_url))
            try:
                async with database.engine.begin() as connection:
                    await connection.run_sync(METADATA.create_all)
                await test(database, BrokenQueue())
            finally:
                await database.close()

        asyncio.run(go())

    return run


Run = Callable[[Test], None]


async def added(database: Database, queue: MemoryQueue, /, **given: Any) -> Task:
    async with transaction(database, queue) as session:
        return add_task(session, **({"kind": "mail", "queue": "tasks", "user_id": USER} | given))


async def task_of(database: Database, task_id: str) -> Task:
    async with database.session() as session:
        return await session.get_one(Task, task_id)


async def claimed(
    database: Database, task: Task, *, at: datetime | None = None, worker: str = "w"
) -> Claim | Busy | Gone:
    async with database.transaction() as session:
        return await claims.claim(session, task.id, worker=worker, lease_s=60, at=at)


async def must_claim(database: Database, task: Task, *, at: datetime | None = None) -> Claim:
    taken = await claimed(database, task, at=at)
    assert isinstance(taken, Claim)
    return taken


async def received(queue: MemoryQueue, name: str = "tasks") -> list[str]:
    found: list[str] = []
    while (message := await queue.receive(name, wait_s=0, visibility_s=600)) is not None:
        found.append(message.task_id)
        await queue.delete(message)
    return found


def later(seconds: float) -> datetime:
    return now() + timedelta(seconds=seconds)


# -- outbox ------------------------------------------------------------------------------------


def test_messages_follow_the_commit(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        async with transaction(database, queue) as session:
            task = add_task(session, kind="mail", queue="tasks", payload={"to": "a"})
            await session.flush()
            assert await received(queue) == []
        assert await received(queue) == [task.id]
        found = await task_of(database, task.id)
        assert (found.state, found.payload, found.attempts) == ("queued", {"to": "a"}, 0)
        assert found.sent_at is not None

    run(test)


def test_what_is_rolled_back_is_not_sent(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        with pytest.raises(ZeroDivisionError):
            async with transaction(database, queue) as session:
                add_task(session, kind="mail", queue="tasks")
                await session.flush()
                raise ZeroDivisionError
        assert await received(queue) == []
        async with database.session() as session:
            assert (await session.scalars(select(Task))).all() == []

    run(test)


def test_a_message_that_cannot_be_sent_is_sent_by_the_sweep(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        queue.broken = True
        task = await added(database, queue)
        assert (await task_of(database, task.id)).sent_at is None
        assert await sweep(database, queue, at=later(11)) == Swept(0, 0, 0)
        queue.broken = False
        assert (await sweep(database, queue)).sent == 0, "whoever committed it is still at it"
        assert (await sweep(database, queue, at=later(11))).sent == 1
        assert await received(queue) == [task.id]
        assert (await sweep(database, queue, at=later(22))).sent == 0
        assert (await task_of(database, task.id)).sent_at is not None

    run(test)


def test_delays_short_and_long(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        short = await added(database, queue, delay_s=300)
        long = await added(database, queue, delay_s=3600)
        assert await queue.depth("tasks") == Depth(waiting=0, in_flight=0, delayed=1)
        assert (await task_of(database, short.id)).sent_at is not None
        assert (await task_of(database, long.id)).sent_at is None
        assert isinstance(await claimed(database, short), Busy)
        assert (await sweep(database, queue, at=later(3000))).sent == 1, "the short one, once more"
        await received(queue)
        assert (await sweep(database, queue, at=later(3700))).sent >= 1
        assert long.id in await received(queue)

    run(test)


def test_dispatch_sends_what_is_queued_and_a_session_forgets(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        async with database.transaction() as session:
            first = add_task(session, kind="mail", queue="tasks", user_id=USER)
            add_task(session, kind="dub", queue="cpu", user_id=USER, state="waiting")
        tasks = take_tasks(session)
        assert len(tasks) == 2
        assert take_tasks(session) == []
        assert await dispatch(queue, database, tasks) == 1
        assert await received(queue) == [first.id]
        assert await received(queue, "cpu") == []
        with pytest.raises(QueueMissing):
            add_task(session, kind="mail", queue="mails")

    run(test)


# -- claims ------------------------------------------------------------------------------------


def test_one_of_many_gets_the_task(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        task = await added(database, queue)
        taken = await asyncio.gather(*(claimed(database, task, worker=f"w{n}") for n in range(8)))
        winners = [each for each in taken if isinstance(each, Claim)]
        losers = [each for each in taken if isinstance(each, Busy)]
        assert (len(winners), len(losers)) == (1, 7)
        found = await task_of(database, task.id)
        assert (found.state, found.fence, found.attempts) == ("running", 1, 1)
        assert winners[0].fence == 1
        assert winners[0].task.worker == found.worker
        assert all(each.until == found.lease_until for each in losers)

    run(test)


def test_a_lease_that_is_over_can_be_claimed_and_the_old_fence_is_worth_nothing(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        task = await added(database, queue)
        old = await must_claim(database, task)
        assert isinstance(await claimed(database, task, at=later(59)), Busy)
        new = await must_claim(database, task, at=later(61))
        assert (new.fence, new.task.attempts) == (2, 2)
        async with database.transaction() as session:
            assert not await claims.holds(session, old)
            assert not await claims.renew(session, old, lease_s=60)
            assert not await claims.finish(session, old)
            assert not await claims.give_back(session, old)
            for retryable in (True, False):
                failed = await claims.fail(
                    session, old, error={"code": "x"}, retryable=retryable, max_attempts=4
                )
                assert failed is None
        assert take_tasks(session) == []
        found = await task_of(database, task.id)
        assert (found.state, found.fence, found.error) == ("running", 2, None)
        async with database.transaction() as session:
            assert await claims.holds(session, new)
            assert await claims.finish(session, new)
            assert not await claims.finish(session, new)
        found = await task_of(database, task.id)
        assert found.state == "done"
        assert found.ended_at is not None

    run(test)


def test_renewing_keeps_others_away(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        task = await added(database, queue)
        mine = await must_claim(database, task)
        async with database.transaction() as session:
            assert await claims.renew(session, mine, lease_s=600)
        assert isinstance(await claimed(database, task, at=later(500)), Busy)
        assert (await sweep(database, queue, at=later(500))).freed == 0

    run(test)


@pytest.mark.parametrize("state", ["waiting", "done", "dead", None])
def test_there_is_nothing_to_do_for_the_others(run: Run, state: str | None) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        task = await added(database, queue)
        async with database.transaction() as session:
            if state is None:
                await session.delete(await session.get_one(Task, task.id))
            else:
                await session.execute(update(Task).values(state=state))
        assert await claimed(database, task) == Gone()

    run(test)


def test_failures_are_tried_again_ever_later_until_the_task_is_dead(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        task = await added(database, queue)
        at, delays = now(), []
        for attempt in range(1, 5):
            mine = await must_claim(database, task, at=at)
            assert mine.task.attempts == attempt
            async with transaction(database, queue) as session:
                outcome = await claims.fail(
                    session, mine, error={"n": attempt}, retryable=True, max_attempts=4, at=at
                )
            found = await task_of(database, task.id)
            assert found.error == {"n": attempt}
            if outcome == "dead":
                break
            assert (found.state, found.lease_until) == ("queued", None)
            assert found.sent_at is not None
            delays.append((found.due_at - at).total_seconds())
            assert isinstance(await claimed(database, task, at=at), Busy)
            at = found.due_at
        assert found.state == "dead"
        assert found.ended_at is not None
        assert len(delays) == 3
        assert all(5 * 2**n <= delay <= 10 * 2**n for n, delay in enumerate(delays))
        assert (await queue.depth("tasks")).delayed == 3
        assert await claimed(database, task, at=later(10_000)) == Gone()

    run(test)


def test_an_outage_costs_no_attempts_for_a_day(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        task = await added(database, queue)
        begun = at = now()
        delays = []
        while True:
            mine = await must_claim(database, task, at=at)
            async with transaction(database, queue) as session:
                outcome = await claims.fail(
                    session, mine, error={"code": "away"}, retryable=True, max_attempts=2,
                    outage=True, at=at,
                )  # fmt: skip
            found = await task_of(database, task.id)
            if found.attempts:
                break
            assert outcome == "queued" and found.error is not None
            assert found.error["code"] == "away"
            delays.append((found.due_at - at).total_seconds())
            at = found.due_at
        assert all(5 <= delay <= 300 for delay in delays)
        assert delays[0] <= 10 and max(delays) > 200
        assert timedelta(days=1) <= at - begun < timedelta(days=1, minutes=5)
        assert (outcome, found.attempts) == ("queued", 1)
        mine = await must_claim(database, task, at=found.due_at)
        async with transaction(database, queue) as session:
            outcome = await claims.fail(
                session, mine, error={"code": "away"}, retryable=True, max_attempts=2,
                outage=True, at=found.due_at,
            )  # fmt: skip
        assert outcome == "dead"

    run(test)


def test_other_failures_count_between_outages(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        task = await added(database, queue)
        at = now()
        for n in range(8):
            mine = await must_claim(database, task, at=at)
            async with transaction(database, queue) as session:
                outcome = await claims.fail(
                    session, mine, error={"n": n}, retryable=True, max_attempts=4,
                    outage=n % 2 == 0, at=at,
                )  # fmt: skip
            at = (await task_of(database, task.id)).due_at
        found = await task_of(database, task.id)
        assert (outcome, found.attempts, found.error) == ("dead", 4, {"n": 7})

    run(test)


def test_a_lease_that_ran_out_in_an_outage_counts_unless_nobody_has_begun_anew(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        async def spare(mine: Claim) -> object:
            async with transaction(database, queue) as session:
                return await claims.fail(
                    session, mine, error={}, retryable=True, max_attempts=4, outage=True
                )

        task = await added(database, queue)
        mine = await must_claim(database, task)
        assert (await sweep(database, queue, at=later(61))).freed == 1
        assert await spare(mine) == "queued"
        assert await spare(mine) is None, "the answer was lost, and it is said again"
        assert (await task_of(database, task.id)).attempts == 0
        mine = await must_claim(database, task, at=later(120))
        await must_claim(database, task, at=later(200))
        assert await spare(mine) is None
        assert (await task_of(database, task.id)).attempts == 2

    run(test)


def test_what_is_hopeless_is_dead_at_once(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        task = await added(database, queue)
        mine = await must_claim(database, task)
        async with database.transaction() as session:
            outcome = await claims.fail(
                session, mine, error={"code": "x"}, retryable=False, max_attempts=4
            )
        assert outcome == "dead"
        assert (await task_of(database, task.id)).state == "dead"

    run(test)


def test_giving_back_is_no_attempt(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        task = await added(database, queue)
        for fence in range(1, 10):
            mine = await must_claim(database, task)
            assert (mine.fence, mine.task.attempts) == (fence, 1)
            async with database.transaction() as session:
                assert await claims.give_back(session, mine)
        assert (await task_of(database, task.id)).state == "queued"

    run(test)


def test_a_transaction_that_holds_the_claim_keeps_it(run: Run) -> None:
    """A claim that was found to count counts until the commit: nobody can claim in between."""

    async def test(database: Database, queue: BrokenQueue) -> None:
        task = await added(database, queue)
        mine = await must_claim(database, task)
        async with database.transaction() as session:
            assert await claims.holds(session, mine)
            rival = asyncio.create_task(claimed(database, task, at=later(61)))
            done, _ = await asyncio.wait({rival}, timeout=0.3)
            assert not done
            assert await claims.finish(session, mine)
        assert await rival == Gone()

    run(test)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_work_that_is_cancelled_leaves_nothing_locked(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        task = await added(database, queue)
        mine = await must_claim(database, task)

        async def renews() -> None:
            async with database.transaction() as session:
                assert await claims.renew(session, mine, lease_s=60)
                assert await claims.holds(session, mine)

        for n in range(100):
            renewing = [asyncio.create_task(renews()) for _ in range(3)]
            await asyncio.sleep(n / 10_000)
            for each in renewing:
                each.cancel()
            await asyncio.gather(*renewing, return_exceptions=True)
            async with asyncio.timeout(10):
                await renews()

    run(test)


# -- turns -------------------------------------------------------------------------------------


async def two(session: AsyncSession, user_id: str) -> int:
    return 2


async def states(database: Database, user_id: str = USER) -> list[str]:
    async with database.session() as session:
        found = await session.scalars(
            select(Task.state).where(Task.user_id == user_id).order_by(Task.created_at, Task.id)
        )
        return list(found)


async def dubs(database: Database, queue: MemoryQueue, number: int, user_id: str = USER) -> None:
    start = now()
    async with transaction(database, queue) as session:
        for n in range(number):
            task = add_task(session, kind="dub", queue="cpu", user_id=user_id, state="waiting")
            task.created_at = start + timedelta(milliseconds=n)
        await session.flush()
        await admit(session, user_id, limit=two)


async def end_one(database: Database, queue: MemoryQueue, task: Task) -> None:
    mine = await must_claim(database, task)
    async with transaction(database, queue) as session:
        assert await claims.finish(session, mine)
        await admit(session, USER, limit=two)


def test_dubs_take_turns_oldest_first(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        await added(database, queue)  # mails are not counted
        await dubs(database, queue, 5)
        await dubs(database, queue, 1, user_id="usr_2")
        assert await states(database) == ["queued"] * 3 + ["waiting"] * 3
        assert await states(database, "usr_2") == ["queued"]
        sent = await received(queue, "cpu")
        assert len(sent) == 3
        await end_one(database, queue, await task_of(database, sent[0]))
        assert await states(database) == ["queued", "done", "queued", "queued"] + ["waiting"] * 2
        (third,) = await received(queue, "cpu")
        assert third not in sent

    run(test)


def test_two_that_end_at_once_let_two_in(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        await dubs(database, queue, 6)
        for _ in range(2):
            pair = [await task_of(database, task_id) for task_id in await received(queue, "cpu")]
            assert len(pair) == 2
            await asyncio.gather(*(end_one(database, queue, task) for task in pair))
        assert await states(database) == ["done"] * 4 + ["queued"] * 2

    run(test)


def test_many_that_are_added_at_once_do_not_exceed_the_limit(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        await asyncio.gather(*(dubs(database, queue, 1) for _ in range(8)))
        assert sorted(await states(database)) == ["queued"] * 2 + ["waiting"] * 6

    run(test)


def test_what_nobody_has_begun_can_be_withdrawn_by_its_owner(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        for state in ("queued", "waiting", "queued"):
            await added(database, queue, kind="dub", queue="cpu", subject="job_1", state=state)
        async with database.session() as session:
            tasks = await repository.of_subject(session, "job_1", user_id=USER)
            assert await repository.of_subject(session, "job_1", user_id="usr_2") == []
        running = await must_claim(database, tasks[0])
        async with database.transaction() as session:
            assert await repository.withdraw(session, "job_1", user_id="usr_2") == []
            ended = await repository.withdraw(session, "job_1", user_id=USER)
        assert {task.id for task in ended} == {task.id for task in tasks[1:]}
        assert await states(database) == ["running", "done", "done"]
        async with database.transaction() as session:
            assert await claims.finish(session, running)

    run(test)


# -- sweep -------------------------------------------------------------------------------------


def test_the_sweep_frees_what_a_dead_worker_held(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        task = await added(database, queue)
        await received(queue)
        dead = await must_claim(database, task)
        assert await sweep(database, queue, at=later(59)) == Swept(0, 0, 0)
        assert await sweep(database, queue, at=later(61)) == Swept(freed=1, admitted=0, sent=1)
        assert await received(queue) == [task.id]
        async with database.transaction() as session:
            assert not await claims.holds(session, dead)
            assert not await claims.renew(session, dead, lease_s=60)
        again = await must_claim(database, task, at=later(62))
        assert (again.fence, again.task.attempts) == (2, 2)

    run(test)


def test_the_sweep_sends_lost_messages_again(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        task = await added(database, queue)
        assert await received(queue) == [task.id]  # and lost
        assert (await sweep(database, queue, at=later(899))).sent == 0
        assert (await sweep(database, queue, at=later(901))).sent == 1
        assert await received(queue) == [task.id]

    run(test)


def test_what_a_queue_forgot_is_sent_again(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        task = await added(database, queue)
        fresh = MemoryQueue()
        async with database.transaction() as session:
            await take_over(session, gone=lambda worker: True)
        assert (await sweep(database, fresh, at=later(11))).sent == 1
        assert await received(fresh) == [task.id]

    run(test)


def test_what_a_killed_server_worked_on_is_free_at_once(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        task = await added(database, queue)
        await received(queue)
        held = await must_claim(database, task)
        fresh = MemoryQueue()
        for gone, sent in ((False, 0), (True, 1)):
            async with database.transaction() as session:
                await take_over(
                    session, gone=lambda worker, gone=gone: gone and worker == held.task.worker
                )
            assert await sweep(database, fresh, at=later(1)) == Swept(0, 0, sent)
        assert await received(fresh) == [task.id]
        async with database.transaction() as session:
            assert not await claims.holds(session, held)

    run(test)


def test_the_sweep_lets_in_what_waits(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        for user_id in (USER, "usr_2"):
            for _ in range(3):
                await added(
                    database, queue, kind="dub", queue="cpu", user_id=user_id, state="waiting"
                )
        assert (await sweep(database, queue, limit=two)).admitted == 4
        assert len(await received(queue, "cpu")) == 4
        assert (await sweep(database, queue, limit=two)).admitted == 0
        assert sorted(await states(database)) == ["queued", "queued", "waiting"]

    run(test)


def test_many_sweep_at_once(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        tasks = [await added(database, queue) for _ in range(6)]
        for task in tasks[:3]:
            await must_claim(database, task)
        await received(queue)
        at = later(1000)
        swept = await asyncio.gather(*(sweep(database, queue, at=at) for _ in range(4)))
        assert sum(each.freed for each in swept) == 3
        assert set(await received(queue)) == {task.id for task in tasks}
        async with database.session() as session:
            found = (await session.scalars(select(Task))).all()
        assert {task.state for task in found} == {"queued"}

    run(test)


def test_deliveries_carry_the_account(run: Run) -> None:
    async def test(database: Database, queue: BrokenQueue) -> None:
        await added(database, queue, user_id="usr_a")
        await added(database, queue, user_id="usr_a")
        other = await added(database, queue, user_id="usr_b")
        first: Message | None = await queue.receive("tasks", wait_s=0, visibility_s=60)
        second: Message | None = await queue.receive("tasks", wait_s=0, visibility_s=60)
        assert first is not None and second is not None
        assert second.task_id == other.id

    run(test)
