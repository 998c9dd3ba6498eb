"""Errors of the API: every error of OneVoice has a status, a shape and nothing to hide."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from onevoice.errors import EngineRefused, OneVoiceError
from onevoice.server import errors, problems
from onevoice.server.context import RequestContext
from onevoice.server.errors import (
    STATUS_BY_CODE,
    ApiError,
    Conflict,
    Invalid,
    NotFound,
    TooMany,
    Unauthorized,
    code_of,
    facts_of,
    status_of,
)

SECRET = "hunter2"


def tree(kind: type[OneVoiceError]) -> Iterator[type[OneVoiceError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


ENGINE = {
    kind.code
    for kind in tree(OneVoiceError)
    if kind.__module__ == "onevoice.errors" and not issubclass(kind, ApiError)
}
API = [
    kind
    for kind in tree(ApiError)
    if issubclass(kind, ApiError) and kind.__module__ == errors.__name__
]


def test_every_error_of_the_engine_has_a_status() -> None:
    assert set(STATUS_BY_CODE) == ENGINE


def test_every_error_of_the_api_has_a_status_and_code_of_its_own() -> None:
    assert len({kind.code for kind in API}) == len(API) == len({kind.status for kind in API})
    assert {kind.code for kind in API}.isdisjoint(ENGINE)


def test_a_class_of_its_own_is_answered_as_its_nearest_ancestor() -> None:
    class Special(EngineRefused):
        code = "special"

    assert status_of(Special("no")) == status_of(EngineRefused("no"))
    assert code_of(Special("no")) == "special"


def test_a_code_may_be_narrowed() -> None:
    error = Conflict("it ended", hint="make another", code="job_ended")
    assert code_of(error) == "job_ended" and status_of(error) == 409
    assert facts_of(error) == {
        "code": "job_ended", "message": "it ended", "hint": "make another", "retryable": False,
    }  # fmt: skip


@pytest.mark.parametrize(("seconds", "told"), [(0.0, "1"), (0.2, "1"), (3.0, "3"), (3.1, "4")])
def test_too_many_says_when_to_come_back(seconds: float, told: str) -> None:
    error = TooMany("slow down", retry_after=seconds)
    assert error.headers == {"Retry-After": told}
    assert told in error.hint and error.retryable


class Lost(Exception):
    sqlstate = "40001"


STATEMENT = "SELECT secret FROM users WHERE password_hash = :p"
RAISED: dict[str, tuple[Exception, int, str]] = {
    "ours": (NotFound("there is no job x", hint="list them"), 404, "not_found"),
    "login": (Unauthorized("log in"), 401, "unauthorized"),
    "invalid": (Invalid("no"), 422, "invalid"),
    "engine": (EngineRefused("the text was refused"), 422, "engine_refused"),
    "crash": (RuntimeError(f"/srv/app.py {SECRET}"), 500, "error"),
    "key": (KeyError(SECRET), 500, "error"),
    "constraint": (IntegrityError(STATEMENT, {"p": SECRET}, Exception(SECRET)), 500, "error"),
    "collision": (DBAPIError(STATEMENT, {"p": SECRET}, Lost(SECRET)), 503, "unavailable"),
    "away": (OperationalError(STATEMENT, {"p": SECRET}, Exception(SECRET)), 503, "unavailable"),
    "pool": (PoolTimeout(SECRET), 503, "unavailable"),
    "refused": (ConnectionRefusedError(SECRET), 503, "unavailable"),
    "late": (TimeoutError(SECRET), 503, "unavailable"),
}


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = FastAPI()
    problems.install(app)

    @app.get("/{name}")
    def fail(name: str) -> None:
        raise RAISED[name][0]

    app.add_middleware(RequestContext)
    with TestClient(app, raise_server_exceptions=False) as found:
        yield found


@pytest.mark.parametrize("name", RAISED)
def test_errors_are_problem_documents(client: TestClient, name: str) -> None:
    _, status, code = RAISED[name]
    answer = client.get(f"/{name}", headers={"X-Request-ID": "request-of-mine"})
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert body["request_id"] == answer.headers["x-request-id"] == "request-of-mine"
    assert answer.headers.get_list("x-request-id") == ["request-of-mine"]
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert ("retry-after" in answer.headers) == (status == 503)


@pytest.mark.parametrize("name", RAISED)
def test_errors_tell_nothing_of_the_inside(client: TestClient, name: str) -> None:
    said = client.get(f"/{name}").text
    for word in (SECRET, "SELECT", "password_hash", "Traceback", ".py", "sqlalche", "/srv"):
        assert word not in said
