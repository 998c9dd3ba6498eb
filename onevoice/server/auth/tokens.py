"""Tokens: short-lived JWTs that requests carry, and the random ones that are kept as hashes.

An access token (RFC 9068 in spirit, HS256) names its user and session. It is signed by the first of
the named keys and verified by any of them, so keys are rotated by putting a new one in front. The
algorithm is pinned here and never read from the token.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt

from onevoice.errors import ConfigError
from onevoice.server.db import now
from onevoice.server.errors import Unauthorized
from onevoice.server.ids import new_id
from onevoice.server.settings import PREFIX, ServerSettings

ALGORITHM = "HS256"
AUDIENCE = "onevoice-api"
KEY_BYTES = 32
REQUIRED = ("iss", "aud", "sub", "sid", "iat", "exp", "jti", "typ")
_VARIABLE = f"{PREFIX}TOKEN_KEYS"
_HOW = 'name:secret,older:secret; make a secret with "openssl rand -hex 32"'


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessClaims:
    """Whom a valid access token speaks for."""

    user_id: str
    session_id: str


class TokenKeys:
    """Named secrets; the first signs, all verify."""

    def __init__(self, keys: dict[str, bytes], *, issuer: str, access_seconds: int) -> None:
        self._keys = keys
        self._signs = next(iter(keys))
        self._issuer = issuer
        self.access_seconds = access_seconds

    def __repr__(self) -> str:
        return f"TokenKeys({', '.join(self._keys)})"

    def derive(self, purpose: str) -> bytes:
        """Another secret, for another purpose, that changes with the signing key."""
        return self.derive_all(purpose)[0]

    def derive_all(self, purpose: str) -> list[bytes]:
        """The same of every key, that of the signing one first."""
        return [
            hmac.digest(key, f"onevoice {purpose}".encode(), "sha256")
            for key in self._keys.values()
        ]

    def access_token(self, *, user_id: str, session_id: str) -> str:
        """A JWT that is good for ``access_seconds``, as long as its session is."""
        at = now()
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": user_id,
            "sid": session_id,
            "iat": at,
            "exp": at + timedelta(seconds=self.access_seconds),
            "jti": new_id("tok"),
            "typ": "access",
        }
        return jwt.encode(
            claims,
            self._keys[self._signs],
            algorithm=ALGORITHM,
            headers={"kid": self._signs, "typ": "at+jwt"},
        )

    def read_access_token(self, token: str) -> AccessClaims:
        """Raises Unauthorized for anything that these keys did not sign for this purpose."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = self._keys.get(kid) if isinstance(kid, str) else None
            if key is None:
                raise jwt.InvalidKeyError("unknown key")
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=self._issuer,
                options={"require": list(REQUIRED), "strict_aud": True},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthorized(
                "the access token has expired",
                hint="get a new one at /v1/auth/refresh",
                code="token_expired",
                headers=CHALLENGE,
            ) from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise refused() from None
        if claims["typ"] != "access" or not isinstance(claims["sid"], str):
            raise refused()
        return AccessClaims(user_id=claims["sub"], session_id=claims["sid"])


CHALLENGE = {"WWW-Authenticate": 'Bearer realm="onevoice", error="invalid_token"'}


def refused() -> Unauthorized:
    """One answer for every reason: which check failed is nobody's business."""
    return Unauthorized(
        "the access token or API key is not valid", hint="log in again", headers=CHALLENGE
    )


def load_keys(settings: ServerSettings) -> TokenKeys:
    """The settings' keys; on one's own machine a random one that is kept in the data folder."""
    given = settings.token_keys.get_secret_value()
    if not given and settings.environment == "hosted":
        raise ConfigError(f"a hosted server needs {_VARIABLE}", hint=_HOW)
    keys = _parse(given) if given else {"local": _local_key(settings.data_dir / "token.key")}
    return TokenKeys(keys, issuer=settings.public_url, access_seconds=settings.access_seconds)


def passing_keys(settings: ServerSettings) -> TokenKeys:
    """For a process that signs and verifies nothing: a key that nobody knows and that ends with it.

    On one's own machine it is the one of the data folder, which others look for, too.
    """
    if settings.environment == "local":
        return load_keys(settings)
    keys = {"passing": secrets.token_bytes(KEY_BYTES)}
    return TokenKeys(keys, issuer=settings.public_url, access_seconds=settings.access_seconds)


def _parse(given: str) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for number, entry in enumerate(given.split(","), start=1):
        name, colon, secret = entry.strip().partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9._-]{1,40}", name):
            raise ConfigError(f"{_VARIABLE}: entry {number} has no name", hint=_HOW)
        if len(secret.encode()) < KEY_BYTES:
            raise ConfigError(
                f"{_VARIABLE}: the secret of {name} is shorter than {KEY_BYTES} bytes", hint=_HOW
            )
        if name in keys:
            raise ConfigError(f"{_VARIABLE}: {name} is there twice", hint=_HOW)
        keys[name] = secret.encode()
    return keys


def _local_key(path: Path) -> bytes:
    """Made once. Two processes that start together agree: only one of them can make the link."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(KEY_BYTES))
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    key = path.read_text().strip().encode()
    if len(key) < KEY_BYTES:
        raise ConfigError(
            f"{path} holds no key", hint="delete it: a new one is made, and everybody logs in again"
        )
    return key


def random_token() -> str:
    """256 random bits for a refresh token or a mailed link."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """How random tokens are kept: they have no pattern to guess, so one SHA-256 is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
