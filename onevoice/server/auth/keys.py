"""API keys: ``ov_<id>_<secret>``, and the scopes that keys and sessions have."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Literal, get_args

from onevoice.server.auth.tokens import token_hash
from onevoice.server.ids import new_id

Scope = Literal[
    "videos:read",
    "videos:write",
    "jobs:read",
    "jobs:write",
    "billing:read",
    "billing:write",
    "webhooks:read",
    "webhooks:write",
    "account:read",
    "account:write",
]
"""What can be allowed. Sessions may do everything, keys what they were made for."""

SCOPES: tuple[str, ...] = get_args(Scope)
ALL_SCOPES = frozenset(SCOPES)
PREFIX = "ov_"
_FORM = re.compile(r"ov_([0-9a-z]{26})_([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that was just made: the only time its secret is known."""

    id: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        return f"{PREFIX}{self.id.removeprefix('key_')}_{self.secret}"

    @property
    def secret_hash(self) -> str:
        return token_hash(self.secret)


def new_key() -> NewKey:
    return NewKey(id=new_id("key"), secret=secrets.token_hex(32))


def read_key(text: str) -> tuple[str, str] | None:
    """The key's id and secret, or None for what is no key."""
    match = _FORM.fullmatch(text)
    return (f"key_{match[1]}", match[2]) if match else None


def same_secret(secret: str, kept: str) -> bool:
    """Compared in constant time with the hash that was kept."""
    return hmac.compare_digest(token_hash(secret), kept)
