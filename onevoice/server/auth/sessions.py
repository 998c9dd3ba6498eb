"""Sessions: a login on one device, gone on with by refresh tokens that change with every use.

A refresh token works once and is replaced by the next. Whoever uses one a second time holds a copy,
the owner or a thief: nobody can tell, so the session ends for both. There is no grace period; a
client that refreshes twice at once logs in again. A session also ends at a fixed time after its
login, however often it was refreshed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth import repository
from onevoice.server.auth.models import LoginSession, RefreshToken
from onevoice.server.auth.tokens import TokenKeys, random_token, token_hash
from onevoice.server.db import now
from onevoice.server.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a client gets to go on with."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int


async def begin(
    session: AsyncSession, keys: TokenKeys, *, user_id: str, days: int, user_agent: str
) -> Tokens:
    """A new session of a user who has just proven a password."""
    at = now()
    login = LoginSession(
        id=new_id("ses"),
        user_id=user_id,
        user_agent=_shown(user_agent),
        created_at=at,
        last_used_at=at,
        expires_at=at + timedelta(days=days),
    )
    session.add(login)
    await session.flush()
    return await _next(session, keys, user_id=user_id, session_id=login.id, ends=login.expires_at)


async def go_on(session: AsyncSession, keys: TokenKeys, *, refresh_token: str) -> Tokens | None:
    """The next tokens, or None. The caller commits either way: None may have ended a session."""
    at = now()
    used = token_hash(refresh_token)
    session_id = await repository.use_refresh_token(session, token_hash=used, at=at)
    if session_id is None:
        copied = await repository.session_of_used_token(session, used)
        if copied is not None:
            await repository.revoke_sessions(
                session, session_id=copied, at=at, why="refresh token used twice"
            )
        return None
    alive = await repository.touch_session(session, session_id=session_id, at=at)
    if alive is None:
        return None
    user_id, ends = alive
    return await _next(session, keys, user_id=user_id, session_id=session_id, ends=ends)


async def _next(
    session: AsyncSession, keys: TokenKeys, *, user_id: str, session_id: str, ends: datetime
) -> Tokens:
    token = random_token()
    session.add(RefreshToken(token_hash=token_hash(token), session_id=session_id, expires_at=ends))
    await session.flush()
    return Tokens(
        access_token=keys.access_token(user_id=user_id, session_id=session_id),
        refresh_token=token,
        expires_in=keys.access_seconds,
    )


def _shown(user_agent: str) -> str:
    """What lists of sessions show: printable and short."""
    return "".join(letter for letter in user_agent if letter.isprintable())[:200]
