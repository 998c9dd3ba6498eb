"""Passwords: which are taken, and how they are kept and checked.

Kept with Argon2id at OWASP's parameters (19 MiB, two passes, one lane). bcrypt hashes of an older
system are accepted, and replaced by Argon2id when their owner logs in. Hashing runs in a few
threads of its own: it takes tens of milliseconds and megabytes, so a flood of logins queues for it,
and is turned away where the queue grows long.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from secrets import token_bytes
from typing import TypeVar, TypeVarTuple

from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from onevoice.server.errors import Invalid, Unavailable

T = TypeVar("T")
Given = TypeVarTuple("Given")

SHORTEST = 10
LONGEST = 256
AT_ONCE = 4
"""Hashes at once: 4 of 19 MiB."""
MOST_WAITING = 100
"""Hashes that wait, a second or two; who comes then is asked to come again."""
BCRYPT_BYTES = 72
"""bcrypt reads no more; older libraries cut longer passwords, newer ones refuse them."""

_HASHERS = PasswordHash(
    (Argon2Hasher(time_cost=2, memory_cost=19 * 1024, parallelism=1), BcryptHasher())
)
_THREADS = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="password")

# fmt: off
COMMON = frozenset({
    "1234567890", "0123456789", "0987654321", "1234567891", "12345678910", "123456789a",
    "a123456789", "1234567890a", "1q2w3e4r5t", "1qaz2wsx3edc", "qwertyuiop", "qwertyuiop1",
    "qwerty12345", "qwerty123456", "q1w2e3r4t5", "q1w2e3r4t5y6", "qwertyuiop123", "asdfghjkl1",
    "asdfghjkl;", "zxcvbnm123", "1qazxsw23edc", "zaq12wsxcde3", "abcdefghij", "abcd123456",
    "abc1234567", "abcdef1234", "password10", "password11", "password12", "password123",
    "password1234", "password12345", "password123456", "passw0rd123", "p@ssw0rd123", "p@ssword123",
    "passwordpassword", "mypassword1", "mypassword123", "iloveyou12", "iloveyou123", "iloveyou1234",
    "sunshine123", "princess123", "football123", "baseball123", "superman123", "welcome123",
    "welcome1234", "welcome2024", "welcome2025", "welcome2026", "letmein123", "letmein1234",
    "letmein12345", "administrator", "admin12345", "admin123456", "adminadmin", "changeme123",
    "changeme1234", "trustno123", "monkey12345", "dragon12345", "shadow12345", "michael123",
    "charlie123", "computer123", "internet123", "whatever123", "starwars123", "samsung1234",
    "google12345", "facebook123", "onevoice123", "correcthorsebatterystaple",
})
# fmt: on
"""Those of the well-known lists that are long enough to be taken otherwise."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password was right; ``upgraded`` is a better hash to keep from now on."""

    right: bool
    upgraded: str | None = None


def check_new(password: str, *, email: str) -> None:
    """Raises Invalid for a password that nobody should have."""
    plain = _normal(password)
    if not SHORTEST <= len(plain) <= LONGEST:
        raise Invalid(
            f"a password has {SHORTEST} to {LONGEST} characters",
            hint="a few words in a row are easy to remember",
            code="password_length",
        )
    folded = plain.casefold()
    address = email.casefold()
    if folded in COMMON or len(set(folded)) < 4:
        raise Invalid(
            "this password is one of the first that anybody would try",
            hint="a few words in a row are easy to remember",
            code="password_common",
        )
    if folded in {address, address.partition("@")[0], address[::-1]}:
        raise Invalid(
            "the password is the mail address",
            hint="choose one that has nothing to do with it",
            code="password_is_address",
        )


async def hash_password(password: str) -> str:
    """The hash to keep."""
    return await _in_thread(_hash, password)


async def verify(password: str, kept: str | None) -> Verdict:
    """Check against the kept hash. None, for a user who is not there, takes as long and fails."""
    return await _in_thread(_verify, password, kept)


def _hash(password: str) -> str:
    return _HASHERS.hash(_bytes(_normal(password)))


def _verify(password: str, kept: str | None) -> Verdict:
    if kept is None:
        _HASHERS.verify(_bytes(_normal(password)), _nobody())
        return Verdict(right=False)
    given = _bytes(_normal(password))
    if BcryptHasher.identify(kept):
        given = _bytes(password)[:BCRYPT_BYTES]  # as it was typed then: nobody normalised it
        if b"\0" in given:
            return Verdict(right=False)
    try:
        right = _HASHERS.verify(given, kept)
    except (PwdlibError, ValueError):  # a hash that is damaged opens no account
        return Verdict(right=False)
    if right and (
        not Argon2Hasher.identify(kept) or _HASHERS.current_hasher.check_needs_rehash(kept)
    ):
        return Verdict(right=True, upgraded=_hash(password))
    return Verdict(right=right)


@lru_cache(maxsize=1)
def _nobody() -> str:
    """What passwords of unknown users are checked against; its own password nobody knows."""
    return _HASHERS.hash(token_bytes(32))


def _normal(password: str) -> str:
    """The same password from every keyboard: Macs type Hangul and accents in pieces."""
    return unicodedata.normalize("NFKC", password)


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


async def _in_thread(function: Callable[[*Given], T], *arguments: *Given) -> T:
    if _THREADS._work_queue.qsize() >= MOST_WAITING:
        raise Unavailable(
            "too many people log in at this moment",
            hint="try again in a few seconds",
            headers={"Retry-After": "5"},
        )
    return await asyncio.get_running_loop().run_in_executor(_THREADS, function, *arguments)
