"""New rows of several tables, written in one round trip.

The ORM inserts table by table, each with a statement and bookkeeping of its own. PostgreSQL takes
inserts into several tables as one statement (data-modifying ``WITH``); foreign keys among them are
checked at its end. SQLite knows no such statement and has no network to save: there the tables are
written one after another.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from sqlalchemy import BindParameter, Table, TextClause, bindparam, insert, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.db import Base, table_of

Shape = tuple[tuple[type[Base], tuple[str, ...], int], ...]
"""What a statement depends on: entities, the attributes that are given, how many rows of each."""


async def write_new(session: AsyncSession) -> None:
    """Insert the objects that were added to the session and are not written yet.

    The session forgets them: what is changed in them afterwards is not written, and what the
    database gives (a serial number) is not read. Python's defaults are set in the objects.
    """
    groups: dict[tuple[type[Base], tuple[str, ...]], list[dict[str, Any]]] = {}
    for one in [one for one in session.new if isinstance(one, Base)]:
        session.expunge(one)
        values = _values(one)
        groups.setdefault((type(one), tuple(values)), []).append(values)
    if not groups:
        return
    rows = sorted(groups.items(), key=lambda group: _places()[table_of(group[0][0])])
    if session.get_bind().dialect.name != "postgresql":
        for (entity, _), some in rows:
            await session.execute(insert(table_of(entity)), some)
        return
    shape = tuple((entity, keys, len(some)) for (entity, keys), some in rows)
    given = (value for _, some in rows for row in some for value in row.values())
    parameters = {f"v{place}": value for place, value in enumerate(given)}
    await session.execute(_statement(shape), parameters)


@cache
def _places() -> dict[Table, int]:
    """Tables that others refer to come first."""
    return {table: place for place, table in enumerate(Base.metadata.sorted_tables)}


def _values(one: Base) -> dict[str, Any]:
    """Values by column, in the table's order. Empty ones are left to the database: NULL."""
    found: dict[str, Any] = {}
    for attribute in inspect(type(one)).column_attrs:
        column = attribute.columns[0]
        value = getattr(one, attribute.key)
        if value is None and column.default is not None:
            default = column.default
            value = default.arg(None) if default.is_callable else default.arg
            setattr(one, attribute.key, value)
        if value is not None:
            found[column.name] = value
    return found


@lru_cache(maxsize=256)
def _statement(shape: Shape) -> TextClause:
    """Inserts as one statement whose parameters are v0, v1 … in the order of tables, rows, columns.

    As text: what SQLAlchemy's own ``insert`` makes of several rows it compiles anew each time.
    """
    dialect: Any = postgresql.dialect  # it has no types
    quoted = dialect().identifier_preparer
    parameters: list[BindParameter[Any]] = []
    inserts: list[str] = []
    for entity, names, rows in shape:
        table = table_of(entity)
        columns = [table.c[name] for name in names]
        places: list[str] = []
        for _ in range(rows):
            of_row = [
                bindparam(f"v{place}", type_=column.type)
                for place, column in enumerate(columns, start=len(parameters))
            ]
            parameters += of_row
            places.append(f"({', '.join(f':{one.key}' for one in of_row)})")
        head = f"{quoted.format_table(table)} ({', '.join(map(quoted.format_column, columns))})"
        inserts.append(f"INSERT INTO {head} VALUES {', '.join(places)}")  # noqa: S608 (our names)
    *others, last = inserts
    named = ", ".join(f"new_{place} AS ({one})" for place, one in enumerate(others))
    return text(f"WITH {named} {last}" if named else last).bindparams(*parameters)
