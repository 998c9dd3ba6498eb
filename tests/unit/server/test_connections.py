"""Connections to PostgreSQL that were lost while they rested are replaced, not handed out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from onevoice.server import db
from onevoice.server.db import Database
from onevoice.server.settings import load_settings
from tests.postgres import Postgres

ME = "SELECT pg_backend_pid()"


async def pid(database: Database) -> int:
    async with database.session() as session:
        found: int = (await session.execute(text(ME))).scalar_one()
        return found


def test_a_connection_that_was_cut_is_replaced(postgres: Postgres) -> None:
    async def work() -> None:
        url = postgres.create()
        database = Database(load_settings(database_url=url))
        other = Database(load_settings(database_url=url))
        try:
            first = await pid(database)
            assert await pid(database) == first
            async with other.session() as session:
                await session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": first})
            await asyncio.sleep(0.2)
            assert await pid(database) != first
        finally:
            await database.close()
            await other.close()

    asyncio.run(work())


def test_one_that_rested_is_asked_whether_it_answers(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        database = Database(load_settings(database_url=postgres.create()))
        asked: list[Any] = []
        try:
            first = await pid(database)
            monkeypatch.setattr(await _class_of(database), "ping", _fails(asked))
            assert await pid(database) == first and not asked
            monkeypatch.setattr(db, "_RESTED_S", -1.0)
            assert await pid(database) != first and len(asked) == 1
        finally:
            await database.close()

    asyncio.run(work())


async def _class_of(database: Database) -> Any:
    async with database.engine.connect() as connection:
        raw = await connection.get_raw_connection()
        return type(raw.dbapi_connection)


def _fails(asked: list[Any]) -> Any:
    def ping(connection: Any) -> None:
        asked.append(connection)
        raise ConnectionResetError("nobody is there")

    return ping
