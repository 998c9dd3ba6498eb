"""Figures: counted under few names, and shown to whom they are meant for."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from onevoice.errors import ConfigError
from onevoice.server import metrics, problems
from onevoice.server.context import RequestContext
from onevoice.server.queue import make_queue
from onevoice.server.queue.base import Queue
from onevoice.server.settings import load_settings

LOOPBACK = ("127.0.0.1", 5000)


def figure(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def application(queue: Queue | None = None, **settings: Any) -> FastAPI:
    app = FastAPI()
    loaded = load_settings(**settings)
    app.state.resources = SimpleNamespace(settings=loaded, queue=queue or make_queue(loaded))
    app.include_router(metrics.router)

    @app.get("/v1/things/{thing_id}")
    async def thing(thing_id: str) -> None: ...

    problems.install(app)
    app.add_middleware(RequestContext)
    return app


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(application(), client=LOOPBACK) as client:
        yield client


def test_requests_are_counted_by_template(client: TestClient) -> None:
    labels = {"method": "GET", "route": "/v1/things/{thing_id}", "status": "2xx"}
    before = figure("onevoice_http_requests_total", **labels)

    for number in range(3):
        client.get(f"/v1/things/{number}")

    assert figure("onevoice_http_requests_total", **labels) - before == 3
    assert (
        figure("onevoice_http_request_seconds_count", method="GET", route="/v1/things/{thing_id}")
        >= 3
    )


def test_clients_cannot_invent_labels(client: TestClient) -> None:
    for number in range(5):
        client.get(f"/nowhere/{number}")
        client.request(f"METHOD{number}", "/v1/things/1")

    found = {
        (sample.labels["method"], sample.labels["route"])
        for family in REGISTRY.collect()
        if family.name == "onevoice_http_requests"
        for sample in family.samples
    }
    assert ("GET", "unmatched") in found
    assert ("other", "/v1/things/{thing_id}") in found
    assert not [route for _, route in found if "nowhere" in route]
    assert not [method for method, _ in found if method.startswith("METHOD")]


def test_the_format_is_prometheus_own(client: TestClient) -> None:
    metrics.task_ended(kind="mail", outcome="done", seconds=0.2)
    metrics.dubbed(60)
    metrics.credit_captured(60)
    metrics.webhook_received(source="paddle", outcome="accepted")
    metrics.webhook_tried(outcome="delivered")
    metrics.mail_ended(template="verify", outcome="sent")

    answer = client.get("/metrics")

    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {
        "onevoice_http_requests",
        "onevoice_http_request_seconds",
        "onevoice_queue_messages",
        "onevoice_tasks",
        "onevoice_task_seconds",
        "onevoice_dubbed_seconds",
        "onevoice_credit_captured_seconds",
        "onevoice_webhooks_in",
        "onevoice_webhooks_out",
        "onevoice_mails",
    } <= names


def test_depths_are_asked_of_the_queue() -> None:
    queue = make_queue(load_settings())
    with TestClient(application(queue), client=LOOPBACK) as client:
        asyncio.run(queue.send("tasks", "task_1", group=None))
        asyncio.run(queue.send("tasks", "task_2", group=None, delay_s=600))
        text = client.get("/metrics").text

    assert 'onevoice_queue_messages{queue="tasks",state="waiting"} 1.0' in text
    assert 'onevoice_queue_messages{queue="tasks",state="delayed"} 1.0' in text
    assert 'onevoice_queue_messages{queue="gpu",state="waiting"} 0.0' in text


def test_a_queue_that_is_away_takes_its_own_figures_only() -> None:
    queue = make_queue(load_settings())

    async def away(_: str) -> None:
        raise ConnectionError

    queue.depth = away  # type: ignore[method-assign,assignment]
    with TestClient(application(queue), client=LOOPBACK) as client:
        answer = client.get("/metrics")

    assert answer.status_code == 200
    assert 'onevoice_queue_messages{queue="tasks",state="waiting"} NaN' in answer.text


@pytest.mark.parametrize(
    ("host", "headers", "proxies", "status"),
    [
        ("127.0.0.1", {}, 0, 200),
        ("::1", {}, 0, 200),
        ("10.0.0.7", {}, 0, 403),
        ("testclient", {}, 0, 403),
        ("127.0.0.1", {"X-Forwarded-For": "8.8.8.8"}, 0, 403),
        ("127.0.0.1", {"Forwarded": "for=8.8.8.8"}, 0, 403),
        ("127.0.0.1", {}, 1, 403),
    ],
)
def test_without_a_token_only_the_machine_itself_reads_them(
    host: str, headers: dict[str, str], proxies: int, status: int
) -> None:
    with TestClient(application(proxies=proxies), client=(host, 5000)) as client:
        assert client.get("/metrics", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("given", "status"),
    [("Bearer t0ken", 200), ("Bearer t0ke", 401), ("t0ken", 401), ("", 401), ("Bearer ü", 401)],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.7"])
def test_with_a_token_whoever_has_it_reads_them(host: str, given: str, status: int) -> None:
    with TestClient(application(metrics_token="t0ken"), client=(host, 5000)) as client:
        answer = client.get("/metrics", headers={"Authorization": given.encode()})  # type: ignore[dict-item]

    assert answer.status_code == status
    assert ("onevoice_" in answer.text) == (status == 200)


def test_processes_that_share_a_folder_answer_for_each_other(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def process(code: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", f"from onevoice.server import metrics; {code}"],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    process("metrics.dubbed(10)")
    process("metrics.dubbed(32); metrics.QUEUE_MESSAGES.labels('tasks', 'waiting').set(1)")
    shown = process("print(metrics.expose().decode())")

    assert "onevoice_dubbed_seconds_total 42.0" in shown
    assert 'onevoice_queue_messages{queue="tasks",state="waiting"} 1.0' in shown


def test_a_worker_tells_its_figures_to_its_own_machine() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with metrics.exposed_locally(0), metrics.exposed_locally(port):
        metrics.dubbed(1)
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
        assert "onevoice_dubbed_seconds_total" in answer.text
        with pytest.raises(ConfigError, match=str(port)), metrics.exposed_locally(port):
            pass
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
