"""Videos over the real application: a folder with SQLite, and S3 with PostgreSQL."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from onevoice.errors import EngineUnavailable
from onevoice.media import ffmpeg_path
from onevoice.server.app import create_app
from onevoice.server.auth.keys import new_key
from onevoice.server.auth.models import ApiKey, IdempotencyKey, User
from onevoice.server.db import now
from onevoice.server.ids import new_id
from onevoice.server.jobs.models import Job
from onevoice.server.net import guard
from onevoice.server.resources import Resources
from onevoice.server.settings import load_settings
from onevoice.server.storage.base import StorageUnavailable
from onevoice.server.tables import METADATA
from onevoice.server.tasks.models import Task
from onevoice.server.videos import handlers, service
from onevoice.server.videos.handlers import EraseHandler, ImportHandler, InspectHandler
from onevoice.server.videos.models import Video
from onevoice.server.webhooks.models import WebhookDelivery, WebhookEndpoint
from onevoice.server.worker.loop import Worker
from tests.cloud import Aws, aws, aws_credentials
from tests.conftest import SAMPLE
from tests.postgres import Postgres

__all__ = ["aws_credentials"]

MIB = 1 << 20
PART = 5 * MIB


@pytest.fixture(scope="module")
def cloud() -> Iterator[Aws]:
    with aws() as running:
        yield running


@pytest.fixture(params=["local", "cloud"])
def given(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Settings of a server; the queue is in the process either way."""
    options: dict[str, Any] = {
        "data_dir": tmp_path / "server",
        "public_url": "http://testserver",
        "part_size": PART,
        "max_attempts": 2,
        "log_level": "ERROR",
    }
    if request.param == "cloud":
        request.getfixturevalue("aws_credentials")
        running: Aws = request.getfixturevalue("cloud")
        database: Postgres = request.getfixturevalue("postgres")
        options |= {
            "aws_endpoint_url": running.endpoint,
            "s3_bucket": running.bucket(),
            "database_url": database.create(),
        }
    return options


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file of two parts and a bit."""
    path = tmp_path_factory.mktemp("sound") / "talk.wav"
    command = [ffmpeg_path(), "-v", "error", "-i", str(SAMPLE), "-vn", "-ac", "2", "-ar", "48000"]
    subprocess.run([*command, "-t", "54", "-c:a", "pcm_s16le", str(path)], check=True)
    data = path.read_bytes()
    assert PART < len(data) < 3 * PART
    return data


@dataclass
class World:
    """The application, and people who use it."""

    services: Resources
    client: httpx.AsyncClient
    outside: httpx.AsyncClient
    """For addresses that the server gave: without any key."""
    keys: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)

    async def join(self, name: str, *, scopes: list[str] | None = None, plan: str = "free") -> str:
        key, user_id = new_key(), new_id("usr")
        async with self.services.database.transaction() as session:
            email = f"{user_id}@example.com"
            session.add(
                User(id=user_id, email=email, email_key=email, password_hash="-", plan=plan)
            )
            await session.flush()
            session.add(
                ApiKey(
                    id=key.id,
                    user_id=user_id,
                    name="key",
                    secret_hash=key.secret_hash,
                    last_four="....",
                    scopes=scopes or ["videos:read", "videos:write"],
                )
            )
        self.keys[name], self.users[name] = key.text, user_id
        return user_id

    async def ask(
        self, method: str, path: str, *, user: str = "ada", **options: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.keys[user]}", **options.pop("headers", {})}
        return await self.client.request(method, f"/v1{path}", headers=headers, **options)

    async def begin(self, size: int, name: str = "talk.mp4", **options: Any) -> dict[str, Any]:
        answer = await self.ask("POST", "/videos", json={"name": name, "size": size}, **options)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def put(self, begun: dict[str, Any], data: bytes) -> list[dict[str, Any]]:
        """Upload every part; what ``complete`` wants to hear."""
        parts, size = [], begun["upload"]["part_size"]
        for part in begun["upload"]["urls"]:
            chunk = data[(part["number"] - 1) * size : part["number"] * size]
            answer = await self.outside.put(part["url"], content=chunk)
            assert answer.status_code == 200, answer.text
            parts.append({"number": part["number"], "etag": answer.headers["etag"]})
        return parts

    async def upload(self, data: bytes, name: str = "talk.mp4") -> str:
        begun = await self.begin(len(data), name)
        parts = await self.put(begun, data)
        video_id = str(begun["video"]["id"])
        answer = await self.ask("POST", f"/videos/{video_id}/complete", json={"parts": parts})
        assert answer.status_code == 200 and answer.json()["status"] == "inspecting", answer.text
        return video_id

    async def settled(self, video_id: str) -> dict[str, Any]:
        """The video once it is ready or rejected, and nothing more is to be done about it."""
        async with asyncio.timeout(60):
            while True:
                found = (await self.ask("GET", f"/videos/{video_id}")).json()
                if found["status"] in ("ready", "rejected"):
                    await self.idle(video_id)
                    return dict(found)
                await asyncio.sleep(0.05)

    async def idle(self, video_id: str) -> None:
        query = select(func.count()).where(
            Task.subject == video_id, Task.state.in_(("queued", "running"))
        )
        async with asyncio.timeout(30):
            while True:
                async with self.services.database.session() as session:
                    if not await session.scalar(query):
                        return
                await asyncio.sleep(0.05)

    def stored(self, name: str = "ada") -> list[str]:
        return [one.key for one in self.services.storage.list(f"accounts/{self.users[name]}")]


@asynccontextmanager
async def world(given: dict[str, Any], *, worker: bool = True, **more: Any) -> AsyncIterator[World]:
    app = create_app(load_settings(**(given | more)), worker=False)
    async with app.router.lifespan_context(app):
        services: Resources = app.state.resources
        async with services.database.engine.begin() as connection:
            await connection.run_sync(METADATA.create_all)
        transport = httpx.ASGITransport(app)
        bare = None if given.get("s3_bucket") else transport
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://testserver") as client,
            httpx.AsyncClient(transport=bare, trust_env=False) as outside,
        ):
            one = World(services, client, outside)
            await one.join("ada")
            await one.join("bob")
            running = asyncio.create_task(_worker(services).run()) if worker else None
            try:
                yield one
            finally:
                if running is not None:
                    running.cancel()
                    with suppress(asyncio.CancelledError):
                        await running


def _worker(services: Resources) -> Worker:
    return Worker(
        database=services.database,
        queue=services.queue,
        handlers=[InspectHandler(services), ImportHandler(services), EraseHandler(services)],
        settings=services.settings,
        queues=["tasks"],
        concurrency=2,
        poll_s=0.1,
        retry_s=0.05,
    )


def run(given: dict[str, Any], story: Callable[[World], Awaitable[None]], **more: Any) -> None:
    async def go() -> None:
        async with world(given, **more) as one:
            await story(one)

    asyncio.run(go())


# -- uploads -------------------------------------------------------------------------------------


def test_a_video_is_uploaded_in_parts_and_inspected(given: dict[str, Any], sound: bytes) -> None:
    async def story(one: World) -> None:
        await one.join("ada", plan="studio")
        begun = await one.begin(len(sound), "Talk.wav")
        upload, video_id = begun["upload"], begun["video"]["id"]
        assert begun["video"]["status"] == "uploading" and begun["video"]["size"] == len(sound)
        assert upload["part_size"] == PART and upload["parts"] == -(-len(sound) // PART) >= 2
        again = await one.ask("POST", f"/videos/{video_id}/parts", json={"numbers": [2, 1, 2]})
        assert [part["number"] for part in again.json()["urls"]] == [1, 2]
        parts = await one.put(begun, sound)
        body = {"parts": parts[::-1]}  # in any order
        answers = await asyncio.gather(
            *(one.ask("POST", f"/videos/{video_id}/complete", json=body) for _ in range(3))
        )
        assert {a.status_code for a in answers} == {200}, [a.text for a in answers]
        found = await one.settled(video_id)
        assert found["status"] == "ready" and found["error"] is None, found
        assert found["sha256"] == hashlib.sha256(sound).hexdigest()
        assert found["size"] == len(sound) and found["seconds"] == pytest.approx(54, abs=0.1)
        assert found["details"]["container"] == "wav" and not found["details"]["has_video"]
        late = await one.ask("POST", f"/videos/{video_id}/complete", json=body)
        assert late.status_code == 200 and late.json()["status"] == "ready"
        assert one.stored() == [f"accounts/{one.users['ada']}/videos/{video_id}/source"]
        async with one.services.database.session() as session:
            query = select(func.count()).where(Task.kind == "inspect", Task.subject == video_id)
            assert await session.scalar(query) == 1

    run(given, story)


NO_VIDEOS = {
    "playlist": b"#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "concat": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "truncated": SAMPLE.read_bytes()[:200_000],
}


def test_what_is_no_video_is_rejected_and_not_kept(given: dict[str, Any]) -> None:
    async def story(one: World) -> None:
        ids = [await one.upload(content, name) for name, content in NO_VIDEOS.items()]
        for video_id in ids:
            found = await one.settled(video_id)
            assert found["status"] == "rejected", found
            assert found["error"]["code"] in ("media_unreadable", "media_truncated"), found
            assert found["error"]["hint"] and "/" not in found["error"]["message"]
            assert found["details"] is None
        assert one.stored() == []

    run(given, story)


def test_longer_than_the_plan_allows(given: dict[str, Any], tmp_path: Path) -> None:
    plans = tmp_path / "plans.yaml"
    built_in = Path(service.__file__).parent.parent / "billing" / "plans.yaml"
    text = built_in.read_text(encoding="utf-8")
    plans.write_text(text.replace("max_seconds: 600", "max_seconds: 50"), encoding="utf-8")

    async def story(one: World) -> None:
        found = await one.settled(await one.upload(SAMPLE.read_bytes()))
        assert found["error"]["code"] == "media_too_long" and one.stored() == []

    run(given, story, plans=plans)


def test_an_upload_is_what_was_announced(given: dict[str, Any], sound: bytes) -> None:
    async def story(one: World) -> None:
        data = sound[: PART + 1000]
        begun = await one.begin(len(data) + 5)
        video_id = begun["video"]["id"]
        parts = await one.put(begun, data)
        wrong = [
            parts[:0],
            parts[1:],
            [*parts, {"number": 3, "etag": parts[0]["etag"]}],
            [{**parts[0], "etag": '"00000000000000000000000000000000"'}, parts[1]],
            [{**parts[0], "etag": '"\r\nX: y"'}, parts[1]],
            [parts[0], parts[0]],
        ]
        for body in wrong:
            answer = await one.ask("POST", f"/videos/{video_id}/complete", json={"parts": body})
            assert answer.status_code == 422, (body, answer.text)
        beyond = await one.ask("POST", f"/videos/{video_id}/parts", json={"numbers": [3]})
        assert beyond.status_code == 422 and "2 parts" in beyond.json()["hint"]
        answer = await one.ask("POST", f"/videos/{video_id}/complete", json={"parts": parts})
        found = answer.json()
        assert found["status"] == "rejected" and found["error"]["code"] == "upload_size"
        await one.idle(video_id)
        assert one.stored() == []
        closed = await one.ask("POST", f"/videos/{video_id}/parts", json={"numbers": [1]})
        assert closed.status_code == 409 and closed.json()["code"] == "not_uploading"

    run(given, story)


def test_more_bytes_than_the_plan_allows(given: dict[str, Any]) -> None:
    async def story(one: World) -> None:
        body = {"name": "a", "size": 512 * MIB + 1}
        answer = await one.ask("POST", "/videos", json=body)
        assert answer.status_code == 413 and answer.json()["code"] == "video_too_large"
        assert answer.json()["max_bytes"] == 512 * MIB and answer.json()["plan"] == "free"
        for bad in (
            {"name": "a", "size": 0},
            {"name": "a", "size": -1},
            {"name": "a", "size": 10, "media_type": "text/html"},
            {"name": "a", "size": 10, "media_type": "video/mp4\r\nX: y"},
            {"name": "a", "size": 10, "status": "ready"},
            {"name": "", "size": 10},
            {"name": "\u202e\u200f \x00", "size": 10},
            {"name": "a" * 256, "size": 10},
        ):
            assert (await one.ask("POST", "/videos", json=bad)).status_code == 422, bad

    run(given, story, worker=False)


def test_uploads_that_take_too_long_are_ended(given: dict[str, Any], sound: bytes) -> None:
    async def story(one: World) -> None:
        begun, kept = await one.begin(1000), await one.begin(1000)
        video_id = begun["video"]["id"]
        parts = await one.put(begun, sound[:1000])
        async with one.services.database.transaction() as session:
            past = now() - timedelta(seconds=1)
            await session.execute(
                update(Video).where(Video.id == video_id).values(upload_expires_at=past)
            )
        for path, body in (("complete", {"parts": parts}), ("parts", {"numbers": [1]})):
            answer = await one.ask("POST", f"/videos/{video_id}/{path}", json=body)
            assert answer.status_code == 409 and answer.json()["code"] == "upload_expired"
        assert await service.expire_uploads(one.services) == 1
        assert await service.expire_uploads(one.services) == 0
        assert (await one.settled(video_id))["error"]["code"] == "upload_expired"
        assert (await one.outside.put(begun["upload"]["urls"][0]["url"], content=b"x")).is_error
        other = await one.ask("GET", f"/videos/{kept['video']['id']}")
        assert other.json()["status"] == "uploading"

    run(given, story)


def test_so_many_at_once(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOST_UNFINISHED", 3)

    async def story(one: World) -> None:
        body = {"name": "a", "size": 10}
        answers = await asyncio.gather(*(one.ask("POST", "/videos", json=body) for _ in range(8)))
        assert sorted(a.status_code for a in answers) == [201] * 3 + [409] * 5
        more = await one.ask("POST", "/videos/import", json={"url": "https://example.com/a"})
        assert more.status_code == 409 and more.json()["code"] == "too_many_uploads"
        assert (await one.ask("POST", "/videos", json=body, user="bob")).status_code == 201

    run(given, story, worker=False)


def test_an_upload_begun_twice_is_one_and_its_urls_are_kept_nowhere(
    given: dict[str, Any], sound: bytes
) -> None:
    async def story(one: World) -> None:
        headers = {"Idempotency-Key": "once"}

        async def again() -> dict[str, Any]:
            return await one.begin(len(sound), headers=headers)

        first, other = await asyncio.gather(again(), again())
        await asyncio.sleep(1.1)  # URLs are signed with the second
        fresh = await again()
        assert first["video"] == other["video"] == fresh["video"]
        assert first["upload"]["expires_at"] == fresh["upload"]["expires_at"]
        assert first["upload"]["urls"] != fresh["upload"]["urls"]
        async with one.services.database.session() as session:
            (kept,) = await session.scalars(select(IdempotencyKey))
            assert await session.scalar(select(func.count()).select_from(Video)) == 1
        assert kept.body == fresh["video"]
        parts = await one.put(fresh, sound)
        video_id = fresh["video"]["id"]
        await one.ask("POST", f"/videos/{video_id}/complete", json={"parts": parts})
        assert (await one.settled(video_id))["status"] == "ready"
        ended = await again()
        assert ended["video"] == first["video"]
        assert ended["upload"]["urls"] == []

    run(given, story)


def test_an_upload_is_begun_with_nothing_held(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(one: World) -> None:
        storage, pool = one.services.storage, one.services.database.engine.pool
        begin, held = storage.start_upload, []

        def start_upload(key: str, **options: Any) -> str:
            held.append(pool.checkedout())  # type: ignore[attr-defined]
            return begin(key, **options)

        monkeypatch.setattr(storage, "start_upload", start_upload)
        await one.begin(10)
        assert held == [0]

    run(given, story, worker=False)


def test_an_upload_that_could_not_be_begun_is_begun_later(
    given: dict[str, Any], sound: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(one: World) -> None:
        storage = one.services.storage
        begin = storage.start_upload

        def away(key: str, **options: Any) -> str:
            raise StorageUnavailable("the bucket does not answer", hint="wait")

        monkeypatch.setattr(storage, "start_upload", away)
        body = {"name": "talk.mp4", "size": len(sound)}
        headers = {"Idempotency-Key": "once"}
        for number in (1, 2):
            failed = await one.ask("POST", "/videos", json=body, headers=headers)
            assert failed.status_code == 503, number
        (found,) = (await one.ask("GET", "/videos")).json()["items"]
        assert found["status"] == "uploading"
        parts = {"parts": [{"number": 1, "etag": "0" * 32}]}
        early = await one.ask("POST", f"/videos/{found['id']}/complete", json=parts)
        assert (early.status_code, early.json()["code"]) == (422, "parts_invalid")
        monkeypatch.setattr(storage, "start_upload", begin)
        wanted = {"numbers": [1]}
        parted = await one.ask("POST", f"/videos/{found['id']}/parts", json=wanted)
        assert parted.status_code == 200
        begun = await one.begin(len(sound), headers=headers)
        assert begun["video"]["id"] == found["id"]
        parts = {"parts": await one.put(begun, sound)}
        await one.ask("POST", f"/videos/{found['id']}/complete", json=parts)
        assert (await one.settled(found["id"]))["status"] == "ready"

    run(given, story)


def test_a_video_deleted_while_its_upload_begins_leaves_none(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(one: World) -> None:
        storage, loop = one.services.storage, asyncio.get_running_loop()
        begin, end = storage.start_upload, storage.abort_upload
        begun: list[str] = []
        ended: list[str] = []

        async def forget() -> None:
            (found,) = (await one.ask("GET", "/videos")).json()["items"]
            assert (await one.ask("DELETE", f"/videos/{found['id']}")).status_code == 204

        def start_upload(key: str, **options: Any) -> str:
            begun.append(begin(key, **options))
            asyncio.run_coroutine_threadsafe(forget(), loop).result(timeout=30)
            return begun[-1]

        def abort_upload(key: str, upload_id: str) -> None:
            ended.append(upload_id)
            end(key, upload_id)

        monkeypatch.setattr(storage, "start_upload", start_upload)
        monkeypatch.setattr(storage, "abort_upload", abort_upload)
        answer = await one.ask("POST", "/videos", json={"name": "a", "size": 10})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert begun == ended

    run(given, story, worker=False)


def test_so_many_imports_at_once(given: dict[str, Any]) -> None:
    async def story(one: World) -> None:
        body = {"url": "https://example.com/a.mp4"}
        asked = (one.ask("POST", "/videos/import", json=body) for _ in range(5))
        answers = await asyncio.gather(*asked)
        assert sorted(a.status_code for a in answers) == [202] * 3 + [409] * 2
        assert {a.json()["code"] for a in answers if a.is_error} == {"too_many_imports"}
        assert (await one.begin(10))["video"]["status"] == "uploading"
        assert (await one.ask("POST", "/videos/import", json=body, user="bob")).is_success

    run(given, story, worker=False)


def test_urls_of_parts_end_within_the_hour(given: dict[str, Any]) -> None:
    """What a role's keys have signed ends with them; the upload itself goes on for a day."""

    async def story(one: World) -> None:
        begun = await one.begin(PART + 1)
        video_id = begun["video"]["id"]
        begun_at = datetime.fromisoformat(begun["video"]["created_at"])
        again = await one.ask("POST", f"/videos/{video_id}/parts", json={"numbers": [2]})
        ends = {
            "urls": datetime.fromisoformat(again.json()["expires_at"]) - begun_at,
            "upload": datetime.fromisoformat(begun["upload"]["expires_at"]) - begun_at,
        }
        assert timedelta(minutes=59) < ends["urls"] < timedelta(minutes=61)
        assert ends["upload"] > timedelta(hours=23)

    run(given, story, worker=False)


def test_what_fails_on_our_side_is_tried_again(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the inspection cannot be started: that is not the file's fault."""
    real, errors = handlers.inspect, [RuntimeError("broken"), EngineUnavailable("no av here")]

    async def fails(path: Path, **options: Any) -> Any:
        if errors:
            raise errors.pop()
        return await real(path, **options)

    monkeypatch.setattr(handlers, "inspect", fails)

    async def story(one: World) -> None:
        found = await one.settled(await one.upload(SAMPLE.read_bytes()))
        assert found["status"] == "ready", found
        errors.extend(RuntimeError(f"secret {n}") for n in range(3))  # max_attempts
        found = await one.settled(await one.upload(SAMPLE.read_bytes()))
        assert found["error"]["code"] == "video_failed" and "secret" not in str(found)
        assert len(errors) == 0 and len(one.stored()) == 1
        assert list((one.services.settings.data_dir / "scratch").iterdir()) == []

    run(given, story, max_attempts=3)


def test_a_file_that_was_lost(given: dict[str, Any]) -> None:
    async def story(one: World) -> None:
        video_id = await one.upload(SAMPLE.read_bytes())
        one.services.storage.delete(f"accounts/{one.users['ada']}/videos/{video_id}/source")
        task = asyncio.create_task(_worker(one.services).run())
        found = await one.settled(video_id)
        assert found["status"] == "rejected" and "upload it again" in found["error"]["hint"]
        assert "accounts/" not in found["error"]["message"]
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    run(given, story, worker=False)


def test_webhooks_are_told(given: dict[str, Any]) -> None:
    async def story(one: World) -> None:
        async with one.services.database.transaction() as session:
            session.add_all(
                WebhookEndpoint(
                    id=new_id("whe"),
                    user_id=one.users[user],
                    url="https://example.com/hook",
                    secret="whsec_" + "A" * 32,
                    events=["*"],
                )
                for user in ("ada", "bob")
            )
        good = await one.upload(SAMPLE.read_bytes())
        bad = await one.upload(b"no film")
        for video_id in (good, bad):
            await one.settled(video_id)
        async with one.services.database.session() as session:
            rows = (await session.scalars(select(WebhookDelivery))).all()
        told = {row.event: row.payload["data"]["id"] for row in rows}
        assert told == {"video.ready": good, "video.rejected": bad} and len(rows) == 2

    run(given, story)


# -- looking and deleting ------------------------------------------------------------------------


def test_names_are_text(given: dict[str, Any]) -> None:
    evil = "<script>alert(1)</script>'; DROP TABLE videos;-- ../../etc/passwd"

    async def story(one: World) -> None:
        begun = await one.begin(
            10, f"{evil}\r\nSet-Cookie: a\x07\x1b[31m\u202egpj.exe \u1112\u1161"
        )
        answer = await one.ask("GET", f"/videos/{begun['video']['id']}")
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["name"] == f"{evil} Set-Cookie: a [31mgpj.exe \ud558"
        async with one.services.database.session() as session:
            key = await session.scalar(select(Video.storage_key))
            assert key == f"accounts/{one.users['ada']}/videos/{begun['video']['id']}/source"

    run(given, story, worker=False)


def test_lists_come_in_pages(given: dict[str, Any]) -> None:
    async def story(one: World) -> None:
        made = [(await one.begin(10, f"{n}"))["video"]["id"] for n in range(5)]
        await one.begin(10, user="bob")
        seen: list[str] = []
        query: dict[str, Any] = {"limit": 2}
        while True:
            answer = (await one.ask("GET", "/videos", params=query)).json()
            seen += [video["id"] for video in answer["items"]]
            if answer["next_cursor"] is None:
                break
            query["cursor"] = answer["next_cursor"]
        assert seen == made[::-1]
        ready = await one.ask("GET", "/videos", params={"status": "ready"})
        assert ready.json()["items"] == []
        assert (await one.ask("GET", "/videos", params={"status": "x"})).status_code == 422
        assert (await one.ask("GET", "/videos", params={"cursor": "%%%"})).status_code == 422

    run(given, story, worker=False)


def test_others_see_nothing_and_scopes_count(given: dict[str, Any]) -> None:
    async def story(one: World) -> None:
        await one.join("reader", scopes=["videos:read"])
        await one.join("nobody", scopes=["jobs:read"])
        video_id = (await one.begin(10))["video"]["id"]
        etag = {"parts": [{"number": 1, "etag": "a"}]}
        for method, path, body in (
            ("GET", f"/videos/{video_id}", None),
            ("POST", f"/videos/{video_id}/parts", {"numbers": [1]}),
            ("POST", f"/videos/{video_id}/complete", etag),
            ("DELETE", f"/videos/{video_id}", None),
        ):
            answer = await one.ask(method, path, json=body, user="bob")
            assert answer.status_code == 404 and answer.json()["code"] == "not_found"
            for user in ("reader", "nobody"):
                if (method, user) != ("GET", "reader"):
                    refused = await one.ask(method, path, json=body, user=user)
                    assert refused.status_code == 403, (method, path, user)
            unknown = await one.client.request(method, f"/v1{path}", json=body)
            assert unknown.status_code == 401
        for user in ("bob", "reader"):
            assert (await one.ask("GET", "/videos", user=user)).json()["items"] == []
        assert (await one.ask("GET", f"/videos/{video_id}")).json()["status"] == "uploading"

    run(given, story, worker=False)


def test_deleting(given: dict[str, Any]) -> None:
    async def story(one: World) -> None:
        video_id = await one.upload(SAMPLE.read_bytes())
        assert (await one.settled(video_id))["status"] == "ready"
        storage, user_id = one.services.storage, one.users["ada"]
        storage.put_bytes(f"accounts/{user_id}/videos/{video_id}/artifacts/objects/ab/cd", b"x")
        storage.put_bytes(f"accounts/{user_id}/videos/{video_id}0/source", b"another video's")
        job_id = await add_job(one, video_id, "running")
        refused = await one.ask("DELETE", f"/videos/{video_id}")
        assert refused.status_code == 409 and refused.json()["job_id"] == job_id
        async with one.services.database.transaction() as session:
            await session.execute(update(Job).values(status="done"))
        assert (await one.ask("DELETE", f"/videos/{video_id}")).status_code == 204
        await one.idle(video_id)
        assert one.stored() == [f"accounts/{user_id}/videos/{video_id}0/source"]
        for method in ("GET", "DELETE"):
            assert (await one.ask(method, f"/videos/{video_id}")).status_code == 404
        assert (await one.ask("GET", "/videos")).json()["items"] == []

    run(given, story)


def test_deleting_gives_an_upload_up(given: dict[str, Any], sound: bytes) -> None:
    async def story(one: World) -> None:
        begun = await one.begin(1000)
        parts = await one.put(begun, sound[:1000])
        video_id = begun["video"]["id"]
        assert (await one.ask("DELETE", f"/videos/{video_id}")).status_code == 204
        await one.idle(video_id)
        answer = await one.ask("POST", f"/videos/{video_id}/complete", json={"parts": parts})
        assert answer.status_code == 404
        assert (await one.outside.put(begun["upload"]["urls"][0]["url"], content=b"x")).is_error
        assert one.stored() == []

    run(given, story)


def test_deleting_while_it_is_looked_at(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, go_on = asyncio.Event(), asyncio.Event()
    real = handlers.inspect

    async def slow(path: Path, **options: Any) -> Any:
        found = await real(path, **options)
        looking.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(handlers, "inspect", slow)

    async def story(one: World) -> None:
        async with files() as (base, _):
            body = {"url": f"{base}/talk.mp4"}
            video_id = (await one.ask("POST", "/videos/import", json=body)).json()["id"]
            await looking.wait()
            assert (await one.ask("DELETE", f"/videos/{video_id}")).status_code == 204
            await asyncio.sleep(0.5)  # the erasing comes first, and finds nothing
            go_on.set()
            await one.idle(video_id)
            assert (await one.ask("GET", f"/videos/{video_id}")).status_code == 404
            assert one.stored() == []

    run(given, story, import_hosts=("127.0.0.1",))


# -- imports -------------------------------------------------------------------------------------


def test_a_video_is_imported(given: dict[str, Any]) -> None:
    async def story(one: World) -> None:
        async with files() as (base, asked):
            body = {"url": f"{base}/redirect/my%20talk.mp4?sig=secret"}
            headers = {"Idempotency-Key": "once"}
            answers = [
                await one.ask("POST", "/videos/import", json=body, headers=headers)
                for _ in range(2)
            ]
            assert [a.status_code for a in answers] == [202, 202]
            assert answers[0].json() == answers[1].json()
            assert answers[0].json()["status"] == "importing"
            found = await one.settled(answers[0].json()["id"])
            assert found["status"] == "ready" and found["name"] == "my talk.mp4", found
            assert found["sha256"] == hashlib.sha256(SAMPLE.read_bytes()).hexdigest()
            assert found["source_url"] == body["url"] and len(one.stored()) == 1
            assert asked.count("/talk.mp4") == 1

    run(given, story, import_hosts=("127.0.0.1",))


FAILURES = [
    ("/page", "address_useless", 1),
    ("/missing", "address_useless", 1),
    ("/inside", "address_refused", 1),
    ("/text", "media_unreadable", 1),
    ("/endless", "content_too_large", 1),
    ("/broken", "address_unreachable", 2),
]


def test_imports_that_fail(given: dict[str, Any]) -> None:
    async def story(one: World) -> None:
        async with files() as (base, asked):
            for path, code, tries in FAILURES:
                body = {"url": f"{base}{path}?sig=secret", "name": "it"}
                video_id = (await one.ask("POST", "/videos/import", json=body)).json()["id"]
                found = await one.settled(video_id)
                assert found["status"] == "rejected" and found["error"]["code"] == code, found
                assert found["error"]["hint"] and "secret" not in found["error"]["message"]
                assert asked.count(path) == tries
        assert one.stored() == []

    run(given, story, import_hosts=("127.0.0.1",))


REFUSED = [
    "file:///etc/passwd",
    "http://127.0.0.1/a.mp4",
    "http://169.254.169.254/latest/meta-data/iam",
    "http://[::ffff:127.0.0.1]/a.mp4",
    "http://2130706433/a.mp4",
    "https://user:secret@example.com/a.mp4",
    "https://example.com:22/a.mp4",
    "nonsense",
    "http://a\r\nX: y/",
]


def test_addresses_that_are_refused_at_once(given: dict[str, Any]) -> None:
    async def story(one: World) -> None:
        for url in REFUSED:
            answer = await one.ask("POST", "/videos/import", json={"url": url})
            assert answer.status_code == 422 and answer.json()["code"] == "address_refused", url
            assert answer.json()["hint"] and "secret" not in answer.text
        answer = await one.ask("POST", "/videos/import", json={"url": "http://a\x00b/"})
        assert answer.status_code == 422 and answer.json()["code"] == "invalid"  # no text at all
        assert (await one.ask("GET", "/videos")).json()["items"] == []

    run(given, story, worker=False)


def test_a_name_that_leads_inside(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(one: World) -> None:
        async with files() as (base, asked):
            url = base.replace("127.0.0.1", "localhost") + "/talk.mp4"
            port = int(base.rpartition(":")[2])
            monkeypatch.setattr(guard, "PORTS", guard.PORTS | {port})
            video_id = (await one.ask("POST", "/videos/import", json={"url": url})).json()["id"]
            found = await one.settled(video_id)
            assert found["error"]["code"] == "address_refused" and asked == []
            assert "127" not in found["error"]["message"]

    run(given, story)


# -- help ----------------------------------------------------------------------------------------


async def add_job(one: World, video_id: str, status: str) -> str:
    job_id = new_id("job")
    async with one.services.database.transaction() as session:
        session.add(
            Job(
                id=job_id,
                user_id=one.users["ada"],
                video_id=video_id,
                status=status,
                profile="embedded",
                route="cpu",
                settings={},
                quote={},
            )
        )
    return job_id


@asynccontextmanager
async def files() -> AsyncIterator[tuple[str, list[str]]]:
    """A server of files, good and bad: its address, and the paths it was asked for."""
    asked: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split()[1].decode().partition("?")[0]
            asked.append(path)
            await _answer(path, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()


async def _answer(path: str, writer: asyncio.StreamWriter) -> None:
    film = SAMPLE.read_bytes()
    answers = {
        "/talk.mp4": b"200 OK\r\nContent-Type: video/mp4\r\nContent-Length: %d\r\n\r\n%s"
        % (len(film), film),
        "/redirect/my%20talk.mp4": b"302 Found\r\nLocation: /talk.mp4\r\n\r\n",
        "/inside": b"302 Found\r\nLocation: http://169.254.169.254/latest/\r\n\r\n",
        "/page": b"200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html>a talk</html>",
        "/text": b"200 OK\r\nContent-Type: video/mp4\r\n\r\nI am a film",
        "/endless": b"200 OK\r\nContent-Length: 999999999999\r\n\r\n",
        "/broken": b"200 OK\r\nContent-Length: 1000\r\n\r\nhalf",
    }
    writer.write(b"HTTP/1.1 " + answers.get(path, b"404 Not Found\r\nContent-Length: 0\r\n\r\n"))
    await writer.drain()
