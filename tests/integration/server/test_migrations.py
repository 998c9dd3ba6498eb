"""Migrations: up, down and up again, on SQLite and PostgreSQL, by the command and side by side."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Inspector, inspect, text

from onevoice.server import migrate
from onevoice.server.auth.models import User
from onevoice.server.db import Database
from onevoice.server.settings import PREFIX, ServerSettings
from onevoice.server.tables import METADATA
from tests.postgres import Postgres

Work = Callable[[Database], Awaitable[None]]
Do = Callable[[Work], None]


@pytest.fixture
def do(database_url: str, tmp_path: Path) -> Do:
    """Run something with the database."""
    settings = ServerSettings(data_dir=tmp_path, database_url=database_url)

    def run(work: Work) -> None:
        async def inside() -> None:
            database = Database(settings)
            try:
                await work(database)
            finally:
                await database.close()

        asyncio.run(inside())

    return run


async def look(database: Database, what: Callable[[Inspector], Any]) -> Any:
    async with database.engine.connect() as connection:
        return await connection.run_sync(lambda sync: what(inspect(sync)))


async def add_user(database: Database, name: str) -> None:
    async with database.transaction() as session:
        session.add(
            User(
                id=f"user_{name}", email=f"{name}@example.com", email_key=f"{name}@example.com",
                password_hash="-",
            )
        )  # fmt: skip


async def users(database: Database) -> list[str]:
    async with database.session() as session:
        return sorted((await session.execute(text("SELECT id FROM users"))).scalars())


def test_up_down_and_up_again(do: Do) -> None:
    async def work(database: Database) -> None:
        assert await migrate.current(database) is None
        await migrate.upgrade(database)
        assert await migrate.current(database) == migrate.head() is not None
        assert await migrate.drift(database) == []
        await add_user(database, "ada")

        await migrate.downgrade(database, "base")
        assert await migrate.current(database) is None
        left = await look(database, lambda found: found.get_table_names())
        assert set(left) <= {"alembic_version"}

        await migrate.upgrade(database)
        assert await migrate.drift(database) == []
        assert await users(database) == []
        await add_user(database, "bob")  # and it works

    do(work)


def test_one_revision_at_a_time(do: Do) -> None:
    async def work(database: Database) -> None:
        await migrate.upgrade(database, "+1")
        while await migrate.current(database) != migrate.head():
            await migrate.upgrade(database, "+1")
        while await migrate.current(database) is not None:
            await migrate.downgrade(database, "-1")
        await migrate.upgrade(database)
        assert await migrate.drift(database) == []

    do(work)


def test_upgrading_again_changes_nothing(do: Do) -> None:
    async def work(database: Database) -> None:
        await migrate.upgrade(database)
        await add_user(database, "ada")
        await migrate.upgrade(database)
        await migrate.upgrade(database)
        assert await users(database) == ["user_ada"]

    do(work)


def test_tables_are_those_of_the_code_to_the_last_constraint(do: Do, tmp_path: Path) -> None:
    """What Alembic's comparison leaves out, too: checks, names, order of columns, ON DELETE."""
    made: dict[str, Any] = {}

    async def migrated(database: Database) -> None:
        await migrate.upgrade(database)
        made["migrations"] = await look(database, tables)
        await migrate.downgrade(database, "base")
        async with database.engine.begin() as connection:
            await connection.run_sync(METADATA.create_all)
        made["models"] = await look(database, tables)

    do(migrated)
    assert set(made["migrations"]) == set(METADATA.tables)
    for name, table in made["models"].items():
        assert made["migrations"][name] == table, name


def tables(found: Inspector) -> dict[str, Any]:
    def rows(given: list[Any], *keys: str) -> list[Any]:
        return sorted((tuple(str(one.get(key)) for key in keys) for one in given), key=str)

    return {
        name: {
            "columns": [
                (one["name"], str(one["type"]), one["nullable"], one["default"])
                for one in found.get_columns(name)
            ],
            "primary": found.get_pk_constraint(name),
            "foreign": rows(
                found.get_foreign_keys(name), "name", "constrained_columns", "referred_table",
                "referred_columns", "options",
            ),
            "unique": rows(found.get_unique_constraints(name), "name", "column_names"),
            "checks": rows(found.get_check_constraints(name), "name", "sqltext"),
            "indexes": rows(found.get_indexes(name), "name", "column_names", "unique"),
        }
        for name in found.get_table_names()
        if name != "alembic_version"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("CREATE TABLE extra (id INTEGER)", "remove_table"),
        ("DROP TABLE line_edits", "add_table"),
        ("ALTER TABLE users ADD COLUMN extra INTEGER", "remove_column"),
        ("DROP INDEX ix_jobs_user_id_id", "add_index"),
        ("CREATE INDEX ix_extra ON users (name)", "remove_index"),
        ("ALTER TABLE users ADD COLUMN extra INTEGER DEFAULT 7", "remove_column"),
    ],
)
def test_drift_is_seen(do: Do, change: str, said: str) -> None:
    async def work(database: Database) -> None:
        await migrate.upgrade(database)
        async with database.engine.begin() as connection:
            await connection.execute(text(change))
        assert said in str(await migrate.drift(database))

    do(work)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE users ALTER COLUMN name SET DEFAULT 'x'", "modify_default"),
        ("ALTER TABLE users ALTER COLUMN name DROP NOT NULL", "modify_nullable"),
        ("ALTER TABLE users ALTER COLUMN name TYPE varchar(7)", "modify_type"),
        ("ALTER TABLE jobs DROP CONSTRAINT fk_jobs_video_id_videos", "add_fk"),
        ("ALTER TABLE customers DROP CONSTRAINT uq_customers_id", "add_constraint"),
        ("DROP INDEX uq_users_email_key", "add_index"),
    ],
)
def test_drift_within_a_column_is_seen(
    postgres: Postgres, tmp_path: Path, change: str, said: str
) -> None:
    async def work() -> None:
        database = Database(ServerSettings(data_dir=tmp_path, database_url=postgres.create()))
        try:
            await migrate.upgrade(database)
            async with database.engine.begin() as connection:
                await connection.execute(text(change))
            assert said in str(await migrate.drift(database))
        finally:
            await database.close()

    asyncio.run(work())


def test_a_migration_that_fails_leaves_nothing_behind(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it in one transaction, and the lock is given back."""

    def half(config: Any, revision: str) -> None:
        sync: Connection = config.attributes["connection"]
        sync.execute(text("CREATE TABLE half (id INTEGER)"))
        raise RuntimeError("half way")

    async def work() -> None:
        settings = ServerSettings(data_dir=tmp_path, database_url=postgres.create())
        first, second = Database(settings), Database(settings)
        try:
            with monkeypatch.context() as patched:
                patched.setattr("alembic.command.upgrade", half)
                with pytest.raises(RuntimeError, match="half way"):
                    await migrate.upgrade(first)
            assert await look(second, lambda found: found.get_table_names()) == []
            async with asyncio.timeout(30):  # the first one's connection is still open
                await migrate.upgrade(second)
            async with first.session() as session:  # and keeps the limits of all others
                limit = await session.scalar(text("SHOW statement_timeout"))
            assert limit == "30s"
        finally:
            await first.close()
            await second.close()

    asyncio.run(work())


# -- the command ---------------------------------------------------------------------------------


def command(url: str, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {f"{PREFIX}DATABASE_URL": url, f"{PREFIX}DATA_DIR": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-m", "onevoice", "db", *arguments],
        env=environment, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def said(process: subprocess.Popen[str], status: int = 0) -> str:
    told, _ = process.communicate(timeout=120)
    assert process.returncode == status, told
    return " ".join(told.split())


def test_processes_that_start_together_migrate_once(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.create()
    both = [command(url, tmp_path, "upgrade") for _ in range(2)]
    assert [said(one) for one in both] == [f"The database is at {migrate.head()}."] * 2
    assert "agree" in said(command(url, tmp_path, "check"))


def test_the_commands(database_url: str, tmp_path: Path) -> None:
    def db(*arguments: str, status: int = 0) -> str:
        return said(command(database_url, tmp_path, *arguments), status)

    head = migrate.head()
    assert db("current", status=1) == f"The database is at nothing; the newest is {head}."
    assert db("upgrade") == f"The database is at {head}."
    assert db("current") == f"The database is at {head}; the newest is {head}."
    assert db("check") == "The tables and the ledger agree."
    db("downgrade", "base", status=130)  # nobody said yes
    assert db("current") == f"The database is at {head}; the newest is {head}."
    assert db("downgrade", "base", "--yes") == "The database is at nothing."
    assert "run: onevoice db upgrade" in db("check", status=2)
