"""What an HTTP service answers when it does not answer with what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


class StatusError(Exception):
    """An error status with all that :mod:`onevoice.engines.boundary` reads of one."""

    def __init__(self, status_code: int, body: str, headers: Mapping[str, str]) -> None:
        super().__init__(f"HTTP {status_code}: {body[:300]}")
        self.status_code = status_code
        self.body = body
        self.headers = headers


def raise_for_status(response: httpx.Response) -> None:
    """Raise StatusError for all but success; also an httpx hook, for SDKs that lose headers."""
    if not response.is_success:
        response.read()
        raise StatusError(response.status_code, response.text, response.headers)
