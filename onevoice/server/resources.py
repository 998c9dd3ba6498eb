"""What a process of the server works with, built from the settings and closed at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth.models import User
from onevoice.server.auth.tokens import TokenKeys, load_keys, passing_keys
from onevoice.server.billing.paddle import Paddle, make_paddle
from onevoice.server.billing.plans import Plans
from onevoice.server.db import Database
from onevoice.server.notifications.mailer import Mailer, make_mailer
from onevoice.server.notifications.topic import Topic, make_topic
from onevoice.server.queue import make_queue
from onevoice.server.queue.base import Queue
from onevoice.server.settings import ServerSettings
from onevoice.server.storage import make_storage
from onevoice.server.storage.base import Storage
from onevoice.server.tasks.sender import Sender


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """One of each for the whole process; all of them are safe to share."""

    settings: ServerSettings
    database: Database
    storage: Storage
    queue: Queue
    sender: Sender
    mailer: Mailer
    topic: Topic
    paddle: Paddle | None
    """None where no key is set: nothing can be bought."""
    plans: Plans
    token_keys: TokenKeys

    async def jobs_at_once(self, session: AsyncSession, user_id: str) -> int:
        """How many dubs of a user may be under way at once."""
        user = await session.get(User, user_id)
        return self.plans.of(user).jobs_at_once if user is not None else 0


@asynccontextmanager
async def open_resources(
    settings: ServerSettings, *, signs: bool = True
) -> AsyncIterator[Resources]:
    """Build everything; no service is asked for anything yet.

    ``signs``: whether tokens are signed and verified; a worker does neither, and needs no keys.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    keys = load_keys(settings) if signs else passing_keys(settings)
    database = Database(settings)
    queue = make_queue(settings)
    sender = Sender(database, queue)
    try:
        yield Resources(
            settings=settings,
            database=database,
            storage=make_storage(settings, keys.derive("storage")),
            queue=queue,
            sender=sender,
            mailer=make_mailer(settings),
            topic=make_topic(settings),
            paddle=make_paddle(settings),
            plans=Plans.load(settings.plans),
            token_keys=keys,
        )
    finally:
        await sender.close()
        await queue.close()
        await database.close()
