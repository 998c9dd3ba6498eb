"""Amazon SQS: standard queues, each with a dead-letter queue of its own.

A message's group is its account: on standard queues that makes them fair, one account's thousand
messages do not hold up another's one. boto3 is synchronous: its calls run in threads of this
module, so that long polls take none from anybody else.
"""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ClassVar, TypeVar

import boto3
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from onevoice.server.queue.base import (
    MAX_DELAY_S,
    MAX_VISIBILITY_S,
    QUEUES,
    SPARE_RECEIVES,
    Depth,
    Message,
    QueueError,
    QueueMissing,
    QueueUnavailable,
    known,
    names_task,
)
from onevoice.server.queue.batches import Batches, Letter
from onevoice.server.settings import ServerSettings

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.literals import QueueAttributeNameType
    from types_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

T = TypeVar("T")
_log = structlog.get_logger()
_THREADS = 24
_LONGEST_POLL_S = 20
_RETENTION_S = 14 * 24 * 3600
_REDRIVE_VISIBILITY_S = 60
_MISSING = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
_LATER = ("Throttl", "OverLimit", "ExpiredToken")
"""In codes of what passes: too many requests, too many messages in flight, keys about to change."""
_VOID = ("ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidIdFormat")
"""Codes of a receipt that has run out: the message is somebody else's by now, or gone."""


class SqsQueue:
    """The queues ``PREFIX-tasks``, ``PREFIX-cpu`` … and ``PREFIX-tasks-dead`` …"""

    durable: ClassVar[bool] = True

    def __init__(self, settings: ServerSettings) -> None:
        self._prefix = settings.sqs_prefix
        self._max_receives = settings.max_attempts + SPARE_RECEIVES
        self._visibility_s = settings.visibility_seconds
        self._client: SQSClient = boto3.session.Session().client(
            "sqs",
            region_name=settings.aws_region,
            endpoint_url=settings.aws_endpoint_url or None,
            config=Config(
                connect_timeout=5,
                read_timeout=_LONGEST_POLL_S + 10,
                retries={"mode": "standard", "total_max_attempts": 3},
                max_pool_connections=_THREADS,
            ),
        )
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sqs")
        self._urls: dict[str, str] = {}
        self._batches = Batches(self._post)

    async def send(self, queue: str, task_id: str, *, group: str | None, delay_s: int = 0) -> None:
        await self._batches.send(known(queue), task_id, group, min(max(delay_s, 0), MAX_DELAY_S))

    async def receive(self, queue: str, *, wait_s: float, visibility_s: int) -> Message | None:
        unwanted = threading.Event()
        try:
            return await self._call(lambda: self._receive(queue, wait_s, visibility_s, unwanted))
        except asyncio.CancelledError:
            unwanted.set()  # the poll goes on in its thread, and gives back what it gets
            raise

    async def extend(self, message: Message, visibility_s: int) -> None:
        await self._call(lambda: self._extend(message, visibility_s))

    async def give_back(self, message: Message) -> None:
        await self._call(lambda: self._give_back(message))

    async def delete(self, message: Message) -> None:
        await self._call(lambda: self._delete(message))

    async def depth(self, queue: str, *, dead: bool = False) -> Depth:
        def ask() -> Depth:
            found = self._client.get_queue_attributes(
                QueueUrl=self._url(queue, dead=dead),
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                    "ApproximateNumberOfMessagesDelayed",
                ],
            )["Attributes"]
            return Depth(
                waiting=int(found["ApproximateNumberOfMessages"]),
                in_flight=int(found["ApproximateNumberOfMessagesNotVisible"]),
                delayed=int(found["ApproximateNumberOfMessagesDelayed"]),
            )

        return await self._call(ask)

    async def redrive(self, queue: str) -> int:
        return await self._call(lambda: self._redrive(self._url(queue, dead=True), queue))

    async def check(self) -> None:
        await self.depth(QUEUES[0])

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)
        self._client.close()

    async def create_queues(self) -> None:
        """Make the queues that are not there, and give all of them their attributes."""
        await self._call(self._create)

    async def _call(self, work: Callable[[], T]) -> T:
        """Run it in a thread; what AWS and the network raise becomes a QueueError."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: _translated(work))

    def _url(self, queue: str, *, dead: bool = False) -> str:
        name = f"{self._prefix}-{known(queue)}{'-dead' if dead else ''}"
        if name not in self._urls:
            try:
                self._urls[name] = self._client.get_queue_url(QueueName=name)["QueueUrl"]
            except ClientError as exc:
                if _code(exc) in _MISSING:
                    raise QueueMissing(
                        f"there is no queue {name}", hint="make the queues: onevoice queue create"
                    ) from exc
                raise
        return self._urls[name]

    def _send(self, url: str, body: str, group: str | None, delay_s: int) -> None:
        if group:
            self._client.send_message(
                QueueUrl=url, MessageBody=body, DelaySeconds=delay_s, MessageGroupId=group
            )
        else:
            self._client.send_message(QueueUrl=url, MessageBody=body, DelaySeconds=delay_s)

    async def _post(self, queue: str, letters: Sequence[Letter]) -> Mapping[int, Exception]:
        if len(letters) == 1:
            (only,) = letters
            await self._call(
                lambda: self._send(self._url(queue), only.task_id, only.group, only.delay_s)
            )
            return {}
        return await self._call(lambda: self._send_batch(self._url(queue), letters))

    def _send_batch(self, url: str, letters: Sequence[Letter]) -> dict[int, Exception]:
        """Which of them were refused, and why; the others are sent."""
        entries: list[SendMessageBatchRequestEntryTypeDef] = []
        for place, letter in enumerate(letters):
            entry: SendMessageBatchRequestEntryTypeDef = {
                "Id": str(place),
                "MessageBody": letter.task_id,
                "DelaySeconds": letter.delay_s,
            }
            if letter.group:
                entry["MessageGroupId"] = letter.group
            entries.append(entry)
        answer = self._client.send_message_batch(QueueUrl=url, Entries=entries)
        return {
            int(one["Id"]): QueueError(f"SQS refused a message: {one['Code']}")
            for one in answer.get("Failed", [])
        }

    def _receive(
        self, queue: str, wait_s: float, visibility_s: int, unwanted: threading.Event
    ) -> Message | None:
        received = self._client.receive_message(
            QueueUrl=self._url(queue),
            MaxNumberOfMessages=1,
            WaitTimeSeconds=min(math.ceil(wait_s), _LONGEST_POLL_S),
            VisibilityTimeout=min(visibility_s, MAX_VISIBILITY_S),
            MessageSystemAttributeNames=["ApproximateReceiveCount", "MessageGroupId"],
        ).get("Messages", [])
        for found in received:
            deliveries = int(found["Attributes"]["ApproximateReceiveCount"])
            if not names_task(found["Body"]):
                _log.error(
                    "queue.garbled", queue=queue, message=found["MessageId"], deliveries=deliveries
                )
                return None
            group = found["Attributes"].get("MessageGroupId")
            message = Message(found["Body"], found["ReceiptHandle"], queue, deliveries, group)
            if unwanted.is_set():
                self._give_back(message)
                return None
            return message
        return None

    def _extend(self, message: Message, visibility_s: int) -> None:
        def extend() -> None:
            self._client.change_message_visibility(
                QueueUrl=self._url(message.queue),
                ReceiptHandle=message.receipt,
                VisibilityTimeout=min(visibility_s, MAX_VISIBILITY_S),
            )

        _unless_void(extend)

    def _give_back(self, message: Message) -> None:
        # Shown again it would have been received once more, and so come nearer to the dead letters.
        self._send(self._url(message.queue), message.task_id, message.group, 0)
        self._delete(message)

    def _delete(self, message: Message) -> None:
        def delete() -> None:
            self._client.delete_message(
                QueueUrl=self._url(message.queue), ReceiptHandle=message.receipt
            )

        _unless_void(delete)

    def _redrive(self, dead_url: str, queue: str) -> int:
        # Not StartMessageMoveTask: receiving, sending and deleting is what a worker may do anyway.
        moved = 0
        while received := self._client.receive_message(
            QueueUrl=dead_url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=1,
            VisibilityTimeout=_REDRIVE_VISIBILITY_S,
            MessageSystemAttributeNames=["MessageGroupId"],
        ).get("Messages", []):
            for found in received:
                group = found.get("Attributes", {}).get("MessageGroupId")
                self._send(self._url(queue), found["Body"], group, 0)
                self._client.delete_message(QueueUrl=dead_url, ReceiptHandle=found["ReceiptHandle"])
                moved += 1
        return moved

    def _create(self) -> None:
        for queue in QUEUES:
            name = f"{self._prefix}-{queue}"
            dead = self._ensure(f"{name}-dead", {"MessageRetentionPeriod": str(_RETENTION_S)})
            arn = self._client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])[
                "Attributes"
            ]["QueueArn"]
            policy = {"deadLetterTargetArn": arn, "maxReceiveCount": self._max_receives}
            self._ensure(
                name,
                {
                    "MessageRetentionPeriod": str(_RETENTION_S),
                    "VisibilityTimeout": str(self._visibility_s),
                    "RedrivePolicy": json.dumps(policy),
                },
            )

    def _ensure(self, name: str, attributes: dict[QueueAttributeNameType, str]) -> str:
        """The URL of a queue that has these attributes, whether or not it was there."""
        attributes = {**attributes, "SqsManagedSseEnabled": "true"}
        try:
            url = self._client.get_queue_url(QueueName=name)["QueueUrl"]
        except ClientError as exc:
            if _code(exc) not in _MISSING:
                raise
            return self._client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self._client.set_queue_attributes(QueueUrl=url, Attributes=attributes)
        return url


def _translated(work: Callable[[], T]) -> T:
    try:
        return work()
    except ClientError as exc:
        if _code(exc) in _MISSING:
            raise QueueMissing(
                "a queue is gone", hint="make the queues: onevoice queue create"
            ) from exc
        status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= 500 or any(sign in _code(exc) for sign in _LATER):
            raise QueueUnavailable(f"SQS did not answer: {_code(exc)}") from exc
        raise QueueError(
            f"SQS refused: {_code(exc)}", hint="see what the instance's role may do with the queues"
        ) from exc
    except BotoCoreError as exc:
        raise QueueUnavailable(f"SQS cannot be reached: {type(exc).__name__}") from exc


def _unless_void(work: Callable[[], object]) -> None:
    try:
        work()
    except ClientError as exc:
        code = _code(exc)
        spent = code == "InvalidParameterValue" and "xpired" in str(exc)
        if not spent and not code.endswith(_VOID):
            raise


def _code(exc: ClientError) -> str:
    return str(exc.response.get("Error", {}).get("Code", "unknown"))
