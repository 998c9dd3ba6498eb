"""A worker with everything it does: as a process of its own, or beside the server."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog

from onevoice.errors import ConfigError
from onevoice.server import metrics
from onevoice.server.billing.handlers import PaddleHandler
from onevoice.server.jobs.erasing import EraseJobHandler
from onevoice.server.jobs.handlers import DubHandler
from onevoice.server.notifications.handlers import MailHandler, PublishHandler
from onevoice.server.queue.base import QUEUES
from onevoice.server.resources import Resources, open_resources
from onevoice.server.settings import ServerSettings
from onevoice.server.users.handlers import EraseAccountHandler
from onevoice.server.videos.handlers import EraseHandler, ImportHandler, InspectHandler
from onevoice.server.webhooks.handlers import WebhookHandler
from onevoice.server.worker.handlers import Handler
from onevoice.server.worker.housekeeping import keep_house
from onevoice.server.worker.loop import Worker

BESIDE = 4
"""Tasks at once of a worker beside a local server: a dub, and small ones."""
_log = structlog.get_logger(__name__)


def handlers(services: Resources) -> list[Handler]:
    """One for each kind of task."""
    return [
        DubHandler(services),
        EraseJobHandler(services),
        InspectHandler(services),
        ImportHandler(services),
        EraseHandler(services),
        EraseAccountHandler(services),
        MailHandler(services),
        PublishHandler(services),
        WebhookHandler(services),
        PaddleHandler(services.plans),
    ]


def make_worker(services: Resources, queues: Sequence[str], *, concurrency: int) -> Worker:
    """A worker on these queues, most urgent first."""
    return Worker(
        database=services.database,
        queue=services.queue,
        handlers=handlers(services),
        settings=services.settings,
        queues=queues,
        concurrency=concurrency,
        limit=services.jobs_at_once,
        tell=lambda event, kind, seconds: metrics.task_ended(
            kind=kind, outcome=event, seconds=seconds
        ),
    )


def in_order(names: Sequence[str]) -> tuple[str, ...]:
    """The queues behind the names of routes, most urgent first: ``cpu`` is also ``cpu-high``.

    Raises ConfigError for a name that is none.
    """
    unknown = [name for name in names if name not in QUEUES]
    if unknown:
        raise ConfigError(
            f"no queue is called {unknown[0]!r}", hint=f"the queues are {', '.join(QUEUES)}"
        )
    wanted = set(names) | {f"{name}-high" for name in names if f"{name}-high" in QUEUES}
    # Small tasks are done in moments: they go first, and dubs that pay for it before the others.
    return tuple(
        sorted(wanted, key=lambda name: (name != "tasks", not name.endswith("-high"), name))
    )


async def run_worker(settings: ServerSettings, names: Sequence[str], concurrency: int) -> None:
    """Work until SIGTERM or SIGINT; a second one gives everything back at once."""
    queues = in_order(names)
    with metrics.exposed_locally(settings.worker_metrics_port):
        await _run(settings, queues, concurrency)


async def _run(settings: ServerSettings, queues: Sequence[str], concurrency: int) -> None:
    async with open_resources(settings, signs=False) as services:
        worker = make_worker(services, queues, concurrency=concurrency)
        running = asyncio.create_task(worker.run())
        loop = asyncio.get_running_loop()

        def asked() -> None:
            loop.add_signal_handler(signal.SIGTERM, running.cancel)
            loop.add_signal_handler(signal.SIGINT, running.cancel)
            worker.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked)
        async with keep_house(services):
            with contextlib.suppress(asyncio.CancelledError):
                await running


@asynccontextmanager
async def worker_beside(services: Resources) -> AsyncIterator[Worker]:
    """A worker on all queues in this process, for a server on one's own machine."""
    worker = make_worker(services, in_order(QUEUES), concurrency=BESIDE)
    running = asyncio.create_task(worker.run())
    try:
        async with keep_house(services):
            yield worker
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
