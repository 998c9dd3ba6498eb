"""The free plan's minutes: once for each mailbox, however often its owner leaves and comes back.

That an address had them is kept as a keyed hash which outlives the account: it tells nobody whose
it was, and answers only whether this address was here before.
"""

from __future__ import annotations

import hmac

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth.models import User
from onevoice.server.auth.repository import email_key
from onevoice.server.billing import ledger
from onevoice.server.billing.models import Welcome
from onevoice.server.db import insert_new, now
from onevoice.server.resources import Resources

_DOTLESS = frozenset({"gmail.com", "googlemail.com"})
"""Where dots in a name make no other mailbox."""


async def welcome(session: AsyncSession, services: Resources, user: User) -> bool:
    """Give a new user the free plan's minutes. False where the address had them before."""
    seconds = services.plans.free.seconds
    if not services.settings.free_signup or not seconds:
        return False
    address = mailbox(user.email).encode("utf-8", "surrogatepass")
    # Under each key that is known: the hash of who came before a key was changed counts as well.
    hashes = [
        hmac.new(secret, address, "sha256").hexdigest()
        for secret in services.token_keys.derive_all("welcomes")
    ]
    before = await session.scalar(
        select(Welcome.at).where(Welcome.address_hash.in_(hashes)).limit(1)
    )
    if before is not None:
        return False
    if not await insert_new(session, Welcome, address_hash=hashes[0], at=now()):
        return False
    return await ledger.grant(session, user.id, seconds, key=f"signup:{user.id}", note="free plan")


def mailbox(email: str) -> str:
    """Where mail to an address arrives: ``Ada+dubs@example.com`` is ``ada@example.com``."""
    name, _, domain = email_key(email).rpartition("@")
    name = name.partition("+")[0] or name
    if domain in _DOTLESS:
        name, domain = name.replace(".", "") or name, "gmail.com"
    return f"{name}@{domain}"
