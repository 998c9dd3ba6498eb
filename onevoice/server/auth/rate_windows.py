"""SQL of the limits: counting in windows of time."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import bindparam, case, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth.models import RateWindow
from onevoice.server.db import Moment, table_of


async def count_window(
    session: AsyncSession, *, key: str, at: datetime, ends_at: datetime
) -> tuple[int, datetime]:
    """Count one more in the window under way, or begin one: the count, and when it ends."""
    counting = _counting(session.get_bind().dialect.name)
    row = (await session.execute(counting, {"name": key, "at": at, "until": ends_at})).one()
    return row[0], row[1]


@cache
def _counting(dialect: str) -> Any:
    insert: Any = sqlite.insert if dialect == "sqlite" else postgresql.insert
    windows = table_of(RateWindow)
    fresh = insert(windows).values(
        key=bindparam("name"), count=1, ends_at=bindparam("until", type_=Moment())
    )
    over = windows.c.ends_at <= bindparam("at", type_=Moment())
    return fresh.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "count": case((over, 1), else_=windows.c.count + 1),
            "ends_at": case((over, fresh.excluded.ends_at), else_=windows.c.ends_at),
        },
    ).returning(windows.c.count, windows.c.ends_at)


async def uncount_window(session: AsyncSession, *, key: str, at: datetime) -> None:
    await session.execute(
        update(RateWindow)
        .where(RateWindow.key == key, RateWindow.count > 0, RateWindow.ends_at > at)
        .values(count=RateWindow.count - 1),
        execution_options={"synchronize_session": False},
    )
