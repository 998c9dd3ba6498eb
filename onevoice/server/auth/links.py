"""Links that are mailed: what they carry works once, in time, for one purpose and one address.

Only a token's SHA-256 is kept. Whoever follows a link locks the user before the link, as whoever
sets a password does: neither waits for one who waits.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth import repository
from onevoice.server.auth.models import MailedToken, User
from onevoice.server.auth.tokens import random_token, token_hash
from onevoice.server.db import now
from onevoice.server.errors import Invalid
from onevoice.server.resources import Resources

PAGES = {"verify": "/v1/auth/verify", "reset": "/v1/auth/password/reset"}
"""Where mailed links lead when there is no web application: small pages of the API's own."""


async def new_token(
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


async def owner(session: AsyncSession, token: str, *, purpose: str) -> User | None:
    """Whose link this is, if it still works. It is not used up."""
    return await repository.user_of_mailed_token(
        session, token_hash=token_hash(token), purpose=purpose, at=now()
    )


async def follow(session: AsyncSession, token: str, *, purpose: str) -> tuple[User, str]:
    """Use a link up: its user, locked, and the address it was mailed to. Raises Invalid."""
    found = await owner(session, token, purpose=purpose)
    user = await repository.user_by_id(session, found.id, lock=True) if found else None
    if user is None:
        raise dead_link()
    address = await repository.use_mailed_token(
        session, token_hash=token_hash(token), purpose=purpose, at=now()
    )
    if address is None:
        raise dead_link()
    return user, address


def dead_link() -> Invalid:
    return Invalid(
        "this link was used before, is too old, or never was one of ours",
        hint="have a new one mailed",
        code="link_invalid",
    )


def link_to(services: Resources, page: str, token: str = "") -> str:
    """The token stands behind the #: browsers send that part to nobody, so no log has it."""
    settings = services.settings
    if settings.app_url:
        return f"{settings.app_url}/{page}" + (f"#token={token}" if token else "")
    return f"{settings.public_url}{PAGES[page]}#token={token}" if page in PAGES else ""
