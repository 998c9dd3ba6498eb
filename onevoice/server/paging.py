"""Pages of a list: newest first, ``cursor`` for the next page."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from onevoice.server.errors import Invalid

T = TypeVar("T")
R = TypeVar("R", bound=BaseModel)


class Page(BaseModel, Generic[T]):
    """Some items of a list, and where the next ones begin."""

    items: list[T]
    next_cursor: str | None = Field(
        default=None, description="Give it as `cursor` for the next page; null on the last."
    )


class Wanted(BaseModel):
    """Which page was asked for: at most ``limit`` items older than ``before``."""

    limit: int
    before: str | None


def wanted_page(
    limit: Annotated[int, Query(ge=1, le=100, description="Most items of a page.")] = 20,
    cursor: Annotated[
        str | None, Query(max_length=200, description="`next_cursor` of the page before.")
    ] = None,
) -> Wanted:
    return Wanted(limit=limit, before=None if cursor is None else _read(cursor))


PageOf = Annotated[Wanted, Depends(wanted_page)]


def page(rows: Sequence[R], wanted: Wanted, *, key: Callable[[R], str]) -> Page[R]:
    """A page of ``rows``, of which there may be one more than ``wanted.limit``: it tells that a
    next page exists.
    """
    shown = list(rows[: wanted.limit])
    more = len(rows) > wanted.limit
    return Page[R](items=shown, next_cursor=_write(key(shown[-1])) if more and shown else None)


def _write(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _read(cursor: str) -> str:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        key = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError) as exc:
        raise Invalid(
            "the cursor is none of ours", hint="give the next_cursor of the page before"
        ) from exc
    if not key or not key.isprintable():
        raise Invalid("the cursor is none of ours", hint="give the next_cursor of the page before")
    return key
