"""The database: its engine, its sessions, and what all tables share.

PostgreSQL (asyncpg) when hosted, SQLite (aiosqlite) on one's own machine: the same tables, the same
statements. Times are UTC and aware in Python, whatever the database keeps.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, cast

from sqlalchemy import JSON, DateTime, Insert, MetaData, String, Table, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

from onevoice.server.settings import ServerSettings

_LONGEST = {
    "statement_timeout": "30s",
    # A worker or client that hangs in the middle of a transaction holds locks of others.
    "idle_in_transaction_session_timeout": "120s",
    "application_name": "onevoice",
}
"""What PostgreSQL ends by itself; migrations take their time (see migrate.py)."""


def now() -> datetime:
    return datetime.now(UTC)


class Moment(TypeDecorator[datetime]):
    """A time in UTC. SQLite keeps no zone: it is put back when a row is read."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


Json = JSON().with_variant(postgresql.JSONB(), "postgresql")
Id = String(40)


_RESTED_S = 5.0
"""A connection that was idle for so long is asked whether it still answers before it is used."""


class Base(DeclarativeBase):
    """Every table; names of constraints are fixed so that migrations can speak of them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Moment, dict[str, Any]: Json, list[Any]: Json}  # noqa: RUF012 (SQLAlchemy reads it)


class Database:
    """The engine and its sessions."""

    def __init__(self, settings: ServerSettings) -> None:
        self.engine = make_engine(settings)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        # SQLite has nothing to save here: it is no network away.
        on_network = self.engine.dialect.name != "sqlite"
        at_once = {"isolation_level": "AUTOCOMMIT"} if on_network else {}
        self._single = async_sessionmaker(
            self.engine.execution_options(**at_once), expire_on_commit=False
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session whose work is rolled back unless it was committed."""
        async with self._sessions() as session:
            yield session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session that is committed at the end, and rolled back by an error."""
        async with self._sessions.begin() as session:
            yield session

    @asynccontextmanager
    async def single(self) -> AsyncIterator[AsyncSession]:
        """A session for a statement or two that do not depend on each other: each may be committed
        at once, which saves asking for a transaction and for its end.
        """
        async with self._single.begin() as session:
            yield session

    async def close(self) -> None:
        await self.engine.dispose()


def make_engine(settings: ServerSettings) -> AsyncEngine:
    """The engine of the settings' database."""
    url = make_url(settings.database)
    if url.get_backend_name() == "sqlite":
        if url.database and url.database != ":memory:":
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_async_engine(url, connect_args={"timeout": 30}, hide_parameters=True)
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_immediate)
        event.listen(engine.sync_engine, "invalidate", _roll_back)
        return engine
    engine = create_async_engine(
        url,
        pool_size=settings.database_pool,
        max_overflow=settings.database_pool,
        pool_timeout=settings.database_timeout,
        pool_recycle=1800,
        hide_parameters=True,  # errors are logged; what users sent is not
        connect_args={
            "timeout": settings.database_timeout,
            "server_settings": _LONGEST,
            "prepared_statement_cache_size": 500,
        },
    )
    event.listen(engine.sync_engine, "checkin", _note_rest)
    event.listen(engine.sync_engine, "checkout", _check_rested)
    return engine


def _note_rest(_: Any, record: Any) -> None:
    record.info["rests_since"] = time.monotonic()


def _check_rested(connection: Any, record: Any, _: Any) -> None:
    """Have a connection that is gone replaced.

    Not ``pool_pre_ping``: it asks three times whenever a connection is taken. One that was cut
    knows it, and only one that has rested may have been lost in silence.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the connection was closed")
    if time.monotonic() - record.info.get("rests_since", math.inf) > _RESTED_S:
        try:
            connection.ping()
        except Exception as exc:
            raise DisconnectionError("the connection does not answer") from exc


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # The driver's own BEGIN comes late and without IMMEDIATE: two writers would fail each other.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def table_of(entity: type[Base]) -> Table:
    """The table itself, for statements that are built once and have no use for objects."""
    return cast("Table", entity.__table__)


async def insert_new(session: AsyncSession, table: type[Base], **values: Any) -> bool:
    """Insert a row unless one with its key is there; says whether it was inserted.

    Where another transaction is inserting the same key, this one waits for how that ends.
    """
    done = await session.execute(_insert_new(table, session.get_bind().dialect.name), values)
    return bool(cast("CursorResult[Any]", done).rowcount)


@cache
def _insert_new(table: type[Base], dialect: str) -> Insert:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return insert(table_of(table)).on_conflict_do_nothing()


def _roll_back(connection: Any, _: Any, __: Any) -> None:
    # Whoever was cancelled leaves cursors behind, and with them a closed connection of SQLite keeps
    # its transaction: the database would stay locked.
    connection.rollback()
