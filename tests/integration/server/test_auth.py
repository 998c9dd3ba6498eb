"""Accounts over HTTP, on SQLite and PostgreSQL: every flow, and every way around one."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import bcrypt
import jwt
import pytest
from sqlalchemy import select, update

from onevoice.server.auth import passwords
from onevoice.server.auth.models import (
    ApiKey,
    LoginSession,
    MailedToken,
    RateWindow,
    RefreshToken,
    User,
)
from onevoice.server.auth.tokens import TokenKeys
from onevoice.server.billing.models import Balance
from onevoice.server.db import now
from onevoice.server.settings import ServerSettings
from tests.integration.server.accounts import (
    EMAIL,
    PASSWORD,
    Person,
    Run,
    Server,
    bearer,
    runner,
)

KEYS = f"test:{'k' * 40}"
NEW_PASSWORD = "another whale lantern sofa"


@pytest.fixture(params=["sqlite", "postgres"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    url = request.getfixturevalue("postgres").create() if request.param == "postgres" else ""
    return runner(ServerSettings(data_dir=tmp_path, database_url=url, token_keys=KEYS))


# -- registering and verifying ----------------------------------------------------------------


def test_register_verify_login(run: Run) -> None:
    async def work(server: Server) -> None:
        answer = await server.register(name="Ada", locale="ko")
        assert answer.status_code == 202
        (mail,) = await server.mails(EMAIL)
        assert (mail["template"], mail["locale"]) == ("verify", "ko")
        ada = Person(server, (await server.login()).json())
        assert ada.tokens["token_type"] == "bearer" and ada.tokens["expires_in"] == 900
        assert not (await ada.ask("GET", "/users/me")).json()["verified"]
        token = await server.mailed_token(EMAIL, "verify")
        assert (await server.prove(token)).status_code == 204
        assert (await ada.ask("GET", "/users/me")).json()["verified"]
        assert [m["template"] for m in await server.mails(EMAIL)] == ["verify", "welcome"]
        again = await server.prove(token)
        assert (again.status_code, again.json()["code"]) == (422, "link_invalid")
        login = await server.login("ADA@EXAMPLE.COM")
        assert login.status_code == 200 and login.headers["cache-control"] == "no-store"

    run(work)


def test_nobody_learns_who_has_an_account(run: Run) -> None:
    async def work(server: Server) -> None:
        first = await server.register()
        second = await server.register("ada@EXAMPLE.com", password=NEW_PASSWORD)
        assert (first.status_code, first.json()) == (second.status_code, second.json())
        assert first.headers.keys() == second.headers.keys()
        assert await server.count(User) == 1
        assert (await server.login()).status_code == 200, "the password stays the first one"
        for path in ("/password/forgot", "/verify/resend"):
            known = await server.http.post(f"/v1/auth{path}", json={"email": EMAIL})
            unknown = await server.http.post(f"/v1/auth{path}", json={"email": "no@example.com"})
            assert known.status_code == unknown.status_code == 202
            assert known.json() == unknown.json() == first.json()
        wrong = await server.login(password="wrong password")
        nobody = await server.login("no@example.com")
        assert wrong.status_code == nobody.status_code == 401
        without_id = [{**a.json(), "request_id": ""} for a in (wrong, nobody)]
        assert without_id[0] == without_id[1]
        assert not await server.mails("no@example.com")

    run(work)


def test_registering_twice_tells_the_owner_by_mail(run: Run) -> None:
    async def work(server: Server) -> None:
        await server.verified()
        await server.register()
        assert [m["template"] for m in await server.mails(EMAIL)] == [
            "verify",
            "welcome",
            "already_registered",
        ]

    run(work)


def test_registering_at_once_makes_one_account(run: Run) -> None:
    async def work(server: Server) -> None:
        answers = await asyncio.gather(*(server.register() for _ in range(5)))
        assert {answer.status_code for answer in answers} == {202}
        assert await server.count(User) == 1

    run(work)


def test_credit_comes_at_once_locally_and_after_verification_when_hosted(run: Run) -> None:
    async def work(server: Server) -> None:
        free = server.resources.plans.free.seconds
        await server.verified("local@example.com")
        assert await server.count(Balance, Balance.available_s == free) == 1
        server.with_settings(environment="hosted")
        person = await server.user("hosted@example.com")
        assert await server.count(Balance) == 1
        refused = await person.ask(
            "POST", "/auth/api-keys", json={"name": "k", "scopes": ["jobs:read"]}
        )
        assert (refused.status_code, refused.json()["code"]) == (403, "unverified")
        token = await server.mailed_token("hosted@example.com", "verify")
        await server.prove(token)
        assert await server.count(Balance, Balance.available_s == free) == 2
        await person.key("jobs:read")

    run(work)


def test_the_free_minutes_come_once_for_each_mailbox(run: Run) -> None:
    async def work(server: Server) -> None:
        free = server.resources.plans.free.seconds

        async def credit(email: str) -> int:
            person = await server.verified(email)
            found: int = (await person.ask("GET", "/billing/balance")).json()["available_seconds"]
            body = {"password": PASSWORD}
            assert (await person.ask("DELETE", "/users/me", json=body)).status_code == 202
            return found

        server.with_settings(environment="hosted")
        assert await credit("ada@gmail.com") == free
        for same in ("ada@gmail.com", "ADA@gmail.com", "a.da+2@gmail.com", "ada@googlemail.com"):
            assert await credit(same) == 0, same
        assert await credit("ada+1@example.com") == free, "another mailbox"
        assert await credit("ada@example.com") == 0
        assert await credit("a.da@example.com") == free, "dots count there"
        (kept,) = await server.rows("select count(*) from welcomes")
        assert kept[0] == 3
        keys = server.resources.token_keys
        server.app.state.resources = replace(
            server.resources,
            token_keys=TokenKeys(
                {"new": b"n" * 32} | keys._keys, issuer=keys._issuer, access_seconds=900
            ),
        )
        assert await credit("ada@gmail.com") == 0, "a new key forgets nobody"

    run(work)


def test_a_newer_link_ends_older_ones_and_links_end(run: Run) -> None:
    async def work(server: Server) -> None:
        await server.register()
        old = await server.mailed_token(EMAIL, "verify")
        await server.http.post("/v1/auth/verify/resend", json={"email": EMAIL})
        new = await server.mailed_token(EMAIL, "verify")
        assert old != new
        assert (await server.prove(old)).status_code == 422
        async with server.database() as session:
            await session.execute(update(MailedToken).values(expires_at=now()))
        assert (await server.prove(new)).status_code == 422
        kept = [row.token_hash for row in await server.rows("select token_hash from mailed_tokens")]
        assert new not in kept and all(len(hash_) == 64 for hash_ in kept)

    run(work)


def test_a_link_is_for_one_purpose(run: Run) -> None:
    async def work(server: Server) -> None:
        await server.register()
        verify = await server.mailed_token(EMAIL, "verify")
        body = {"token": verify, "password": NEW_PASSWORD}
        assert (await server.http.post("/v1/auth/password/reset", json=body)).status_code == 422
        await server.http.post("/v1/auth/password/forgot", json={"email": EMAIL})
        reset = await server.mailed_token(EMAIL, "reset")
        assert (await server.prove(reset)).status_code == 422

    run(work)


def test_a_strangers_password_is_not_confirmed_by_the_owner_of_the_address(run: Run) -> None:
    """Somebody registers with an address of another, who follows the link that comes."""

    async def work(server: Server) -> None:
        free = server.resources.plans.free.seconds
        server.with_settings(environment="hosted")
        attacker = await server.user()
        await server.register(password=NEW_PASSWORD)  # the owner, who comes too late
        token = await server.mailed_token(EMAIL, "verify")
        bare = await server.http.post("/v1/auth/verify", json={"token": token})
        assert (bare.status_code, bare.json()["code"]) == (422, "invalid")
        wrong = await server.prove(token, NEW_PASSWORD)
        assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_password")
        assert "/v1/auth/password/forgot" in wrong.json()["hint"]
        assert NEW_PASSWORD not in wrong.text
        assert not (await attacker.ask("GET", "/users/me")).json()["verified"]
        assert await server.count(Balance) == 0
        assert (await server.reset(NEW_PASSWORD)).status_code == 204
        assert not await attacker.lives()
        assert (await attacker.refresh()).status_code == 401
        assert (await server.login()).status_code == 401
        assert (await server.prove(token)).status_code == 422
        owner = Person(server, (await server.login(password=NEW_PASSWORD)).json())
        assert (await owner.ask("GET", "/users/me")).json()["verified"]
        assert await server.count(Balance, Balance.available_s == free) == 1

    run(work)


def test_a_strangers_account_does_not_move_to_an_address_by_its_link_alone(run: Run) -> None:
    async def work(server: Server) -> None:
        attacker = await server.verified("attacker@example.com")
        change = {"email": EMAIL, "password": PASSWORD}
        assert (await attacker.ask("PATCH", "/users/me", json=change)).status_code == 200
        token = await server.mailed_token(EMAIL, "email_change")
        assert (await server.prove(token, NEW_PASSWORD)).status_code == 401
        await server.register(password=NEW_PASSWORD)
        own = await server.mailed_token(EMAIL, "verify")
        assert (await server.prove(own, NEW_PASSWORD)).status_code == 204, "it is still free"
        assert (await server.prove(token)).status_code == 409

    run(work)


def test_a_wrong_password_leaves_the_link(run: Run) -> None:
    async def work(server: Server) -> None:
        await server.user()
        token = await server.mailed_token(EMAIL, "verify")
        tries = await asyncio.gather(*(server.prove(token, "the wrong one") for _ in range(8)))
        assert Counter(a.status_code for a in tries) == {401: 5, 429: 3}
        assert (await server.prove(token)).status_code == 429, "guessing right is too late"
        assert await server.count(User, User.verified_at.is_not(None)) == 0
        await server.user("bob@example.com")
        other = await server.mailed_token("bob@example.com", "verify")
        assert (await server.prove(other)).status_code == 204, "other links are not concerned"
        kept = " ".join(row.key for row in await server.rows("select key from rate_windows"))
        assert token not in kept and other not in kept
        async with server.database() as session:  # a minute later
            await session.execute(update(RateWindow).values(ends_at=now()))
        assert (await server.prove(token)).status_code == 204

    run(work)


def test_a_link_is_followed_once_even_at_once(run: Run) -> None:
    async def work(server: Server) -> None:
        await server.user()
        token = await server.mailed_token(EMAIL, "verify")
        answers = await asyncio.gather(*(server.prove(token) for _ in range(4)))
        assert Counter(a.status_code for a in answers) == {204: 1, 422: 3}
        assert [m["template"] for m in await server.mails(EMAIL)] == ["verify", "welcome"]

    run(work)


def test_an_address_is_proven_while_its_password_is_reset(run: Run) -> None:
    async def work(server: Server) -> None:
        for number in range(4):
            email = f"ada{number}@example.com"
            await server.user(email)
            token = await server.mailed_token(email, "verify")
            proven, reset = await asyncio.gather(
                server.prove(token), server.reset(NEW_PASSWORD, email)
            )
            assert reset.status_code == 204, "neither waits for one who waits"
            assert proven.status_code in (204, 401, 422)
            mails = Counter(m["template"] for m in await server.mails(email))
            assert mails["welcome"] <= 1 and mails["password_changed"] == 1
            assert (await server.login(email, NEW_PASSWORD)).status_code == 200

    run(work)


def test_pages_of_links_change_nothing(run: Run) -> None:
    async def work(server: Server) -> None:
        await server.register()
        mail = (await server.mails(EMAIL))[0]
        page, _, _ = mail["values"]["link"].partition("#")
        opened = await server.http.get(page.replace("http://127.0.0.1:8300", ""))
        assert opened.status_code == 200 and opened.headers["content-type"].startswith("text/html")
        for path in ("/v1/auth/verify", "/v1/auth/password/reset"):
            opened = await server.http.get(path, params={"token": "<script>"})
            script = opened.text.partition("<script>")[2].partition("</script>")[0]
            digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
            assert f"script-src 'sha256-{digest}'" in opened.headers["content-security-policy"]
            assert opened.text.count("<script>") == 1 and opened.headers["x-content-type-options"]
            style = opened.text.partition("<style>")[2].partition("</style>")[0]
            digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
            assert f"style-src 'sha256-{digest}'" in opened.headers["content-security-policy"]
            asked = {"Accept-Language": "ko-KR,ko;q=0.9,en;q=0.8"}
            korean = await server.http.get(path, headers=asked)
            assert '<html lang="ko">' in korean.text and '<html lang="en">' in opened.text
            for shown, label in ((opened.text, "assword"), (korean.text, "비밀번호")):
                assert shown.count('<input name="password" type="password"') == 1
                assert label in shown.partition("<label>")[2].partition("<input")[0]
                for name in ("done", "link_invalid"):
                    assert f' data-{name}="' in shown
                assert "src=" not in shown and "href=" not in shown
            assert ("data-wrong_password" in opened.text) == (path == "/v1/auth/verify")
            hangul = re.compile("[가-힣]")
            assert hangul.search(korean.text) and not hangul.search(opened.text)
        assert await server.count(User, User.verified_at.is_not(None)) == 0
        server.with_settings(app_url="https://app.example.com")
        await server.http.post("/v1/auth/verify/resend", json={"email": EMAIL})
        link = (await server.mails(EMAIL))[-1]["values"]["link"]
        assert link.startswith("https://app.example.com/verify#token=")

    run(work)


def test_closed_registration(run: Run) -> None:
    async def work(server: Server) -> None:
        server.with_settings(open_registration=False)
        assert (await server.register()).status_code == 403
        assert await server.count(User) == 0

    run(work)


@pytest.mark.parametrize(
    "body",
    [
        {"email": "not an address"},
        {"email": "ada@example.com\r\nBcc: all@example.com"},
        {"email": "ada@example.com, bob@example.com"},
        {"email": "a" * 300 + "@example.com"},
        {"password": "short"},
        {"password": "password123"},
        {"password": EMAIL},
        {"password": "x1y2" * 65},
        {"password": 1234567890},
        {"name": "Ada\r\nBcc: all@example.com"},
        {"name": "Ada\x00"},
        {"name": "\u202egnp.exe"},
        {"name": "A" * 201},
        {"locale": "../en"},
        {"plan": "studio"},
        {"verified_at": "2026-01-01T00:00:00Z"},
    ],
)
def test_what_nobody_can_register_with(body: dict[str, Any], tmp_path: Path) -> None:
    async def work(server: Server) -> None:
        answer = await server.http.post(
            "/v1/auth/register", json={"email": EMAIL, "password": PASSWORD} | body
        )
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert PASSWORD not in answer.text and "password123" not in answer.text
        assert await server.count(User) == 0

    runner(ServerSettings(data_dir=tmp_path, token_keys=KEYS))(work)


def test_lone_surrogates_are_no_crash(run: Run) -> None:
    async def work(server: Server) -> None:
        await server.register()
        for path, body in (
            ("/register", {"email": EMAIL, "password": "\ud800 whale lantern"}),
            ("/register", {"email": EMAIL, "password": PASSWORD, "name": "\ud800"}),
            ("/login", {"email": EMAIL, "password": "\ud800 whale lantern"}),
            ("/refresh", {"refresh_token": "\ud800"}),
            ("/verify", {"token": "\ud800", "password": "\ud800 whale lantern"}),
        ):
            answer = await server.http.post(
                f"/v1/auth{path}",
                content=json.dumps(body),
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code in (202, 401, 422), (path, answer.text)

    run(work)


def test_a_name_with_html_stays_a_name(run: Run) -> None:
    async def work(server: Server) -> None:
        name = "<script>alert(1)</script>\"'; drop table users; --"
        ada = await server.user(name=name)
        answer = await ada.ask("GET", "/users/me")
        assert answer.json()["name"] == name
        assert answer.headers["content-type"] == "application/json"
        assert await server.count(User) == 1

    run(work)


# -- logging in -------------------------------------------------------------------------------


def test_unknown_users_cost_as_many_hashes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(server: Server) -> None:
        await server.register()
        passwords._nobody()
        calls: Counter[str] = Counter()
        real = passwords._HASHERS.verify

        def counting(password: bytes, kept: str) -> bool:
            calls["verify"] += 1
            return real(password, kept)

        monkeypatch.setattr(passwords._HASHERS, "verify", counting)
        made = passwords._HASHERS.hash
        monkeypatch.setattr(
            passwords._HASHERS,
            "hash",
            lambda p: calls.update(hash=1) or made(p),  # type: ignore[func-returns-value]
        )
        costs = []
        for email in (EMAIL, "nobody@example.com"):
            calls.clear()
            assert (await server.login(email, "the wrong password")).status_code == 401
            costs.append(dict(calls))
        for token in (await server.mailed_token(EMAIL, "verify"), "x" * 43):
            calls.clear()
            assert (await server.prove(token, "the wrong password")).status_code in (401, 422)
            costs.append(dict(calls))
        for email in (EMAIL, "another@example.com"):
            calls.clear()
            assert (await server.register(email)).status_code == 202
            costs.append(dict(calls))
        assert costs[:4] == [{"verify": 1}] * 4 and costs[4:] == [{"hash": 1}] * 2

    run(work)


def test_bcrypt_of_an_older_system_is_upgraded_at_login(run: Run) -> None:
    async def work(server: Server) -> None:
        await server.register()
        old = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        async with server.database() as session:
            await session.execute(update(User).values(password_hash=old))
        assert (await server.login(password="the wrong password")).status_code == 401
        assert (await server.login()).status_code == 200
        ((kept,),) = await server.rows("select password_hash from users")
        assert kept.startswith("$argon2id$")
        assert (await server.login()).status_code == 200

    run(work)


def test_failed_logins_are_limited_for_one_network_only(run: Run) -> None:
    async def work(server: Server) -> None:
        await server.register()
        server.with_settings(proxies=1)

        async def attempt(password: str, address: str) -> int:
            answer = await server.http.post(
                "/v1/auth/login",
                json={"email": EMAIL, "password": password},
                headers={"X-Forwarded-For": f"203.0.113.1, {address}"},
            )
            if answer.status_code == 429:
                assert 0 < int(answer.headers["retry-after"]) <= 60
                assert answer.json()["retry_after"] == int(answer.headers["retry-after"])
            return answer.status_code

        attacker, owner = "198.51.100.1", "192.0.2.1"
        tries = await asyncio.gather(*(attempt("wrong password", attacker) for _ in range(20)))
        assert Counter(tries) == {401: 5, 429: 15}
        assert await attempt(PASSWORD, attacker) == 429, "guessing right is too late"
        assert await attempt(PASSWORD, owner) == 200, "the owner is not locked out"
        for _ in range(10):
            assert await attempt(PASSWORD, owner) == 200, "successes do not count"
        assert not [r for r in await server.rows("select key from rate_windows") if "ada" in r.key]

    run(work)


def test_guessing_from_many_networks_is_slowed_down(run: Run) -> None:
    async def work(server: Server) -> None:
        await server.register()
        server.with_settings(proxies=1)
        answers = []
        for number in range(40):
            answer = await server.http.post(
                "/v1/auth/login",
                json={"email": EMAIL, "password": "wrong password"},
                headers={"X-Forwarded-For": f"198.51.100.{number}"},
            )
            answers.append(answer.status_code)
        assert Counter(answers) == {401: 30, 429: 10}
        async with server.database() as session:  # a minute later
            await session.execute(update(RateWindow).values(ends_at=now()))
        assert (await server.login()).status_code == 200

    run(work)


def test_mails_to_one_address_are_limited(run: Run) -> None:
    async def work(server: Server) -> None:
        await server.register()
        codes = []
        for number in range(7):
            path = "/password/forgot" if number % 2 else "/verify/resend"
            answer = await server.http.post(f"/v1/auth{path}", json={"email": EMAIL.upper()})
            codes.append(answer.status_code)
        assert codes == [202] * 4 + [429] * 3
        assert (await server.register()).status_code == 429, "nor can others be pestered so"
        assert len(await server.mails(EMAIL)) == 5

    run(work)


# -- tokens -----------------------------------------------------------------------------------


def test_requests_without_a_valid_token(run: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        good = ada.tokens["access_token"]
        claims = jwt.decode(good, options={"verify_signature": False})
        none = jwt.encode(claims, None, algorithm="none", headers={"kid": "test"})
        stolen = jwt.encode(claims, "x" * 40, algorithm="HS256", headers={"kid": "test"})
        late = jwt.encode(
            claims | {"exp": now() - timedelta(seconds=1)},
            "k" * 40,
            algorithm="HS256",
            headers={"kid": "test"},
        )
        for authorization in (
            None,
            "",
            "Bearer",
            "Bearer ",
            f"Basic {good}",
            f"Bearer {none}",
            f"Bearer {stolen}",
            f"Bearer {late}",
            f"Bearer {good}x",
            f"Bearer {ada.tokens['refresh_token']}",
            "Bearer ov_",
            f"Bearer ov_{'0' * 26}_{'0' * 64}",
        ):
            headers = {} if authorization is None else {"Authorization": authorization}
            answer = await server.http.get("/v1/users/me", headers=headers)
            assert answer.status_code == 401, authorization
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.json()["code"] in ("unauthorized", "token_expired")
        assert await ada.lives()

    run(work)


def test_a_token_of_another_users_session_is_refused(run: Run) -> None:
    async def work(server: Server) -> None:
        ada, bob = await server.user(), await server.user("bob@example.com")
        ids = [
            jwt.decode(p.tokens["access_token"], options={"verify_signature": False})
            for p in (ada, bob)
        ]
        mixed = server.resources.token_keys.access_token(
            user_id=ids[0]["sub"], session_id=ids[1]["sid"]
        )
        answer = await server.http.get("/v1/users/me", headers=bearer(mixed))
        assert answer.status_code == 401

    run(work)


def test_refresh_rotates_and_reuse_ends_the_session(run: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        other = Person(server, (await server.login()).json())
        first = ada.tokens["refresh_token"]
        second = (await ada.refresh()).json()
        assert second["refresh_token"] != first
        assert await Person(server, second).lives()
        third = (await ada.refresh(second["refresh_token"])).json()
        reuse = await ada.refresh(first)
        assert (reuse.status_code, reuse.json()["code"]) == (401, "refresh_refused")
        assert not await Person(server, third).lives(), "the thief's and the owner's both end"
        assert (await ada.refresh(third["refresh_token"])).status_code == 401
        assert await other.lives(), "other devices go on"
        assert (await ada.refresh("never one of ours")).status_code == 401
        rows = await server.rows("select token_hash from refresh_tokens")
        assert first not in [row.token_hash for row in rows]
        async with server.database() as session:
            why = await session.scalars(select(LoginSession.revoked_why))
            assert "refresh token used twice" in why.all()

    run(work)


def test_two_refreshes_at_once_succeed_exactly_once(run: Run) -> None:
    async def work(server: Server) -> None:
        for number in range(5):
            ada = await server.user(f"ada{number}@example.com")
            answers = await asyncio.gather(*(ada.refresh() for _ in range(4)))
            assert Counter(a.status_code for a in answers) == {200: 1, 401: 3}
            ((revoked,),) = await server.rows(
                "select count(*) from login_sessions where revoked_at is not null"
            )
            assert revoked == number + 1

    run(work)


def test_a_session_ends_at_its_time_however_often_it_is_refreshed(run: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        ends = (await server.rows("select expires_at from login_sessions"))[0].expires_at
        ada.tokens = (await ada.refresh()).json()
        assert (await server.rows("select expires_at from login_sessions"))[0].expires_at == ends
        async with server.database() as session:
            ended = now() - timedelta(seconds=1)
            await session.execute(update(LoginSession).values(expires_at=ended))
        assert not await ada.lives()
        assert (await ada.refresh()).status_code == 401
        async with server.database() as session:
            await session.execute(update(LoginSession).values(expires_at=now() + timedelta(days=1)))
            await session.execute(update(RefreshToken).values(expires_at=ended, used_at=None))
        assert (await ada.refresh()).status_code == 401, "the token has an end as well"

    run(work)


def test_logout_and_logout_everywhere(run: Run) -> None:
    async def work(server: Server) -> None:
        first = await server.user()
        second = Person(server, (await server.login()).json())
        third = Person(server, (await server.login()).json())
        bob = await server.user("bob@example.com")
        assert (await first.ask("POST", "/auth/logout")).status_code == 204
        assert not await first.lives() and await second.lives()
        assert (await first.refresh()).status_code == 401
        key = await second.key("account:read")
        assert (await second.ask("POST", "/auth/logout-everywhere")).status_code == 204
        assert not await second.lives() and not await third.lives() and await bob.lives()
        answer = await server.http.get("/v1/users/me", headers=bearer(key["key"]))
        assert answer.status_code == 200, "programs go on"

    run(work)


def test_sessions_are_listed_and_revoked_by_their_owner_only(run: Run) -> None:
    async def work(server: Server) -> None:
        ada, bob = await server.user(), await server.user("bob@example.com")
        await server.http.post(
            "/v1/auth/login",
            json={"email": EMAIL, "password": PASSWORD},
            headers={"User-Agent": "x" * 500},
        )
        first = (await ada.ask("GET", "/auth/sessions?limit=1")).json()
        assert first["items"][0]["user_agent"] == "x" * 200
        assert not first["items"][0]["current"]
        rest = (await ada.ask("GET", f"/auth/sessions?cursor={first['next_cursor']}")).json()
        assert [item["current"] for item in rest["items"]] == [True]
        assert rest["next_cursor"] is None
        path = f"/auth/sessions/{rest['items'][0]['id']}"
        assert (await bob.ask("DELETE", path)).status_code == 404
        assert await ada.lives()
        assert (await ada.ask("DELETE", path)).status_code == 204
        assert not await ada.lives() and await bob.lives()
        assert (await bob.ask("DELETE", "/auth/sessions/x' or '1'='1")).status_code == 422

    run(work)


# -- passwords --------------------------------------------------------------------------------


def test_reset_ends_everything_that_went_before(run: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.verified()
        key = await ada.key("account:read")
        await server.http.post("/v1/auth/password/forgot", json={"email": EMAIL})
        token = await server.mailed_token(EMAIL, "reset")

        async def reset(password: str) -> tuple[int, str]:
            answer = await server.http.post(
                "/v1/auth/password/reset", json={"token": token, "password": password}
            )
            return answer.status_code, answer.text

        assert (await reset("password123"))[0] == 422
        assert (await reset(EMAIL))[0] == 422, "the address is checked although nobody typed it"
        assert (await reset(NEW_PASSWORD))[0] == 204, "and the link was not used up by that"
        assert (await reset(NEW_PASSWORD))[0] == 422
        assert not await ada.lives()
        assert (await ada.refresh()).status_code == 401
        assert (await server.login()).status_code == 401
        assert (await server.login(password=NEW_PASSWORD)).status_code == 200
        told = (await server.mails(EMAIL))[-1]
        assert (told["template"], told["values"]["keys"]) == ("password_changed", 1)
        answer = await server.http.get("/v1/users/me", headers=bearer(key["key"]))
        assert answer.status_code == 401, "whoever had the password may have made it"

    run(work)


def test_who_never_proved_the_address_loses_all_to_its_owner(run: Run) -> None:
    async def work(server: Server) -> None:
        squatter = await server.user()
        key = await squatter.key("account:read", "account:write")
        hook = {"url": "https://example.com/hook", "events": ["job.done"]}
        assert (await squatter.ask("POST", "/webhook-endpoints", json=hook)).status_code == 201
        change = {"email": "squatter@example.com", "password": PASSWORD}
        assert (await squatter.ask("PATCH", "/users/me", json=change)).status_code == 200
        back = await server.mailed_token("squatter@example.com", "email_change")
        await server.http.post("/v1/auth/password/forgot", json={"email": EMAIL})
        token = await server.mailed_token(EMAIL, "reset")
        body = {"token": token, "password": NEW_PASSWORD}
        assert (await server.http.post("/v1/auth/password/reset", json=body)).status_code == 204
        assert not await squatter.lives()
        answer = await server.http.get("/v1/users/me", headers=bearer(key["key"]))
        assert answer.status_code == 401
        assert (await server.prove(back)).status_code == 422
        owner = Person(server, (await server.login(password=NEW_PASSWORD)).json())
        assert (await owner.ask("GET", "/users/me")).json()["verified"]
        (told,) = (await owner.ask("GET", "/webhook-endpoints")).json()["items"]
        assert not told["enabled"]

    run(work)


def test_who_never_proved_the_address_cannot_keep_its_owner_out(run: Run) -> None:
    async def work(server: Server) -> None:
        squatter = await server.user()
        await server.http.post("/v1/auth/password/forgot", json={"email": EMAIL})
        token = await server.mailed_token(EMAIL, "reset")
        body = {"current_password": PASSWORD, "new_password": "yet another lantern sofa"}
        changed = await squatter.ask("POST", "/auth/password/change", json=body)
        assert changed.status_code == 200
        body = {"token": token, "password": NEW_PASSWORD}
        assert (await server.http.post("/v1/auth/password/reset", json=body)).status_code == 204
        assert not await Person(server, changed.json()).lives()
        assert (await server.login(password=NEW_PASSWORD)).status_code == 200

    run(work)


def test_changing_the_password(run: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        other = Person(server, (await server.login()).json())

        async def change(current: str, new: str) -> Any:
            body = {"current_password": current, "new_password": new}
            return await ada.ask("POST", "/auth/password/change", json=body)

        wrong = await change("the wrong password", NEW_PASSWORD)
        assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_password")
        assert (await change(PASSWORD, "short")).status_code == 422
        assert (await change(PASSWORD, EMAIL)).status_code == 422
        key = await ada.key("account:read")
        await server.http.post("/v1/auth/password/forgot", json={"email": EMAIL})
        done = await change(PASSWORD, NEW_PASSWORD)
        assert done.status_code == 200
        answer = await server.http.get("/v1/users/me", headers=bearer(key["key"]))
        assert answer.status_code == 200, "programs go on: who changed it knew the old one"
        assert not await ada.lives() and not await other.lives()
        assert await Person(server, done.json()).lives()
        assert (await server.login()).status_code == 401
        assert (await server.login(password=NEW_PASSWORD)).status_code == 200
        assert (await server.mails(EMAIL))[-1]["template"] == "password_changed"

    run(work)


def test_a_stolen_token_is_not_good_for_guessing_the_password(run: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        body = {"current_password": "wrong password", "new_password": NEW_PASSWORD}
        answers = await asyncio.gather(
            *(ada.ask("POST", "/auth/password/change", json=body) for _ in range(8))
        )
        assert Counter(a.status_code for a in answers) == {401: 5, 429: 3}

    run(work)


def test_changes_of_the_password_are_limited(run: Run) -> None:
    """Each mails the address, which may be a stranger's."""

    async def work(server: Server) -> None:
        ada = await server.user()
        body = {"current_password": PASSWORD, "new_password": "short"}
        tries = [await ada.ask("POST", "/auth/password/change", json=body) for _ in range(21)]
        assert [answer.status_code for answer in tries] == [422] * 20 + [429]

    run(work)


# -- API keys ---------------------------------------------------------------------------------


def test_a_key_can_do_what_it_was_made_for(run: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        made = await ada.key("account:read", "account:read", expires_in_days=1)
        assert made["key"].startswith("ov_") and made["scopes"] == ["account:read"]
        headers = bearer(made["key"])
        assert (await server.http.get("/v1/users/me", headers=headers)).status_code == 200
        refused = await server.http.patch("/v1/users/me", json={"name": "x"}, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
        for method, path, body in (
            ("POST", "/auth/api-keys", {"name": "more", "scopes": ["account:write"]}),
            ("GET", "/auth/api-keys", None),
            ("PATCH", f"/auth/api-keys/{made['id']}", {"name": "more"}),
            ("DELETE", f"/auth/api-keys/{made['id']}", None),
            ("GET", "/auth/sessions", None),
            ("POST", "/auth/logout", None),
            ("POST", "/auth/logout-everywhere", None),
            (
                "POST",
                "/auth/password/change",
                {"current_password": PASSWORD, "new_password": NEW_PASSWORD},
            ),
            ("DELETE", "/users/me", {"password": PASSWORD}),
        ):
            answer = await server.http.request(method, f"/v1{path}", json=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "session_needed"), path
        listed = (await ada.ask("GET", "/auth/api-keys")).json()["items"]
        assert [k["id"] for k in listed] == [made["id"]] and "key" not in listed[0]
        assert listed[0]["last_used_at"] is not None
        assert listed[0]["last_four"] == made["key"][-4:]
        async with server.database() as session:
            await session.execute(update(ApiKey).values(expires_at=now()))
        assert (await server.http.get("/v1/users/me", headers=headers)).status_code == 401

    run(work)


def test_keys_belong_to_their_owner(run: Run) -> None:
    async def work(server: Server) -> None:
        ada, bob = await server.user(), await server.user("bob@example.com")
        made = await ada.key("account:read")
        path = f"/auth/api-keys/{made['id']}"
        assert (await bob.ask("DELETE", path)).status_code == 404
        assert (await bob.ask("PATCH", path, json={"name": "mine"})).status_code == 404
        assert (await bob.ask("GET", "/auth/api-keys")).json()["items"] == []
        renamed = await ada.ask("PATCH", path, json={"name": "<b>uploads</b>"})
        assert renamed.json()["name"] == "<b>uploads</b>"
        changed = made["key"][:-1] + ("0" if made["key"][-1] != "0" else "1")
        assert (await server.http.get("/v1/users/me", headers=bearer(changed))).status_code == 401
        assert (await ada.ask("DELETE", path)).status_code == 204
        assert (await ada.ask("DELETE", path)).status_code == 404
        answer = await server.http.get("/v1/users/me", headers=bearer(made["key"]))
        assert answer.status_code == 401

    run(work)


def test_keys_with_scopes_that_are_none(run: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        blank = {"name": "  ", "scopes": ["jobs:read"]}
        assert (await ada.ask("POST", "/auth/api-keys", json=blank)).status_code == 422
        for scopes in ([], ["admin"], ["jobs:*"], "jobs:read"):
            body = {"name": "k", "scopes": scopes}
            assert (await ada.ask("POST", "/auth/api-keys", json=body)).status_code == 422

    run(work)


def test_there_is_a_limit_to_keys_even_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onevoice.server.auth.api_keys.MOST_KEYS", 3)

    async def work(server: Server) -> None:
        ada = await server.user()
        body = {"name": "k", "scopes": ["jobs:read"]}
        answers = await asyncio.gather(
            *(ada.ask("POST", "/auth/api-keys", json=body) for _ in range(6))
        )
        assert Counter(a.status_code for a in answers) == {201: 3, 409: 3}

    run(work)


def test_no_secret_is_logged(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    async def work(server: Server) -> None:
        ada = await server.verified()
        made = await ada.key("account:read")
        await server.http.get("/v1/users/me", headers=bearer(made["key"]))
        await ada.refresh()
        await ada.refresh()
        await server.login(password="the wrong password")
        secrets = [PASSWORD, "the wrong password", made["key"], made["key"][-64:]]
        secrets += [ada.tokens["access_token"], ada.tokens["refresh_token"]]
        secrets += [
            str(m["values"].get("link", "")).partition("#")[2] for m in await server.mails()
        ]
        said = "".join(capfd.readouterr())
        assert "/auth/login" in said, "requests are logged"
        assert not [secret for secret in secrets if secret and secret in said]

    run(work)
