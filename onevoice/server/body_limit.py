"""Middleware that refuses bodies that are too long, before they fill the memory."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onevoice.server.problems import problem


class BodyLimit:
    """At most ``most`` bytes of body, but for paths that begin with ``unlimited``: those count
    for themselves.
    """

    def __init__(self, app: ASGIApp, *, most: int, unlimited: str) -> None:
        self._app = app
        self._most = most
        self._detail = f"the body is longer than {most} bytes"
        self._unlimited = unlimited

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(self._unlimited):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and (len(announced) > 18 or int(announced) > self._most):
            await self._refusal(request)(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._most:
                raise HTTPException(413, self._detail)
            return message

        await self._app(scope, counted, send)

    def _refusal(self, request: Request) -> ASGIApp:
        return problem(
            request,
            413,
            code="too_large",
            detail=self._detail,
            hint="videos are uploaded in parts: POST /v1/videos",
            headers={"Connection": "close"},
        )
