"""Headers that tell browsers to be careful with every answer, unless its route said otherwise."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
    "Referrer-Policy": "no-referrer",
}
_ANSWERS = {
    # Data of accounts, and tokens: nobody on the way keeps them.
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_PAGES = {
    # FastAPI's page of the documentation: a fixed script in it, the rest from where it links to.
    "Content-Security-Policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "connect-src 'self'; img-src data: https://fastapi.tiangolo.com; "
        "script-src 'unsafe-inline' https://cdn.jsdelivr.net; "
        "style-src 'unsafe-inline' https://cdn.jsdelivr.net"
    ),
}
_YEAR_S = 365 * 24 * 3600


class SecurityHeaders:
    """Pure ASGI. ``pages`` are the paths of the documentation; ``secure`` where users reach the
    server by https.
    """

    def __init__(self, app: ASGIApp, *, pages: tuple[str, ...], secure: bool) -> None:
        self._app = app
        self._pages = frozenset(pages)
        self._always = dict(_ALWAYS)
        if secure:
            self._always["Strict-Transport-Security"] = f"max-age={_YEAR_S}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = self._always | (_PAGES if scope["path"] in self._pages else _ANSWERS)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in added.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
