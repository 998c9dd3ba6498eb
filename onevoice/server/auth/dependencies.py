"""Who makes a request, and whether they may.

::

    user: CurrentUser                                               anybody logged in
    user: Annotated[Principal, require("jobs:read")]                with this scope
    user: Annotated[Principal, require("jobs:write", verified=True)]   … and a proven address
    user: SessionUser                                               no API key

Authentication reads in a short transaction of its own: it is over before the request's unit of work
begins, so limits and long answers hold no connection and, on SQLite, no lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import structlog
from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from onevoice.server.auth import keys, repository
from onevoice.server.auth.models import User
from onevoice.server.auth.tokens import refused
from onevoice.server.db import now
from onevoice.server.errors import Forbidden, Unauthorized
from onevoice.server.resources import Resources
from onevoice.server.unit_of_work import Services

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="An access token from /v1/auth/login, or an API key (`ov_…`).",
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]

_NOTE_USE = timedelta(minutes=1)
"""How exactly a key's last use is known; noting each would make every read a write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who makes the request. ``user`` is as it was when the request came, and detached."""

    user: User
    scopes: frozenset[str]
    session_id: str | None = None
    api_key_id: str | None = None

    @property
    def user_id(self) -> str:
        return self.user.id


async def principal(services: Services, credentials: Credentials) -> Principal:
    """Whoever the Authorization header proves. Raises Unauthorized."""
    if credentials is None or not credentials.credentials:
        raise Unauthorized(
            "this needs a login",
            hint='send "Authorization: Bearer" with an access token or an API key',
            headers={"WWW-Authenticate": 'Bearer realm="onevoice"'},
        )
    token = credentials.credentials
    if token.startswith(keys.PREFIX):
        found = await _by_key(services, token)
    else:
        found = await _by_access_token(services, token)
    structlog.contextvars.bind_contextvars(user_id=found.user_id)
    return found


async def _by_access_token(services: Resources, token: str) -> Principal:
    claims = services.token_keys.read_access_token(token)
    async with services.database.single() as session:
        user = await repository.user_of_session(
            session, user_id=claims.user_id, session_id=claims.session_id, at=now()
        )
    if user is None:
        raise refused()
    return Principal(user=user, scopes=keys.ALL_SCOPES, session_id=claims.session_id)


async def _by_key(services: Resources, token: str) -> Principal:
    read = keys.read_key(token)
    if read is None:
        raise refused()
    key_id, secret = read
    at = now()
    async with services.database.single() as session:
        found = await repository.user_of_key(session, key_id=key_id, at=at)
        if found is None or not keys.same_secret(secret, found[1].secret_hash):
            raise refused()
        user, key = found
        if key.last_used_at is None or at - key.last_used_at > _NOTE_USE:
            await repository.note_key_use(session, key_id=key_id, at=at)
    return Principal(user=user, scopes=frozenset(key.scopes), api_key_id=key_id)


CurrentUser = Annotated[Principal, Depends(principal)]
"""Anybody who is logged in, by a session or a key with any scope."""


def require(*scopes: str, verified: bool = False) -> Any:
    """Somebody who has all of these scopes: ``Annotated[Principal, require("jobs:write")]``.

    ``verified`` asks for a proven address as well, where the settings want one.
    """
    unknown = set(scopes) - keys.ALL_SCOPES
    if unknown:
        raise ValueError(f"no scope is called {', '.join(sorted(unknown))}")

    async def allowed(user: CurrentUser, services: Services) -> Principal:
        missing = set(scopes) - user.scopes
        if missing:
            raise Forbidden(
                f"this API key lacks {', '.join(sorted(missing))}",
                hint="make a key with this scope at /v1/auth/api-keys",
                code="scope_missing",
            )
        if verified:
            check_verified(user, services)
        return user

    return Depends(allowed)


def check_verified(user: Principal, services: Resources) -> None:
    """Raises Forbidden where an address has to be proven and was not."""
    settings = services.settings
    asked = settings.require_verified and settings.environment == "hosted"
    if asked and user.user.verified_at is None:
        raise Forbidden(
            "the mail address of this account was not verified",
            hint="follow the link that was mailed, or have it mailed again at "
            "/v1/auth/verify/resend",
            code="unverified",
        )


VerifiedUser = Annotated[Principal, require(verified=True)]
"""Anybody logged in whose address is proven."""


async def _session_only(user: CurrentUser) -> Principal:
    if user.session_id is None:
        raise Forbidden(
            "an API key cannot do this", hint="log in with the password", code="session_needed"
        )
    return user


SessionUser = Annotated[Principal, Depends(_session_only)]
"""Somebody who logged in with a password: for what decides about the account itself."""
