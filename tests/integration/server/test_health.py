"""Health: what a load balancer is told, while parts are away."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from onevoice import __version__
from onevoice.server import problems
from onevoice.server.health.checks import Readiness
from onevoice.server.health.endpoints import router
from onevoice.server.resources import Resources
from onevoice.server.settings import ServerSettings, load_settings
from tests.integration.server.tasking import server
from tests.postgres import Postgres


@pytest.fixture
def local(tmp_path: Path) -> ServerSettings:
    return load_settings(data_dir=tmp_path)


def client(services: Resources) -> httpx.AsyncClient:
    app = FastAPI()
    app.state.resources = services
    app.include_router(router, prefix="/v1")
    problems.install(app)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test/v1")


def test_a_server_is_live_and_ready(local: ServerSettings) -> None:
    async def story() -> None:
        async with server(local) as services, client(services) as asked:
            live = await asked.get("/health/live")
            ready = await asked.get("/health/ready")
            version = await asked.get("/version")
            assert (live.status_code, live.json()) == (200, {"status": "ok"})
            assert ready.status_code == 200
            assert ready.json()["status"] == "ok"
            assert {name: part["state"] for name, part in ready.json()["parts"].items()} == {
                "database": "ok",
                "storage": "ok",
                "queue": "ok",
            }
            assert ready.headers["Cache-Control"] == "no-store"
            assert version.json() == {"version": __version__, "api": "v1"}

    asyncio.run(story())


def test_a_database_that_is_away_and_comes_back(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.create()
    settings = load_settings(data_dir=tmp_path, database_url=url)

    async def states(asked: httpx.AsyncClient) -> tuple[int, dict[str, str], str]:
        await asyncio.sleep(1.05)  # an answer is kept for a second
        answer = await asked.get("/health/ready")
        parts = {name: part["state"] for name, part in answer.json()["parts"].items()}
        return answer.status_code, parts, answer.text

    async def story() -> None:
        async with server(settings) as services, client(services) as asked:
            assert (await states(asked))[0] == 200
            await asyncio.to_thread(postgres.stop, "immediate")
            try:
                status, parts, text = await states(asked)
                live = await asked.get("/health/live")
            finally:
                await asyncio.to_thread(postgres.start)
            assert (status, parts["database"], parts["queue"]) == (503, "failed", "ok")
            assert live.status_code == 200
            for told in ("postgres", "127.0.0.1", str(postgres.port), "asyncpg", "Error"):
                assert told not in text
            assert (await states(asked))[0] == 200

    asyncio.run(story())


def test_a_part_that_hangs_is_waited_for_two_seconds_once(local: ServerSettings) -> None:
    async def story() -> None:
        async with server(local) as services:
            release, threads = threading.Event(), []

            class Hanging:
                def check(self) -> None:
                    threads.append(threading.get_ident())
                    release.wait(20)

            broken: Any = Hanging()
            async with client(dataclasses.replace(services, storage=broken)) as asked:
                started = time.monotonic()
                first = await asked.get("/health/ready")
                assert 1.9 < time.monotonic() - started < 3.5
                await asyncio.sleep(1.05)
                second = await asked.get("/health/ready")
                release.set()
            for answer in (first, second):
                assert answer.status_code == 503
                assert answer.json()["parts"]["storage"]["state"] == "timeout"
                assert answer.json()["parts"]["database"]["state"] == "ok"
            assert len(threads) == 1

    asyncio.run(story())


def test_parts_are_asked_together_and_once_a_second() -> None:
    asked: list[str] = []

    def check(name: str) -> Any:
        async def slow() -> None:
            asked.append(name)
            await asyncio.sleep(0.2)

        return slow

    async def story() -> None:
        readiness = Readiness({name: check(name) for name in ("a", "b", "c")}, kept_seconds=0.3)
        started = time.monotonic()
        answers = await asyncio.gather(*(readiness.ask() for _ in range(50)))
        assert time.monotonic() - started < 0.5
        assert sorted(asked) == ["a", "b", "c"]
        assert all(one == answers[0] for one in answers)
        await asyncio.sleep(0.35)
        await readiness.ask()
        assert len(asked) == 6

    asyncio.run(story())


def test_a_check_that_is_cancelled_inside_is_a_failure() -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    async def broken() -> None:
        raise RuntimeError("password=hunter2")

    async def story() -> None:
        found = await Readiness({"one": cancelled, "two": broken}).ask()
        assert {name: part.state for name, part in found.items()} == {
            "one": "failed",
            "two": "failed",
        }
        assert "hunter2" not in repr(found)

    asyncio.run(story())
