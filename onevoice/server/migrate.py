"""Bring the database to a version of its tables, and say whether it is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from onevoice.errors import ConfigError
from onevoice.server.db import Database
from onevoice.server.tables import METADATA

T = TypeVar("T")

_LOCK = 0x6F766D69
"""Number of PostgreSQL's advisory lock: two servers that start together migrate once."""


async def upgrade(database: Database, revision: str = "head") -> None:
    """Run the migrations up to a revision."""
    await _on_connection(database, lambda config: command.upgrade(config, revision))


async def downgrade(database: Database, revision: str) -> None:
    """Take migrations back, down to a revision (``base``: to nothing)."""
    await _on_connection(database, lambda config: command.downgrade(config, revision))


async def current(database: Database) -> str | None:
    """The revision the database is at; None for an empty one."""
    async with database.engine.connect() as connection:
        return await connection.run_sync(
            lambda sync: MigrationContext.configure(sync).get_current_revision()
        )


def head() -> str | None:
    """The newest revision there is."""
    return ScriptDirectory.from_config(_config()).get_current_head()


async def require_head(database: Database) -> None:
    """Raise ConfigError unless the database has all tables of this version.

    One that a newer version has upgraded will do: that is so for a while in each roll-out.
    """
    at = await current(database)
    known = {each.revision for each in ScriptDirectory.from_config(_config()).walk_revisions()}
    if at is None or (at in known and at != head()):
        raise ConfigError(
            f"the database is at {at or 'nothing'}, and this version needs {head()}",
            hint="run: onevoice db upgrade",
        )


async def drift(database: Database) -> list[Any]:
    """How the tables of the database differ from the code's, as Alembic would change them."""

    def compare(sync: Connection) -> list[Any]:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(sync, opts=options)
        return list(compare_metadata(context, METADATA))

    async with database.engine.connect() as connection:
        return await connection.run_sync(compare)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config


async def _on_connection(database: Database, work: Callable[[Config], T]) -> None:
    def run(sync: Connection) -> None:
        if sync.dialect.name == "postgresql":
            sync.execute(text("SET statement_timeout = 0"))  # the lock may be long in coming
            sync.execute(text("SELECT pg_advisory_lock(:number)"), {"number": _LOCK})
            sync.commit()
        try:
            config = _config()
            config.attributes["connection"] = sync
            work(config)
            sync.commit()
        finally:
            if sync.dialect.name == "postgresql":
                sync.rollback()
                sync.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": _LOCK})
                sync.execute(text("RESET statement_timeout"))
                sync.commit()

    async with database.engine.connect() as connection:
        await connection.run_sync(run)
