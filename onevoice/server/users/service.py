"""A user's own record: change it, and leave."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth import addresses
from onevoice.server.auth import repository as accounts
from onevoice.server.auth.models import User
from onevoice.server.db import now
from onevoice.server.errors import Conflict, NotFound
from onevoice.server.jobs import service as jobs
from onevoice.server.resources import Resources
from onevoice.server.tasks.outbox import add_task
from onevoice.server.users import repository
from onevoice.server.users.schemas import UserChange

ERASE = "erase_account"


async def change(
    session: AsyncSession, services: Resources, user: User, wanted: UserChange
) -> User:
    """Change what was given. An address changes later, when its link is followed."""
    values = wanted.model_dump(include={"name", "locale"}, exclude_none=True)
    changed: User | None = user
    if values:
        changed = await repository.change(session, user.id, **values)
        if changed is None:
            raise NotFound("this account is gone")
    if wanted.email is not None and accounts.email_key(wanted.email) != user.email_key:
        await addresses.mail_new_address(session, services, user_id=user.id, email=wanted.email)
    return changed or user


async def leave(session: AsyncSession, services: Resources, user: User) -> None:
    """Close the account now; a task deletes its media and data. Raises Conflict while it pays."""
    at = now()
    if await accounts.user_by_id(session, user.id, lock=True) is None:
        raise NotFound("this account is gone")
    if await repository.pays(session, user.id):
        raise Conflict(
            "a subscription of this account goes on to be charged",
            hint="cancel it in the portal first: POST /v1/billing/portal leads there",
            code="subscription_active",
        )
    for job in await repository.open_jobs(session, user.id):
        await jobs.cancel(session, services, job)
    await repository.close(session, user.id, at=at)
    await accounts.revoke_sessions(session, user_id=user.id, at=at, why="account deleted")
    await accounts.revoke_keys(session, user_id=user.id, at=at)
    await accounts.spend_mailed_tokens(session, user_id=user.id, at=at)
    add_task(session, kind=ERASE, queue="tasks", subject=user.id)
