"""The address of a service as settings hold it: no key in it, and one that can be asked."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator


def plain(url: str) -> str:
    """The address, without a slash at its end; empty stays empty.

    Raises ValueError for one that is none, or that holds a name or a password: settings are
    shown, cached and shared.
    """
    if not url:
        return ""
    if not url.startswith(("http://", "https://")):
        raise ValueError("it begins with http:// or https://")
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ValueError("no name or key in it: keys are kept in the environment")
    if not parts.hostname or parts.port == 0 or any(c.isspace() for c in url):
        raise ValueError("it is no address of a server")
    return url.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(plain)]
"""A setting that holds one."""
