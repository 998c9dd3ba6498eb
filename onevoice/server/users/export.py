"""Everything about a user, as one JSON document.

The tables are found, not listed: each that has a ``user_id``, or refers to one that has, is in the
export unless it is named here with a reason. Rows are read a few at a time, each batch in a
transaction of its own: a slow reader holds nothing, and a large account takes no more memory than a
small one.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, ColumnElement, Table, select, tuple_

from onevoice.server.db import Database, now
from onevoice.server.tables import METADATA

FORMAT = "onevoice-account"
VERSION = 1
BATCH = 500
WIDE_BATCH = 10
"""Of tables with JSON: one row may hold all lines of a film."""

EXCLUDED: Mapping[str, str] = {
    "idempotency_keys": "answers given once before, for a few days; the other tables say the same",
    "mailed_tokens": "hashes of one-time links",
    "paddle_events": "Paddle's messages as they came; subscriptions and ledger hold what they say",
    "rate_windows": "counters under keyed hashes: nobody can tell whose they are",
    "refresh_tokens": "hashes of tokens; the sessions they belong to are there",
    "tasks": "what is left to do, one-time links of mails among it; its results are in the others",
    "welcomes": "keyed hashes of addresses that had the free minutes: nobody can tell whose",
}
"""Tables that are not in the export, and why."""

HIDDEN = frozenset(
    {
        ("users", "password_hash"),
        ("api_keys", "secret_hash"),
        ("webhook_endpoints", "secret"),
        ("videos", "upload_id"),
        ("jobs", "usd"),
    }
)
"""Columns that are left out: secrets, and what the operator pays to others."""


def owned_tables() -> list[Table]:
    """Every table with rows of users, but for those in EXCLUDED."""
    return [
        table
        for table in METADATA.sorted_tables
        if table.name not in EXCLUDED and _owner(table, "") is not None
    ]


def shown_columns(table: Table) -> list[Any]:
    return [column for column in table.columns if (table.name, column.key) not in HIDDEN]


async def export(database: Database, user_id: str) -> AsyncIterator[str]:
    """The document, in pieces."""
    about = {"format": FORMAT, "version": VERSION, "exported_at": now()}
    yield _json(about)[:-1] + ', "tables": {'
    for number, table in enumerate(owned_tables()):
        yield f"{',' if number else ''}\n{_json(table.name)}: ["
        first = True
        async for row in _rows(database, table, user_id):
            yield f"{'' if first else ','}\n{_json(row)}"
            first = False
        yield "]"
    yield "}}\n"


async def _rows(database: Database, table: Table, user_id: str) -> AsyncIterator[dict[str, Any]]:
    key = list(table.primary_key.columns)
    owner = _owner(table, user_id)
    if owner is None:
        raise ValueError(f"{table.name} has no owner")
    shown = shown_columns(table)
    batch = WIDE_BATCH if any(isinstance(column.type, JSON) for column in shown) else BATCH
    query = select(table).where(owner).order_by(*key).limit(batch)
    names = [column.key for column in shown]
    last: list[Any] | None = None
    while True:
        page = query if last is None else query.where(tuple_(*key) > tuple_(*last))
        async with database.session() as session:
            rows = (await session.execute(page)).mappings().all()
        for row in rows:
            yield {name: row[table.c[name]] for name in names}
        if len(rows) < batch:
            return
        last = [rows[-1][column] for column in key]


def _owner(table: Table, user_id: str) -> ColumnElement[bool] | None:
    """The condition that picks a user's rows; None for a table that has none."""
    if table.name == "users":
        return table.c.id == user_id
    if "user_id" in table.c:
        return table.c.user_id == user_id
    for reference in table.foreign_keys:
        parent = _owner(reference.column.table, user_id)
        if parent is not None:
            return reference.parent.in_(select(reference.column).where(parent))
    return None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"a column of {type(value).__name__} cannot be exported")
