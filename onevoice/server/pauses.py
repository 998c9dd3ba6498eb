"""Pauses between what is done again and again: never quite as long as other processes' ones."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any


def jittered(seconds: float, low: float, high: float) -> float:
    """Between ``low`` and ``high`` times so long: what began together does not go on together."""
    return seconds * random.uniform(low, high)  # noqa: S311 (it guards nothing)


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have endless work go on while the block runs."""
    going_on = asyncio.create_task(work)
    try:
        yield
    finally:
        going_on.cancel()
        with suppress(asyncio.CancelledError):
            await going_on
