"""Open an account, and prove that its address is its owner's.

What an answer must not tell (whether an address has an account) is told by mail to whoever reads
that address. An address counts as proven when somebody who reads its mail knows the account's
password as well: anybody may open an account with a stranger's address and a password of his own,
and the stranger who follows the link must not confirm that password.
"""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth import links, passwords, repository
from onevoice.server.auth.models import User
from onevoice.server.billing.welcome import welcome
from onevoice.server.db import now
from onevoice.server.errors import Conflict, NotFound, Unauthorized
from onevoice.server.notifications.mail import add_mail, add_mail_to
from onevoice.server.resources import Resources

VERIFY_HOURS = 48


async def register(
    session: AsyncSession,
    services: Resources,
    *,
    email: str,
    password_hash: str,
    name: str,
    locale: str,
) -> None:
    """Open an account, or tell the one who has it that somebody tried."""
    at = now()
    user_id = await repository.add_user(
        session, email=email, password_hash=password_hash, name=name, locale=locale, at=at
    )
    if user_id is None:
        there = await repository.user_by_email(session, email)
        if there is None:
            return
        if there.verified_at is None:
            await _mail_verification(session, services, there)
        else:
            link = links.link_to(services, "login")
            add_mail_to(session, there, "already_registered", link=link)
        return
    user = await _user(session, user_id)
    await _mail_verification(session, services, user)
    if services.settings.environment == "local":
        await welcome(session, services, user)


async def resend_verification(session: AsyncSession, services: Resources, *, email: str) -> None:
    user = await repository.user_by_email(session, email)
    if user is not None and user.verified_at is None:
        await _mail_verification(session, services, user)


async def _mail_verification(session: AsyncSession, services: Resources, user: User) -> None:
    token = await links.new_token(
        session, user, purpose="verify", email=user.email, hours=VERIFY_HOURS
    )
    link = links.link_to(services, "verify", token)
    add_mail_to(session, user, "verify", link=link, hours=VERIFY_HOURS)


async def mail_new_address(
    session: AsyncSession, services: Resources, *, user_id: str, email: str
) -> None:
    """Mail a link to a new address; the account's address changes when it is followed."""
    user = await _user(session, user_id)
    there = await repository.user_by_email(session, email)
    if there is not None and there.id != user_id:
        link = links.link_to(services, "login")
        add_mail_to(session, there, "already_registered", link=link)
        return
    token = await links.new_token(session, user, purpose="verify", email=email, hours=VERIFY_HOURS)
    add_mail(
        session,
        to=email,
        locale=user.locale,
        template="email_change",
        values={"link": links.link_to(services, "verify", token), "hours": VERIFY_HOURS},
        user_id=user.id,
    )


async def check_follower(services: Resources, *, token: str, password: str) -> None:
    """Whether who follows a link knows the account's password. It takes as long for links that
    do not work, and uses none up. Raises Invalid, Unauthorized.
    """
    async with services.database.session() as session:
        user = await links.owner(session, token, purpose="verify")
    verdict = await passwords.verify(password, user.password_hash if user else None)
    if user is None:
        raise links.dead_link()
    if not verdict.right:
        raise Unauthorized(
            "the password is wrong",
            hint="it is the account's; if you did not choose it, have it reset at "
            "/v1/auth/password/forgot: that proves the address as well, and ends what was there",
            code="wrong_password",
        )


async def verify(session: AsyncSession, services: Resources, *, token: str) -> None:
    """Whoever has the token reads the address it was mailed to. Raises Invalid.

    ``check_follower`` comes first. A password that is set in between ends the link.
    """
    user, address = await links.follow(session, token, purpose="verify")
    if address != user.email_key:
        before = user.email
        await _change_address(session, user, address)
        add_mail(  # to where somebody will see it whose account was taken
            session, to=before, locale=user.locale, template="email_changed", values={},
            user_id=user.id,
        )  # fmt: skip
    first = user.verified_at is None
    user.verified_at = now()
    await session.flush()
    if first:
        await welcome(session, services, user)
        add_mail_to(session, user, "welcome", link=services.settings.app_url)


async def _change_address(session: AsyncSession, user: User, address: str) -> None:
    try:
        async with session.begin_nested():
            user.email, user.email_key = address, address
    except IntegrityError:
        raise Conflict(
            "this address has another account now", hint="log in there, or take another address"
        ) from None


async def _user(session: AsyncSession, user_id: str) -> User:
    user = await repository.user_by_id(session, user_id)
    if user is None:
        raise NotFound("this account is gone")
    return user
