"""Everything the schema of the API allows, and much that it forbids, sent to a running server.

Schemathesis makes the requests from the schema: its examples, every edge of every field, random
ones. An account with every kind of thing in it sends them, so the ids in paths are often real. No
answer may be a 5xx, have a status or a shape that the schema does not describe, or accept what the
schema forbids.
"""

from __future__ import annotations

import asyncio
import copy
import socket
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import schemathesis
import uvicorn
import yaml
from fastapi import FastAPI
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from schemathesis.engine.run import PhaseName
from schemathesis.hooks import GLOBAL_HOOK_DISPATCHER
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.app import create_app
from onevoice.server.auth import sessions
from onevoice.server.auth.keys import SCOPES, new_key
from onevoice.server.auth.models import ApiKey, User
from onevoice.server.auth.passwords import hash_password
from onevoice.server.auth.rate_limit import Limiter
from onevoice.server.auth.repository import email_key
from onevoice.server.billing import ledger
from onevoice.server.billing.models import Customer, Subscription
from onevoice.server.billing.plans import BUILT_IN
from onevoice.server.db import Base, Database, now
from onevoice.server.ids import new_id
from onevoice.server.jobs.keys import hold_key
from onevoice.server.jobs.models import Job, JobEvent, JobLanguage, LineEdit
from onevoice.server.migrate import upgrade
from onevoice.server.resources import Resources
from onevoice.server.settings import ServerSettings
from onevoice.server.videos.models import Video
from onevoice.server.webhooks.models import WebhookDelivery, WebhookEndpoint
from tests.integration.server.accounts import PASSWORD
from tests.postgres import Postgres
from tests.simulators.base import KEY
from tests.simulators.paddle import PaddleSimulator
from tests.simulators.paddle_webhooks import SECRET

T = TypeVar("T")

EXAMPLES = 12
"""Random requests of each kind (allowed, forbidden) for each route."""
EXAMPLE = "ada@example.com"
"""What the schema gives as the example of an address: so some logins are right."""
NEEDS_A_SECRET = {
    "POST /v1/auth/verify",
    "POST /v1/auth/refresh",
    "POST /v1/auth/password/reset",
    "POST /v1/webhooks/paddle",
    "POST /v1/videos/{video_id}/complete",
}
"""What succeeds only with a mailed token, a signature, or the ETags of parts."""
EDITS = {
    "PATCH /v1/jobs/{job_id}/languages/{language}/lines",
    "PATCH /v1/jobs/{job_id}/languages/{language}/lines/{line_id}",
}
"""Refusals only, so far: no request made for them was one that succeeds. test_jobs has those."""
PRICES = {"pri_creator": (2900, True), "pri_pack": (900, False)}
JOBS = {
    "quoted": ["queued"],
    "queued": ["queued", "queued"],
    "running": ["running", "queued"],
    "done": ["done", "done"],
    "partial": ["done", "failed"],
    "failed": ["failed"],
    "cancelled": ["cancelled"],
    "expired": ["queued"],
}
ENDINGS = {"done": "job.done", "partial": "job.done", "failed": "job.failed"}
LINES = [
    {"id": f"L{n}", "speaker": "S1", "start": 2.0 * n, "end": 2.0 * n + 1.5,
     "source_text": "Hello.", "text": "Hola.", "voice": "ef_dora", "keep": False}
    for n in range(3)
]  # fmt: skip
ENDS_THE_SESSION = {
    "POST /v1/auth/logout",
    "POST /v1/auth/logout-everywhere",
    "POST /v1/auth/password/change",
    "PATCH /v1/users/me",
    "DELETE /v1/users/me",
}


class Live:
    """The application on a port of loopback, in a loop and thread of its own."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._server.serve(sockets=[self._listener])

    def __enter__(self) -> Live:
        self._thread.start()
        end = time.monotonic() + 30
        while not self._server.started:
            assert self._thread.is_alive() and time.monotonic() < end, "the server did not start"
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()

    @property
    def resources(self) -> Resources:
        found: Resources = self.app.state.resources
        return found

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the server's loop."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def add(self, *rows: Base) -> None:
        async def work() -> None:
            async with self.resources.database.transaction() as session:
                for row in rows:  # in this order: later ones refer to earlier ones
                    session.add(row)
                    await session.flush()

        self.do(work())


class Account:
    """Somebody with every kind of thing, and more of it whenever something is deleted."""

    def __init__(self, live: Live, paddle: PaddleSimulator) -> None:
        self._live = live
        self._hash = live.do(hash_password(PASSWORD))
        self.user_id, self.token = self.somebody(rich=True)
        self.videos = {status: self.video(status) for status in ("uploading", "ready", "rejected")}
        self.jobs = {status: self.job(status) for status in JOBS}
        self.keys = [self.key() for _ in range(2)]
        self.sessions = [self.session() for _ in range(2)]
        self.hooks = [self.hook() for _ in range(2)]
        self.deliveries = [self.delivery(self.hooks[0], status) for status in ("failed", "pending")]
        self.invoice = self._pay(paddle)

    def somebody(self, *, rich: bool = False) -> tuple[str, str]:
        """A new account that is logged in: its id and access token."""
        user_id = new_id("user")
        email = EXAMPLE if rich else f"{user_id}@example.com"
        self._live.add(
            User(
                id=user_id, email=email, email_key=email_key(email), password_hash=self._hash,
                name="Ada", plan="creator" if rich else "free", verified_at=now(),
            )
        )  # fmt: skip

        async def login(session: AsyncSession) -> str:
            if rich:
                await ledger.grant(
                    session, user_id=user_id, key=f"grant:{user_id}", seconds=10_000_000
                )
            keys = self._live.resources.token_keys
            return (
                await sessions.begin(session, keys, user_id=user_id, days=1, user_agent="test")
            ).access_token

        return user_id, self._transaction(login)

    def session(self) -> str:
        async def begin(session: AsyncSession) -> str:
            keys = self._live.resources.token_keys
            made = await sessions.begin(
                session, keys, user_id=self.user_id, days=1, user_agent="another"
            )
            return keys.read_access_token(made.access_token).session_id

        return str(self._transaction(begin))

    def _transaction(self, work: Any) -> Any:
        async def run() -> Any:
            async with self._live.resources.database.transaction() as session:
                return await work(session)

        return self._live.do(run())

    def video(self, status: str) -> str:
        video_id = new_id("vid")
        key = f"accounts/{self.user_id}/videos/{video_id}/source"
        found: dict[str, dict[str, Any]] = {
            "uploading": {"upload_expires_at": now() + timedelta(days=1)},
            "ready": {"duration_ms": 54_000, "sha256": "ab" * 32, "ready_at": now()},
            "rejected": {"error": {"code": "media_no_audio", "message": "no sound", "hint": ""}},
        }
        if status == "uploading":
            storage = self._live.resources.storage
            found[status]["upload_id"] = storage.start_upload(key, media_type="video/mp4")
        self._live.add(
            Video(
                id=video_id, user_id=self.user_id, name="talk.mp4", status=status, size=1000,
                storage_key=key,
                source_url="https://example.com/talk.mp4", **found[status],
            )
        )  # fmt: skip
        return video_id

    def job(self, status: str) -> str:
        job_id, at = new_id("job"), now()
        begun = status not in ("quoted", "expired")
        kinds = ["job.queued"] * begun + ["job.started"] * (status != "quoted" and begun)
        ended = status in ("done", "partial", "failed", "cancelled", "expired")
        if ended:
            kinds.append(ENDINGS.get(status, "job.cancelled"))
        held = [tag for tag, state in zip(("es", "ko"), JOBS[status], strict=False)
                if state in ("queued", "running") and begun]  # fmt: skip
        rows: list[Base] = [
            Job(
                id=job_id, user_id=self.user_id, video_id=self.videos["ready"], status=status,
                profile="embedded", route="cpu", settings={}, event_seq=len(kinds),
                quote={"seconds": 108, "minutes": 1.8, "by_language": {"es": 54, "ko": 54},
                       "expires_at": (at + timedelta(days=1)).isoformat()},
                confirmed_at=at if begun else None, ended_at=at if ended else None,
            )
        ]  # fmt: skip
        for language, state in zip(("es", "ko"), JOBS[status], strict=False):
            finished: dict[str, Any] = {}
            if state == "done":
                key = f"accounts/{self.user_id}/jobs/{job_id}/results/1/{language}/talk.mp4"
                finished = {
                    "lines": LINES, "charged_s": 54, "measures": {"speed": 1.0}, "ended_at": at,
                    "outputs": [{"kind": "video", "name": "talk.es.mp4", "key": key, "size": 3,
                                 "media_type": "video/mp4"}],
                }  # fmt: skip
            elif state == "failed":
                error = {"code": "engine_failed", "message": "no", "hint": "", "retryable": True}
                finished = {"error": error, "ended_at": at}
            finished["held_s"] = 54 * (language in held)
            rows.append(JobLanguage(job_id=job_id, language=language, status=state, **finished))
        if status == "done":
            rows.append(
                LineEdit(job_id=job_id, language="es", line_id="L0", changes={"text": "Buenas."})
            )
        rows += [
            JobEvent(job_id=job_id, seq=seq, kind=kind, data={})
            for seq, kind in enumerate(kinds, 1)
        ]
        self._live.add(*rows)

        async def hold(session: AsyncSession) -> None:
            for tag in held:
                await ledger.hold(
                    session, self.user_id, 54, job_id=job_id, key=hold_key(job_id, tag, 1)
                )

        self._transaction(hold)
        return job_id

    def key(self) -> str:
        made = new_key()
        self._live.add(
            ApiKey(
                id=made.id, user_id=self.user_id, name="nightly", scopes=list(SCOPES),
                secret_hash=made.secret_hash, last_four=made.secret[-4:],
            )
        )  # fmt: skip
        return made.id

    def hook(self) -> str:
        hook_id = new_id("whe")
        self._live.add(
            WebhookEndpoint(
                id=hook_id, user_id=self.user_id, url="https://example.com/hook", events=["*"],
                secret="whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            )
        )  # fmt: skip
        return hook_id

    def delivery(self, hook_id: str, status: str) -> str:
        delivery_id = new_id("whd")
        tried = {"at": now().isoformat(), "status": 500, "milliseconds": 7, "error": "HTTP 500"}
        self._live.add(
            WebhookDelivery(
                id=delivery_id, endpoint_id=hook_id, event="job.done", payload={"type": "job.done"},
                status=status, attempts=[tried], ended_at=now() if status == "failed" else None,
            )
        )  # fmt: skip
        return delivery_id

    def _pay(self, paddle: PaddleSimulator) -> str:
        headers = {"Authorization": f"Bearer {self.token}"}
        where = f"{self._live.url}/v1/billing/checkout"
        made = httpx.post(where, json={"offer": "creator"}, headers=headers)
        assert made.status_code == 201, made.text
        invoice = str(made.json()["id"])
        paddle.pay(invoice)
        customer = self._transaction(lambda session: session.get(Customer, self.user_id))
        self._live.add(
            Subscription(
                id=paddle.subscription_of(invoice), user_id=self.user_id, customer_id=customer.id,
                plan="creator", status="active", period_starts_at=now(),
                period_ends_at=now() + timedelta(days=30), told_at=now(), told_by="evt_0",
            )
        )  # fmt: skip
        return invoice

    def ids(self) -> dict[str, list[str]]:
        """What paths may name, the most useful one first."""
        return {
            "video_id": [*self.videos.values()],
            "job_id": [self.jobs["done"], *self.jobs.values()],
            "key_id": self.keys,
            "session_id": self.sessions,
            "endpoint_id": self.hooks,
            "delivery_id": self.deliveries,
            "invoice_id": [self.invoice],
            "language": ["es", "ko"],
            "line_id": [str(line["id"]) for line in LINES],
        }

    def replaced(self, label: str, name: str, value: str) -> str:
        """Something like it that is still there, where a request would delete what others need, or
        follow a job that never ends.
        """
        if label.startswith("DELETE") or label.endswith("/complete"):
            made = {"video_id": lambda: self.video("uploading"), "key_id": self.key,
                    "session_id": self.session, "endpoint_id": self.hook}  # fmt: skip
            return made[name]() if name in made else value
        if name == "job_id" and label.endswith(("/events", "/lines", "/{line_id}")):
            return self.jobs["done"]
        if label.startswith("POST") and value in self.jobs.values():
            return self.job(next(key for key, one in self.jobs.items() if one == value))
        return value


@pytest.fixture
def live(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Live, Account]]:
    content = yaml.safe_load(BUILT_IN.read_text(encoding="utf-8"))
    content["plans"][1]["paddle_price_id"] = "pri_creator"
    content["packs"][0]["paddle_price_id"] = "pri_pack"
    plans = tmp_path / "plans.yaml"
    plans.write_text(yaml.safe_dump(content), encoding="utf-8")
    with PaddleSimulator(prices=PRICES) as paddle:
        settings = ServerSettings(
            data_dir=tmp_path,
            database_url=postgres.create(),
            token_keys=f"test:{'k' * 40}",
            access_seconds=86400,
            log_level="ERROR",
            plans=plans,
            paddle_api_key=KEY,
            paddle_url=paddle.url,
            paddle_webhook_secrets=SECRET,
        )

        async def migrated() -> None:
            database = Database(settings)
            await upgrade(database)
            await database.close()

        asyncio.run(migrated())
        _without_limits(monkeypatch)
        with Live(create_app(settings, worker=False)) as running:
            yield running, Account(running, paddle)


def _without_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said with 429 here: it would hide what the routes themselves say."""

    async def count(self: Limiter, *counted: Any) -> None:
        return

    @contextmanager
    def nothing() -> Iterator[None]:
        yield

    class Failures:
        async def __aenter__(self) -> None:
            return

        async def __aexit__(self, *_: object) -> None:
            return

    monkeypatch.setattr(Limiter, "count", count)
    monkeypatch.setattr(Limiter, "failures", lambda *_: Failures())


@pytest.mark.slow
def test_the_server_keeps_to_its_schema(
    live: tuple[Live, Account], request: pytest.FixtureRequest
) -> None:
    running, account = live
    ids = account.ids()
    schema = schemathesis.openapi.from_dict(
        _with_real_ids(running.app.openapi(), ids), config=_config(running, ids)
    )
    real = {value for values in ids.values() for value in values}

    def before_call(context: Any, case: Any, kwargs: Any) -> None:
        label = case.operation.label
        token = account.somebody()[1] if label in ENDS_THE_SESSION else account.token
        case.headers["Authorization"] = f"Bearer {token}"
        for name, value in list((case.path_parameters or {}).items()):
            # Schemathesis also knows ids of things that it made itself.
            if value in real or str(value).startswith("job_0"):
                case.path_parameters[name] = account.replaced(label, name, value)
        for change in _changes(case.body) if label.endswith("/lines") else ():
            change["id"] = LINES[0]["id"]

    schemathesis.hook(before_call)
    request.addfinalizer(lambda: GLOBAL_HOOK_DISPATCHER.unregister(before_call))
    cases: Counter[str] = Counter()
    statuses: Counter[int] = Counter()
    asked: set[str] = set()
    fulfilled: set[str] = set()
    wrong: dict[str, str] = {}
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError):
            wrong[f"{event.label}: {event.info.title}"] = event.info.format()
        elif isinstance(event, events.FatalError):
            raise event.exception
        elif isinstance(event, events.ScenarioFinished):
            cases[event.phase.value] += len(event.recorder.interactions)
            for case_id, interaction in event.recorder.interactions.items():
                if interaction.response is not None:
                    status = interaction.response.status_code
                    statuses[status] += 1
                    case = event.recorder.cases[case_id].value
                    asked.add(case.operation.label)
                    if status < 300:
                        fulfilled.add(case.operation.label)
            for case_id, checks in event.recorder.checks.items():
                for check in checks:
                    if check.status == Status.FAILURE:
                        case = event.recorder.cases[case_id].value
                        response = event.recorder.interactions[case_id].response
                        wrong[f"{event.label}: {check.name}"] = _told(check, case, response)
    answers = dict(sorted(statuses.items()))
    told = f"{sum(cases.values())} requests ({dict(cases)}), answers: {answers}"
    print(f"\n{told}")  # noqa: T201 (figures for whoever runs it)
    assert not wrong, "\n\n".join(f"{title}\n{text}" for title, text in sorted(wrong.items()))
    described = {
        f"{method.upper()} {path}"
        for path, item in running.app.openapi()["paths"].items()
        for method in item
    }
    assert asked == described
    phases = (PhaseName.EXAMPLES, PhaseName.COVERAGE, PhaseName.FUZZING)
    assert all(cases[phase.value] for phase in phases), cases
    # Each has done what it is for at least once, so that the shape of its answer was looked at.
    assert described - fulfilled <= NEEDS_A_SECRET | EDITS


def _changes(body: Any) -> list[dict[str, Any]]:
    """The changes of lines in a body whose ids could be those of lines."""
    lines = body.get("lines") if isinstance(body, dict) else None
    found = [one for one in lines if isinstance(one, dict)] if isinstance(lines, list) else []
    return [one for one in found if isinstance(one.get("id"), str) and 0 < len(one["id"]) <= 40]


def _told(check: Any, case: Any, response: Any) -> str:
    sent = case.as_curl_command()[:1000]
    answer = response and f"{response.status_code} {response.content[:600]!r}"
    return f"{str(check.failure_info.failure)[:800]}\n{sent}\n-> {answer}"


def _with_real_ids(schema: dict[str, Any], ids: dict[str, list[str]]) -> dict[str, Any]:
    """The schema with real ids as the examples of its paths."""
    schema = copy.deepcopy(schema)
    for path in schema["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path" and parameter["name"] in ids:
                    parameter.pop("example", None)
                    parameter["schema"]["examples"] = ids[parameter["name"]]
    video_id = schema["components"]["schemas"]["NewJob"]["properties"]["video_id"]
    video_id["examples"] = [ids["video_id"][1]]
    return schema


def _config(live: Live, ids: dict[str, list[str]]) -> SchemathesisConfig:
    on = {"enabled": True}
    given = {
        "base-url": live.url,
        "seed": 20260101,
        "request-timeout": 60,
        "cache": {"enabled": False},
        "generation": {
            "mode": "all",
            "deterministic": True,
            "database": "none",
            "no-shrink": True,
            "with-security-parameters": False,
        },
        "checks": {
            "enabled": False,
            "not_a_server_error": on,
            "status_code_conformance": on,
            "content_type_conformance": on,
            "response_schema_conformance": on,
            "negative_data_rejection": {"enabled": True},
            "unsupported_method": on,
        },
        "phases": {
            "examples": on,
            # Not those of pages that mailed links lead to: they are not described.
            "coverage": {"enabled": True, "unexpected-methods": ["put", "trace"]},
            "fuzzing": {"enabled": True, "generation": {"max-examples": EXAMPLES}},
            "stateful": {"enabled": False},
        },
        "dictionaries": {name: {"values": values} for name, values in ids.items()},
        "parameters": {
            f"path.{name}": {"dictionary": name, "probability": 0.7} for name in ids
        } | {
            "body.video_id": {"dictionary": "video_id", "probability": 0.7},
        },
    }  # fmt: skip
    return SchemathesisConfig.from_dict(given)
