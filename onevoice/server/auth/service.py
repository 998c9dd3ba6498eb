"""Log in; change or reset the password.

Passwords are hashed before the transaction begins, so no connection and no lock waits for it.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth import links, passwords, repository, sessions
from onevoice.server.auth.models import User
from onevoice.server.auth.sessions import Tokens
from onevoice.server.billing.welcome import welcome
from onevoice.server.db import now
from onevoice.server.errors import Conflict, Unauthorized
from onevoice.server.notifications.mail import add_mail_to
from onevoice.server.resources import Resources
from onevoice.server.webhooks import repository as webhooks

RESET_HOURS = 1


async def check_login(services: Resources, *, email: str, password: str) -> User | None:
    """The user whose address and password these are. Takes as long for addresses nobody has."""
    async with services.database.session() as session:
        user = await repository.user_by_email(session, email)
    verdict = await passwords.verify(password, user.password_hash if user else None)
    if user is None or not verdict.right:
        return None
    if verdict.upgraded is not None:
        async with services.database.transaction() as session:
            await repository.upgrade_hash(
                session, user.id, old=user.password_hash, new=verdict.upgraded
            )
        user.password_hash = verdict.upgraded
    return user


async def check_password(user: User, password: str) -> None:
    """Raises Unauthorized unless it is the password of this user, who is logged in already."""
    if not (await passwords.verify(password, user.password_hash)).right:
        raise Unauthorized(
            "the password is wrong", hint="it is the current one", code="wrong_password"
        )


async def login(
    session: AsyncSession, services: Resources, user: User, *, user_agent: str
) -> Tokens:
    """Begin a session, if the password that was checked is still the user's."""
    current = await repository.user_by_id(session, user.id, lock=True)
    if current is None or current.password_hash != user.password_hash:
        raise wrong_login()
    return await sessions.begin(
        session,
        services.token_keys,
        user_id=user.id,
        days=services.settings.refresh_days,
        user_agent=user_agent,
    )


def wrong_login() -> Unauthorized:
    return Unauthorized(
        "the address or the password is wrong",
        hint="have the password reset at /v1/auth/password/forgot",
        code="wrong_login",
    )


async def forgot_password(session: AsyncSession, services: Resources, *, email: str) -> None:
    user = await repository.user_by_email(session, email)
    if user is None:
        return
    token = await links.new_token(
        session, user, purpose="reset", email=user.email, hours=RESET_HOURS
    )
    link = links.link_to(services, "reset", token)
    add_mail_to(session, user, "reset", link=link, hours=RESET_HOURS)


async def reset_password(
    session: AsyncSession, services: Resources, *, token: str, password: str, password_hash: str
) -> None:
    """A new password by a mailed link, which proves the address as well. Raises Invalid.

    Who resets a password may have lost it to somebody: API keys that were made with it end, too.
    """
    user, address = await links.follow(session, token, purpose="reset")
    if address != user.email_key:
        raise links.dead_link()
    passwords.check_new(password, email=user.email)
    at = now()
    first = user.verified_at is None
    user.verified_at = user.verified_at or at
    keys = await repository.revoke_keys(session, user_id=user.id, at=at)
    await _set_password(session, services, user, password_hash=password_hash, keys=keys)
    if first:
        # Whoever opened the account never proved the address, and is not told of it any more.
        await webhooks.disable_endpoints(session, user_id=user.id)
        await welcome(session, services, user)


async def _set_password(
    session: AsyncSession, services: Resources, user: User, *, password_hash: str, keys: int = 0
) -> None:
    """Every session and every link that was mailed before ends with the old password.

    But while an address is unproven, its owner's links to reset the password go on working: they
    are not for somebody else who opened the account to end.
    ``keys``: how many API keys ended as well, which the mail tells.
    """
    at = now()
    user.password_hash = password_hash
    await session.flush()
    await repository.revoke_sessions(session, user_id=user.id, at=at, why="password changed")
    ending = None if user.verified_at else "verify"
    await repository.spend_mailed_tokens(session, user_id=user.id, at=at, purpose=ending)
    forgot = links.link_to(services, "forgot")
    add_mail_to(session, user, "password_changed", link=forgot, keys=keys)


async def change_password(
    session: AsyncSession, services: Resources, user: User, *, password_hash: str, user_agent: str
) -> Tokens:
    """A new password: everybody else is logged out, and this device gets a new session."""
    current = await repository.user_by_id(session, user.id, lock=True)
    if current is None or current.password_hash != user.password_hash:
        raise Conflict("the password was changed meanwhile", hint="log in with the new one")
    await _set_password(session, services, current, password_hash=password_hash)
    return await sessions.begin(
        session,
        services.token_keys,
        user_id=user.id,
        days=services.settings.refresh_days,
        user_agent=user_agent,
    )
