"""What every request gets: an id, a line in the log, and a place in the figures."""

from __future__ import annotations

import re
from time import perf_counter

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onevoice.server import metrics
from onevoice.server.ids import new_id

HEADER = "X-Request-ID"
_SANE = re.compile(r"[A-Za-z0-9._-]{8,64}")
_QUIET = frozenset({"/v1/health/live", "/v1/health/ready", "/metrics"})
"""Asked every few seconds by machines: logged at debug unless they fail."""
_log = structlog.get_logger(__name__)


class RequestContext:
    """The outermost middleware. The id is the client's where it is a sane one.

    The log has the template of the route and never the path: paths carry tokens.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _SANE.fullmatch(given) else new_id("req")
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = perf_counter()
        status = 500  # what an error that nobody caught becomes
        answered: float | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], perf_counter() - started
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            seconds = perf_counter() - started
            route = route_template(scope)
            metrics.request_answered(
                method=scope["method"],
                route=route,
                status=status,
                seconds=seconds if answered is None else answered,
            )
            level = "debug" if route in _QUIET else "info"
            getattr(_log, "warning" if status >= 500 else level)(
                "request",
                method=scope["method"],
                route=route,
                status=status,
                ms=round(seconds * 1000, 1),
            )


def route_template(scope: Scope) -> str:
    """``/v1/jobs/{job_id}``: as few values as there are routes, whatever clients ask for."""
    # FastAPI keeps the route as it was written in its router; the prefix is in the context.
    found = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    return getattr(found, "path", None) or "unmatched"
