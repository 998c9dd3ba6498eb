"""Figures for Prometheus, and ``GET /metrics``; workers tell theirs on a port of their own.

Set ``PROMETHEUS_MULTIPROC_DIR`` to an empty folder where several processes serve: each writes its
figures there, and any of them answers for all.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import TYPE_CHECKING

import structlog
from fastapi import APIRouter, Request, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    start_http_server,
)
from prometheus_client.multiprocess import MultiProcessCollector

from onevoice.errors import ConfigError
from onevoice.server.errors import Forbidden, Unauthorized
from onevoice.server.queue.base import QUEUES, Queue
from onevoice.server.settings import ServerSettings

if TYPE_CHECKING:
    from onevoice.server.resources import Resources

router = APIRouter(include_in_schema=False)
_log = structlog.get_logger(__name__)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_STATES = ("waiting", "in_flight", "delayed")
_DEPTH_TIMEOUT = 2.0

REQUESTS = Counter("onevoice_http_requests", "Requests answered.", ("method", "route", "status"))
REQUEST_SECONDS = Histogram(
    "onevoice_http_request_seconds",
    "Until an answer began: streams may go on for minutes.",
    ("method", "route"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
QUEUE_MESSAGES = Gauge(
    "onevoice_queue_messages",
    "Messages in a queue: waiting, in flight, delayed.",
    ("queue", "state"),
    multiprocess_mode="mostrecent",
)
TASKS = Counter("onevoice_tasks", "Tasks worked on.", ("kind", "outcome"))
TASK_SECONDS = Histogram(
    "onevoice_task_seconds",
    "How long tasks took.",
    ("kind",),
    buckets=(0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600),
)
TASK_WAIT_SECONDS = Histogram(
    "onevoice_task_wait_seconds",
    "How long tasks waited for a worker.",
    ("kind",),
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600),
)
DUBBED_SECONDS = Counter("onevoice_dubbed_seconds", "Seconds of video dubbed, per language.")
CAPTURED_SECONDS = Counter("onevoice_credit_captured_seconds", "Seconds of credit charged.")
WEBHOOKS_IN = Counter("onevoice_webhooks_in", "Webhooks received.", ("source", "outcome"))
WEBHOOKS_OUT = Counter("onevoice_webhooks_out", "Tries to deliver a webhook.", ("outcome",))
MAILS = Counter("onevoice_mails", "Mails.", ("template", "outcome"))


def request_answered(*, method: str, route: str, status: int, seconds: float) -> None:
    method = method if method in _METHODS else "other"
    REQUESTS.labels(method, route, f"{status // 100}xx").inc()
    REQUEST_SECONDS.labels(method, route).observe(seconds)


def task_ended(*, kind: str, outcome: str, seconds: float) -> None:
    """``outcome``: what a worker tells: done, retried, dead, given_back, lost …

    ``started`` is told as well, with the seconds that the task had waited.
    """
    if outcome == "started":
        TASK_WAIT_SECONDS.labels(kind).observe(seconds)
        return
    TASKS.labels(kind, outcome).inc()
    TASK_SECONDS.labels(kind).observe(seconds)


def dubbed(seconds: float) -> None:
    DUBBED_SECONDS.inc(seconds)


def credit_captured(seconds: float) -> None:
    CAPTURED_SECONDS.inc(seconds)


def webhook_received(*, source: str, outcome: str) -> None:
    """``outcome``: accepted, replayed, or why it was refused: forged, unreadable …"""
    WEBHOOKS_IN.labels(source, outcome).inc()


def webhook_tried(*, outcome: str) -> None:
    WEBHOOKS_OUT.labels(outcome).inc()


def mail_ended(*, template: str, outcome: str) -> None:
    MAILS.labels(template, outcome).inc()


@router.get("/metrics")
async def read_metrics(request: Request) -> Response:
    """Every figure, in Prometheus's text format."""
    # Not by a dependency: whoever counts something imports this module, resources among them.
    services: Resources = request.app.state.resources
    _admit(request, services.settings)
    await _measure_queues(services.queue)
    return Response(await asyncio.to_thread(expose), media_type=CONTENT_TYPE_LATEST)


def expose() -> bytes:
    """The figures of all processes where they share a folder, else of this one."""
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


@contextmanager
def exposed_locally(port: int) -> Iterator[None]:
    """Answer with the figures of this process on a port of the machine itself; 0: do not.

    For workers, which have no API: an agent beside them fetches the figures.
    """
    if not port:
        yield
        return
    try:
        server, thread = start_http_server(port, "127.0.0.1")
    except OSError as exc:
        raise ConfigError(
            f"the figures of the worker cannot be told on port {port}: {exc.strerror}",
            hint="give each worker of the machine an ONEVOICE_SERVER_WORKER_METRICS_PORT of its "
            "own, or 0 for none",
        ) from exc
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _admit(request: Request, settings: ServerSettings) -> None:
    token = settings.metrics_token.get_secret_value()
    if token:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise Unauthorized(
                "metrics need their token", hint="send Authorization: Bearer METRICS_TOKEN"
            )
        return
    # Behind a proxy on the same machine every request comes from the machine itself.
    proxied = settings.proxies or {"x-forwarded-for", "forwarded"} & set(request.headers.keys())
    if proxied or not _loopback(request.client.host if request.client else ""):
        raise Forbidden(
            "only the machine itself may read the metrics",
            hint="set ONEVOICE_SERVER_METRICS_TOKEN and send it as a bearer token",
        )


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _measure_queues(queue: Queue) -> None:
    async def measure(name: str) -> None:
        depth = await queue.depth(name)
        for state in _STATES:
            QUEUE_MESSAGES.labels(name, state).set(getattr(depth, state))

    try:
        async with asyncio.timeout(_DEPTH_TIMEOUT):
            await asyncio.gather(*(measure(name) for name in QUEUES))
    except Exception as exc:
        # The other figures are worth having while the queue is away; old depths are not.
        for name, state in product(QUEUES, _STATES):
            QUEUE_MESSAGES.labels(name, state).set(math.nan)
        _log.warning("metrics.no_queue_depth", error=type(exc).__name__)
