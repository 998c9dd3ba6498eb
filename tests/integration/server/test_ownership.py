"""Nobody sees or touches what is somebody else's: every route of the API, with another's names.

Ada owns one of everything. Bob, who owns nothing, and a key of Bob's with every scope, try each
route with Ada's ids; so does nobody at all; so do keys of Ada's that lack the scope.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from sqlalchemy import select

from onevoice.server.app import create_app
from onevoice.server.auth import keys
from onevoice.server.auth.models import LoginSession
from onevoice.server.billing import ledger
from onevoice.server.billing.models import Customer, PaddleEvent, Subscription
from onevoice.server.db import now
from onevoice.server.ids import new_id
from onevoice.server.jobs.keys import hold_key
from onevoice.server.jobs.models import JOB_STATUSES, Job, JobEvent, JobLanguage, LineEdit
from onevoice.server.openapi import routes_of
from onevoice.server.settings import ServerSettings
from onevoice.server.tables import METADATA
from onevoice.server.tasks.outbox import add_task
from onevoice.server.videos.models import STATUSES, Video
from onevoice.server.webhooks.models import WebhookDelivery, WebhookEndpoint
from tests.integration.server.accounts import PASSWORD, Person, Run, Server, bearer, runner
from tests.simulators.base import KEY
from tests.simulators.paddle import PaddleSimulator

ADA, BOB = "ada.lovelace@example.com", "bob@example.org"
SECRET = "adas-own-secret"
"""In every text of Ada's: it may be in no answer to anybody else."""

Kind = Literal["one", "list", "account", "own", "open", "new"]
"""one: names a thing, which others do not find. list, account: about whoever asks. own: names
somebody's thing in its body. open: needs no login. new: makes something for whoever asks."""


@dataclass(frozen=True)
class Case:
    """How a route is tried. ``scope``: what a key needs; None where no key may at all."""

    kind: Kind
    scope: str | None = ""
    body: Any = None
    mine: int = 0
    """What Ada is answered; 0: not tried, it would end what the others are tried on."""


LINE = {"text": "x"}
MATRIX: dict[str, Case] = {
    "POST /v1/auth/register": Case("open"),
    "POST /v1/auth/verify": Case("open"),
    "POST /v1/auth/verify/resend": Case("open"),
    "POST /v1/auth/login": Case("open"),
    "POST /v1/auth/refresh": Case("open"),
    "POST /v1/auth/password/forgot": Case("open"),
    "POST /v1/auth/password/reset": Case("open"),
    "GET /v1/billing/plans": Case("open"),
    "POST /v1/webhooks/paddle": Case("open"),
    "GET /v1/health/live": Case("open"),
    "GET /v1/health/ready": Case("open"),
    "GET /v1/version": Case("open"),
    # accounts
    "POST /v1/auth/logout": Case("account", None),
    "POST /v1/auth/logout-everywhere": Case("account", None),
    "GET /v1/auth/sessions": Case("list", None, mine=200),
    "DELETE /v1/auth/sessions/{session_id}": Case("one", None),
    "POST /v1/auth/password/change": Case(
        "account", None, {"current_password": "wrong", "new_password": "a whole new password"}
    ),
    "POST /v1/auth/api-keys": Case("new", None, {"name": "k", "scopes": ["jobs:read"]}, 201),
    "GET /v1/auth/api-keys": Case("list", None, mine=200),
    "PATCH /v1/auth/api-keys/{key_id}": Case("one", None, {"name": SECRET}, 200),
    "DELETE /v1/auth/api-keys/{key_id}": Case("one", None),
    "GET /v1/users/me": Case("account", "account:read", mine=200),
    "PATCH /v1/users/me": Case("account", "account:write", {}, 200),
    "DELETE /v1/users/me": Case("account", None, {"password": "wrong"}),
    "GET /v1/users/me/export": Case("account", "account:read", mine=200),
    # videos
    "POST /v1/videos": Case("new", "videos:write", {"name": "x", "size": 9}, 201),
    "GET /v1/videos": Case("list", "videos:read", mine=200),
    "POST /v1/videos/import": Case("new", "videos:write", {"url": "https://example.com/x"}, 202),
    "GET /v1/videos/{video_id}": Case("one", "videos:read", mine=200),
    "DELETE /v1/videos/{video_id}": Case("one", "videos:write", mine=409),
    "POST /v1/videos/{video_id}/parts": Case("one", "videos:write", {"numbers": [1]}, 409),
    "POST /v1/videos/{video_id}/complete": Case(
        "one", "videos:write", {"parts": [{"number": 1, "etag": "x"}]}, 409
    ),
    # jobs
    "POST /v1/jobs": Case(
        "own", "jobs:write", {"video_id": "{video_id}", "languages": ["pt"]}, 201
    ),
    "GET /v1/jobs": Case("list", "jobs:read", mine=200),
    "GET /v1/jobs/{job_id}": Case("one", "jobs:read", mine=200),
    "DELETE /v1/jobs/{job_id}": Case("one", "jobs:write"),
    "POST /v1/jobs/{job_id}/confirm": Case("one", "jobs:write", mine=409),
    "POST /v1/jobs/{job_id}/cancel": Case("one", "jobs:write", mine=409),
    "POST /v1/jobs/{job_id}/retry": Case("one", "jobs:write", mine=409),
    "GET /v1/jobs/{job_id}/results": Case("one", "jobs:read", mine=200),
    "GET /v1/jobs/{job_id}/languages/{language}/lines": Case("one", "jobs:read", mine=200),
    "PATCH /v1/jobs/{job_id}/languages/{language}/lines": Case(
        "one", "jobs:write", {"lines": [{"id": "s0001", **LINE}]}, 200
    ),
    "PATCH /v1/jobs/{job_id}/languages/{language}/lines/{line_id}": Case(
        "one", "jobs:write", LINE, 200
    ),
    "POST /v1/jobs/{job_id}/redub": Case("one", "jobs:write", {"confirm": False}, 200),
    "GET /v1/jobs/{job_id}/events": Case("one", "jobs:read", mine=200),
    "GET /v1/profiles": Case("account", "jobs:read", mine=200),
    "GET /v1/voices": Case("account", "jobs:read", mine=422),
    # billing
    "GET /v1/billing/balance": Case("account", "billing:read", mine=200),
    "GET /v1/billing/usage": Case("account", "billing:read", mine=200),
    "GET /v1/billing/ledger": Case("list", "billing:read", mine=200),
    "POST /v1/billing/checkout": Case("new", "billing:write", {"offer": "pack-60"}),
    "POST /v1/billing/portal": Case("account", "billing:write", mine=200),
    "GET /v1/billing/subscription": Case("account", "billing:read", mine=200),
    "POST /v1/billing/subscription/cancel": Case("account", "billing:write"),
    "GET /v1/billing/invoices": Case("list", "billing:read", mine=200),
    "GET /v1/billing/invoices/{invoice_id}/pdf": Case("one", "billing:read", mine=200),
    # webhooks
    "POST /v1/webhook-endpoints": Case("new", "webhooks:write", {"url": "https://example.com/"}),
    "GET /v1/webhook-endpoints": Case("list", "webhooks:read", mine=200),
    "GET /v1/webhook-endpoints/{endpoint_id}": Case("one", "webhooks:read", mine=200),
    "PATCH /v1/webhook-endpoints/{endpoint_id}": Case(
        "one", "webhooks:write", {"events": ["*"]}, 200
    ),
    "DELETE /v1/webhook-endpoints/{endpoint_id}": Case("one", "webhooks:write"),
    "POST /v1/webhook-endpoints/{endpoint_id}/rotate-secret": Case("one", "webhooks:write"),
    "POST /v1/webhook-endpoints/{endpoint_id}/test": Case("one", "webhooks:write", mine=202),
    "GET /v1/webhook-endpoints/{endpoint_id}/deliveries": Case("one", "webhooks:read", mine=200),
    "POST /v1/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/redeliver": Case(
        "one", "webhooks:write", mine=202
    ),
}
HIDDEN = {
    "GET /v1/auth/verify",  # a fixed page
    "GET /v1/auth/password/reset",  # a fixed page
    "PUT /v1/storage/parts/{token}",  # the token is the right to it: test_storage_local
    "GET /v1/storage/objects/{token}",
    "HEAD /v1/storage/objects/{token}",
    "GET /metrics",  # the operator's: test_metrics
}
"""Routes outside the schema."""


@pytest.fixture
def paddle() -> Iterator[PaddleSimulator]:
    with PaddleSimulator(prices={"pri_creator": (2900, True), "pri_pack": (900, False)}) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def settings(
    request: pytest.FixtureRequest, tmp_path: Path, paddle: PaddleSimulator
) -> ServerSettings:
    url = request.getfixturevalue("postgres").create() if request.param == "postgres" else ""
    return ServerSettings(
        data_dir=tmp_path,
        database_url=url,
        token_keys=f"test:{'k' * 40}",
        paddle_api_key=KEY,
        paddle_url=paddle.url,
    )


@pytest.fixture
def run(settings: ServerSettings) -> Run:
    return runner(settings)


def operations(schema: dict[str, Any]) -> set[str]:
    return {f"{verb.upper()} {path}" for path, verbs in schema["paths"].items() for verb in verbs}


@dataclass
class Estate:
    """What Ada owns: the ids of each kind."""

    user_id: str = ""
    ids: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, value: str) -> str:
        self.ids.setdefault(name, []).append(value)
        return value

    def path(self, route: str, place: int = -1) -> str:
        """The path of a route, with Ada's ids: those at the place, or the last."""
        _, _, path = route.partition(" ")
        for name, values in self.ids.items():
            path = path.replace(f"{{{name}}}", values[min(place, len(values) - 1)])
        assert "{" not in path, f"no {path} is owned"
        return path

    @property
    def secrets(self) -> list[str]:
        """What nobody else may read anywhere."""
        named = [v for name, values in self.ids.items() for v in values if "_" in v]
        return [*named, self.user_id, ADA, SECRET]


async def estate_of(server: Server, ada: Person, paddle: PaddleSimulator) -> Estate:
    """Ada's: a row in every table that can hang on a user, in each of its states."""
    me = (await ada.ask("GET", "/users/me")).json()
    all_ = Estate(user_id=me["id"])
    user_id = all_.user_id
    storage = server.resources.storage
    async with server.database() as session:
        for status in STATUSES[::-1]:  # the last is not deleted: what is tried is there
            video_id = all_.add("video_id", new_id("vid")) if status != "deleted" else new_id("vid")
            session.add(
                Video(
                    id=video_id, user_id=user_id, name=SECRET, status=status, size=9,
                    storage_key=f"accounts/{user_id}/videos/{video_id}/source",
                    upload_id="u" if status == "uploading" else None,
                    upload_expires_at=now() + timedelta(hours=1),
                    source_url=f"https://example.com/{SECRET}" if status == "importing" else None,
                    duration_ms=54000, sha256="0" * 64, details=None,
                    error={"code": "x", "message": SECRET, "hint": ""}
                    if status == "rejected" else None,
                    deleted_at=now() if status == "deleted" else None,
                )
            )  # fmt: skip
        ready = Video(
            id=all_.add("video_id", new_id("vid")), user_id=user_id, name=SECRET, status="ready",
            storage_key=f"accounts/{user_id}/x/source", size=9, duration_ms=54000,
        )  # fmt: skip
        session.add(ready)
        await session.flush()
        await ledger.grant(session, user_id, 3600, key=f"grant:{user_id}", note=SECRET)
        for status in [s for s in JOB_STATUSES if s != "done"] + ["done"]:
            await _job(session, all_, ready.id, status)
        endpoint = WebhookEndpoint(
            id=all_.add("endpoint_id", new_id("whe")), user_id=user_id,
            url=f"https://example.com/{SECRET}", secret=f"whsec_{SECRET}", events=["job.done"],
        )  # fmt: skip
        session.add(endpoint)
        await session.flush()
        for status in ("pending", "failed", "delivered"):
            session.add(
                WebhookDelivery(
                    id=all_.add("delivery_id", new_id("whd")), endpoint_id=endpoint.id,
                    event="job.done", payload={"type": "job.done", "data": {"n": SECRET}},
                    status=status, attempts=[], ended_at=now(),
                )
            )  # fmt: skip
        session.add(
            Subscription(
                id=all_.add("subscription", new_id("sub")), user_id=user_id,
                customer_id="ctm_1", plan="creator", status="active", told_at=now(), told_by="evt",
            )
        )  # fmt: skip
        session.add(
            PaddleEvent(
                id=all_.add("event", new_id("evt")), user_id=user_id, kind="x",
                occurred_at=now(), payload={"x": SECRET},
            )
        )  # fmt: skip
        add_task(session, kind="x", queue="tasks", user_id=user_id, payload={"x": SECRET},
                 state="waiting")  # fmt: skip
    await asyncio.to_thread(storage.put_bytes, ready.storage_key, b"media")
    async with server.database() as session:
        found = await session.scalar(select(LoginSession.id).where(LoginSession.user_id == user_id))
        all_.add("session_id", str(found))
    all_.add("key_id", (await ada.key("jobs:read", name=SECRET))["id"])
    # An invoice, of a customer that is Ada's at Paddle.
    transaction = paddle.sell("pri_pack", user_id)
    customer = paddle.state["transactions"][transaction]["customer_id"]
    async with server.database() as session:
        session.add(Customer(user_id=user_id, id=all_.add("customer", customer)))
    all_.add("invoice_id", transaction)
    all_.add("language", "es")
    all_.add("line_id", "s0001")
    return all_


async def _job(session: Any, all_: Estate, video_id: str, status: str) -> None:
    job_id = all_.add("job_id", new_id("job"))
    quote = {"seconds": 54, "minutes": 0.9, "by_language": {"es": 54}}
    session.add(
        Job(
            id=job_id, user_id=all_.user_id, video_id=video_id, status=status, profile="embedded",
            route="cpu", settings={"voices": {"S1": SECRET}}, quote=quote, round=1, event_seq=1,
            usd=0.0,
        )
    )  # fmt: skip
    await session.flush()
    line = {
        "id": "s0001", "speaker": "S1", "start": 0.0, "end": 2.0, "source_text": SECRET,
        "text": SECRET, "voice": "ef_dora", "keep": False,
    }  # fmt: skip
    done = status in ("done", "partial")
    kinds = {"quoted": "queued", "partial": "done", "expired": "cancelled"}
    session.add_all(
        [
            JobLanguage(
                job_id=job_id, language="es", status=kinds.get(status, status),
                lines=[line] if done else None, charged_s=0,
                outputs=[
                    {
                        "kind": "video", "name": SECRET, "size": 5, "media_type": "video/mp4",
                        "key": f"accounts/{all_.user_id}/jobs/{job_id}/results/1/es/talk.mp4",
                    }
                ] if done else None,
            ),
            JobEvent(
                job_id=job_id, seq=1, kind="job.done" if done else "job.queued", data={"x": SECRET}
            ),
            LineEdit(job_id=job_id, language="es", line_id="s0001", changes={"text": SECRET}),
        ]
    )  # fmt: skip
    if status in ("queued", "running"):
        key = hold_key(job_id, "es", 1)
        await ledger.hold(session, all_.user_id, 54, job_id=job_id, key=key)


async def ask(
    server: Server, route: str, case: Case, all_: Estate, headers: dict[str, str], place: int = -1
) -> httpx.Response:
    method, _, _ = route.partition(" ")
    body = json.loads(json.dumps(case.body).replace("{video_id}", all_.ids["video_id"][-1]))
    more = {} if body is None else {"json": body}
    return await server.http.request(method, all_.path(route, place), headers=headers, **more)


def check_silent(answer: httpx.Response, all_: Estate, *, asked: str) -> None:
    """Nothing of Ada's is in an answer, but for what the asker said."""
    text = answer.text + repr(answer.headers)
    told = [secret for secret in all_.secrets if secret in text and secret not in asked]
    assert told == [], f"{asked}: {answer.status_code} {text[:500]}"


# --- the matrix is whole --------------------------------------------------------------------


def test_every_route_is_tried(tmp_path: Path) -> None:
    app = create_app(ServerSettings(data_dir=tmp_path, token_keys=f"test:{'k' * 40}"))
    found = operations(app.openapi())
    assert found - set(MATRIX) == set(), "say in the matrix how a new route is tried"
    assert set(MATRIX) - found == set()
    everything = {f"{method} {route.path}" for route in routes_of(app) for method in route.methods}
    assert everything - found <= HIDDEN
    login = {
        f"{verb.upper()} {path}"
        for path, verbs in app.openapi()["paths"].items()
        for verb, operation in verbs.items()
        if operation.get("security")
    }
    assert {route for route, case in MATRIX.items() if case.kind == "open"} == found - login


def test_everything_that_hangs_on_a_user_is_tried() -> None:
    """A table with a new kind of thing needs an owner in these tests."""
    owned = {
        table.name
        for table in METADATA.tables.values()
        if any(key.column.table.name in ("users", "jobs", "webhook_endpoints", "login_sessions")
               for key in table.foreign_keys)
    }  # fmt: skip
    assert owned == {
        "login_sessions", "refresh_tokens", "api_keys", "mailed_tokens", "idempotency_keys",
        "videos", "jobs", "job_languages", "job_events", "line_edits", "balances",
        "ledger_entries", "subscriptions", "customers", "webhook_endpoints", "webhook_deliveries",
        "paddle_events",
    }  # fmt: skip


# --- who asks -------------------------------------------------------------------------------


def test_somebody_else_finds_nothing(run: Run, paddle: PaddleSimulator) -> None:
    async def work(server: Server) -> None:
        ada, bob = await server.verified(ADA), await server.verified(BOB)
        all_ = await estate_of(server, ada, paddle)
        made = await bob.key(*sorted(keys.ALL_SCOPES))
        before = await snapshot(server, all_)
        tried = 0
        for headers in (bob.headers, bearer(made["key"])):
            for route, case in MATRIX.items():
                if case.kind not in ("one", "own"):
                    continue
                states = next(
                    (range(len(all_.ids[x])) for x in ("video_id", "job_id") if x in route), [-1]
                )
                for place in states:
                    answer = await ask(server, route, case, all_, headers, place)
                    asked = f"{route} {all_.path(route, place)} {all_.ids['video_id'][-1]}"
                    closed = case.scope is None and headers != bob.headers
                    assert answer.status_code == (403 if closed else 404), (asked, answer.text)
                    check_silent(answer, all_, asked=asked)
                    tried += 1
        assert tried > 200
        for route, case in MATRIX.items():
            if case.kind == "list":
                answer = await ask(server, route, case, all_, bob.headers)
                assert answer.status_code == 200, answer.text
                check_silent(answer, all_, asked=route)
                items = answer.json()["items"]
                assert items == [] or route.endswith(("sessions", "api-keys", "ledger"))
        assert await snapshot(server, all_) == before, "nothing of Ada's has changed"

    run(work)


def test_lists_take_no_name_or_cursor_of_somebody_else(run: Run, paddle: PaddleSimulator) -> None:
    async def work(server: Server) -> None:
        ada, bob = await server.verified(ADA), await server.verified(BOB)
        all_ = await estate_of(server, ada, paddle)
        for route, case in MATRIX.items():
            if case.kind != "list":
                continue
            own = (await ada.ask("GET", f"{all_.path(route)[3:]}?limit=1")).json()
            cursors = [own.get("next_cursor"), *all_.ids["video_id"], all_.ids["job_id"][-1]]
            for cursor in filter(None, cursors):
                answer = await bob.ask("GET", f"{all_.path(route)[3:]}?cursor={cursor}")
                assert answer.status_code in (200, 422), answer.text
                check_silent(answer, all_, asked=f"{route} {cursor}")
        for video in all_.ids["video_id"]:
            answer = await bob.ask("GET", f"/jobs?video_id={video}")
            assert answer.json()["items"] == []

    run(work)


def test_what_is_about_oneself_says_nothing_of_others(run: Run, paddle: PaddleSimulator) -> None:
    async def work(server: Server) -> None:
        ada, bob = await server.verified(ADA), await server.verified(BOB)
        all_ = await estate_of(server, ada, paddle)
        before = await snapshot(server, all_)
        for route, case in MATRIX.items():
            if case.kind in ("account", "new") and "logout" not in route:
                answer = await ask(server, route, case, all_, bob.headers)
                assert answer.status_code < 500 or answer.json()["code"] == "unavailable"
                check_silent(answer, all_, asked=route)
        # An id of Ada's where a body may name one of Bob's own.
        taken = await bob.ask("PATCH", "/users/me", json={"email": ADA, "password": PASSWORD})
        assert taken.status_code < 500
        assert await snapshot(server, all_) == before
        assert (await ada.ask("GET", "/users/me")).json()["email"] == ADA

    run(work)


def test_nobody_gets_in(run: Run, paddle: PaddleSimulator) -> None:
    async def work(server: Server) -> None:
        ada = await server.verified(ADA)
        all_ = await estate_of(server, ada, paddle)
        before = await snapshot(server, all_)
        good = ada.tokens["access_token"]
        for headers in (
            {},
            bearer("ov_key_x"),
            bearer(good[:-4] + "AAAA"),
            {"Authorization": good},
        ):
            for route, case in MATRIX.items():
                if case.kind == "open":
                    continue
                answer = await ask(server, route, case, all_, headers)
                assert answer.status_code == 401, (route, answer.text)
                check_silent(answer, all_, asked=f"{route} {all_.path(route)}")
        assert await snapshot(server, all_) == before

    run(work)


def test_a_key_needs_the_scope(run: Run, paddle: PaddleSimulator) -> None:
    async def work(server: Server) -> None:
        ada = await server.verified(ADA)
        all_ = await estate_of(server, ada, paddle)
        before = await snapshot(server, all_)
        whole = bearer((await ada.key(*sorted(keys.ALL_SCOPES)))["key"])
        scopes = {case.scope for case in MATRIX.values()} - {"", None}
        assert scopes == keys.ALL_SCOPES
        lacking = {
            scope: bearer((await ada.key(*sorted(keys.ALL_SCOPES - {scope})))["key"])
            for scope in sorted(keys.ALL_SCOPES)
        }
        for route, case in MATRIX.items():
            if case.kind == "open":
                continue
            headers = whole if case.scope is None else lacking[str(case.scope)]
            answer = await ask(server, route, case, all_, headers)
            code = "session_needed" if case.scope is None else "scope_missing"
            assert answer.status_code == 403, (route, answer.text)
            assert answer.json()["code"] == code
        assert await snapshot(server, all_) == before

    run(work)


def test_ada_finds_all_of_it(run: Run, paddle: PaddleSimulator) -> None:
    """The same requests succeed for whoever owns the things: 404 was no mistake of the tests'."""

    async def work(server: Server) -> None:
        ada = await server.verified(ADA)
        all_ = await estate_of(server, ada, paddle)
        one = bearer((await ada.key(*sorted(keys.ALL_SCOPES)))["key"])
        for route, case in MATRIX.items():
            if case.mine:
                headers = ada.headers if case.scope is None else one
                answer = await ask(server, route, case, all_, headers)
                assert answer.status_code == case.mine, (route, answer.text)

    run(work)


async def snapshot(server: Server, all_: Estate) -> dict[str, Any]:
    """Every row that is Ada's, but for what a request may note about itself."""
    unstable = {"last_used_at"}
    found: dict[str, Any] = {}
    async with server.resources.database.session() as session:
        for table in METADATA.sorted_tables:
            if table.name in ("api_keys", "login_sessions", "refresh_tokens", "rate_windows"):
                continue
            if "user_id" in table.c:
                query = select(table).where(table.c.user_id == all_.user_id)
            elif "job_id" in table.c:
                query = select(table).where(table.c.job_id.in_(all_.ids["job_id"]))
            elif "endpoint_id" in table.c:
                query = select(table).where(table.c.endpoint_id.in_(all_.ids["endpoint_id"]))
            elif table.name == "users":
                query = select(table).where(table.c.id == all_.user_id)
            else:
                continue
            rows = (await session.execute(query)).mappings().all()
            found[table.name] = sorted(
                repr({k: v for k, v in row.items() if k not in unstable}) for row in rows
            )
    # The mail that tells of an address somebody tried to take is for its owner: it is no change.
    found["tasks"] = [row for row in found["tasks"] if "'kind': 'mail'" not in row]
    return found
