"""``Idempotency-Key``: a POST that costs happens once, however often it is sent.

The key is written in the transaction of what it guards. A second request with the same key waits
for the first, then gets its answer; one with another body is refused. A request that failed left no
key and may be tried again with the same one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import bindparam, update

from onevoice.server.auth.dependencies import CurrentUser
from onevoice.server.auth.models import IdempotencyKey
from onevoice.server.db import insert_new, table_of
from onevoice.server.errors import Invalid
from onevoice.server.unit_of_work import Session

KEPT_DAYS = 7
"""How long answers are kept; the sweep removes older ones."""

Dress = Callable[[Any], Awaitable[BaseModel]]
_KEYS = table_of(IdempotencyKey)
_KEEP_ANSWER = update(_KEYS).where(
    _KEYS.c.user_id == bindparam("of"), _KEYS.c.key == bindparam("named")
)


class Once:
    """The request's key, and what to do with it. A route takes it as ``once: OncePerKey``."""

    def __init__(self, session: Any, user_id: str, key: str | None, request_hash: str) -> None:
        self._session = session
        self._user_id = user_id
        self._key = key
        self._hash = request_hash

    async def asked_before(self) -> JSONResponse | None:
        """The key's answer, if it has one. Afterwards nothing is held: work may take long."""
        named = (self._user_id, self._key)
        known = self._key is not None and await self._session.get(IdempotencyKey, named)
        answer = await self._before(None) if known else None
        await self._session.commit()
        return answer

    async def answer(
        self, status: int, work: Callable[[], Awaitable[BaseModel]], *, dress: Dress | None = None
    ) -> JSONResponse:
        """Do the work and answer with what it returns, or give the answer it once had.

        ``dress`` makes the answer of what was kept, anew each time and after the commit: it adds
        what must not be kept, or asks somebody else.
        """
        if self._key is not None and not await insert_new(
            self._session,
            IdempotencyKey,
            user_id=self._user_id,
            key=self._key,
            request_hash=self._hash,
        ):
            return await self._before(dress)
        body = (await work()).model_dump(mode="json")
        if self._key is not None:
            answer = {"of": self._user_id, "named": self._key, "status": status, "body": body}
            await self._session.execute(_KEEP_ANSWER, answer)
        return await self._send(body, status, dress)

    async def _before(self, dress: Dress | None) -> JSONResponse:
        found = await self._session.get(IdempotencyKey, (self._user_id, self._key))
        if found is None or found.request_hash != self._hash:
            raise Invalid(
                "this Idempotency-Key was used for another request",
                hint="make a new key for each thing you want done",
                code="idempotency_mismatch",
            )
        answer = await self._send(found.body, found.status, dress)
        answer.headers["Idempotent-Replay"] = "true"
        return answer

    async def _send(self, body: Any, status: int, dress: Dress | None) -> JSONResponse:
        if dress is not None:
            await self._session.commit()
            body = jsonable_encoder(await dress(body))
        return JSONResponse(body, status_code=status)


async def once_per_key(
    request: Request,
    user: CurrentUser,
    session: Session,
    idempotency_key: Annotated[
        str | None,
        Header(
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
            description="Any text of yours; the same request with the same key is done once.",
        ),
    ] = None,
) -> Once:
    seen = hashlib.sha256()
    for part in (request.method, request.url.path, request.url.query):
        seen.update(part.encode() + b"\0")
    seen.update(await request.body())
    return Once(session, user.user.id, idempotency_key, seen.hexdigest())


OncePerKey = Annotated[Once, Depends(once_per_key)]
