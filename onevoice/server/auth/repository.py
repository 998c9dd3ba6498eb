"""SQL of users, their sessions, keys and mailed links.

Everything that may happen only once (a refresh token, a link) is one conditional UPDATE: of two
that come together, the second finds nothing left to change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, exists, func, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth.models import ApiKey, LoginSession, MailedToken, RefreshToken, User
from onevoice.server.db import Moment, insert_new
from onevoice.server.ids import new_id

_QUIET = {"synchronize_session": False}


def email_key(email: str) -> str:
    """What makes two spellings of an address the same: its letters' case does not count."""
    return email.strip().lower()


async def _changed(session: AsyncSession, statement: Any) -> int:
    result = await session.execute(statement, execution_options=_QUIET)
    assert isinstance(result, CursorResult)  # noqa: S101 (of an UPDATE)
    return result.rowcount


# -- users ------------------------------------------------------------------------------------


async def user_by_email(session: AsyncSession, email: str) -> User | None:
    return (
        await session.scalars(
            select(User).where(User.email_key == email_key(email), User.deleted_at.is_(None))
        )
    ).one_or_none()


async def user_by_id(session: AsyncSession, user_id: str, *, lock: bool = False) -> User | None:
    """``lock``: others wait who change the user, but not those who write rows that refer to it."""
    query = select(User).where(User.id == user_id, User.deleted_at.is_(None))
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return (await session.scalars(query)).one_or_none()


async def add_user(
    session: AsyncSession, *, email: str, password_hash: str, name: str, locale: str, at: datetime
) -> str | None:
    """A new account's id; None where the address has one."""
    user_id = new_id("user")
    added = await insert_new(
        session,
        User,
        id=user_id,
        email=email,
        email_key=email_key(email),
        password_hash=password_hash,
        name=name,
        locale=locale,
        created_at=at,
    )
    return user_id if added else None


async def upgrade_hash(session: AsyncSession, user_id: str, *, old: str, new: str) -> None:
    """Keep a better hash of the same password, unless the password was changed meanwhile."""
    await _changed(
        session,
        update(User).where(User.id == user_id, User.password_hash == old).values(password_hash=new),
    )


# -- sessions ---------------------------------------------------------------------------------


def _alive(at: Any) -> Any:
    return and_(LoginSession.revoked_at.is_(None), LoginSession.expires_at > at)


# These two are asked with every request: they are built once.
_USER_OF_SESSION = (
    select(User)
    .join(LoginSession, LoginSession.user_id == User.id)
    .where(
        User.id == bindparam("user_id"),
        User.deleted_at.is_(None),
        LoginSession.id == bindparam("session_id"),
        _alive(bindparam("at", type_=Moment())),
    )
)


async def user_of_session(
    session: AsyncSession, *, user_id: str, session_id: str, at: datetime
) -> User | None:
    """The user, if this is a session of theirs that goes on: asked with every request."""
    asked = {"user_id": user_id, "session_id": session_id, "at": at}
    return (await session.scalars(_USER_OF_SESSION, asked)).one_or_none()


async def sessions_of(
    session: AsyncSession, *, user_id: str, at: datetime, limit: int, before: str | None
) -> Sequence[LoginSession]:
    query = select(LoginSession).where(LoginSession.user_id == user_id, _alive(at))
    if before is not None:
        query = query.where(LoginSession.id < before)
    return (await session.scalars(query.order_by(LoginSession.id.desc()).limit(limit))).all()


async def touch_session(
    session: AsyncSession, *, session_id: str, at: datetime
) -> tuple[str, datetime] | None:
    """Note that a session goes on: its user and its end, or None if it has ended."""
    user_is_there = exists().where(User.id == LoginSession.user_id, User.deleted_at.is_(None))
    row = (
        await session.execute(
            update(LoginSession)
            .where(LoginSession.id == session_id, _alive(at), user_is_there)
            .values(last_used_at=at)
            .returning(LoginSession.user_id, LoginSession.expires_at),
            execution_options=_QUIET,
        )
    ).one_or_none()
    return (row[0], row[1]) if row else None


async def revoke_sessions(
    session: AsyncSession,
    *,
    at: datetime,
    why: str,
    user_id: str | None = None,
    session_id: str | None = None,
) -> int:
    """End one session, or all of a user; both given: this one, if it is theirs."""
    if user_id is None and session_id is None:
        raise ValueError("whose sessions?")
    statement = update(LoginSession).where(LoginSession.revoked_at.is_(None))
    if user_id is not None:
        statement = statement.where(LoginSession.user_id == user_id)
    if session_id is not None:
        statement = statement.where(LoginSession.id == session_id)
    return await _changed(session, statement.values(revoked_at=at, revoked_why=why))


async def use_refresh_token(session: AsyncSession, *, token_hash: str, at: datetime) -> str | None:
    """The session it belongs to, the first time; None ever after."""
    found: str | None = (
        await session.execute(
            update(RefreshToken)
            .where(
                RefreshToken.token_hash == token_hash,
                RefreshToken.used_at.is_(None),
                RefreshToken.expires_at > at,
            )
            .values(used_at=at)
            .returning(RefreshToken.session_id),
            execution_options=_QUIET,
        )
    ).scalar_one_or_none()
    return found


async def session_of_used_token(session: AsyncSession, token_hash: str) -> str | None:
    found: str | None = await session.scalar(
        select(RefreshToken.session_id).where(
            RefreshToken.token_hash == token_hash, RefreshToken.used_at.is_not(None)
        )
    )
    return found


# -- API keys ---------------------------------------------------------------------------------


def _usable(at: Any) -> Any:
    return and_(
        ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > at)
    )


_USER_OF_KEY = (
    select(User, ApiKey)
    .join(ApiKey, ApiKey.user_id == User.id)
    .where(
        ApiKey.id == bindparam("key_id"),
        User.deleted_at.is_(None),
        _usable(bindparam("at", type_=Moment())),
    )
)


async def user_of_key(
    session: AsyncSession, *, key_id: str, at: datetime
) -> tuple[User, ApiKey] | None:
    row = (await session.execute(_USER_OF_KEY, {"key_id": key_id, "at": at})).one_or_none()
    return (row[0], row[1]) if row else None


async def note_key_use(session: AsyncSession, *, key_id: str, at: datetime) -> None:
    await _changed(session, update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=at))


async def count_keys(session: AsyncSession, *, user_id: str, at: datetime) -> int:
    return (
        await session.scalar(
            select(func.count()).select_from(ApiKey).where(ApiKey.user_id == user_id, _usable(at))
        )
        or 0
    )


async def keys_of(
    session: AsyncSession, *, user_id: str, limit: int, before: str | None
) -> Sequence[ApiKey]:
    query = select(ApiKey).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
    if before is not None:
        query = query.where(ApiKey.id < before)
    return (await session.scalars(query.order_by(ApiKey.id.desc()).limit(limit))).all()


async def key_of(session: AsyncSession, *, user_id: str, key_id: str) -> ApiKey | None:
    return (
        await session.scalars(
            select(ApiKey).where(
                ApiKey.id == key_id, ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None)
            )
        )
    ).one_or_none()


async def revoke_keys(
    session: AsyncSession, *, user_id: str, at: datetime, key_id: str | None = None
) -> int:
    statement = update(ApiKey).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
    if key_id is not None:
        statement = statement.where(ApiKey.id == key_id)
    return await _changed(session, statement.values(revoked_at=at))


# -- mailed links -----------------------------------------------------------------------------


async def spend_mailed_tokens(
    session: AsyncSession, *, user_id: str, at: datetime, purpose: str | None = None
) -> None:
    """Links that were mailed before open nothing any more."""
    statement = update(MailedToken).where(
        MailedToken.user_id == user_id, MailedToken.used_at.is_(None)
    )
    if purpose is not None:
        statement = statement.where(MailedToken.purpose == purpose)
    await _changed(session, statement.values(used_at=at))


def _works(token_hash: str, purpose: str, at: datetime) -> Any:
    return and_(
        MailedToken.token_hash == token_hash,
        MailedToken.purpose == purpose,
        MailedToken.used_at.is_(None),
        MailedToken.expires_at > at,
    )


async def user_of_mailed_token(
    session: AsyncSession, *, token_hash: str, purpose: str, at: datetime
) -> User | None:
    """Whose link it is, as long as it works."""
    query = select(User).join(MailedToken, MailedToken.user_id == User.id)
    query = query.where(User.deleted_at.is_(None), _works(token_hash, purpose, at))
    return (await session.scalars(query)).one_or_none()


async def use_mailed_token(
    session: AsyncSession, *, token_hash: str, purpose: str, at: datetime
) -> str | None:
    """The address it was mailed to, the first time and in time."""
    found: str | None = (
        await session.execute(
            update(MailedToken)
            .where(_works(token_hash, purpose, at))
            .values(used_at=at)
            .returning(MailedToken.email_key),
            execution_options=_QUIET,
        )
    ).scalar_one_or_none()
    return found
