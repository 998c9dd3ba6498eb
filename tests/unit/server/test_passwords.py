"""Passwords: which are refused, how they are kept, and that unknown users cost as much."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from typing import Any

import bcrypt
import pytest

from onevoice.server.auth import passwords
from onevoice.server.errors import Invalid, Unavailable

GOOD = "stapler whale lantern sofa"
EMAIL = "ada.lovelace@example.com"


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("", "password_length"),
        ("a1b2c3d4e", "password_length"),  # 9
        ("a1b2c3d4e5" * 26, "password_length"),  # 260
        ("password123", "password_common"),
        ("PassWord123", "password_common"),
        ("ｐａｓｓｗｏｒｄ１２３", "password_common"),  # full width, the same when normalised
        ("aaaaaaaaaaaaaaaa", "password_common"),
        ("ababababab", "password_common"),
        (EMAIL, "password_is_address"),
        (EMAIL.upper(), "password_is_address"),
        ("ada.lovelace", "password_is_address"),
        (EMAIL[::-1], "password_is_address"),
    ],
)
def test_bad_passwords_are_refused(password: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        passwords.check_new(password, email=EMAIL)
    assert caught.value.narrow_code == code
    assert not password or password not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "password", [GOOD, "a1b2c3d4e5", "x1y2" * 64, "비밀번호는길어야한다열자", "🐳 whale 🛋 sofa"]
)
def test_good_passwords_are_taken(password: str) -> None:
    passwords.check_new(password, email=EMAIL)


def test_a_common_password_is_long_enough_to_matter() -> None:
    assert all(len(word) >= passwords.SHORTEST for word in passwords.COMMON)
    assert all(word == word.casefold() for word in passwords.COMMON)


def test_hashes_are_argon2id_as_owasp_asks() -> None:
    kept = asyncio.run(passwords.hash_password(GOOD))
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert len(kept) <= 255  # the column
    assert kept != asyncio.run(passwords.hash_password(GOOD))
    assert asyncio.run(passwords.verify(GOOD, kept)) == passwords.Verdict(right=True)
    assert asyncio.run(passwords.verify(GOOD + "x", kept)) == passwords.Verdict(right=False)


def test_pieces_of_letters_are_the_same_password() -> None:
    composed, pieces = "caf\u00e9 whale sofa", "cafe\u0301 whale sofa"
    kept = asyncio.run(passwords.hash_password(composed))
    assert asyncio.run(passwords.verify(pieces, kept)).right


def test_a_lone_surrogate_is_no_crash() -> None:
    kept = asyncio.run(passwords.hash_password("whale \ud800 sofa"))
    assert asyncio.run(passwords.verify("whale \ud800 sofa", kept)).right
    assert not asyncio.run(passwords.verify("whale \ud801 sofa", kept)).right


def test_all_256_characters_count() -> None:
    kept = asyncio.run(passwords.hash_password("x1y2" * 63 + "abcd"))
    assert not asyncio.run(passwords.verify("x1y2" * 63 + "abce", kept)).right


@pytest.mark.parametrize("prefix", [b"2a", b"2b"])
def test_bcrypt_is_accepted_once_and_upgraded(prefix: bytes) -> None:
    old = bcrypt.hashpw(GOOD.encode(), bcrypt.gensalt(4, prefix)).decode()
    assert not asyncio.run(passwords.verify("another password", old)).right
    verdict = asyncio.run(passwords.verify(GOOD, old))
    assert verdict.right and verdict.upgraded is not None
    assert verdict.upgraded.startswith("$argon2id$")
    assert asyncio.run(passwords.verify(GOOD, verdict.upgraded)) == passwords.Verdict(right=True)


def test_bcrypt_read_72_bytes_and_the_upgrade_reads_all() -> None:
    long = "비밀번호" * 10  # 120 bytes
    old = bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4)).decode()
    verdict = asyncio.run(passwords.verify(long, old))
    assert verdict.right and verdict.upgraded is not None
    assert not asyncio.run(passwords.verify(long[:24], verdict.upgraded)).right
    assert asyncio.run(passwords.verify(long, verdict.upgraded)).right
    assert not asyncio.run(passwords.verify("whale\0sofa", old)).right


def test_a_weaker_argon2_is_upgraded() -> None:
    from pwdlib.hashers.argon2 import Argon2Hasher

    weak = Argon2Hasher(time_cost=1, memory_cost=8192, parallelism=1).hash(GOOD)
    assert asyncio.run(passwords.verify(GOOD, weak)).upgraded is not None


@pytest.mark.parametrize("damaged", ["", "!", "$argon2id$v=19$m=1", "$2b$04$short", "plain text"])
def test_a_damaged_hash_opens_nothing(damaged: str) -> None:
    assert not asyncio.run(passwords.verify(damaged, damaged)).right


class CountingHashers:
    """The real hashers, counted: how long a check takes is how often it hashes."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.calls: Counter[str] = Counter()
        self.running = self.most = 0
        self.lock = threading.Lock()
        self.pause = 0.0

    @property
    def current_hasher(self) -> Any:
        return self.real.current_hasher

    def hash(self, password: bytes) -> str:
        self.calls["hash"] += 1
        return str(self.real.hash(password))

    def verify(self, password: bytes, kept: str) -> bool:
        with self.lock:
            self.calls["verify"] += 1
            self.running += 1
            self.most = max(self.most, self.running)
        time.sleep(self.pause)
        right = bool(self.real.verify(password, kept))
        with self.lock:
            self.running -= 1
        return right


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> CountingHashers:
    hashers = CountingHashers(passwords._HASHERS)
    monkeypatch.setattr(passwords, "_HASHERS", hashers)
    return hashers


def test_unknown_users_cost_exactly_one_check_like_known_ones(counted: CountingHashers) -> None:
    kept = asyncio.run(passwords.hash_password(GOOD))
    passwords._nobody()  # made once for the process
    costs = []
    for hash_ in (kept, None):
        counted.calls.clear()
        assert not asyncio.run(passwords.verify("a wrong password", hash_)).right
        costs.append(dict(counted.calls))
    assert costs[0] == costs[1] == {"verify": 1}
    # … and with the same parameters, which set the time.
    assert passwords._nobody().split("$")[1:4] == kept.split("$")[1:4]


def test_only_a_few_hashes_at_once(counted: CountingHashers) -> None:
    counted.pause = 0.02
    passwords._nobody()

    async def flood() -> None:
        await asyncio.gather(*(passwords.verify(GOOD, None) for _ in range(16)))

    asyncio.run(flood())
    assert counted.calls["verify"] == 16
    assert 1 < counted.most <= passwords.AT_ONCE


def test_the_loop_goes_on_while_hashing() -> None:
    async def both() -> int:
        ticks = 0
        work = asyncio.create_task(passwords.hash_password(GOOD))
        while not work.done():
            ticks += 1
            await asyncio.sleep(0.001)
        return ticks

    assert asyncio.run(both()) > 1


def test_a_flood_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    most = 3
    monkeypatch.setattr(passwords, "MOST_WAITING", most)
    go_on = threading.Event()

    def slow(password: str) -> str:
        go_on.wait(20)
        return password

    monkeypatch.setattr(passwords, "_hash", slow)

    async def flood() -> list[str | BaseException]:
        many = [asyncio.create_task(passwords.hash_password(str(n))) for n in range(20)]
        while sum(task.done() for task in many) < 20 - passwords.AT_ONCE - most:
            await asyncio.sleep(0.01)
        go_on.set()
        return await asyncio.gather(*many, return_exceptions=True)

    answers = asyncio.run(flood())
    refused = [answer for answer in answers if isinstance(answer, Unavailable)]
    assert len(refused) == 20 - len([answer for answer in answers if isinstance(answer, str)])
    assert 20 - passwords.AT_ONCE - most <= len(refused) <= 20 - most
    assert refused[0].headers == {"Retry-After": "5"}
