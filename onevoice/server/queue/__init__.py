"""The queue that tells workers what to look at."""

from __future__ import annotations

from onevoice.server.queue.base import QUEUES, SPARE_RECEIVES, Depth, Message, Queue, QueueError
from onevoice.server.queue.memory import MemoryQueue
from onevoice.server.settings import ServerSettings

__all__ = ["QUEUES", "Depth", "MemoryQueue", "Message", "Queue", "QueueError", "make_queue"]


def make_queue(settings: ServerSettings) -> Queue:
    """SQS where the settings name its queues, and a queue inside the process otherwise."""
    if settings.sqs_prefix:
        from onevoice.server.queue.sqs import SqsQueue

        return SqsQueue(settings)
    return MemoryQueue(max_receives=settings.max_attempts + SPARE_RECEIVES)
