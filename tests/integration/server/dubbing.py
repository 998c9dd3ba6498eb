"""Jobs in tests: ready videos, credit, and dubs by real processes with engines of the tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from onevoice.server.auth.keys import new_key
from onevoice.server.auth.models import ApiKey, User
from onevoice.server.billing import ledger
from onevoice.server.ids import new_id
from onevoice.server.jobs import offers
from onevoice.server.queue.base import QUEUES
from onevoice.server.settings import ServerSettings
from onevoice.server.videos.keys import source_key
from onevoice.server.videos.models import Video
from onevoice.server.worker.loop import Worker
from onevoice.server.worker.run import handlers, in_order
from tests.integration.server.accounts import Person, Server, serving
from tests.integration.server.test_dub_process import FAKES

SCOPES = ["videos:read", "videos:write", "jobs:read", "jobs:write"]
SECONDS = 8
"""Of the clip: what a language of it costs."""
ENDED = {"done", "partial", "failed", "cancelled", "expired"}


@pytest.fixture(autouse=True)
def fake_engines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The operator's environment names the engines of the tests."""
    for kind, choice in FAKES.items():
        monkeypatch.setenv(f"ONEVOICE_{kind.upper()}__ENGINE", choice["engine"])
    monkeypatch.setenv("ONEVOICE_KEEP__VOICES", "false")  # the clip is one tone: in every pause
    for known in (offers.spoken, offers.voices, offers.known_voices):
        known.cache_clear()
    yield
    for known in (offers.spoken, offers.voices, offers.known_voices):
        known.cache_clear()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> ServerSettings:
    """Of a server on SQLite, and again on PostgreSQL."""
    return ServerSettings(
        data_dir=tmp_path / "server",
        database_url=database_url,
        public_url="http://test",
        languages_per_message=1,
        log_level="ERROR",
    )


@dataclass
class Ada(Person):
    """Somebody with an API key, credit, and videos."""

    user_id: str = ""
    key: str = ""  # type: ignore[assignment]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    async def ok(self, method: str, path: str, **more: Any) -> Any:
        answer = await self.ask(method, path, **more)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any
    ) -> Any:
        return await self.server.http.request(
            method, f"/v1{path}", headers={**self.headers, **(headers or {})}, **more
        )

    async def video(self, file: Path | None = None, *, seconds: float = SECONDS) -> str:
        """A video that is ready to be dubbed."""
        video_id = new_id("vid")
        key = source_key(self.user_id, video_id)
        if file is not None:
            await asyncio.to_thread(self.server.resources.storage.put_file, key, file)
        async with self.server.database() as session:
            session.add(
                Video(
                    id=video_id,
                    user_id=self.user_id,
                    name="My talk.mp4",
                    status="ready",
                    storage_key=key,
                    size=1,
                    duration_ms=int(seconds * 1000),
                )
            )
        return video_id

    def order(self, video_id: str, *languages: str, **more: Any) -> dict[str, Any]:
        return {"video_id": video_id, "languages": list(languages), "confirm": True} | more

    async def submit(self, video_id: str, *languages: str, **more: Any) -> Any:
        return await self.ok("POST", "/jobs", json=self.order(video_id, *languages, **more))

    async def ended(self, job_id: str, *, seconds: float = 90) -> Any:
        """The job once it has ended."""
        async with asyncio.timeout(seconds):
            while (job := await self.ok("GET", f"/jobs/{job_id}"))["status"] not in ENDED:
                await asyncio.sleep(0.1)
        return job

    async def books(self) -> tuple[int, int, int]:
        """Available, held, spent; after a look whether all books are in order."""
        async with self.server.database() as session:
            assert await ledger.check(session) == []
            books = await ledger.balance(session, self.user_id)
        return books.available, books.held, books.spent

    async def events(self, job_id: str) -> list[tuple[int, str, dict[str, Any]]]:
        """The events of a job but for progress; their numbers have no gaps."""
        rows = await self.server.rows(
            "SELECT seq, kind, data FROM job_events WHERE job_id = :job ORDER BY seq", job=job_id
        )
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        return [
            (row.seq, row.kind, json.loads(row.data) if isinstance(row.data, str) else row.data)
            for row in rows
            if row.kind != "job.progress"
        ]

    async def kinds(self, job_id: str) -> list[str]:
        return [kind for _, kind, _ in await self.events(job_id)]


async def join(server: Server, *, credit: int = 600, plan: str = "creator") -> Ada:
    """Somebody new."""
    user_id, made = new_id("usr"), new_key()
    async with server.database() as session:
        email = f"{user_id}@example.com"
        session.add(User(id=user_id, email=email, email_key=email, password_hash="-", plan=plan))
        await session.flush()
        session.add(
            ApiKey(
                id=made.id,
                user_id=user_id,
                name="key",
                secret_hash=made.secret_hash,
                last_four="....",
                scopes=SCOPES,
            )
        )
        if credit:
            await ledger.grant(session, user_id, credit, key=f"grant:{user_id}")
    return Ada(server, {}, user_id=user_id, key=made.text)


@asynccontextmanager
async def studio(settings: ServerSettings, *, worker: bool = False) -> AsyncIterator[Ada]:
    """A server, and somebody with credit on it."""
    async with serving(settings, worker=worker) as server:
        yield await join(server)


@asynccontextmanager
async def working(server: Server, *, concurrency: int = 2) -> AsyncIterator[Worker]:
    """A worker that does everything there is, and does not wait long before it tries again."""
    services = server.resources
    worker = Worker(
        database=services.database,
        queue=services.queue,
        handlers=handlers(services),
        settings=services.settings,
        queues=in_order(QUEUES),
        concurrency=concurrency,
        limit=services.jobs_at_once,
        poll_s=0.05,
        sweep_s=0.5,
        retry_s=0.01,
    )
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
