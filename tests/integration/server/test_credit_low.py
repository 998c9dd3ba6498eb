"""Who is told that credit is low: whoever falls below the plan's threshold, when it happens."""

from __future__ import annotations

import asyncio

from sqlalchemy import select

from onevoice.server.billing import ledger
from onevoice.server.settings import ServerSettings
from onevoice.server.tasks.models import Task
from onevoice.server.webhooks.models import WebhookDelivery, WebhookEndpoint
from tests.integration.server.accounts import serving
from tests.integration.server.dubbing import Ada, fake_engines, join, settings

__all__ = ["fake_engines", "settings"]

LOW = 60
"""A tenth of the ten minutes of the free plan, in seconds."""


async def listening(ada: Ada) -> None:
    """Somebody who has an endpoint for it."""
    async with ada.server.database() as session:
        session.add(
            WebhookEndpoint(
                id=f"whe_{ada.user_id}", user_id=ada.user_id, url="https://example.com/hook",
                secret="whsec_eA==", events=["credit.low"], enabled=True,
            )
        )  # fmt: skip


async def told(ada: Ada) -> tuple[list[int], list[int]]:
    """What the mails say is left, in minutes, and the messages, in seconds."""
    mails = [
        mail["values"]["minutes"]
        for mail in await ada.server.mails(f"{ada.user_id}@example.com")
        if mail["template"] == "credit_low"
    ]
    async with ada.server.resources.database.session() as session:
        payloads = await session.scalars(select(WebhookDelivery.payload).order_by("id"))
        return mails, [payload["data"]["available_seconds"] for payload in payloads]


def test_it_is_told_once_when_credit_falls_below(settings: ServerSettings) -> None:
    async def work() -> None:
        async with serving(settings) as server:
            ada = await join(server, credit=600, plan="free")
            await listening(ada)
            await ada.submit(await ada.video(seconds=600 - LOW), "es")
            assert await told(ada) == ([], []), "what is left is exactly the threshold"
            job = await ada.submit(await ada.video(seconds=5), "es", "ko")
            assert await told(ada) == ([0], [50])
            await ada.submit(await ada.video(seconds=10), "es")
            assert await told(ada) == ([0], [50]), "below already"
            short = await ada.ask(
                "POST", "/jobs", json=ada.order(await ada.video(seconds=999), "es")
            )
            assert short.status_code == 402

            await ada.ok("POST", f"/jobs/{job['id']}/cancel")
            async with server.database() as session:
                await ledger.grant(session, ada.user_id, 100, key="more")
            await ada.submit(await ada.video(seconds=100), "es")
            assert await told(ada) == ([0], [50, 50]), "above, and below again: one mail a day"

    asyncio.run(work())


def test_holds_that_come_together_tell_it_once(settings: ServerSettings) -> None:
    async def work() -> None:
        async with serving(settings) as server:
            ada, bob = await join(server, plan="free"), await join(server, plan="free")
            await listening(ada)
            videos = [await ada.video(seconds=100) for _ in range(8)]
            answers = await asyncio.gather(
                *(ada.ask("POST", "/jobs", json=ada.order(video, "es")) for video in videos)
            )
            assert sorted(answer.status_code for answer in answers) == [201] * 6 + [402] * 2
            assert await told(ada) == ([0], [0])
            assert (await told(bob))[0] == []
            assert await server.count(Task, Task.kind == "webhook") == 1

    asyncio.run(work())
