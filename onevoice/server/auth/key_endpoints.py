"""Routes of API keys: /v1/auth/api-keys."""

from __future__ import annotations

from fastapi import APIRouter, Response

from onevoice.server.auth import api_keys, repository
from onevoice.server.auth.dependencies import SessionUser, check_verified
from onevoice.server.auth.schemas import CreatedKey, Id, KeyRename, KeyRequest, KeyView
from onevoice.server.paging import Page, PageOf, page
from onevoice.server.unit_of_work import Services, Session

router = APIRouter(prefix="/api-keys")


@router.post("", status_code=201)
async def create_api_key(
    body: KeyRequest, user: SessionUser, session: Session, services: Services, response: Response
) -> CreatedKey:
    """Make a key for a program. Its secret is shown in this answer and nowhere else."""
    check_verified(user, services)
    kept, made = await api_keys.create_key(
        session,
        user_id=user.user_id,
        name=body.name,
        scopes=list(body.scopes),
        days=body.expires_in_days,
    )
    response.headers["Cache-Control"] = "no-store"
    return CreatedKey(**KeyView.model_validate(kept).model_dump(), key=made.text)


@router.get("")
async def list_api_keys(user: SessionUser, session: Session, wanted: PageOf) -> Page[KeyView]:
    """The account's keys, without their secrets."""
    rows = await repository.keys_of(
        session, user_id=user.user_id, limit=wanted.limit + 1, before=wanted.before
    )
    return page([KeyView.model_validate(row) for row in rows], wanted, key=lambda row: row.id)


@router.patch("/{key_id}")
async def rename_api_key(
    key_id: Id, body: KeyRename, user: SessionUser, session: Session
) -> KeyView:
    """Call a key something else. Its scopes never change: make another key."""
    key = await api_keys.rename_key(session, user_id=user.user_id, key_id=key_id, name=body.name)
    return KeyView.model_validate(key)


@router.delete("/{key_id}", status_code=204)
async def delete_api_key(key_id: Id, user: SessionUser, session: Session) -> None:
    """End a key at once."""
    await api_keys.delete_key(session, user_id=user.user_id, key_id=key_id)
