"""One suite over every queue: the one in the process, and SQS over HTTP."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from onevoice.server.ids import new_id
from onevoice.server.queue import QUEUES, MemoryQueue, Message, Queue, make_queue
from onevoice.server.queue.base import Depth, QueueError, QueueMissing, QueueUnavailable
from onevoice.server.queue.sqs import SqsQueue
from onevoice.server.settings import ServerSettings, load_settings
from tests.cloud import Aws, aws, aws_credentials, aws_settings, flaky

__all__ = ["aws_credentials"]

Opened = Callable[[], Any]
RECEIVES = 3


@pytest.fixture(scope="module")
def cloud() -> Iterator[Aws]:
    with aws() as running:
        yield running


def sqs_settings(endpoint: str, **more: Any) -> ServerSettings:
    given = aws_settings(endpoint, name=secrets.token_hex(4)) | {"max_attempts": RECEIVES - 2}
    return load_settings(**(given | more))


@pytest.fixture(params=["memory", "sqs"])
def opened(request: pytest.FixtureRequest, aws_credentials: None) -> Opened:
    """Opens a queue of the kind under test, whose messages are received three times at most."""
    if request.param == "memory":

        @asynccontextmanager
        async def memory() -> AsyncIterator[Queue]:
            yield MemoryQueue(max_receives=RECEIVES)

        return memory
    cloud: Aws = request.getfixturevalue("cloud")

    @asynccontextmanager
    async def sqs() -> AsyncIterator[Queue]:
        async with sqs_queue(cloud.endpoint) as queue:
            yield queue

    return sqs


@asynccontextmanager
async def sqs_queue(endpoint: str) -> AsyncIterator[SqsQueue]:
    queue = SqsQueue(sqs_settings(endpoint))
    await queue.create_queues()
    try:
        yield queue
    finally:
        await queue.close()


def run(opened: Opened, test: Callable[[Queue], Awaitable[None]]) -> None:
    async def go() -> None:
        async with opened() as queue:
            await test(queue)

    asyncio.run(go())


async def take(queue: Queue, name: str = "cpu", *, visibility_s: int = 30) -> Message | None:
    return await queue.receive(name, wait_s=0, visibility_s=visibility_s)


async def must_take(queue: Queue, name: str = "cpu", *, visibility_s: int = 30) -> Message:
    message = await queue.receive(name, wait_s=5, visibility_s=visibility_s)
    assert message is not None
    return message


def test_a_message_is_received_once_and_deleted(opened: Opened) -> None:
    async def test(queue: Queue) -> None:
        task_id = new_id("task")
        await queue.send("cpu", task_id, group="usr_1")
        message = await must_take(queue)
        assert (message.task_id, message.queue, message.deliveries) == (task_id, "cpu", 1)
        assert await take(queue) is None
        assert await take(queue, "gpu") is None
        await queue.delete(message)
        assert await queue.depth("cpu") == Depth(0, 0, 0)
        await queue.delete(message)  # harmless

    run(opened, test)


def test_a_long_poll_ends_when_a_message_comes(opened: Opened) -> None:
    async def test(queue: Queue) -> None:
        waiting = asyncio.create_task(queue.receive("tasks", wait_s=10, visibility_s=30))
        await asyncio.sleep(0.3)
        begun = time.monotonic()
        await queue.send("tasks", "task_1", group=None)
        message = await waiting
        assert message is not None and message.task_id == "task_1"
        assert time.monotonic() - begun < 3

    run(opened, test)


def test_a_long_poll_ends_when_nothing_comes(opened: Opened) -> None:
    async def test(queue: Queue) -> None:
        begun = time.monotonic()
        assert await queue.receive("tasks", wait_s=1, visibility_s=30) is None
        assert 0.9 < time.monotonic() - begun < 4

    run(opened, test)


def test_it_comes_back_when_nobody_deletes_it(opened: Opened) -> None:
    async def test(queue: Queue) -> None:
        await queue.send("cpu", "task_1", group="usr_1")
        first = await must_take(queue, visibility_s=1)
        second = await must_take(queue)
        assert (second.task_id, second.deliveries) == ("task_1", 2)
        assert second.receipt != first.receipt

    run(opened, test)


def test_it_is_hidden_for_longer_and_shown_at_once(opened: Opened) -> None:
    async def test(queue: Queue) -> None:
        await queue.send("cpu", "task_1", group="usr_1")
        message = await must_take(queue, visibility_s=1)
        await queue.extend(message, 30)
        await asyncio.sleep(1.2)
        assert await take(queue) is None
        assert await queue.depth("cpu") == Depth(waiting=0, in_flight=1, delayed=0)
        await queue.extend(message, 0)
        again = await must_take(queue)
        assert again.task_id == "task_1"

    run(opened, test)


def test_what_is_given_back_is_there_at_once_and_never_becomes_a_dead_letter(
    opened: Opened,
) -> None:
    async def test(queue: Queue) -> None:
        await queue.send("cpu", "task_1", group="usr_1")
        for _ in range(2 * RECEIVES):
            message = await must_take(queue, visibility_s=600)
            assert (message.task_id, message.group, message.deliveries) == ("task_1", "usr_1", 1)
            await queue.give_back(message)
        assert await queue.depth("cpu") == Depth(1, 0, 0)
        assert await queue.depth("cpu", dead=True) == Depth(0, 0, 0)
        message = await must_take(queue)
        await queue.delete(message)
        assert await queue.depth("cpu") == Depth(0, 0, 0)

    run(opened, test)


def test_the_receipt_of_a_deleted_message_changes_nothing(opened: Opened) -> None:
    async def test(queue: Queue) -> None:
        await queue.send("cpu", "task_1", group="usr_1")
        message = await must_take(queue)
        await queue.delete(message)
        await queue.extend(message, 0)
        assert await take(queue) is None
        await queue.send("cpu", "task_2", group="usr_1")
        await queue.delete(message)
        assert (await must_take(queue)).task_id == "task_2"

    run(opened, test)


def test_a_message_is_delayed(opened: Opened) -> None:
    async def test(queue: Queue) -> None:
        await queue.send("cpu", "task_1", group="usr_1", delay_s=1)
        assert await take(queue) is None
        assert await queue.depth("cpu") == Depth(waiting=0, in_flight=0, delayed=1)
        assert (await must_take(queue)).task_id == "task_1"
        await queue.send("cpu", "task_2", group="usr_1", delay_s=100_000)  # as long as it can be
        assert (await queue.depth("cpu")).delayed == 1

    run(opened, test)


def test_what_is_received_too_often_is_set_aside_and_redriven(opened: Opened) -> None:
    async def test(queue: Queue) -> None:
        sent = {f"task_{n}" for n in range(12)}
        for task_id in sent:
            await queue.send("cpu", task_id, group="usr_1")
        for _ in range(RECEIVES * len(sent)):
            await queue.extend(await must_take(queue), 0)
        assert await take(queue) is None
        assert await queue.depth("cpu") == Depth(0, 0, 0)
        assert await queue.depth("cpu", dead=True) == Depth(len(sent), 0, 0)
        assert await queue.redrive("cpu") == len(sent)
        again = [await must_take(queue) for _ in sent]
        assert {message.task_id for message in again} == sent
        assert {message.deliveries for message in again} == {1}
        assert await queue.depth("cpu", dead=True) == Depth(0, 0, 0)
        assert await queue.redrive("cpu") == 0

    run(opened, test)


def test_a_garbled_message_is_left_for_the_dead_letters(opened: Opened) -> None:
    async def test(queue: Queue) -> None:
        await queue.send("cpu", '{"task": "../../etc/passwd"}', group="usr_1")
        for _ in range(RECEIVES):
            assert await take(queue, visibility_s=1) is None
            await asyncio.sleep(1.1)
        await queue.send("cpu", "task_1", group="usr_1")
        assert (await must_take(queue)).task_id == "task_1"
        assert await queue.depth("cpu", dead=True) == Depth(1, 0, 0)

    run(opened, test)


def test_a_cancelled_wait_loses_nothing(opened: Opened) -> None:
    async def test(queue: Queue) -> None:
        waiting = asyncio.create_task(queue.receive("cpu", wait_s=2, visibility_s=600))
        await asyncio.sleep(0.2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await queue.send("cpu", "task_1", group="usr_1")
        assert (await must_take(queue)).task_id == "task_1"

    run(opened, test)


def test_many_receivers_share_the_messages(opened: Opened) -> None:
    async def test(queue: Queue) -> None:
        sent = [f"task_{n}" for n in range(20)]
        for task_id in sent:
            await queue.send("cpu", task_id, group=None)
        taken = await asyncio.gather(*(must_take(queue) for _ in sent))
        assert sorted(message.task_id for message in taken) == sorted(sent)

    run(opened, test)


def test_there_are_only_these_queues(opened: Opened) -> None:
    async def test(queue: Queue) -> None:
        with pytest.raises(QueueMissing, match="mail"):
            await queue.send("mail", "task_1", group=None)
        await queue.check()
        for name in QUEUES:
            assert await take(queue, name) is None

    run(opened, test)


def test_an_account_with_much_in_flight_lets_others_go_first() -> None:
    async def test() -> None:
        queue = MemoryQueue()
        for n in range(3):
            await queue.send("cpu", f"task_a{n}", group="usr_a")
        await queue.send("cpu", "task_b0", group="usr_b")
        assert [(await must_take(queue)).task_id for _ in range(4)] == [
            "task_a0", "task_b0", "task_a1", "task_a2",
        ]  # fmt: skip

    asyncio.run(test())


def test_groups_travel_with_messages_and_survive_a_redrive(
    cloud: Aws, aws_credentials: None
) -> None:
    async def test() -> None:
        async with sqs_queue(cloud.endpoint) as queue:
            await queue.send("cpu", "task_1", group="usr_1")
            for _ in range(RECEIVES):
                await queue.extend(await must_take(queue), 0)
            assert await take(queue) is None
            assert await queue.redrive("cpu") == 1
            client = cloud.client("sqs")
            url = client.get_queue_url(QueueName=f"{queue._prefix}-cpu")["QueueUrl"]
            found = client.receive_message(
                QueueUrl=url, MessageSystemAttributeNames=["MessageGroupId"]
            )
            assert found["Messages"][0]["Attributes"]["MessageGroupId"] == "usr_1"
            client.close()

    asyncio.run(test())


def test_queues_can_be_made_twice_with_other_attributes(cloud: Aws, aws_credentials: None) -> None:
    async def test() -> None:
        settings = sqs_settings(cloud.endpoint)
        for visibility_s in (60, 90):
            given = settings.model_copy(update={"visibility_seconds": visibility_s})
            queue = SqsQueue(given)
            await queue.create_queues()
            await queue.close()
        client = cloud.client("sqs")
        url = client.get_queue_url(QueueName=f"{settings.sqs_prefix}-gpu-high")["QueueUrl"]
        found = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert found["VisibilityTimeout"] == "90"
        assert '"maxReceiveCount": 3' in found["RedrivePolicy"]
        assert "gpu-high-dead" in found["RedrivePolicy"]
        client.close()

    asyncio.run(test())


def test_queues_nobody_made_are_reported_with_the_command(
    cloud: Aws, aws_credentials: None
) -> None:
    async def test() -> None:
        queue = make_queue(sqs_settings(cloud.endpoint))
        with pytest.raises(QueueMissing) as caught:
            await queue.check()
        assert "queue create" in caught.value.hint
        await queue.close()

    asyncio.run(test())


def test_an_outage_is_an_error_that_may_be_tried_again(cloud: Aws, aws_credentials: None) -> None:
    async def test() -> None:
        with flaky(cloud.endpoint) as proxy:
            async with sqs_queue(proxy.endpoint) as queue:
                with proxy.outage(), pytest.raises(QueueUnavailable) as caught:
                    await queue.send("cpu", "task_1", group=None)
                assert caught.value.retryable
                await queue.send("cpu", "task_1", group=None)
                proxy.fail(9, "slow_down", containing="ReceiveMessage")
                with pytest.raises(QueueUnavailable):
                    await take(queue)
                proxy.heal()
                # An answer that gets lost: the message is hidden until its time is over.
                proxy.fail(1, "lost", containing="ReceiveMessage")
                assert (await must_take(queue, visibility_s=1)).task_id == "task_1"

    asyncio.run(test())


def test_a_refusal_is_no_outage(cloud: Aws, aws_credentials: None) -> None:
    async def test() -> None:
        async with sqs_queue(cloud.endpoint) as queue:
            with pytest.raises(QueueError) as caught:
                await queue.send("cpu", "x" * 2_000_000, group=None)
            assert not caught.value.retryable

    asyncio.run(test())


def test_too_much_in_flight_passes(
    cloud: Aws, aws_credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQS answers 403 when 120,000 messages are in flight, as it does when it refuses for good."""

    def full(**_: Any) -> None:
        answer = {"Error": {"Code": "OverLimit"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise ClientError(answer, "ReceiveMessage")

    async def test() -> None:
        async with sqs_queue(cloud.endpoint) as queue:
            monkeypatch.setattr(queue._client, "receive_message", full)
            with pytest.raises(QueueUnavailable) as caught:
                await take(queue)
            assert caught.value.retryable

    asyncio.run(test())


def test_the_settings_choose_the_queue(cloud: Aws, aws_credentials: None) -> None:
    assert isinstance(make_queue(load_settings()), MemoryQueue)
    queue = make_queue(sqs_settings(cloud.endpoint))
    assert isinstance(queue, SqsQueue)
    asyncio.run(queue.close())
