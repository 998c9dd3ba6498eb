"""Transactions that meet: user, job, balance, the account's turn; none waits for one that waits.

PostgreSQL only: on SQLite there is one writer at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from onevoice.server.auth import repository as accounts
from onevoice.server.billing import events, ledger
from onevoice.server.billing.models import Subscription
from onevoice.server.billing.plans import Plan
from onevoice.server.billing.repository import add_event
from onevoice.server.db import now
from onevoice.server.jobs import repository as jobs
from onevoice.server.settings import ServerSettings
from onevoice.server.users import service as users
from onevoice.server.videos import repository as videos
from onevoice.server.webhooks import repository as hooks
from onevoice.server.webhooks import service as webhooks
from onevoice.server.webhooks.models import WebhookEndpoint
from tests.integration.server.accounts import Server, serving
from tests.integration.server.dubbing import Ada, fake_engines, join
from tests.postgres import Postgres

__all__ = ["fake_engines"]


@pytest.fixture
def settings(postgres: Postgres, tmp_path: Path) -> ServerSettings:
    return ServerSettings(
        data_dir=tmp_path, database_url=postgres.create(), token_keys=f"test:{'k' * 40}"
    )


def meeting(settings: ServerSettings, work: Callable[[Ada], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with serving(settings) as server, asyncio.timeout(30):
            await work(await join(server))

    asyncio.run(inside())


async def blocked(server: Server) -> None:
    """Until somebody waits for a lock."""
    while not (await server.rows("select 1 from pg_locks where not granted")):
        await asyncio.sleep(0.02)


def test_leaving_while_a_job_begins(settings: ServerSettings) -> None:
    """Whoever leaves holds the user's row; the rows that a job writes refer to it."""

    async def work(ada: Ada) -> None:
        server = ada.server
        job = await ada.submit(await ada.video(), "es")
        async with server.database() as session:
            user = await accounts.user_by_id(session, ada.user_id)
        assert user is not None

        async def leave() -> None:
            async with server.database() as session:
                await users.leave(session, server.resources, user)

        async with server.database() as session:
            assert await jobs.job_of(session, ada.user_id, job["id"], lock=True)
            leaving = asyncio.create_task(leave())
            await blocked(server)
            await ledger.hold(session, ada.user_id, 5, job_id=job["id"], key="hold:x:es:1")
            await ledger.release(session, ada.user_id, hold_key="hold:x:es:1")
        await leaving
        assert await ada.books() == (600, 0, 0)

    meeting(settings, work)


def test_an_event_of_paddle_while_an_address_is_proven(settings: ServerSettings) -> None:
    """Both change the user and then the balance."""

    async def work(ada: Ada) -> None:
        server = ada.server
        creator = server.resources.plans.plans[1]
        assert isinstance(creator, Plan)
        async with server.database() as session:
            session.add(
                Subscription(
                    id="sub_1", user_id=ada.user_id, customer_id="ctm_1", plan=creator.name,
                    status="active", told_at=now() - timedelta(days=1), told_by="evt_0",
                )
            )  # fmt: skip
            await ledger.grant(session, ada.user_id, 100, key="paddle:txn_1:sub_1:plan")
            data = {"id": "sub_1", "status": "canceled", "customer_id": "ctm_1", "items": []}
            await add_event(
                session,
                event_id="evt_1",
                kind="subscription.canceled",
                occurred_at=now(),
                payload={"data": data},
            )

        async def apply() -> str:
            async with server.database() as session:
                return await events.apply(session, server.resources.plans, "evt_1")

        async with server.database() as session:
            assert await accounts.user_by_id(session, ada.user_id, lock=True)
            applying = asyncio.create_task(apply())
            await blocked(server)
            await ledger.grant(session, ada.user_id, 7, key="signup:x")
        assert await applying == "creator: canceled"
        assert await ada.books() == (607, 0, 0)

    meeting(settings, work)


def test_a_link_is_followed_while_the_password_is_set(settings: ServerSettings) -> None:
    """Both change the user and then the link."""

    async def work(ada: Ada) -> None:
        server = ada.server
        await server.user("bob@example.com")
        token = await server.mailed_token("bob@example.com", "verify")
        async with server.database() as session:
            bob = await accounts.user_by_email(session, "bob@example.com")
            assert bob is not None
            assert await accounts.user_by_id(session, bob.id, lock=True)
            proving = asyncio.create_task(server.prove(token))
            await blocked(server)
            await accounts.spend_mailed_tokens(session, user_id=bob.id, at=now())
        assert (await proving).status_code == 422

    meeting(settings, work)


def test_an_endpoint_is_deleted_while_a_message_to_it_fails(settings: ServerSettings) -> None:
    """Whoever delivers holds the delivery, and then switches the endpoint off."""

    async def work(ada: Ada) -> None:
        server = ada.server
        async with server.database() as session:
            endpoint = WebhookEndpoint(
                id="whe_1", user_id=ada.user_id, url="https://example.com/", secret="whsec_eA==",
                events=["*"], enabled=True,
            )  # fmt: skip
            session.add(endpoint)
            await session.flush()
            (delivery,) = await webhooks.enqueue(session, ada.user_id, "job.done", {})

        async def delete() -> None:
            async with server.database() as session:
                await webhooks.delete_endpoint(session, "whe_1", user_id=ada.user_id)

        async with server.database() as session:
            found = await hooks.find_delivery(session, delivery.id, user_id=ada.user_id, lock=True)
            assert found is not None
            deleting = asyncio.create_task(delete())
            await blocked(server)
            await session.execute(text("update webhook_endpoints set enabled = false"))
        await deleting
        assert await server.count(WebhookEndpoint) == 0

    meeting(settings, work)


def test_who_begins_an_upload_waits_for_nobody_who_changes_the_user(
    settings: ServerSettings,
) -> None:
    """An upload takes the account's turn and then refers to the user."""

    async def work(ada: Ada) -> None:
        async with ada.server.database() as session:
            assert await accounts.user_by_id(session, ada.user_id, lock=True)
            video = await ada.video()
        async with ada.server.database() as session:
            assert await videos.video_of(session, ada.user_id, video)

    meeting(settings, work)
