"""Errors as RFC 9457 problem documents: ``application/problem+json``, the same shape everywhere."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from onevoice.errors import OneVoiceError
from onevoice.server.errors import ApiError, code_of, status_of

MEDIA_TYPE = "application/problem+json"
_PASSING = frozenset({"40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03", "53300"})
"""States of PostgreSQL that a second try ends: collisions, deadlocks, locks, time-outs; and while
it is stopped or started, or has no connection left."""
_UNTEXT = frozenset({"22021", "22P05"})
"""States of PostgreSQL for text it does not keep: NUL, above all."""
_MOST_WRONG = 50
_log = structlog.get_logger(__name__)


class Wrong(BaseModel):
    """One field of a request that is wrong."""

    field: str = Field(examples=["body.languages.0"])
    message: str = Field(examples=["String should have at most 20 characters"])


class Problem(BaseModel):
    """What every error looks like. ``code`` is stable and what programs compare."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    code: str = Field(examples=["not_found"])
    detail: str = Field(examples=["there is no job job_01k…"])
    hint: str | None = Field(default=None, examples=["GET /v1/jobs lists yours"])
    request_id: str | None = None
    errors: list[Wrong] | None = None


def problem(
    request: Request,
    status: int,
    *,
    code: str,
    detail: str,
    hint: str = "",
    facts: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """The answer to a request that failed."""
    body: dict[str, Any] = {
        **(facts or {}),
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    if hint:
        body["hint"] = hint
    # A crash is answered outside of all middleware: what an answer needs is given here, too.
    sent = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    request_id = getattr(request.state, "request_id", None)
    if request_id:
        body["request_id"] = sent["X-Request-ID"] = request_id
    return JSONResponse(
        jsonable_encoder(body),
        status_code=status,
        headers=sent | (headers or {}),
        media_type=MEDIA_TYPE,
    )


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem."""
    app.add_exception_handler(OneVoiceError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for kind in (OperationalError, InterfaceError, PoolTimeout, ConnectionError, TimeoutError):
        app.add_exception_handler(kind, _no_database)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(Exception, _unexpected)


async def _known(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, OneVoiceError)  # noqa: S101 (registered for it)
    status = status_of(exc)
    headers = exc.headers if isinstance(exc, ApiError) else {}
    if status == 401:
        headers = {"WWW-Authenticate": 'Bearer realm="onevoice"', **headers}
    elif status >= 500:
        _log.warning("request.failed", code=code_of(exc), error=exc.message)
    return problem(
        request,
        status,
        code=code_of(exc),
        detail=exc.message,
        hint=exc.hint,
        facts=exc.facts if isinstance(exc, ApiError) else None,
        headers=headers,
    )


async def _invalid(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, RequestValidationError)  # noqa: S101 (registered for it)
    # Never the input itself: it may be a password.
    wrong = [
        {"field": ".".join(str(part) for part in error["loc"])[:200], "message": str(error["msg"])}
        for error in exc.errors()[:_MOST_WRONG]
    ]
    return problem(
        request,
        422,
        code="invalid",
        detail=f"{wrong[0]['field']}: {wrong[0]['message']}" if wrong else "it makes no sense",
        hint="see /docs for what this request takes",
        facts={"errors": wrong},
    )


async def _http(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, HTTPException)  # noqa: S101 (registered for it)
    codes = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
    return problem(
        request,
        exc.status_code,
        code=codes.get(exc.status_code, "http"),
        detail=str(exc.detail),
        headers=dict(exc.headers) if exc.headers else None,
    )


async def _database(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, DBAPIError)  # noqa: S101 (registered for it)
    state = getattr(exc.orig, "sqlstate", "")
    if exc.connection_invalidated or state in _PASSING:
        return await _no_database(request, exc)
    if state in _UNTEXT:
        return problem(
            request,
            422,
            code="invalid",
            detail="the request has characters that are no text",
            hint="leave out control characters such as U+0000",
        )
    return await _unexpected(request, exc)


async def _no_database(request: Request, exc: Exception) -> JSONResponse:
    _log.warning("database.unavailable", error=type(exc).__name__)
    return problem(
        request,
        503,
        code="unavailable",
        detail="a service behind the API does not answer",
        hint="try again in a few seconds",
        headers={"Retry-After": "5"},
    )


async def _unexpected(request: Request, exc: Exception) -> JSONResponse:
    _log.error("request.crashed", exc_info=exc)
    return problem(
        request,
        500,
        code="error",
        detail="something went wrong inside the server",
        hint="tell the operator the request_id",
    )
