"""What strangers and clever clients try at the door of the whole application.

What belongs to one module is tested beside it: addresses that lead inside (test_net), tokens
(test_tokens), passwords (test_passwords), hostile media (test_inspection), names in headers
(test_storage_disposition), text in mails (test_mail). Here is what only the whole can show.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from onevoice.server.auth.models import User
from onevoice.server.jobs.models import Job
from onevoice.server.settings import ServerSettings
from onevoice.server.storage import LocalStorage, Part, UploadInvalid
from onevoice.server.videos.models import Video
from tests.integration.server.accounts import EMAIL, PASSWORD, Person, Run, Server, runner

EVIL = "https://evil.example"
APP = "https://app.example.com"
INSIDE = re.compile(
    r"traceback|\.py\b|sqlalchemy|asyncpg|sqlite|select |insert into|update \w+ set|password_hash"
    r"|/home/|/tmp/|/usr/|site-packages|0x[0-9a-f]{8}|argon2|token_keys",
    re.IGNORECASE,
)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> ServerSettings:
    return ServerSettings(
        data_dir=tmp_path,
        database_url=database_url,
        token_keys=f"test:{'k' * 40}",
        public_url="https://dub.example.com",
        cors_origins=(APP,),
        max_body=10_000,
    )


@pytest.fixture
def run(settings: ServerSettings) -> Run:
    return runner(settings)


@pytest.fixture
def local(tmp_path: Path) -> Run:
    """On SQLite only: what a test asks for has nothing to do with the database."""
    return runner(ServerSettings(data_dir=tmp_path, token_keys=f"test:{'k' * 40}", max_body=10_000))


def operations(server: Server) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in server.app.openapi()["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def filled(path: str, value: str = "x_1") -> str:
    return re.sub(r"\{\w+\}", value, path)


# -- who may ask ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [None, "Bearer", "Bearer ", "Bearer x", "Basic YTpi", "bearer ov_x", "Bearer a.b.c, Bearer d"],
)
def test_every_route_that_needs_a_login_asks_for_it(local: Run, header: str | None) -> None:
    async def work(server: Server) -> None:
        asked = 0
        for method, path, operation in operations(server):
            if not operation.get("security"):
                continue
            headers = {} if header is None else {"Authorization": header}
            answer = await server.http.request(method, filled(path), headers=headers)
            # Before anything else is looked at: a stranger learns nothing of bodies and ids.
            assert answer.status_code == 401, (method, path, answer.text)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            asked += 1
        assert asked > 40

    local(work)


# -- text that no database keeps ------------------------------------------------------------------

HALF = "\\ud83d"
UNKEPT = {
    "a NUL": b'{"name": "a\\u0000b"}',
    "the first half of a pair": f'{{"name": "{HALF}"}}'.encode(),
    "the second half": b'{"name": "\\udc00"}',
    "halves in the wrong order": b'{"name": "\\udc00\\ud800"}',
    "half a pair as bytes": b'{"name": "\xed\xa0\x80"}',
    "in the name of a field": b'{"\\u0000": 1}',
    "deep inside": b'{"name": [{"a": [["\\u0000"]]}]}',
    "UTF-16": '{"name": "a\\u0000b"}'.encode("utf-16"),
}


@pytest.mark.parametrize("body", UNKEPT.values(), ids=UNKEPT)
def test_bodies_with_text_that_cannot_be_kept(run: Run, body: bytes) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        for kind in ("application/json", "application/json; charset=utf-8", "application/a+json"):
            headers = {"Content-Type": kind}
            answer = await server.http.patch(
                "/v1/users/me", content=body, headers=ada.headers | headers
            )
            assert answer.status_code == 422, answer.text
            assert "NUL" in answer.json()["detail"]
        ((name,),) = await server.rows("select name from users")
        assert name == ""

    run(work)


def test_paths_and_queries_with_text_that_cannot_be_kept(run: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        for path in (
            "/videos/%00", "/jobs/a%00b", "/jobs/a/languages/%00/lines", "/auth/api-keys/key_%00",
            "/jobs?video_id=%00", "/voices?language=es&profile=%00", "/jobs?cursor=%00",
            "/jobs?%00=1",
        ):  # fmt: skip
            method = "DELETE" if "api-keys" in path else "GET"
            answer = await ada.ask(method, path)
            assert answer.status_code == 422, (path, answer.text)

    run(work)


@pytest.mark.parametrize(
    "name", ["Zoë", "한국어", "a\\b", "\\u0000", "🎬", "'; drop table users; --", "%00", "x\u2028y"]
)
def test_other_text_is_kept_as_it_is_or_refused(run: Run, name: str) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        answer = await ada.ask("PATCH", "/users/me", json={"name": name})
        if "\u2028" in name:
            assert answer.status_code == 422
        else:
            assert (answer.status_code, answer.json()["name"]) == (200, name)

    run(work)


# -- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 422),
        (b"\xff\xfe\x00", 400),
        (b"null", 422),
        (b"[]", 422),
        (b"NaN", 422),
        (b'{"name": NaN}', 422),
        (b'{"name": 1e999}', 422),
        (b'{"name": ' + b"1" * 5000 + b"}", 400),
        (b"[" * 9000, 400),
        (b'{"a":' * 1500 + b"1" + b"}" * 1500, (400, 422)),
        (b'{"name": {"$gt": ""}}', 422),
    ],
    ids=range(11),
)
def test_json_that_makes_no_sense(local: Run, body: bytes, status: Any) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        headers = ada.headers | {"Content-Type": "application/json"}
        answer = await server.http.patch("/v1/users/me", content=body, headers=headers)
        assert answer.status_code in (status if isinstance(status, tuple) else (status,))
        assert answer.headers["content-type"] == "application/problem+json"
        assert not INSIDE.search(answer.text)

    local(work)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "x"]
)
def test_only_json_is_json(local: Run, kind: str) -> None:
    """A form of another site can send these without asking the browser's permission."""

    async def work(server: Server) -> None:
        ada = await server.user()
        headers = ada.headers | ({"Content-Type": kind} if kind else {})
        body = json.dumps({"name": "Eve"}).encode()
        answer = await server.http.patch("/v1/users/me", content=body, headers=headers)
        assert answer.status_code == 422
        assert (await ada.ask("GET", "/users/me")).json()["name"] == ""

    local(work)


def test_of_a_field_that_comes_twice_the_last_counts_for_everybody(local: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        headers = ada.headers | {"Content-Type": "application/json"}
        body = b'{"name": "first", "name": "last"}'
        answer = await server.http.patch("/v1/users/me", content=body, headers=headers)
        assert answer.json()["name"] == "last"
        # ... and the first is not overlooked by one check and seen by another.
        body = b'{"plan": "studio", "name": "x", "plan": "free"}'
        answer = await server.http.patch("/v1/users/me", content=body, headers=headers)
        assert answer.status_code == 422

    local(work)


def test_bodies_are_bounded_whatever_they_announce(local: Run) -> None:
    async def pieces() -> Any:
        for _ in range(20):
            yield b" " * 1000

    async def work(server: Server) -> None:
        for answer in (
            await server.http.post("/v1/auth/login", content=b" " * 10_001),
            await server.http.post("/v1/auth/login", content=pieces()),
            await server.http.post(
                "/v1/auth/login", content=b" " * 10_001, headers={"Content-Length": "5"}
            ),
            await server.http.post("/v1/webhooks/paddle", content=pieces()),
        ):
            assert answer.status_code == 413, answer.text
            assert answer.json()["code"] == "too_large"

    local(work)


def test_a_body_that_is_announced_too_long_is_not_even_read(local: Run) -> None:
    async def unread() -> Any:
        raise AssertionError("somebody read it")
        yield b""

    async def work(server: Server) -> None:
        headers = {"Content-Length": "10001"}
        answer = await server.http.post("/v1/auth/login", content=unread(), headers=headers)
        assert answer.status_code == 413, answer.text

    local(work)


def test_packed_bodies_are_not_unpacked(local: Run) -> None:
    """A few kilobytes could become gigabytes."""

    async def work(server: Server) -> None:
        ada = await server.user()
        packed = gzip.compress(json.dumps({"name": "Eve"}).encode())
        headers = ada.headers | {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        answer = await server.http.patch("/v1/users/me", content=packed, headers=headers)
        assert answer.status_code in (400, 422)
        assert (await ada.ask("GET", "/users/me")).json()["name"] == ""

    local(work)


MORE = {"plan": "studio", "user_id": "user_x", "verified_at": "2020-01-01T00:00:00Z", "id": "x",
        "verified": True, "email_key": "x", "password_hash": "x", "status": "done",
        "storage_key": "x", "priority": "high", "charged_s": 0, "route": "gpu"}  # fmt: skip


@pytest.mark.parametrize("field", MORE)
def test_nobody_sets_what_is_not_theirs_to_set(local: Run, field: str) -> None:
    async def work(server: Server) -> None:
        more = {field: MORE[field]}
        assert (await server.register("eve@example.com", **more)).status_code == 422
        ada = await server.user()
        for method, path, body in (
            ("PATCH", "/users/me", {"name": "Ada"}),
            ("POST", "/auth/api-keys", {"name": "x", "scopes": ["jobs:read"]}),
            ("POST", "/videos", {"name": "a.mp4", "size": 10}),
            ("POST", "/videos/import", {"url": "https://example.com/a.mp4"}),
            ("POST", "/jobs", {"video_id": "vid_x", "languages": ["es"]}),
            ("POST", "/jobs", {"video_id": "vid_x", "languages": ["es"], "options": more}),
            ("POST", "/webhook-endpoints", {"url": "https://example.com/hook"}),
            ("POST", "/billing/checkout", {"offer": "creator"}),
        ):
            sent = body if "options" in body else body | more
            answer = await ada.ask(method, path, json=sent)
            assert answer.status_code == 422, (path, answer.text)
            assert f".{field}" in answer.text
        assert await server.count(Video) == await server.count(Job) == 0
        assert await server.count(User, User.plan == "free") == 1

    local(work)


def test_a_method_is_what_it_is(local: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        made = await ada.ask("POST", "/videos", json={"name": "a.mp4", "size": 10})
        path = f"/v1/videos/{made.json()['video']['id']}"
        for name in ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"):
            await server.http.get(path, headers=ada.headers | {name: "DELETE"})
        await server.http.post(f"{path}?_method=DELETE", headers=ada.headers)
        assert (await server.http.get(path, headers=ada.headers)).status_code == 200
        for method in ("TRACE", "CONNECT", "PROPFIND", "BREW"):
            answer = await server.http.request(method, path, headers=ada.headers)
            assert answer.status_code == 405, method

    local(work)


# -- what answers tell ----------------------------------------------------------------------------

NASTY = ["'", "' OR 1=1 --", "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e", "{{7*7}}",
         "<script>", "a" * 5000, "%ff%fe", "*", "%0d%0aSet-Cookie:x=1", "-1", "9" * 30]  # fmt: skip


def test_errors_tell_nothing_of_the_inside(run: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        seen = 0
        for method, path, operation in operations(server):
            if not operation.get("security") or path.endswith("/logout-everywhere"):
                continue
            if path.endswith(("/logout", "/export")):
                continue
            for value in NASTY if "{" in path else NASTY[:2]:
                target = filled(path, value)
                query = {"cursor": value, "limit": value, "from": value, "status": value}
                body = {value: value} if "requestBody" in operation else None
                answer = await server.http.request(
                    method, target, params=query, headers=ada.headers, json=body
                )
                if answer.status_code >= 500:  # no Paddle is set here
                    assert answer.json()["code"] == "billing_unavailable", target
                told = answer.text.replace(value, "")
                assert not INSIDE.search(told), (method, target, told)
                assert "set-cookie" not in answer.headers
                if answer.status_code >= 400:
                    assert answer.headers["content-type"] == "application/problem+json"
                    seen += 1
        assert seen > 150
        assert await ada.lives()

    run(work)


def test_a_crash_tells_nothing_and_can_be_found_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()

        def crash(*_: Any, **__: Any) -> None:
            raise RuntimeError(f"hunter2 {PASSWORD}")

        monkeypatch.setattr("onevoice.server.videos.repository.videos_of", crash)
        answer = await ada.ask("GET", "/videos")
        assert answer.status_code == 500
        assert "hunter2" not in answer.text and not INSIDE.search(answer.text)
        assert answer.headers["x-request-id"] == answer.json()["request_id"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"

    run(work)


def test_passwords_in_wrong_bodies_are_not_repeated(local: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        for path, body in (
            ("/auth/login", {"email": "hunter2", "password": "hunter2"}),
            ("/auth/login", {"email": EMAIL, "password": ["hunter2"]}),
            ("/auth/register", {"email": EMAIL, "password": "hunter2", "name": {"a": "hunter2"}}),
            ("/auth/refresh", {"refresh_token": "hunter2" * 100}),
            ("/auth/password/change", {"current_password": "hunter2", "new_password": "hunter2"}),
        ):
            answer = await ada.ask("POST", path, json=body)
            assert answer.status_code in (401, 403, 422), answer.text
            assert "hunter2" not in answer.text

    local(work)


@pytest.mark.parametrize("page", ["/docs", "/openapi.json"])
def test_the_documentation_is_there_for_everybody(local: Run, page: str) -> None:
    async def work(server: Server) -> None:
        answer = await server.http.get(page)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        if page == "/docs":
            allowed = re.findall(r"https://[^/ ;]+", policy)
            loaded = set(re.findall(r'(?:src|href)="(https://[^/"]+)', answer.text))
            assert loaded and loaded <= set(allowed)
            assert "connect-src 'self'" in policy

    local(work)


def test_every_answer_tells_browsers_to_be_careful(run: Run, local: Run) -> None:
    async def answers(server: Server) -> list[httpx.Response]:
        ada = await server.user()
        return [
            await server.http.get("/docs"),
            await server.http.get("/v1/version"),
            await server.http.get("/v1/health/live"),
            await server.http.get("/nowhere"),
            await server.http.put("/v1/version"),
            await server.http.get("/v1/users/me"),
            await server.http.get("/v1/auth/verify"),
            await server.http.post("/v1/auth/login", content=b" " * 10_001),
            await server.http.get("/v1/storage/objects/x"),
            await server.http.get("/metrics"),
            await ada.ask("GET", "/users/me"),
            await ada.ask("GET", "/users/me/export"),
            await ada.ask("POST", "/auth/api-keys", json={}),
            await ada.ask("GET", "/videos", params={"limit": "x"}),
        ]

    async def careful(server: Server) -> list[httpx.Response]:
        found = await answers(server)
        for answer in found:
            where = f"{answer.request.url.path}: {dict(answer.headers)}"
            assert answer.headers.get_list("x-content-type-options") == ["nosniff"], where
            assert answer.headers["x-frame-options"] == "DENY", where
            assert answer.headers["referrer-policy"] == "no-referrer", where
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], where
            assert answer.headers.get_list("x-request-id")[1:] == [], where
            if answer.request.url.path != "/docs":
                assert answer.headers["cache-control"] == "no-store", where
            assert "server" not in answer.headers and "x-powered-by" not in answer.headers
        return found

    async def by_https(server: Server) -> None:
        for answer in await careful(server):
            assert answer.headers["strict-transport-security"] == "max-age=31536000"

    async def by_http(server: Server) -> None:
        for answer in await careful(server):
            assert "strict-transport-security" not in answer.headers

    run(by_https)
    local(by_http)


# -- other origins, other hosts -------------------------------------------------------------------


def test_only_listed_origins_may_read_answers(run: Run) -> None:
    async def work(server: Server) -> None:
        for origin in (EVIL, "null", "http://app.example.com", f"{APP}.evil.example", f"{APP}:444"):
            asked = {"Origin": origin, "Access-Control-Request-Method": "GET",
                     "Access-Control-Request-Headers": "Authorization"}  # fmt: skip
            answer = await server.http.options("/v1/users/me", headers=asked)
            assert answer.status_code == 400
            assert "access-control-allow-origin" not in answer.headers
            answer = await server.http.get("/v1/version", headers={"Origin": origin})
            assert "access-control-allow-origin" not in answer.headers
        asked = {"Origin": APP, "Access-Control-Request-Method": "PATCH",
                 "Access-Control-Request-Headers": "Authorization, Idempotency-Key"}  # fmt: skip
        answer = await server.http.options("/v1/users/me", headers=asked)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == APP
        # Tokens travel in a header that a page sets by itself: cookies are never needed.
        assert "access-control-allow-credentials" not in answer.headers

    run(work)


def test_without_a_list_no_other_origin_may(local: Run) -> None:
    async def work(server: Server) -> None:
        answer = await server.http.get("/v1/version", headers={"Origin": APP})
        assert not [name for name in answer.headers if name.startswith("access-control")]

    local(work)


def test_links_lead_where_the_settings_say_whatever_host_is_asked(run: Run) -> None:
    async def work(server: Server) -> None:
        evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example",
                "X-Forwarded-Proto": "http", "Forwarded": "host=evil.example",
                "X-Original-URL": "https://evil.example/", "Origin": EVIL}  # fmt: skip
        server.http.headers.update(evil)
        ada: Person = await server.verified()
        await server.http.post("/v1/auth/password/forgot", json={"email": EMAIL})
        mails = await server.mails()
        links = [link for mail in mails if (link := mail["values"].get("link"))]
        assert len(links) >= 2
        assert all(link.startswith("https://dub.example.com/") for link in links)
        made = await ada.ask("POST", "/videos", json={"name": "a.mp4", "size": 10})
        assert all(
            part["url"].startswith("https://dub.example.com/")
            for part in made.json()["upload"]["urls"]
        )
        assert "evil" not in json.dumps(mails) + made.text + str(made.headers)

    run(work)


def test_a_slash_too_many_sends_nobody_elsewhere(local: Run) -> None:
    """A redirect would repeat the Host header, and lose the https of a load balancer."""

    async def work(server: Server) -> None:
        for path in ("/v1/videos/", "/v1/users/me/", "/docs/", "//evil.example/v1/version"):
            answer = await server.http.get(f"http://test{path}", headers={"Host": "evil.example"})
            assert (answer.status_code, answer.headers.get("location")) == (404, None), path

    local(work)


def test_only_listed_hosts_are_served(settings: ServerSettings) -> None:
    async def work(server: Server) -> None:
        for host, status in (("dub.example.com", 200), ("evil.example", 400), ("", 400)):
            answer = await server.http.get("/v1/version", headers={"Host": host})
            assert answer.status_code == status, host

    runner(settings.model_copy(update={"trusted_hosts": ("dub.example.com",)}))(work)


@pytest.mark.parametrize(
    "given", ["a\r\nSet-Cookie: x=1", "a" * 65, "short", "<script>alert</script>", "ünïcödé-id"]
)
def test_ids_of_requests_are_sane_or_ours(local: Run, given: str) -> None:
    async def work(server: Server) -> None:
        headers = [(b"X-Request-ID", given.encode())]
        answer = await server.http.get("/nowhere", headers=headers)
        assert answer.headers["x-request-id"].startswith("req_")
        assert given not in answer.text and "set-cookie" not in answer.headers

    local(work)


# -- the database ---------------------------------------------------------------------------------


def test_errors_of_the_database_do_not_say_what_was_sent(run: Run) -> None:
    async def work(server: Server) -> None:
        with pytest.raises(DBAPIError) as caught:
            async with server.database() as session:
                await session.execute(text("insert into nowhere values (:p)"), {"p": "hunter2"})
        assert "hunter2" not in str(caught.value)

    run(work)


def test_a_statement_or_transaction_that_hangs_is_ended(
    settings: ServerSettings, database_url: str
) -> None:
    async def work(server: Server) -> None:
        if database_url.startswith("sqlite"):
            ((wait,),) = await server.rows("pragma busy_timeout")
            assert wait == 30_000
            return
        for name, kept in (
            ("statement_timeout", "30s"),
            ("idle_in_transaction_session_timeout", "2min"),
        ):
            assert await server.rows(f"show {name}") == [(kept,)]
        with pytest.raises(DBAPIError) as caught:
            async with server.database() as session:
                await session.execute(text("set local statement_timeout = '50ms'"))
                await session.execute(text("select pg_sleep(20)"))
        assert getattr(caught.value.orig, "sqlstate", "") == "57014"

    runner(settings)(work)


# -- paths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("upload_id", ["../outside", "x/../../outside", "..", "/outside", ""])
def test_an_id_of_an_upload_is_no_path(tmp_path: Path, upload_id: str) -> None:
    storage = LocalStorage(tmp_path / "storage", b"s" * 32, "http://127.0.0.1")
    begun = storage.start_upload("accounts/a/source")
    outside = storage.root / "outside"
    (storage.root / "uploads" / begun).rename(outside)
    with pytest.raises(UploadInvalid):
        storage.complete_upload("accounts/a/source", upload_id, [Part(1, "ab" * 16)])
    storage.abort_upload("accounts/a/source", upload_id)
    assert list(outside.iterdir())


def test_names_and_ids_are_no_paths(run: Run, settings: ServerSettings) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        for name in ("../../../etc/passwd", "/etc/passwd", "..\\..\\boot.ini", "a/b/../../c.mp4"):
            made = await ada.ask("POST", "/videos", json={"name": name, "size": 10})
            assert made.status_code == 201
            assert made.json()["video"]["name"] == name  # shown as it is
        keys = await server.rows("select storage_key from videos")
        assert all(
            re.fullmatch(r"accounts/user_\w{26}/videos/vid_\w{26}/source", k) for (k,) in keys
        )
        for path in (
            "/videos/..%2f..%2fusers", "/videos/../users/me/../../v1/videos/x", "/jobs/%2e%2e",
            "/jobs/..%2fetc/results", "/storage/objects/..%2f..%2fetc%2fpasswd",
            "/storage/parts/%2e%2e%2f", "/docs/../../etc/passwd",
        ):  # fmt: skip
            answer = await ada.ask("GET", path)
            assert answer.status_code in (403, 404, 405), (path, answer.status_code)
            assert "root:" not in answer.text

    run(work)
