"""What can be done about an account: open it, prove it, log in, change or reset the password.

Passwords are hashed before the transaction begins, so no connection and no lock waits for it. What
an answer must not tell (whether an address has an account) is told by mail to whoever reads that
address.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth import passwords, repository, sessions
from onevoice.server.auth.keys import NewKey, new_key
from onevoice.server.auth.models import ApiKey, MailedToken, User
from onevoice.server.auth.sessions import Tokens
from onevoice.server.auth.tokens import random_token, token_hash
from onevoice.server.billing.welcome import welcome
from onevoice.server.db import now
from onevoice.server.errors import Conflict, Invalid, NotFound, Unauthorized
from onevoice.server.notifications.mail import add_mail, add_mail_to
from onevoice.server.resources import Resources

VERIFY_HOURS = 48
RESET_HOURS = 1
MOST_KEYS = 50
"""Usable API keys of one user."""


# -- opening an account -----------------------------------------------------------------------


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
            await mail_verification(session, services, there)
        else:
            link = _link(services, "login")
            add_mail_to(session, there, "already_registered", link=link)
        return
    user = await _user(session, user_id)
    await mail_verification(session, services, user)
    if services.settings.environment == "local":
        await welcome(session, services, user)


async def mail_verification(session: AsyncSession, services: Resources, user: User) -> None:
    """Mail a link that proves the user's address."""
    token = await _new_link(session, user, purpose="verify", email=user.email, hours=VERIFY_HOURS)
    link = _link(services, "verify", token)
    add_mail_to(session, user, "verify", link=link, hours=VERIFY_HOURS)


async def resend_verification(session: AsyncSession, services: Resources, *, email: str) -> None:
    user = await repository.user_by_email(session, email)
    if user is not None and user.verified_at is None:
        await mail_verification(session, services, user)


async def mail_new_address(
    session: AsyncSession, services: Resources, *, user_id: str, email: str
) -> None:
    """Mail a link to a new address; the account's address changes when it is followed."""
    user = await _user(session, user_id)
    there = await repository.user_by_email(session, email)
    if there is not None and there.id != user_id:
        add_mail_to(session, there, "already_registered", link=_link(services, "login"))
        return
    token = await _new_link(session, user, purpose="verify", email=email, hours=VERIFY_HOURS)
    add_mail(
        session,
        to=email,
        locale=user.locale,
        template="email_change",
        values={"link": _link(services, "verify", token), "hours": VERIFY_HOURS},
        user_id=user.id,
    )


async def verify_address(session: AsyncSession, services: Resources, *, token: str) -> None:
    """Whoever has the token reads the address it was mailed to. Raises Invalid."""
    at = now()
    user, address = await _follow_link(session, token, purpose="verify")
    if address != user.email_key:
        before = user.email
        await _change_address(session, user, address)
        add_mail(  # to where somebody will see it whose account was taken
            session, to=before, locale=user.locale, template="email_changed", values={},
            user_id=user.id,
        )  # fmt: skip
    first = user.verified_at is None
    user.verified_at = at
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


# -- passwords --------------------------------------------------------------------------------


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
    token = await _new_link(session, user, purpose="reset", email=user.email, hours=RESET_HOURS)
    add_mail_to(session, user, "reset", link=_link(services, "reset", token), hours=RESET_HOURS)


async def reset_password(
    session: AsyncSession, services: Resources, *, token: str, password: str, password_hash: str
) -> None:
    """A new password by a mailed link, which proves the address as well. Raises Invalid."""
    user, address = await _follow_link(session, token, purpose="reset")
    if address != user.email_key:
        raise _dead_link()
    passwords.check_new(password, email=user.email)
    await set_password(session, services, user, password_hash=password_hash)
    if user.verified_at is None:
        # Whoever opened the account never proved the address: nothing of theirs goes on.
        await repository.revoke_keys(session, user_id=user.id, at=now())
        user.verified_at = now()
        await welcome(session, services, user)


async def set_password(
    session: AsyncSession, services: Resources, user: User, *, password_hash: str
) -> None:
    """Every session and every link that was mailed before ends with the old password."""
    at = now()
    user.password_hash = password_hash
    await session.flush()
    await repository.revoke_sessions(session, user_id=user.id, at=at, why="password changed")
    await repository.spend_mailed_tokens(session, user_id=user.id, at=at)
    add_mail_to(session, user, "password_changed", link=_link(services, "forgot"))


async def change_password(
    session: AsyncSession, services: Resources, user: User, *, password_hash: str, user_agent: str
) -> Tokens:
    """A new password: everybody else is logged out, and this device gets a new session."""
    current = await repository.user_by_id(session, user.id, lock=True)
    if current is None or current.password_hash != user.password_hash:
        raise Conflict("the password was changed meanwhile", hint="log in with the new one")
    await set_password(session, services, current, password_hash=password_hash)
    return await sessions.begin(
        session,
        services.token_keys,
        user_id=user.id,
        days=services.settings.refresh_days,
        user_agent=user_agent,
    )


# -- API keys ---------------------------------------------------------------------------------


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


# -- links ------------------------------------------------------------------------------------


async def _new_link(
    session: AsyncSession, user: User, *, purpose: str, email: str, hours: int
) -> str:
    """A token to mail. Only the newest of each purpose works."""
    at = now()
    await repository.spend_mailed_tokens(session, user_id=user.id, at=at, purpose=purpose)
    token = random_token()
    session.add(
        MailedToken(
            token_hash=token_hash(token),
            user_id=user.id,
            purpose=purpose,
            email_key=repository.email_key(email),
            created_at=at,
            expires_at=at + timedelta(hours=hours),
        )
    )
    await session.flush()
    return token


async def _follow_link(session: AsyncSession, token: str, *, purpose: str) -> tuple[User, str]:
    used = await repository.use_mailed_token(
        session, token_hash=token_hash(token), purpose=purpose, at=now()
    )
    user = await repository.user_by_id(session, used[0], lock=True) if used else None
    if used is None or user is None:
        raise _dead_link()
    return user, used[1]


def _dead_link() -> Invalid:
    return Invalid(
        "this link was used before, is too old, or never was one of ours",
        hint="have a new one mailed",
        code="link_invalid",
    )


PAGES = {"verify": "/v1/auth/verify", "reset": "/v1/auth/password/reset"}
"""Where mailed links lead when there is no web application: small pages of the API's own."""


def _link(services: Resources, page: str, token: str = "") -> str:
    """The token stands behind the #: browsers send that part to nobody, so no log has it."""
    settings = services.settings
    if settings.app_url:
        return f"{settings.app_url}/{page}" + (f"#token={token}" if token else "")
    return f"{settings.public_url}{PAGES[page]}#token={token}" if page in PAGES else ""


async def _user(session: AsyncSession, user_id: str) -> User:
    user = await repository.user_by_id(session, user_id)
    if user is None:
        raise NotFound("this account is gone")
    return user
