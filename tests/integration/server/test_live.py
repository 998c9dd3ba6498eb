"""Following jobs: server-sent events over a real server on loopback, and the hub behind them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from onevoice.server.app import create_app
from onevoice.server.db import Database
from onevoice.server.jobs import endpoints, repository
from onevoice.server.jobs import live as live_events
from onevoice.server.jobs.ending import tell
from onevoice.server.jobs.live import EventHub
from onevoice.server.jobs.models import Job
from onevoice.server.settings import ServerSettings
from onevoice.server.tables import METADATA
from onevoice.server.worker.housekeeping import expire_quotes
from tests.integration.server.accounts import Server
from tests.integration.server.dubbing import Ada, fake_engines, join, settings, studio
from tests.integration.server.test_jobs import finish
from tests.postgres import Postgres

__all__ = ["fake_engines", "settings"]

only_postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@pytest.fixture(autouse=True)
def harmless_signals() -> Iterator[None]:
    """A server that was stopped by a signal sends it on to whoever started it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, lambda *_: None)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@dataclass
class Live:
    """A server on a port, and somebody with a job."""

    url: str
    ada: Ada
    running: asyncio.Task[None]

    @property
    def hub(self) -> EventHub:
        found: EventHub = self.ada.server.app.state.events
        return found

    async def tell(self, job_id: str, kind: str = "job.progress", **data: Any) -> None:
        async with self.ada.server.database() as session:
            job = await repository.lock_job(session, job_id)
            assert job is not None
            await tell(session, job, kind, data)

    @asynccontextmanager
    async def follow(self, job_id: str, after: int | None = None) -> AsyncIterator[httpx.Response]:
        headers = self.ada.headers | ({} if after is None else {"Last-Event-ID": str(after)})
        async with (
            httpx.AsyncClient(timeout=20) as client,
            client.stream("GET", f"{self.url}/v1/jobs/{job_id}/events", headers=headers) as answer,
        ):
            assert answer.status_code == 200
            yield answer

    async def all(self, job_id: str, after: int | None = None) -> list[dict[str, Any]]:
        """The events of a stream, to its end."""
        async with asyncio.timeout(20), self.follow(job_id, after) as answer:
            return [event async for event in events_of(answer)]


async def events_of(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in answer.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


@asynccontextmanager
async def live(settings: ServerSettings) -> AsyncIterator[Live]:
    tables = Database(settings)
    async with tables.engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    await tables.close()
    app = create_app(settings, worker=False)
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=60)
    server = uvicorn.Server(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            while not server.started:
                await asyncio.sleep(0.01)
            async with httpx.AsyncClient(base_url=url, timeout=20) as http:
                ada = await join(Server(app, http))
                yield Live(url, ada, running)
        finally:
            server.should_exit = True
            app.state.events.close()
            async with asyncio.timeout(10):
                await running


def numbers(events: list[dict[str, Any]]) -> list[int]:
    return [event["seq"] for event in events]


def test_a_stream_tells_everything_once_and_ends_with_the_job(settings: ServerSettings) -> None:
    async def work() -> None:
        async with live(settings) as at:
            ada = at.ada
            job = (await ada.submit(await ada.video(), "es", "ko"))["id"]
            async with at.follow(job) as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                assert answer.headers["cache-control"] == "no-store"
                assert "content-encoding" not in answer.headers
                told = events_of(answer)
                first = await anext(told)
                assert first["kind"] == "job.queued" and first["seq"] == 1
                for share in range(5):
                    await at.tell(job, progress=share, text="é\n\ndata: {}")
                await finish(ada, job, "es")
                await finish(ada, job, "ko")
                rest = [event async for event in told]
            assert numbers(rest) == list(range(2, 10))
            assert rest[0]["data"]["text"] == "é\n\ndata: {}", "text cannot end an event"
            assert rest[-1]["kind"] == "job.done"
            assert at.hub.following == 0
            assert numbers(await at.all(job)) == list(range(1, 10)), "told again from the beginning"
            assert numbers(await at.all(job, after=7)) == [8, 9]
            for after in (9, 10, 2**31 - 1):
                assert await at.all(job, after=after) == []
            async with httpx.AsyncClient() as client:
                for bad in ("-1", "x", str(2**31)):
                    answer = await client.get(
                        f"{at.url}/v1/jobs/{job}/events",
                        headers=ada.headers | {"Last-Event-ID": bad},
                    )
                    assert answer.status_code == 422

    asyncio.run(work())


def test_an_earlier_end_does_not_end_the_stream_of_a_later_round(settings: ServerSettings) -> None:
    async def work() -> None:
        async with live(settings) as at:
            ada = at.ada
            job = (await ada.submit(await ada.video(), "es"))["id"]
            await finish(ada, job, status="failed")  # queued, language failed, failed
            await ada.ok("POST", f"/jobs/{job}/retry")  # queued
            async with asyncio.TaskGroup() as group:
                followers = [
                    group.create_task(at.all(job, after)) for after in (None, 1, 3, 4, 2**31 - 1)
                ]
                while at.hub.following < len(followers):
                    await asyncio.sleep(0.02)
                await asyncio.sleep(0.2)
                await finish(ada, job)
            found = [numbers(follower.result()) for follower in followers]
            assert found == [[1, 2, 3, 4, 5, 6], [2, 3, 4, 5, 6], [4, 5, 6], [5, 6], [5, 6]]

    asyncio.run(work())


@only_postgres
@pytest.mark.parametrize("how", ["cancel", "expire"])
def test_a_job_that_nobody_confirms_ends_its_streams_too(
    settings: ServerSettings, how: str
) -> None:
    async def work() -> None:
        async with live(settings) as at:
            ada = at.ada
            job = (await ada.submit(await ada.video(), "es", confirm=False))["id"]
            async with asyncio.TaskGroup() as group:
                following = group.create_task(at.all(job))
                while not at.hub.following:
                    await asyncio.sleep(0.02)
                if how == "cancel":
                    await ada.ok("POST", f"/jobs/{job}/cancel")
                else:
                    async with ada.server.database() as session:
                        found = await session.get(Job, job)
                        assert found is not None
                        found.created_at -= timedelta(days=2)
                    await expire_quotes(ada.server.resources)
            kinds = [event["kind"] for event in following.result()]
            assert kinds == ["job.cancelled" if how == "cancel" else "job.expired"]

    asyncio.run(work())


def test_a_client_that_goes_away_is_forgotten(
    settings: ServerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "KEEPALIVE_S", 0.2)

    async def work() -> None:
        async with live(settings) as at:
            job = (await at.ada.submit(await at.ada.video(), "es"))["id"]
            async with at.follow(job) as one, at.follow(job) as other:
                told = [answer.aiter_lines() for answer in (one, other)]
                for lines in told:
                    async with asyncio.timeout(5):
                        while not (await anext(lines)).startswith(": still here"):
                            pass
                assert at.hub.following == 2
            async with asyncio.timeout(3):
                while at.hub.following:
                    await asyncio.sleep(0.02)

    asyncio.run(work())


@only_postgres
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_streams_end_when_the_server_is_to_stop(
    settings: ServerSettings, number: signal.Signals
) -> None:
    async def work() -> None:
        async with live(settings) as at:
            job = (await at.ada.submit(await at.ada.video(), "es"))["id"]
            async with at.follow(job) as answer:
                told = events_of(answer)
                await anext(told)
                asked = time.monotonic()
                os.kill(os.getpid(), number)
                assert [event async for event in told] == []
                assert time.monotonic() - asked < 2
            async with asyncio.timeout(5):
                await asyncio.shield(at.running)

    asyncio.run(work())


@only_postgres
def test_streams_outlive_the_database(settings: ServerSettings, postgres: Postgres) -> None:
    async def work() -> None:
        async with live(settings) as at:
            job = (await at.ada.submit(await at.ada.video(), "es"))["id"]
            async with asyncio.TaskGroup() as group:
                following = group.create_task(at.all(job))
                while not at.hub.following:
                    await asyncio.sleep(0.02)
                await asyncio.to_thread(postgres.stop, "immediate")
                try:
                    async with httpx.AsyncClient(timeout=20) as client:
                        answer = await client.get(f"{at.url}/v1/jobs", headers=at.ada.headers)
                        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
                        assert "retry-after" in answer.headers
                    await asyncio.sleep(1)
                finally:
                    await asyncio.to_thread(postgres.start)
                await at.tell(job)
                await finish(at.ada, job)
            assert numbers(following.result()) == [1, 2, 3, 4]

    asyncio.run(work())


# --- the hub --------------------------------------------------------------------------------


async def add(ada: Ada, job_id: str, count: int) -> None:
    async with ada.server.database() as session:
        job = await repository.lock_job(session, job_id)
        assert job is not None
        for _ in range(count):
            await repository.add_event(session, job, "job.progress", {})


def test_a_slow_client_misses_nothing(
    settings: ServerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_events, "_MOST", 20)

    async def work() -> None:
        async with studio(settings) as ada:
            job = (await ada.submit(await ada.video(), "es"))["id"]
            async with EventHub(ada.server.resources.database, tick_s=0.02) as hub:
                events = hub.follow(job, 0, keepalive_s=5)
                seen = [await anext(events)]
                for _ in range(3):
                    await add(ada, job, 40)  # more than is kept for those who keep up
                    await asyncio.sleep(0.1)
                async with asyncio.timeout(10):
                    while len(seen) < 121:
                        seen.append(await anext(events))
                assert [event.seq for event in seen if event] == list(range(1, 122))
                await events.aclose()
                assert hub.following == 0
                assert not hub._newest and not hub._recent, "nothing is kept for nobody"

    asyncio.run(work())


def test_events_between_two_looks_are_told_once(
    settings: ServerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub asks twice; what is committed between the two is in the second answer alone."""
    real = repository.newest_events

    async def work() -> None:
        async with studio(settings) as ada:
            job = (await ada.submit(await ada.video(), "es"))["id"]

            async def newest(session: Any, jobs: Any) -> Any:
                found = await real(session, jobs)
                if session.get_bind().dialect.name == "postgresql":  # SQLite has one at a time
                    await add(ada, job, 1)
                return found

            async with EventHub(ada.server.resources.database, tick_s=0.02) as hub:
                events = hub.follow(job, 0, keepalive_s=5)
                seen = [await anext(events)]
                monkeypatch.setattr(repository, "newest_events", newest)
                await add(ada, job, 5)
                async with asyncio.timeout(10):
                    while len(seen) < 6:
                        await asyncio.sleep(0.05)  # several looks between two events
                        seen.append(await anext(events))
                    while settings.database_url.get_secret_value().startswith("postgres"):
                        await asyncio.sleep(0.05)
                        seen.append(await anext(events))
                        if len(seen) >= 20:
                            break
                numbers = [event.seq for event in seen if event]
                assert numbers == list(range(1, len(numbers) + 1))
                await events.aclose()

    asyncio.run(work())


def test_a_hub_that_closes_ends_its_streams(settings: ServerSettings, tmp_path: Path) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            job = (await ada.submit(await ada.video(), "es"))["id"]
            async with EventHub(ada.server.resources.database) as hub:

                async def read() -> int:
                    return len([e async for e in hub.follow(job, 0, keepalive_s=60) if e])

                reading = [asyncio.create_task(read()) for _ in range(20)]
                while hub.following < 20:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.1)
            async with asyncio.timeout(2):
                assert await asyncio.gather(*reading) == [1] * 20

    asyncio.run(work())
