"""The application in the process, on SQLite or PostgreSQL, and people with accounts on it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.app import create_app
from onevoice.server.resources import Resources
from onevoice.server.settings import ServerSettings
from onevoice.server.tables import METADATA
from onevoice.server.tasks.models import Task

PASSWORD = "stapler whale lantern sofa"
EMAIL = "Ada@example.com"


@dataclass
class Server:
    """A running application, and a look into it."""

    app: FastAPI
    http: httpx.AsyncClient

    @property
    def resources(self) -> Resources:
        found: Resources = self.app.state.resources
        return found

    def with_settings(self, **changes: Any) -> None:
        """Other settings from now on, such as those of a hosted server."""
        settings = self.resources.settings.model_copy(update=changes)
        self.app.state.resources = replace(self.resources, settings=settings)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[AsyncSession]:
        async with self.resources.database.transaction() as session:
            yield session

    async def rows(self, sql: str, **values: Any) -> list[Row[Any]]:
        async with self.resources.database.session() as session:
            return list((await session.execute(text(sql), values)).all())

    async def count(self, table: type[Any], *where: Any) -> int:
        async with self.resources.database.session() as session:
            query = select(func.count()).select_from(table).where(*where)
            return await session.scalar(query) or 0

    async def mails(self, to: str | None = None) -> list[dict[str, Any]]:
        """What is to be mailed, oldest first: a worker that sends a mail forgets what it said."""
        async with self.resources.database.session() as session:
            query = select(Task.payload).where(Task.kind == "mail").order_by(Task.id)
            found = [dict(payload) for payload in await session.scalars(query)]
        return [mail for mail in found if to is None or mail["to"].lower() == to.lower()]

    async def mailed_token(self, to: str, template: str) -> str:
        """The token of the newest link of this kind."""
        links = [m["values"]["link"] for m in await self.mails(to) if m["template"] == template]
        match = re.search(r"#token=([A-Za-z0-9_-]{43})$", links[-1])
        assert match, links[-1]
        return match[1]

    async def register(self, email: str = EMAIL, **more: Any) -> httpx.Response:
        body = {"email": email, "password": PASSWORD} | more
        return await self.http.post("/v1/auth/register", json=body)

    async def login(self, email: str = EMAIL, password: str = PASSWORD) -> httpx.Response:
        body = {"email": email, "password": password}
        return await self.http.post("/v1/auth/login", json=body)

    async def user(self, email: str = EMAIL, **more: Any) -> Person:
        """Somebody who registered and logged in."""
        assert (await self.register(email, **more)).status_code == 202
        return Person(self, (await self.login(email)).json())

    async def verified(self, email: str = EMAIL) -> Person:
        person = await self.user(email)
        token = await self.mailed_token(email, "verify")
        assert (await self.prove(token)).status_code == 204
        return person

    async def prove(self, token: str, password: str = PASSWORD) -> httpx.Response:
        """Follow a link that proves an address."""
        body = {"token": token, "password": password}
        return await self.http.post("/v1/auth/verify", json=body)

    async def reset(self, password: str, email: str = EMAIL) -> httpx.Response:
        """Have a link mailed that sets a password, and follow it."""
        await self.http.post("/v1/auth/password/forgot", json={"email": email})
        body = {"token": await self.mailed_token(email, "reset"), "password": password}
        return await self.http.post("/v1/auth/password/reset", json=body)


@dataclass
class Person:
    """Somebody with tokens."""

    server: Server
    tokens: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return await self.server.http.request(method, f"/v1{path}", headers=self.headers, **more)

    async def refresh(self, token: str | None = None) -> httpx.Response:
        body = {"refresh_token": token or self.tokens["refresh_token"]}
        return await self.server.http.post("/v1/auth/refresh", json=body)

    async def key(self, *scopes: str, **more: Any) -> dict[str, Any]:
        """An API key with these scopes."""
        body = {"name": "a program", "scopes": list(scopes)} | more
        answer = await self.ask("POST", "/auth/api-keys", json=body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def lives(self) -> bool:
        return (await self.ask("GET", "/users/me")).status_code == 200


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def serving(settings: ServerSettings, *, worker: bool = False) -> AsyncIterator[Server]:
    """The application with empty tables."""
    from onevoice.server.db import Database

    tables = Database(settings)
    async with tables.engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    await tables.close()
    app = create_app(settings, worker=worker)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            yield Server(app, http)


Work = Callable[[Server], Awaitable[None]]
Run = Callable[..., None]


def runner(settings: ServerSettings) -> Run:
    """Run a test's work against a fresh server."""
    import asyncio

    def run(work: Work, *, worker: bool = False) -> None:
        async def inside() -> None:
            async with serving(settings, worker=worker) as server:
                await work(server)

        coroutine: Coroutine[Any, Any, None] = inside()
        asyncio.run(coroutine)

    return run
