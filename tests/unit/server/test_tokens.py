"""Tokens: keys and their rotation, and every forgery that a JWT library has ever let through."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import stat
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from onevoice.errors import ConfigError
from onevoice.server.auth import keys
from onevoice.server.auth.tokens import (
    AUDIENCE,
    AccessClaims,
    TokenKeys,
    load_keys,
    passing_keys,
    random_token,
    token_hash,
)
from onevoice.server.db import now
from onevoice.server.errors import Unauthorized
from onevoice.server.settings import ServerSettings

SECRET = "s" * 32
ISSUER = "http://127.0.0.1:8300"


def made(**secrets: str) -> TokenKeys:
    given = secrets or {"new": SECRET}
    return TokenKeys(
        {name: secret.encode() for name, secret in given.items()},
        issuer=ISSUER,
        access_seconds=900,
    )


def forged(
    *, key: Any = SECRET, algorithm: str | None = "HS256", kid: Any = "new", **changes: Any
) -> str:
    """A token like ours, but for the changes; None leaves a claim out."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "user_1",
        "sid": "ses_1",
        "iat": now(),
        "exp": now() + timedelta(minutes=5),
        "jti": "tok_1",
        "typ": "access",
    } | changes
    return jwt.encode(
        {name: value for name, value in claims.items() if value is not None},
        key,
        algorithm=algorithm,
        headers={} if kid is None else {"kid": kid},
    )


def by_hand(header: dict[str, Any], claims: dict[str, Any], key: bytes) -> str:
    """What a library would refuse to make."""

    def part(value: Any) -> str:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    signed = f"{part(header)}.{part(claims)}"
    return f"{signed}.{part(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


def claims_now(**changes: Any) -> dict[str, Any]:
    at = int(now().timestamp())
    return {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "user_1", "sid": "ses_1",
        "iat": at, "exp": at + 300, "jti": "tok_1", "typ": "access",
    } | changes  # fmt: skip


def test_a_token_says_whom_it_is_for() -> None:
    token = made().access_token(user_id="user_1", session_id="ses_1")
    assert made().read_access_token(token) == AccessClaims(user_id="user_1", session_id="ses_1")
    assert jwt.get_unverified_header(token)["kid"] == "new"
    read = jwt.decode(token, options={"verify_signature": False})
    assert set(read) == {"iss", "aud", "sub", "sid", "iat", "exp", "jti", "typ"}
    assert read["exp"] - read["iat"] == 900


def test_the_forgeries_below_differ_from_a_good_token_only_where_they_say() -> None:
    assert made().read_access_token(forged()).user_id == "user_1"
    good = by_hand({"alg": "HS256", "kid": "new"}, claims_now(), SECRET.encode())
    assert made().read_access_token(good).user_id == "user_1"


def test_rotation_keeps_older_tokens_alive() -> None:
    old, both, new = made(a="a" * 32), made(b="b" * 32, a="a" * 32), made(b="b" * 32)
    token = old.access_token(user_id="user_1", session_id="ses_1")
    assert both.read_access_token(token).user_id == "user_1"
    fresh = both.access_token(user_id="user_1", session_id="ses_1")
    assert jwt.get_unverified_header(fresh)["kid"] == "b"
    with pytest.raises(Unauthorized):
        new.read_access_token(token)
    assert new.read_access_token(fresh).user_id == "user_1"


PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_PEM = PRIVATE.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
FORGERIES = {
    "none": lambda: forged(key=None, algorithm="none"),
    "None in capitals": lambda: by_hand({"alg": "NONE", "kid": "new"}, claims_now(), b""),
    "no signature": lambda: forged().rpartition(".")[0] + ".",
    "two parts": lambda: forged().rpartition(".")[0],
    "HS512 with our key": lambda: forged(key="s" * 64, algorithm="HS512"),
    "HS384 with our key": lambda: forged(key="s" * 48, algorithm="HS384"),
    "RS256": lambda: forged(key=PRIVATE, algorithm="RS256"),
    "signed with a public key": lambda: by_hand(
        {"alg": "HS256", "kid": "new"}, claims_now(), PUBLIC_PEM
    ),
    "another secret": lambda: forged(key="t" * 32),
    "an empty secret": lambda: by_hand({"alg": "HS256", "kid": "new"}, claims_now(), b""),
    "unknown kid": lambda: forged(kid="other"),
    "no kid": lambda: forged(kid=None),
    "kid is a path": lambda: forged(kid="../../dev/null"),
    "kid is SQL": lambda: forged(kid="x' union select 'key"),
    "kid is a list": lambda: by_hand(
        {"alg": "HS256", "kid": ["new"]}, claims_now(), SECRET.encode()
    ),
    "key of its own": lambda: by_hand(
        {"alg": "HS256", "kid": "x", "jwk": {"kty": "oct", "k": "eA"}}, claims_now(), b"x"
    ),
    "wrong audience": lambda: forged(aud="another-api"),
    "audience among others": lambda: forged(aud=[AUDIENCE, "another-api"]),
    "wrong issuer": lambda: forged(iss="https://evil.example"),
    "a refresh token": lambda: forged(typ="refresh"),
    "expired": lambda: forged(exp=now() - timedelta(seconds=1)),
    "not yet": lambda: forged(nbf=now() + timedelta(minutes=1)),
    "from the future": lambda: forged(iat=now() + timedelta(hours=1)),
    "sub is a number": lambda: by_hand(
        {"alg": "HS256", "kid": "new"}, claims_now(sub=7), SECRET.encode()
    ),
    "sid is a list": lambda: by_hand(
        {"alg": "HS256", "kid": "new"}, claims_now(sid=["ses_1"]), SECRET.encode()
    ),
    "exp is text": lambda: by_hand(
        {"alg": "HS256", "kid": "new"}, claims_now(exp="never"), SECRET.encode()
    ),
    "claims are a list": lambda: by_hand(
        {"alg": "HS256", "kid": "new"}, [claims_now()], SECRET.encode()  # type: ignore[arg-type]
    ),
    "critical extension": lambda: by_hand(
        {"alg": "HS256", "kid": "new", "crit": ["x"], "x": 1}, claims_now(), SECRET.encode()
    ),
    "nothing": lambda: "",
    "dots": lambda: "..",
    "letters that are none": lambda: "\u00e9.\u00e9.\u00e9",
    "very long": lambda: "a" * 100_000,
    **{
        f"without {name}": (lambda name=name: forged(**{name: None}))
        for name in ("iss", "aud", "sub", "sid", "iat", "exp", "jti", "typ")
    },
}  # fmt: skip


@pytest.mark.parametrize("what", FORGERIES)
def test_forgeries_are_refused_alike(what: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        made().read_access_token(FORGERIES[what]())
    assert caught.value.narrow_code == ("token_expired" if what == "expired" else "unauthorized")
    assert SECRET not in str(caught.value)


def test_any_changed_bit_is_refused() -> None:
    token = forged()
    for place in range(0, len(token), 7):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        try:
            read = made().read_access_token(changed)
        except Unauthorized:
            continue
        # The last letter of base64 has bits that do not count.
        assert place == len(token) - 1 and read.user_id == "user_1"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("x", "entry 1 has no name"),
        (f":{SECRET}", "entry 1 has no name"),
        (f"a b:{SECRET}", "entry 1 has no name"),
        ("new:short", "secret of new is shorter"),
        (f"new:{SECRET},old:short", "secret of old is shorter"),
        (f"new:{SECRET},new:{SECRET}", "new is there twice"),
        (f"new:{SECRET},", "entry 2 has no name"),
    ],
)
def test_bad_keys_stop_the_server_and_are_not_repeated(
    given: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load_keys(ServerSettings(token_keys=given, data_dir=tmp_path))
    assert SECRET not in caught.value.message + caught.value.hint
    assert "short" not in caught.value.message.replace("shorter", "")


def test_keys_of_the_settings_and_what_is_derived(tmp_path: Path) -> None:
    settings = ServerSettings(token_keys=f"new:{SECRET}, old:{'o' * 40}", data_dir=tmp_path)
    keys = load_keys(settings)
    token = keys.access_token(user_id="u", session_id="s")
    assert jwt.get_unverified_header(token)["kid"] == "new"
    assert keys.derive("storage") == load_keys(settings).derive("storage")
    assert keys.derive("storage") != keys.derive("limits") != SECRET.encode()
    assert SECRET not in repr(keys)
    assert not (tmp_path / "token.key").exists()


def test_a_hosted_server_needs_keys_and_its_workers_do_not(tmp_path: Path) -> None:
    hosted = ServerSettings(
        environment="hosted", data_dir=tmp_path, database_url="postgresql://db/x",
        s3_bucket="media", sqs_prefix="onevoice", ses_sender="hello@example.com",
    )  # fmt: skip
    with pytest.raises(ConfigError, match="TOKEN_KEYS") as caught:
        load_keys(hosted)
    assert caught.value.hint
    keys = passing_keys(hosted)
    token = keys.access_token(user_id="u", session_id="s")
    with pytest.raises(Unauthorized):  # nothing that is signed so counts anywhere
        passing_keys(hosted).read_access_token(token)
    assert list(tmp_path.iterdir()) == []


def test_a_local_key_is_made_once_and_private(tmp_path: Path) -> None:
    settings = ServerSettings(data_dir=tmp_path / "server")
    token = load_keys(settings).access_token(user_id="u", session_id="s")
    assert load_keys(settings).read_access_token(token).user_id == "u"
    path = tmp_path / "server" / "token.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["token.key"]
    other = load_keys(ServerSettings(data_dir=tmp_path / "other"))
    with pytest.raises(Unauthorized):
        other.read_access_token(token)


def test_two_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    settings = ServerSettings(data_dir=tmp_path)
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(load_keys(settings).derive("x")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1


def test_an_empty_key_file_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "token.key").write_text("\n")
    with pytest.raises(ConfigError, match="holds no key"):
        load_keys(ServerSettings(data_dir=tmp_path))


def test_random_tokens_have_256_bits_and_are_kept_as_hashes() -> None:
    tokens = {random_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(base64.urlsafe_b64decode(token + "=")) == 32 for token in tokens)
    assert token_hash("abc") == hashlib.sha256(b"abc").hexdigest()
    assert len(token_hash("\ud800")) == 64


def test_api_keys() -> None:
    key = keys.new_key()
    assert key.text.startswith("ov_") and key.secret not in repr(key)
    assert keys.read_key(key.text) == (key.id, key.secret)
    assert keys.same_secret(key.secret, key.secret_hash)
    assert not keys.same_secret(key.secret[:-1] + "g", key.secret_hash)
    for wrong in ("ov_", "ov__", key.text[:-1], key.text + "0", key.text + "\n", "x" + key.text):
        assert keys.read_key(wrong) is None
