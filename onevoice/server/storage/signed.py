"""Signed addresses of a local storage: what a client may do with which object, and until when."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from onevoice.server.storage.base import StorageError

_PURPOSE = b"onevoice storage 1\n"
"""Goes into every signature: one made with the same secret for another purpose is worth nothing."""
_MAX_TOKEN = 8192


class TokenInvalid(StorageError):
    code = "storage_token_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One thing a client may do: PUT part ``number`` of an upload, or GET an object."""

    method: Literal["GET", "PUT"]
    key: str
    upload_id: str = ""
    number: int = 0
    max_bytes: int = 0
    filename: str = ""
    media_type: str = ""


class Signer:
    """Makes and opens tokens: JSON with its end of life, and an HMAC-SHA256 of it."""

    def __init__(self, secret: bytes, *, clock: Callable[[], float] = time.time) -> None:
        if len(secret) < 16:
            raise ValueError("a secret of at least 16 bytes is needed")
        self._secret = secret
        self._clock = clock

    def seal(self, grant: Grant, *, seconds: int) -> str:
        body = asdict(grant) | {"until": int(self._clock()) + max(1, seconds)}
        payload = json.dumps(body, separators=(",", ":")).encode()
        return f"{_encode(payload)}.{_encode(self._mac(payload))}"

    def open(self, token: str) -> Grant:
        """What a token grants. Raises TokenInvalid if it is forged, damaged or too old."""
        try:
            if len(token) > _MAX_TOKEN:
                raise ValueError("too long")
            payload, mac = (_decode(half) for half in token.split("."))
            if not hmac.compare_digest(mac, self._mac(payload)):
                raise ValueError("not signed by this server")
            body = json.loads(payload)
            until = body.pop("until")
            grant = Grant(**body)
        except (ValueError, TypeError, KeyError):
            raise TokenInvalid(
                "this address is damaged, or was not made by this server",
                hint="ask for a new one",
            ) from None
        if self._clock() >= until:
            raise TokenInvalid("this address is too old", hint="ask for a new one")
        return grant

    def _mac(self, payload: bytes) -> bytes:
        return hmac.digest(self._secret, _PURPOSE + payload, hashlib.sha256)


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if _encode(data) != text:  # one spelling only
        raise ValueError("not canonical")
    return data
