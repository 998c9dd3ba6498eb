"""What a queue is: it carries ids of tasks, each at least once, in no promised order.

A received message is hidden, not gone: it comes back when its time of invisibility is over, until
it is deleted. One that was received too often goes to the dead-letter queue, and stays there until
somebody has it redriven.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Protocol

from onevoice.errors import OneVoiceError

QUEUES = ("tasks", "cpu", "cpu-high", "gpu", "gpu-high")
MAX_DELAY_S = 900
MAX_VISIBILITY_S = 43_200
SPARE_RECEIVES = 2
"""How often more than a task's attempts its message may be received: duplicates, outages."""

_TASK_ID = re.compile(r"[a-z]+_[0-9a-z]{1,34}")


class QueueError(OneVoiceError):
    """A queue did not do what it was asked."""

    code = "queue"


class QueueUnavailable(QueueError):
    """It does not answer, or not now."""

    code = "queue_unavailable"
    retryable = True


class QueueMissing(QueueError):
    """There is no such queue."""

    code = "queue_missing"


@dataclass(frozen=True, slots=True)
class Message:
    """A task to look at. The receipt stands for this delivery only."""

    task_id: str
    receipt: str
    queue: str
    deliveries: int
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages can be received, are being worked on, and are not due yet: about."""

    waiting: int
    in_flight: int
    delayed: int


class Queue(Protocol):
    """Some named queues. Failures are QueueErrors; waiting can be cancelled."""

    durable: ClassVar[bool]
    """Whether messages outlive the process."""

    async def send(self, queue: str, task_id: str, *, group: str | None, delay_s: int = 0) -> None:
        """Send a task's id. ``group`` is whose it is: groups are served fairly."""

    async def receive(self, queue: str, *, wait_s: float, visibility_s: int) -> Message | None:
        """The next message, hidden from others for a while; None if none came in time.

        A message that names no task is logged and left: it ends in the dead-letter queue.
        """

    async def extend(self, message: Message, visibility_s: int) -> None:
        """Hide it for so long from now; 0 shows it at once. Nothing if its receipt is void."""

    async def give_back(self, message: Message) -> None:
        """Leave it to others at once, and not count as a receive: nothing was begun with it."""

    async def delete(self, message: Message) -> None:
        """It is done with. Nothing if it is gone."""

    async def depth(self, queue: str, *, dead: bool = False) -> Depth:
        """How much there is in the queue, or in its dead-letter queue."""

    async def redrive(self, queue: str) -> int:
        """Move what lies in the dead-letter queue back; how many it were."""

    async def check(self) -> None:
        """Raise QueueError unless the queues can be used."""

    async def close(self) -> None: ...


def names_task(body: str) -> bool:
    """Whether a message's body can be the id of a task."""
    return _TASK_ID.fullmatch(body) is not None


def known(queue: str) -> str:
    """The name itself. Raises QueueMissing when there is no such queue."""
    if queue not in QUEUES:
        raise QueueMissing(
            f"no queue is called {queue!r}", hint=f"the queues are {', '.join(QUEUES)}"
        )
    return queue
