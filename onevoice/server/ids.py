"""Names of things: a prefix that says what it is, and a ULID, so that newer sorts after older."""

from __future__ import annotations

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no i, l, o, u."""


def new_id(prefix: str) -> str:
    """``job_01k…``: 48 bits of milliseconds and 80 random ones, in 26 characters."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    letters = (_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
    return f"{prefix}_{''.join(letters)}"
