"""Errors as problem documents, and bodies that are too long."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel, StringConstraints
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from onevoice.errors import EngineFailed, OneVoiceError
from onevoice.server import problems
from onevoice.server.body_limit import BodyLimit
from onevoice.server.errors import STATUS_BY_CODE, NotFound, TooMany, Unauthorized

MOST = 1000
SECRET = "correct horse battery"


class Login(BaseModel):
    email: Annotated[str, StringConstraints(pattern=r"^[^@]+@[^@]+$")]
    password: Annotated[str, StringConstraints(max_length=5)]


class Many(BaseModel):
    numbers: list[int]


class Stated(Exception):
    """What asyncpg raises: it knows the state."""

    def __init__(self, state: str) -> None:
        super().__init__(f"about {SECRET}")
        self.sqlstate = state


def make(raised: Exception | None = None) -> FastAPI:
    app = FastAPI()
    problems.install(app)

    @app.get("/raise")
    async def crash() -> None:
        assert raised is not None
        raise raised

    @app.post("/login")
    async def login(body: Login) -> str:
        return "in"

    @app.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    @app.put("/free/part")
    async def part(request: Request) -> int:
        return len(await request.body())

    app.add_middleware(BodyLimit, most=MOST, unlimited="/free/")
    return app


def ask(app: FastAPI, method: str, path: str, **more: Any) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **more)

    return asyncio.run(asked())


def database(state: str, kind: type[DBAPIError] = DBAPIError) -> DBAPIError:
    return kind("SELECT :password", {"password": SECRET}, Stated(state))


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (NotFound("there is no job"), 404, "not_found"),
        (NotFound("there is no job", code="narrow"), 404, "narrow"),
        (Unauthorized("who?"), 401, "unauthorized"),
        (TooMany("slowly", retry_after=1.2), 429, "too_many_requests"),
        (EngineFailed("broke"), STATUS_BY_CODE[EngineFailed.code], EngineFailed.code),
        (OneVoiceError("?"), 500, "error"),
        (database("40P01"), 503, "unavailable"),
        (database("40001"), 503, "unavailable"),
        (database("57014"), 503, "unavailable"),
        (database("", OperationalError), 503, "unavailable"),
        (PoolTimeout("no connection"), 503, "unavailable"),
        (ConnectionRefusedError("down"), 503, "unavailable"),
        (database("22021"), 422, "invalid"),
        (database("22P05"), 422, "invalid"),
        (database("23505", IntegrityError), 500, "error"),
        (RuntimeError(SECRET), 500, "error"),
    ],
)
def test_errors_are_problems(raised: Exception, status: int, code: str) -> None:
    answer = ask(make(raised), "GET", "/raise")
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert answer.headers["content-type"] == problems.MEDIA_TYPE
    assert problems.Problem.model_validate(body).title
    assert SECRET not in answer.text
    assert ("retry-after" in answer.headers) == (status in (429, 503))
    assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(
    "body",
    [
        {"email": "a@b", "password": SECRET},
        {"email": SECRET, "password": "x"},
        {"email": "a@b", "password": {"is": SECRET}},
        {"email": "a@b", "password": [SECRET]},
        [SECRET],
        SECRET,
    ],
)
def test_what_was_sent_is_not_sent_back(body: Any) -> None:
    answer = ask(make(), "POST", "/login", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert answer.json()["errors"] and SECRET not in answer.text


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", f'{{"password": "{SECRET}'.encode()])
def test_what_is_no_json(content: bytes) -> None:
    answer = ask(
        make(), "POST", "/login", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422) and SECRET not in answer.text
    assert answer.headers["content-type"] == problems.MEDIA_TYPE


def test_an_answer_is_no_longer_than_it_helps() -> None:
    app = make()

    @app.post("/many")
    async def many(body: Many) -> None: ...

    answer = ask(app, "POST", "/many", json={"numbers": ["x"] * 200})
    assert len(answer.json()["errors"]) == 50


def test_what_is_not_there() -> None:
    assert ask(make(), "GET", "/nothing").json()["code"] == "not_found"
    assert ask(make(), "DELETE", "/login").json()["code"] == "method_not_allowed"


async def _chunks(size: int) -> Any:
    for _ in range(size // 100):
        yield b"x" * 100


@pytest.mark.parametrize("path", ["/raw", "/login"])
def test_long_bodies_are_refused(path: str) -> None:
    headers = {"Content-Type": "application/json"}
    for content in (b"x" * (MOST + 1), _chunks(MOST + 100)):
        answer = ask(make(), "POST", path, content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert answer.headers["content-type"] == problems.MEDIA_TYPE
    for content in (b"x" * MOST, _chunks(MOST)):
        assert ask(make(), "POST", "/raw", content=content).json() == MOST


def test_a_length_that_is_announced_is_believed_at_once() -> None:
    for announced in (str(MOST + 1), "9" * 5000):
        answer = ask(make(), "POST", "/raw", content=b"", headers={"Content-Length": announced})
        assert answer.status_code == 413, announced[:10]


def test_uploads_count_for_themselves() -> None:
    assert ask(make(), "PUT", "/free/part", content=b"x" * 5000).json() == 5000
