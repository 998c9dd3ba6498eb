"""How Alembic reaches the database: over the connection of :mod:`onevoice.server.migrate`."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from onevoice.server.db import Moment
from onevoice.server.tables import METADATA


def _render(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Migrations stay as they were written: they name no type of the code's, which changes."""
    if kind == "type" and isinstance(item, Moment):
        return "sa.DateTime(timezone=True)"
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=METADATA,
    render_as_batch=connection.dialect.name == "sqlite",  # SQLite alters by copying
    compare_type=True,
    render_item=_render,
    compare_server_default=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
