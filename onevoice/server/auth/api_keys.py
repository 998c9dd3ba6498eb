"""API keys of an account: make, rename and end them."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth import repository
from onevoice.server.auth.keys import NewKey, new_key
from onevoice.server.auth.models import ApiKey
from onevoice.server.db import now
from onevoice.server.errors import Conflict, NotFound

MOST_KEYS = 50
"""Usable API keys of one user."""


async def create_key(
    session: AsyncSession, *, user_id: str, name: str, scopes: list[str], days: int | None
) -> tuple[ApiKey, NewKey]:
    """A new key; its secret is known here and never again."""
    at = now()
    await repository.user_by_id(session, user_id, lock=True)  # two at once count one another
    if await repository.count_keys(session, user_id=user_id, at=at) >= MOST_KEYS:
        raise Conflict(f"there are {MOST_KEYS} API keys already", hint="delete one first")
    made = new_key()
    key = ApiKey(
        id=made.id,
        user_id=user_id,
        name=name,
        secret_hash=made.secret_hash,
        last_four=made.secret[-4:],
        scopes=sorted(set(scopes)),
        created_at=at,
        expires_at=None if days is None else at + timedelta(days=days),
    )
    session.add(key)
    await session.flush()
    return key, made


async def rename_key(session: AsyncSession, *, user_id: str, key_id: str, name: str) -> ApiKey:
    key = await repository.key_of(session, user_id=user_id, key_id=key_id)
    if key is None:
        raise _no_key(key_id)
    key.name = name
    await session.flush()
    return key


async def delete_key(session: AsyncSession, *, user_id: str, key_id: str) -> None:
    if not await repository.revoke_keys(session, user_id=user_id, key_id=key_id, at=now()):
        raise _no_key(key_id)


def _no_key(key_id: str) -> NotFound:
    return NotFound(f"there is no API key {key_id}", hint="GET /v1/auth/api-keys lists yours")
