"""Webhooks to users: over the API, to a real receiver on loopback, on both databases."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from standardwebhooks import Webhook, WebhookVerificationError
from structlog.testing import capture_logs

from onevoice.server import problems
from onevoice.server.auth.keys import new_key
from onevoice.server.auth.models import ApiKey, User
from onevoice.server.db import now
from onevoice.server.errors import Conflict, Invalid
from onevoice.server.net import AddressRefused
from onevoice.server.notifications.handlers import MailHandler
from onevoice.server.resources import Resources
from onevoice.server.settings import ServerSettings, load_settings
from onevoice.server.tasks.outbox import add_task, transaction
from onevoice.server.webhooks import service
from onevoice.server.webhooks.endpoints import router
from onevoice.server.webhooks.handlers import DELAYS_S, GIVEN_UP, WebhookHandler
from onevoice.server.webhooks.models import WebhookDelivery, WebhookEndpoint
from onevoice.server.webhooks.schemas import EndpointCreate, EndpointUpdate
from tests.integration.server.tasking import add_user, all_tasks, put_clock_forward, server, work

DATA = {"job_id": "job_1", "at": now(), "title": "한국어 “talk”"}


class Receiver:
    """A server of a user's: answers what it was told to, and keeps what it was sent."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int | str] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.seen.append((self.path, dict(self.headers.items()), body))
                answer = receiver.answers.pop(0) if receiver.answers else 200
                if answer == "slow":
                    time.sleep(1.5)
                    answer = 200
                if answer == "drop":
                    self.close_connection = True
                    return
                if answer == "endless":
                    self._endless()
                    return
                self.send_response(int(answer))
                if answer == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def _endless(self) -> None:
                self.send_response(200)
                self.end_headers()
                try:
                    while True:
                        self.wfile.write(b"x" * 65536)
                except OSError:
                    return

            def log_message(self, format: str, *args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.close()


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> ServerSettings:
    given: dict[str, Any] = {"data_dir": tmp_path, "import_hosts": ("127.0.0.1",)}
    if request.param == "postgres":
        given["database_url"] = request.getfixturevalue("postgres").create()
    return load_settings(**given)


@pytest.fixture
def local(tmp_path: Path) -> ServerSettings:
    return load_settings(data_dir=tmp_path, import_hosts=("127.0.0.1",))


async def add_endpoint(
    services: Resources, user: User, url: str, *, events: tuple[str, ...] = ("*",)
) -> WebhookEndpoint:
    async with services.database.transaction() as session:
        wanted = EndpointCreate.model_validate({"url": url, "events": list(events)})
        return await service.create_endpoint(
            session, user_id=user.id, wanted=wanted, settings=services.settings
        )


async def tell(services: Resources, user: User, event: str = "job.done") -> list[str]:
    async with transaction(services.database, services.queue) as session:
        return [one.id for one in await service.enqueue(session, user.id, event, DATA)]


async def deliver(services: Resources) -> None:
    await work(services, [WebhookHandler(services, timeout_s=1.0), MailHandler(services)])


def mails(services: Resources) -> list[EmailMessage]:
    folder = services.settings.data_dir / "outbox"
    return [message_from_bytes(path.read_bytes(), policy=default) for path in folder.glob("*.eml")]


async def read(services: Resources, delivery_id: str) -> WebhookDelivery:
    async with services.database.session() as session:
        found = await session.get(WebhookDelivery, delivery_id)
    assert found is not None
    return found


async def enabled(services: Resources, endpoint_id: str) -> bool:
    async with services.database.session() as session:
        found = await session.get(WebhookEndpoint, endpoint_id)
    assert found is not None
    return found.enabled


# -- delivery --------------------------------------------------------------------------------------


def test_a_message_arrives_signed(settings: ServerSettings, receiver: Receiver) -> None:
    async def story() -> None:
        async with server(settings) as services:
            user = await add_user(services)
            endpoint = await add_endpoint(services, user, receiver.url)
            with capture_logs() as logged:
                (delivery_id,) = await tell(services, user)
                await deliver(services)
            delivery = await read(services, delivery_id)

            ((path, headers, body),) = receiver.seen
            message = Webhook(endpoint.secret).verify(body, headers)
            assert path == "/hook"
            assert headers["webhook-id"] == message["id"] == delivery_id
            assert headers["Content-Type"] == "application/json"
            assert message["type"] == "job.done"
            assert message["data"]["title"] == DATA["title"]
            assert set(message) == {"id", "type", "timestamp", "data"}
            assert delivery.status == "delivered"
            assert delivery.ended_at is not None
            (attempt,) = delivery.attempts
            assert (attempt["status"], attempt["error"]) == (200, None)
            assert attempt["milliseconds"] >= 0
            assert any(event["event"] == "webhook.tried" for event in logged)
            assert endpoint.secret not in repr(logged)
            with pytest.raises(WebhookVerificationError):
                Webhook(endpoint.secret).verify(body.replace(b"job_1", b"job_2"), headers)

    asyncio.run(story())


def test_only_what_was_asked_for_is_told_and_only_to_its_user(
    local: ServerSettings, receiver: Receiver
) -> None:
    async def story() -> None:
        async with server(local) as services:
            user, other = await add_user(services), await add_user(services)
            wanted = await add_endpoint(services, user, receiver.url, events=("job.done",))
            await add_endpoint(services, user, receiver.url, events=("video.ready",))
            await add_endpoint(services, other, receiver.url)
            (delivery_id,) = await tell(services, user, "job.done")
            assert await tell(services, user, "job.failed") == []
            assert (await read(services, delivery_id)).endpoint_id == wanted.id

    asyncio.run(story())


def test_what_is_rolled_back_is_not_told(local: ServerSettings, receiver: Receiver) -> None:
    async def story() -> None:
        async with server(local) as services:
            user = await add_user(services)
            await add_endpoint(services, user, receiver.url)
            with pytest.raises(RuntimeError):
                async with transaction(services.database, services.queue) as session:
                    await service.enqueue(session, user.id, "job.done", DATA)
                    raise RuntimeError
            await deliver(services)
            assert receiver.seen == []
            assert await all_tasks(services, "webhook") == []

    asyncio.run(story())


FAILURES: list[tuple[int | str, int | None, str]] = [
    (500, 500, "it answers with 500"),
    (302, 302, "it answers with 302"),
    (404, 404, "it answers with 404"),
    ("drop", None, "it cannot be reached (RemoteProtocolError)"),
    ("slow", None, "no answer within 1 s"),
]


def test_failures_are_tried_again_later_and_later(
    settings: ServerSettings, receiver: Receiver
) -> None:
    async def story() -> None:
        async with server(settings) as services:
            user = await add_user(services)
            endpoint = await add_endpoint(services, user, receiver.url)
            receiver.answers = [answer for answer, _, _ in FAILURES]
            (delivery_id,) = await tell(services, user)
            for number in range(len(FAILURES)):
                await deliver(services)
                assert (await read(services, delivery_id)).status == "pending"
                (waiting,) = [
                    t for t in await all_tasks(services, "webhook") if t.state == "queued"
                ]
                pause = (waiting.due_at - now()).total_seconds()
                assert DELAYS_S[number] - 3 <= pause <= DELAYS_S[number] * 1.2 + 1
                assert await put_clock_forward(services) == 1
            await deliver(services)

            delivery = await read(services, delivery_id)
            assert delivery.status == "delivered"
            tried = [(one["status"], one["error"]) for one in delivery.attempts]
            assert tried == [(status, error) for _, status, error in FAILURES] + [(200, None)]
            assert {path for path, _, _ in receiver.seen} == {"/hook"}  # redirects: not followed
            assert len({headers["webhook-id"] for _, headers, _ in receiver.seen}) == 1
            for _, headers, body in receiver.seen:
                Webhook(endpoint.secret).verify(body, headers)

    asyncio.run(story())


def test_an_answer_without_end_is_not_read(local: ServerSettings, receiver: Receiver) -> None:
    async def story() -> None:
        async with server(local) as services:
            user = await add_user(services)
            await add_endpoint(services, user, receiver.url)
            receiver.answers = ["endless"]
            (delivery_id,) = await tell(services, user)
            async with asyncio.timeout(10):
                await deliver(services)
            assert (await read(services, delivery_id)).status == "delivered"

    asyncio.run(story())


def test_a_message_is_given_up_and_can_be_sent_again(
    local: ServerSettings, receiver: Receiver
) -> None:
    async def story() -> None:
        async with server(local) as services:
            user = await add_user(services)
            endpoint = await add_endpoint(services, user, receiver.url)
            receiver.answers = [503] * (len(DELAYS_S) + 1)
            (delivery_id,) = await tell(services, user)
            await deliver(services)
            while await put_clock_forward(services):
                await deliver(services)
            given_up = await read(services, delivery_id)
            assert (given_up.status, len(given_up.attempts)) == ("failed", len(DELAYS_S) + 1)
            assert await enabled(services, endpoint.id)

            async with transaction(services.database, services.queue) as session:
                await service.redeliver(session, endpoint.id, delivery_id, user_id=user.id)
            with pytest.raises(Conflict, match="still being tried"):
                async with services.database.transaction() as session:
                    await service.redeliver(session, endpoint.id, delivery_id, user_id=user.id)
            await deliver(services)
            again = await read(services, delivery_id)
            assert (again.status, len(again.attempts)) == ("delivered", len(DELAYS_S) + 2)
            assert receiver.seen[0][2] == receiver.seen[-1][2]

    asyncio.run(story())


def test_tasks_that_come_twice_send_once(settings: ServerSettings, receiver: Receiver) -> None:
    async def story() -> None:
        async with server(settings) as services:
            user = await add_user(services)
            await add_endpoint(services, user, receiver.url)
            receiver.answers = [500]
            (delivery_id,) = await tell(services, user)
            (task,) = await all_tasks(services, "webhook")
            for _ in range(3):
                await services.queue.send("tasks", task.id, group=user.id)
            await deliver(services)
            async with transaction(services.database, services.queue) as session:
                # A second task for the try that has been made.
                add_task(
                    session,
                    kind="webhook",
                    queue="tasks",
                    payload=task.payload,
                    user_id=user.id,
                    subject=delivery_id,
                )
            await deliver(services)

            assert len(receiver.seen) == 1
            delivery = await read(services, delivery_id)
            assert (delivery.status, len(delivery.attempts)) == ("pending", 1)
            states = [t.state for t in await all_tasks(services, "webhook")]
            assert sorted(states) == ["done", "done", "queued"]

    asyncio.run(story())


def test_an_endpoint_that_keeps_failing_is_switched_off_with_one_mail(
    settings: ServerSettings, receiver: Receiver
) -> None:
    async def story() -> None:
        async with server(settings) as services:
            user = await add_user(services, locale="ko")
            endpoint = await add_endpoint(services, user, f"{receiver.url}?token=abc")
            receiver.answers = [500] * 1000
            for _ in range(GIVEN_UP - 1):
                await tell(services, user)
            await _exhaust(services)
            assert await enabled(services, endpoint.id)
            await tell(services, user)
            late = await tell(services, user)
            await _exhaust(services)

            assert not await enabled(services, endpoint.id)
            (mail,) = mails(services)
            assert mail["To"] == user.email
            assert mail["Subject"] == "웹훅 엔드포인트가 비활성화되었습니다"
            text = mail.get_body(("plain",)).get_content()
            assert receiver.url in text
            assert endpoint.id in text
            assert "token=abc" not in text
            assert await tell(services, user) == []
            assert (await read(services, late[0])).status == "failed"
            assert {t.state for t in await all_tasks(services, "webhook")} == {"done"}

    asyncio.run(story())


async def _exhaust(services: Resources) -> None:
    await deliver(services)
    while await put_clock_forward(services):
        await deliver(services)


def test_an_endpoint_that_is_gone_is_switched_off_at_once(
    local: ServerSettings, receiver: Receiver
) -> None:
    async def story() -> None:
        async with server(local) as services:
            user = await add_user(services)
            endpoint = await add_endpoint(services, user, receiver.url)
            receiver.answers = [410]
            (delivery_id,) = await tell(services, user)
            await deliver(services)
            assert (await read(services, delivery_id)).status == "failed"
            assert not await enabled(services, endpoint.id)
            assert len(mails(services)) == 1

    asyncio.run(story())


def test_nothing_is_sent_to_who_was_switched_off_or_deleted(
    local: ServerSettings, receiver: Receiver
) -> None:
    async def story() -> None:
        async with server(local) as services:
            user = await add_user(services)
            off = await add_endpoint(services, user, receiver.url)
            deleted = await add_endpoint(services, user, receiver.url)
            told = await tell(services, user)
            async with services.database.transaction() as session:
                await service.update_endpoint(
                    session,
                    off.id,
                    user_id=user.id,
                    wanted=EndpointUpdate(enabled=False),
                    settings=local,
                )
                await service.delete_endpoint(session, deleted.id, user_id=user.id)
            await deliver(services)

            assert receiver.seen == []
            async with services.database.session() as session:
                left = [await session.get(WebhookDelivery, one) for one in told]
            assert [one.status for one in left if one] == ["failed"]
            assert {t.state for t in await all_tasks(services, "webhook")} == {"done"}
            assert mails(services) == []

    asyncio.run(story())


def test_addresses_inside_are_not_reached(tmp_path: Path) -> None:
    async def story() -> None:
        async with server(load_settings(data_dir=tmp_path)) as services:
            user = await add_user(services)
            for refused in (
                "http://127.0.0.1/x",
                "http://10.0.0.1/",
                "file:///etc/passwd",
                "http://u:p@example.com/",
                "http://example.com:22/",
            ):
                with pytest.raises(AddressRefused):
                    await add_endpoint(services, user, refused)
            # What a name leads to may change: it is looked at when a message is sent.
            await add_endpoint(services, user, "http://localhost:8080/hook")
            (delivery_id,) = await tell(services, user)
            await deliver(services)
            (attempt,) = (await read(services, delivery_id)).attempts
            assert attempt["status"] is None
            assert "private network" in attempt["error"]

    asyncio.run(story())


def test_hosted_endpoints_are_reached_by_https(local: ServerSettings) -> None:
    hosted = local.model_copy(update={"environment": "hosted", "import_hosts": ("listed.test",)})

    async def story() -> None:
        async with server(local) as services, services.database.transaction() as session:
            user = await add_user_in(session)
            for url, taken in (
                ("http://example.com/hook", False),
                ("https://example.com/hook", True),
                ("http://listed.test/hook", True),
            ):
                wanted = EndpointCreate(url=url)
                made = service.create_endpoint(
                    session, user_id=user.id, wanted=wanted, settings=hosted
                )
                if taken:
                    assert (await made).url == url
                else:
                    with pytest.raises(Invalid, match="https"):
                        await made

    asyncio.run(story())


async def add_user_in(session: Any) -> User:
    user = User(id="user_1", email="a@example.com", email_key="a@example.com", password_hash="")
    session.add(user)
    await session.flush()
    return user


# -- API -------------------------------------------------------------------------------------------


@asynccontextmanager
async def api(services: Resources) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.state.resources = services
    app.include_router(router, prefix="/v1")
    problems.install(app)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test/v1") as client:
        yield client


async def key_of(services: Resources, user: User, *scopes: str) -> dict[str, str]:
    key = new_key()
    async with services.database.transaction() as session:
        session.add(
            ApiKey(
                id=key.id,
                user_id=user.id,
                name="test",
                secret_hash=key.secret_hash,
                last_four=key.secret[-4:],
                scopes=list(scopes),
                expires_at=now() + timedelta(days=1),
            )
        )
    return {"Authorization": f"Bearer {key.text}"}


def test_endpoints_by_the_api(settings: ServerSettings, receiver: Receiver) -> None:
    async def story() -> None:
        async with server(settings) as services, api(services) as client:
            user = await add_user(services)
            write = await key_of(services, user, "webhooks:write", "webhooks:read")
            made = await client.post(
                "/webhook-endpoints",
                json={"url": receiver.url, "events": ["job.done", "job.done", "job.failed"]},
                headers=write,
            )
            assert made.status_code == 201
            secret = made.json()["secret"]
            endpoint = f"/webhook-endpoints/{made.json()['id']}"
            assert made.json()["events"] == ["job.done", "job.failed"]

            listed = (await client.get("/webhook-endpoints", headers=write)).json()
            assert listed["items"] == [{k: v for k, v in made.json().items() if k != "secret"}]
            assert (await client.get(endpoint, headers=write)).json() == listed["items"][0]

            rotated = (await client.post(f"{endpoint}/rotate-secret", headers=write)).json()
            assert rotated["secret"] not in ("", secret)
            changed = await client.patch(endpoint, json={"events": ["*"]}, headers=write)
            assert changed.json()["events"] == ["*"]
            assert "secret" not in changed.json()

            sent = await client.post(f"{endpoint}/test", headers=write)
            assert (sent.status_code, sent.json()["status"]) == (202, "pending")
            await deliver(services)
            _, headers, body = receiver.seen[-1]
            assert Webhook(rotated["secret"]).verify(body, headers)["type"] == "webhook.test"
            with pytest.raises(WebhookVerificationError):
                Webhook(secret).verify(body, headers)

            for _ in range(4):
                await tell(services, user)
            await deliver(services)
            seen, cursor = [], ""
            for _ in range(3):
                shown = await client.get(
                    f"{endpoint}/deliveries",
                    params={"limit": 2, **cursor_of(cursor)},
                    headers=write,
                )
                seen += [one["id"] for one in shown.json()["items"]]
                cursor = shown.json()["next_cursor"]
            assert cursor is None
            assert seen == sorted(seen, reverse=True)
            assert len(set(seen)) == 5

            again = await client.post(f"{endpoint}/deliveries/{seen[0]}/redeliver", headers=write)
            assert (again.status_code, again.json()["status"]) == (202, "pending")
            assert (await client.delete(endpoint, headers=write)).status_code == 204
            assert (await client.get(endpoint, headers=write)).status_code == 404
            assert secret not in json.dumps(listed)

    asyncio.run(story())


def cursor_of(cursor: str) -> dict[str, str]:
    return {"cursor": cursor} if cursor else {}


def test_endpoints_are_their_users_own(local: ServerSettings, receiver: Receiver) -> None:
    async def story() -> None:
        async with server(local) as services, api(services) as client:
            user, other = await add_user(services), await add_user(services)
            endpoint = await add_endpoint(services, user, receiver.url)
            (delivery_id,) = await tell(services, user)
            await deliver(services)
            path = f"/webhook-endpoints/{endpoint.id}"
            stranger = await key_of(services, other, "webhooks:write", "webhooks:read")
            reader = await key_of(services, user, "webhooks:read")
            nothing = await key_of(services, user, "jobs:write")

            reads = [("GET", path), ("GET", f"{path}/deliveries")]
            writes = [
                ("PATCH", path),
                ("DELETE", path),
                ("POST", f"{path}/rotate-secret"),
                ("POST", f"{path}/test"),
                ("POST", f"{path}/deliveries/{delivery_id}/redeliver"),
            ]
            for method, url in reads + writes:
                body = {"json": {"enabled": False}} if method == "PATCH" else {}
                answer = await client.request(method, url, headers=stranger, **body)
                assert answer.status_code == 404, (method, url)
                answer = await client.request(method, url, headers=nothing, **body)
                assert answer.status_code == 403, (method, url)
                assert answer.json()["code"] == "scope_missing"
                assert (await client.request(method, url, **body)).status_code == 401
            for method, url in writes:
                body = {"json": {"enabled": False}} if method == "PATCH" else {}
                answer = await client.request(method, url, headers=reader, **body)
                assert answer.status_code == 403, (method, url)
            listed = await client.get("/webhook-endpoints", headers=stranger)
            assert listed.json()["items"] == []
            assert await enabled(services, endpoint.id)
            # A delivery of another endpoint, by way of one's own.
            own = await add_endpoint(services, other, receiver.url)
            crossed = f"/webhook-endpoints/{own.id}/deliveries/{delivery_id}/redeliver"
            assert (await client.post(crossed, headers=stranger)).status_code == 404
            second = await add_endpoint(services, user, receiver.url)
            crossed = f"/webhook-endpoints/{second.id}/deliveries/{delivery_id}/redeliver"
            writer = await key_of(services, user, "webhooks:write")
            assert (await client.post(crossed, headers=writer)).status_code == 404

    asyncio.run(story())


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": ""},
        {"url": "not a url"},
        {"url": "ftp://example.com/"},
        {"url": "http://169.254.169.254/latest"},
        {"url": "https://example.com/" + "x" * 2000},
        {"url": "https://example.com/", "events": []},
        {"url": "https://example.com/", "events": ["job.exploded"]},
        {"url": "https://example.com/", "secret": "whsec_mine"},
    ],
)
def test_endpoints_that_make_no_sense(local: ServerSettings, body: dict[str, Any]) -> None:
    async def story() -> None:
        async with server(local) as services, api(services) as client:
            key = await key_of(services, await add_user(services), "webhooks:write")
            answer = await client.post("/webhook-endpoints", json=body, headers=key)
            assert answer.status_code == 422
            assert answer.headers["Content-Type"] == "application/problem+json"

    asyncio.run(story())


def test_messages_at_will_are_limited(local: ServerSettings, receiver: Receiver) -> None:
    async def story() -> None:
        async with server(local) as services, api(services) as client:
            user = await add_user(services)
            endpoint = await add_endpoint(services, user, receiver.url)
            key = await key_of(services, user, "webhooks:write")
            path = f"/webhook-endpoints/{endpoint.id}/test"
            answers = [(await client.post(path, headers=key)) for _ in range(21)]
            assert [one.status_code for one in answers] == [202] * 20 + [429]
            assert int(answers[-1].headers["Retry-After"]) <= 60

    asyncio.run(story())


def test_there_is_a_limit(local: ServerSettings, receiver: Receiver) -> None:
    async def story() -> None:
        async with server(local) as services:
            user = await add_user(services)
            for _ in range(service.MOST_ENDPOINTS):
                await add_endpoint(services, user, receiver.url)
            with pytest.raises(Conflict, match="20 webhook endpoints"):
                await add_endpoint(services, user, receiver.url)

    asyncio.run(story())
