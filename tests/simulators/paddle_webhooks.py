"""Webhooks of Paddle's events: signed as Paddle does, and as attackers and bad networks would.

:func:`signed` makes the genuine ones; :func:`stale` and :func:`forged` those that must not be
accepted.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any

from onevoice.server.ids import new_id

SECRET = "pdl_ntfset_01simulated_0123456789abcdefghijklmnop"


@dataclass(frozen=True)
class Webhook:
    """One delivery: what is posted, and whether Paddle would have sent it."""

    body: bytes
    headers: dict[str, str]
    genuine: bool = True
    what: str = "genuine"

    @property
    def event_id(self) -> str:
        return str(json.loads(self.body)["event_id"])


def signature(body: bytes, *, secret: str = SECRET, at: float | None = None) -> str:
    """The Paddle-Signature header of a body."""
    stamp = int(time.time() if at is None else at)
    digest = hmac.new(secret.encode(), f"{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return f"ts={stamp};h1={digest}"


def signed(event: dict[str, Any], *, secret: str = SECRET, at: float | None = None) -> Webhook:
    """An event as Paddle posts it: each delivery has a notification id of its own."""
    body = json.dumps(event | {"notification_id": new_id("ntf")}, separators=(",", ":")).encode()
    return _webhook(body, signature(body, secret=secret, at=at))


def _webhook(body: bytes, header: str | None, what: str = "") -> Webhook:
    headers = {"content-type": "application/json"}
    if header is not None:
        headers["paddle-signature"] = header
    return Webhook(body, headers, genuine=not what, what=what or "genuine")


def stale(event: dict[str, Any], *, seconds: float = 3600) -> Webhook:
    """Rightly signed, long ago (or, with less than zero, ahead of time): a recorded one."""
    made = signed(event, at=time.time() - seconds)
    return Webhook(made.body, made.headers, genuine=False, what="stale")


FORGERIES = (
    "unsigned", "empty", "other secret", "other body", "other time", "no time", "other scheme",
    "short", "upper case", "not hexadecimal", "not ascii", "two times", "swapped", "not utf-8",
)  # fmt: skip


def forged(event: dict[str, Any], how: str) -> Webhook:
    """A webhook that Paddle never sent; ``how`` is one of FORGERIES."""
    genuine = signed(event)
    body, header = genuine.body, genuine.headers["paddle-signature"]
    stamp, _, digest = header.removeprefix("ts=").partition(";h1=")
    if how == "other secret":
        header = signature(body, secret="pdl_ntfset_guessed")
    elif how == "other body":
        body = body.replace(event["event_id"].encode(), new_id("evt").encode())
    elif how == "not utf-8":
        body = body[:-1] + b',"x":"\xff"}'
        header = signature(body)
    made = {
        "unsigned": None,
        "empty": "",
        "other time": f"ts={int(stamp) + 1};h1={digest}",
        "no time": f"h1={digest}",
        "other scheme": f"ts={stamp};h2={digest}",
        "short": f"ts={stamp};h1={digest[:32]}",
        "upper case": f"ts={stamp};h1={digest.upper()}",
        "not hexadecimal": f"ts={stamp};h1={'g' * 64}",
        "not ascii": f"ts={stamp};h1={'é' * 64}",
        "two times": f"ts={int(stamp) - 9999};ts={stamp};h1={digest}",
        "swapped": f"h1={stamp};ts={digest}",
    }
    return _webhook(body, made.get(how, header), how)
