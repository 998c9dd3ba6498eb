"""Cursors: what we wrote comes back, whatever else comes is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from onevoice.server.errors import Invalid
from onevoice.server.paging import Wanted, page, wanted_page


class Item(BaseModel):
    id: str


def test_pages_lead_through_a_list() -> None:
    items = [Item(id=f"job_{number}") for number in range(7)][::-1]
    seen: list[Item] = []
    cursor: str | None = None
    for _ in range(3):
        wanted = wanted_page(limit=3, cursor=cursor)
        left = [item for item in items if wanted.before is None or item.id < wanted.before]
        found = page(left[: wanted.limit + 1], wanted, key=lambda item: item.id)
        seen += found.items
        cursor = found.next_cursor
    assert seen == items and cursor is None


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_last_page_says_so(count: int) -> None:
    items = [Item(id=str(number)) for number in range(count)]
    found = page(items, Wanted(limit=3, before=None), key=lambda item: item.id)
    assert found.items == items and found.next_cursor is None


@given(st.text(max_size=200))
def test_any_cursor_is_read_or_refused(cursor: str) -> None:
    try:
        wanted = wanted_page(limit=20, cursor=cursor)
    except Invalid as exc:
        assert exc.hint and exc.message == "the cursor is none of ours"
        return
    assert wanted.before and wanted.before.isascii() and wanted.before.isprintable()
