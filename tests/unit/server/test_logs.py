"""Logs: one line per event, the same for all loggers, and no secret in any."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from datetime import datetime
from time import perf_counter
from typing import Any

import pytest
import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.testclient import TestClient

from onevoice.errors import ConfigError
from onevoice.server import problems
from onevoice.server.context import RequestContext
from onevoice.server.logs import configure_logs
from onevoice.server.settings import load_settings

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyXzEifQ.c2lnbmF0dXJlLWJ5dGVz"
API_KEY = "ov_01k8e9fv2dq6v8x7m3r5t1c4yz_Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6"
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Loggers are global: what a test configures goes when it ends."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    access = logging.getLogger("uvicorn.access")
    was_disabled = access.disabled
    yield
    root.handlers[:], access.disabled = handlers, was_disabled
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def configured(**settings: Any) -> io.StringIO:
    stream = io.StringIO()
    configure_logs(load_settings(**settings), stream=stream)
    return stream


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_of_json_with_the_ids_of_its_context() -> None:
    stream = configured()
    structlog.contextvars.bind_contextvars(request_id="req_1", job_id="job_1")

    structlog.get_logger("onevoice.jobs").info("job.done", title="두 줄\nund Zeilen", count=3)

    (event,) = events(stream)
    assert datetime.fromisoformat(event.pop("timestamp")).utcoffset().total_seconds() == 0  # type: ignore[union-attr]
    assert event == {
        "event": "job.done",
        "level": "info",
        "logger": "onevoice.jobs",
        "title": "두 줄\nund Zeilen",
        "count": 3,
        "request_id": "req_1",
        "job_id": "job_1",
    }


def test_loggers_of_libraries_pass_the_same_chain() -> None:
    stream = configured()
    structlog.contextvars.bind_contextvars(task_id="task_1")

    logging.getLogger("sqlalchemy.pool").warning("connection %s lost", 7)
    logging.getLogger("uvicorn.error").error("token was %s", JWT)
    logging.getLogger("uvicorn.access").info("GET /v1/storage/objects/secret")
    logging.getLogger("botocore.auth").debug("Signature: abc")

    first, second = events(stream)
    assert (first["event"], first["level"], first["task_id"]) == (
        "connection 7 lost",
        "warning",
        "task_1",
    )
    assert second["event"] == "token was [hidden]"


def test_levels() -> None:
    stream = configured(log_level="warning")
    structlog.get_logger("a").info("no")
    structlog.get_logger("a").warning("yes")

    assert [event["event"] for event in events(stream)] == ["yes"]
    with pytest.raises(ConfigError, match="LOUD"):
        configured(log_level="LOUD")


def test_libraries_that_log_what_they_sign_stay_quiet_at_debug() -> None:
    stream = configured(log_level="DEBUG")
    logging.getLogger("botocore.auth").debug("Authorization: AWS4-HMAC…")
    logging.getLogger("urllib3.connectionpool").debug("GET /?X-Amz-Signature=1")
    logging.getLogger("httpx").info("HTTP Request: POST https://hooks.example.com/T0/B0/secret")

    assert events(stream) == []


@pytest.mark.parametrize(
    "name",
    [
        "password", "new_password", "token", "access_token", "Authorization", "secret", "key",
        "api_key", "cookie", "Set-Cookie", "webhook-signature", "credentials", "client_secret",
        "email_key", "receipt",
    ],
)  # fmt: skip
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_secrets_are_known_by_their_names(name: str, log_format: str) -> None:
    stream = configured(log_format=log_format)
    log = structlog.get_logger("a")

    log.info("one", **{name: "hunter2"})
    log.info("deep", body={"list": [{name: "hunter2"}, {name: ["hunter2"]}]})
    log.info("bytes", **{name: b"hunter2"})

    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("[hidden]") == 4


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"expired: {JWT}", JWT[10:30]),
        (f"no such key {API_KEY}", "Zm9vYmFy"),
        (f"signed with {WHSEC}!", "MfKQ9r8GK"),
        ("Authorization: Bearer abc.def-123", "abc.def"),
        ("header 'authorization': 'Basic dXNlcjpwdw=='", "dXNlcjpwdw"),
        ("https://b.s3.example/k?X-Amz-Credential=CREDX%2F1&X-Amz-Signature=deadbeef", "deadbeef"),
        ("https://b.s3.example/k?X-Amz-Credential=CREDX%2F1&X-Amz-Signature=d", "CREDX"),
        ("https://b.s3.example/k?x-amz-security-token=sessiontok&a=1", "sessiontok"),
        ("postgresql+asyncpg://ov:pw123@db/ov refused", "pw123"),
        ("https://app.example.com/reset?token=onetime123&x=1", "onetime123"),
        ("https://app.example.com/#/verify?a=b#token=onetime123", "onetime123"),
        ("PUT /v1/storage/parts/eyAB.tok_en HTTP/1.1", "eyAB"),
        ("hash $argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA was", "aGFzaA"),
        ("hash $2b$12$abcdefghijklmnopqrstuv", "abcdefghij"),
        ("paddle pdl_live_apikey_01gtgztp8f4_kek", "01gtgztp"),
        ("key sk-proj-abcdefghijklmnop1234", "abcdefgh"),
        ("AKIAIOSFODNN7EXAMPLE was used", "IOSFODNN"),
        ("[SQL: INSERT …]\n[parameters: ('a@b.c', 'hunter2')]\n(Background …)", "hunter2"),
        ("DETAIL:  Key (email_key)=(me@example.com) already exists.", "me@example.com"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_secrets_are_known_by_their_shapes(text: str, secret: str, log_format: str) -> None:
    assert secret in text
    stream = configured(log_format=log_format)
    log = structlog.get_logger("a")

    log.info(text)
    log.info("value", said=text, deep=[{"said": (text,)}], mapped={text: 1})
    logging.getLogger("library").warning("said %s", text)
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("raised")
        logging.getLogger("library").exception("raised")

    assert secret not in stream.getvalue()
    assert stream.getvalue().count("hidden") >= 7


def test_ids_and_counts_are_no_secrets() -> None:
    stream = configured()
    told = {
        "job_id": "job_01k8e9fv2dq6v8x7m3r5t1c4yz",
        "input_tokens": 1200,
        "storage_key": "accounts/user_1/videos/video_1/source",
        "url": "https://example.com/a?page=2&encode=1",
        "monkey": "banana",
        "none": None,
        "flag": True,
    }

    structlog.get_logger("a").info("told", **told)

    (event,) = events(stream)
    assert {name: event[name] for name in told} == told


def test_exceptions_are_fields_without_local_variables() -> None:
    stream = configured()

    def fails() -> None:
        hidden_local = "hunter2"
        try:
            {}[len(hidden_local)]
        except KeyError as exc:
            raise RuntimeError("outer") from exc

    try:
        fails()
    except RuntimeError:
        structlog.get_logger("a").exception("it.broke")

    (event,) = events(stream)
    assert [one["exc_type"] for one in event["exception"]] == ["RuntimeError", "KeyError"]
    assert event["exception"][0]["exc_value"] == "outer"
    assert event["exception"][0]["frames"][-1]["name"] == "fails"
    assert "hunter2" not in stream.getvalue()


def test_text_keeps_an_event_on_its_line() -> None:
    stream = configured(log_format="text")

    structlog.get_logger("a").info("x\n2026 [info] forged", title="y\r\nforged\x1b[2J")

    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(
    "piece",
    [
        "x", "eyJ", "eyJ-", "eyJaaaaa.", "sk-", "ov_a_", "://", "://a:", "?token", "?a&", "Bearer ",
        "[parameters: ", "DETAIL:  Key (", "$argon2", "pdl_", "whsec_", "/storage/parts/",
    ],
)  # fmt: skip
def test_what_is_long_is_cut_and_quickly(piece: str) -> None:
    stream = configured()
    started = perf_counter()

    structlog.get_logger("a").info("long", text=piece * (200_000 // len(piece)))

    assert len(stream.getvalue()) < 10_000
    assert perf_counter() - started < 2  # what is quadratic takes a minute


# -- requests --------------------------------------------------------------------------------------


def application() -> FastAPI:
    app = FastAPI()
    router = APIRouter(prefix="/things")

    @router.get("/{thing_id}")
    async def thing(thing_id: str, request: Request) -> dict[str, str]:
        structlog.contextvars.bind_contextvars(user_id="user_1")
        if thing_id == "broken":
            raise RuntimeError("no")
        return {"seen": request.state.request_id}

    app.include_router(router, prefix="/v1")
    problems.install(app)
    app.add_middleware(RequestContext)
    return app


def test_a_request_has_one_line_with_its_template_and_never_its_path() -> None:
    stream = configured()
    with TestClient(application()) as client:
        answer = client.get("/v1/things/secret-path?token=secret-query")

    logged = [event for event in events(stream) if event["event"] == "request"]
    assert answer.status_code == 200
    assert len(logged) == 1
    assert logged[0]["route"] == "/v1/things/{thing_id}"
    assert (logged[0]["method"], logged[0]["status"]) == ("GET", 200)
    assert logged[0]["ms"] >= 0
    assert logged[0]["user_id"] == "user_1"
    assert logged[0]["request_id"] == answer.headers["X-Request-ID"] == answer.json()["seen"]
    assert "secret-" not in stream.getvalue()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("0af76519-16cd-43dd-8448-eb211c80319c", True),
        ("trace.1_2-3456", True),
        ("short", False),
        ("x" * 65, False),
        ('forged" level="error', False),
        ("id with spaces", False),
        ("한국어-한국어-한국어", False),
    ],
)
def test_ids_of_clients_are_kept_where_they_are_sane(given: str, kept: bool) -> None:
    configured()
    with TestClient(application()) as client:
        answer = client.get("/v1/things/1", headers={"X-Request-ID": given.encode()})  # type: ignore[dict-item]

    told = answer.headers["X-Request-ID"]
    assert (told == given) == kept
    assert kept or told.startswith("req_")


def test_errors_keep_their_request_id() -> None:
    stream = configured()
    with TestClient(application(), raise_server_exceptions=False) as client:
        missing = client.get("/nowhere")
        broken = client.get("/v1/things/broken")

    assert missing.json()["request_id"] == missing.headers["X-Request-ID"]
    assert broken.status_code == 500
    request_id = broken.json()["request_id"]
    about = [event for event in events(stream) if event.get("request_id") == request_id]
    assert {event["event"] for event in about} == {"request", "request.crashed"}
    assert {event["status"] for event in about if event["event"] == "request"} == {500}
    crashed = next(event for event in about if event["event"] == "request.crashed")
    assert crashed["exception"][0]["exc_type"] == "RuntimeError"
    unmatched = next(event for event in events(stream) if event.get("status") == 404)
    assert unmatched["route"] == "unmatched"


def test_ids_of_one_request_are_not_those_of_another() -> None:
    stream = configured()
    app = application()

    async def both() -> None:
        import httpx

        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            await asyncio.gather(*(client.get(f"/v1/things/{n}") for n in range(20)))
            await client.get("/v1/things/1")
            await client.get("/nowhere")  # in the same task, as over one kept connection

    asyncio.run(both())

    logged = [event for event in events(stream) if event["event"] == "request"]
    assert len({event["request_id"] for event in logged}) == 22
    assert ["user_id" in event for event in logged] == [True] * 21 + [False]
