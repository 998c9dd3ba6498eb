"""A user's own record: reading, changing, exporting and erasing it, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column as Col
from sqlalchemy import ForeignKey, MetaData, String, Table, update

from onevoice.server.auth.models import LoginSession, User
from onevoice.server.billing.ledger import hold
from onevoice.server.billing.models import Balance, LedgerEntry, Subscription
from onevoice.server.db import now
from onevoice.server.ids import new_id
from onevoice.server.jobs.keys import hold_key
from onevoice.server.jobs.models import Job, JobEvent, JobLanguage, LineEdit
from onevoice.server.settings import ServerSettings
from onevoice.server.storage import StorageUnavailable
from onevoice.server.tables import METADATA
from onevoice.server.tasks.claims import Claim, claim, finish
from onevoice.server.tasks.models import Task
from onevoice.server.tasks.outbox import add_task
from onevoice.server.users import export
from onevoice.server.users.handlers import EraseAccountHandler
from onevoice.server.videos.models import Video
from onevoice.server.webhooks.models import WebhookDelivery, WebhookEndpoint
from onevoice.server.worker.handlers import TaskContext
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
BOB = "bob@example.com"
NEW = "Ada.Lovelace@example.org"


@pytest.fixture(params=["sqlite", "postgres"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    url = request.getfixturevalue("postgres").create() if request.param == "postgres" else ""
    return runner(ServerSettings(data_dir=tmp_path, database_url=url, token_keys=KEYS))


async def me(person: Person) -> dict[str, Any]:
    answer = await person.ask("GET", "/users/me")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def owned_things(server: Server, person: Person) -> dict[str, str]:
    """One row in every table that hangs on a user, and media in the storage."""
    user_id = (await me(person))["id"]
    ids = {name: new_id(name) for name in ("video", "job", "endpoint", "delivery", "sub")}
    storage = server.resources.storage
    key = f"accounts/{user_id}/videos/{ids['video']}/source"
    upload_key = f"accounts/{user_id}/videos/other/source"
    await asyncio.to_thread(storage.put_bytes, key, b"media")
    upload = await asyncio.to_thread(storage.start_upload, upload_key, media_type="video/mp4")
    async with server.database() as session:
        session.add_all(
            [
                Video(
                    id=ids["video"], user_id=user_id, name="talk.mp4", status="ready",
                    storage_key=key,
                ),
                Video(
                    id=new_id("video"), user_id=user_id, name="half.mp4", status="uploading",
                    storage_key=upload_key, upload_id=upload,
                ),
                WebhookEndpoint(
                    id=ids["endpoint"], user_id=user_id, url="https://example.com/hook",
                    secret="whsec_verysecret", events=["job.done"],
                ),
                Subscription(
                    id=ids["sub"], user_id=user_id, customer_id="ctm_1", plan="pro",
                    status="canceled", told_at=now(), told_by="evt_1",
                ),
            ]
        )  # fmt: skip
        await session.flush()
        session.add(
            Job(
                id=ids["job"], user_id=user_id, video_id=ids["video"], status="done",
                profile="embedded", route="cpu", settings={}, quote={}, usd=1.5,
            )
        )  # fmt: skip
        await session.flush()
        session.add_all(
            [
                JobLanguage(
                    job_id=ids["job"], language="es", status="done", lines=[{"text": "¡Hola!"}]
                ),
                JobEvent(job_id=ids["job"], seq=1, kind="job.done", data={"n": 1}),
                LineEdit(job_id=ids["job"], language="es", line_id="1", changes={"text": "안녕"}),
                WebhookDelivery(
                    id=ids["delivery"], endpoint_id=ids["endpoint"], event="job.done",
                    payload={}, attempts=[],
                ),
            ]
        )  # fmt: skip
    return ids | {"user": user_id, "key": key, "upload_key": upload_key, "upload": upload}


# -- reading and changing ---------------------------------------------------------------------


def test_me_shows_what_is_mine_and_no_more(run: Run) -> None:
    async def work(server: Server) -> None:
        ada, bob = await server.user(name="Ada"), await server.user(BOB)
        mine = await me(ada)
        assert set(mine) == {"id", "email", "verified", "name", "locale", "plan", "created_at"}
        assert (mine["email"], mine["name"], mine["plan"]) == (EMAIL, "Ada", "free")
        assert (await me(bob))["id"] != mine["id"]
        body = {"name": "  Ada L. 👩‍💻 ", "locale": "ko"}
        changed = await ada.ask("PATCH", "/users/me", json=body)
        assert (changed.json()["name"], changed.json()["locale"]) == ("Ada L. 👩‍💻", "ko")
        assert (await me(ada))["name"] == "Ada L. 👩‍💻"
        assert (await me(bob))["name"] == "" and (await me(bob))["locale"] == "en"
        same = await ada.ask("PATCH", "/users/me", json={})
        assert same.json() == changed.json()

    run(work)


@pytest.mark.parametrize(
    "body",
    [
        {"plan": "pro"},
        {"id": "user_1"},
        {"name": "a\nb"},
        {"name": "a\x00b"},
        {"name": "\u2066a"},
        {"locale": "xx"},
        {"email": NEW},
        {"email": "nobody", "password": PASSWORD},
        [],
    ],
)
def test_what_nobody_can_change(body: Any, tmp_path: Path) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        before = await me(ada)
        assert (await ada.ask("PATCH", "/users/me", json=body)).status_code == 422
        assert await me(ada) == before

    runner(ServerSettings(data_dir=tmp_path, token_keys=KEYS))(work)


def test_an_address_changes_when_the_new_one_is_proven(run: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.verified()
        wrong = await ada.ask("PATCH", "/users/me", json={"email": NEW, "password": "no, not it"})
        assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_password")
        body = {"email": NEW, "password": PASSWORD}
        assert (await ada.ask("PATCH", "/users/me", json=body)).status_code == 200
        assert (await me(ada))["email"] == EMAIL, "not yet"
        assert [m["template"] for m in await server.mails(NEW)] == ["email_change"]
        token = await server.mailed_token(NEW, "email_change")
        assert (await server.prove(token)).status_code == 204
        assert (await me(ada))["email"].lower() == NEW.lower()
        assert (await server.login(NEW)).status_code == 200
        assert (await server.login(EMAIL)).status_code == 401
        key = await ada.key("account:write")
        refused = await server.http.patch("/v1/users/me", json=body, headers=bearer(key["key"]))
        assert refused.status_code == 403

    run(work)


def test_an_address_of_somebody_else_is_not_taken(run: Run) -> None:
    async def work(server: Server) -> None:
        ada, bob = await server.verified(), await server.verified(BOB)
        taken = await ada.ask("PATCH", "/users/me", json={"email": BOB, "password": PASSWORD})
        free = await ada.ask("PATCH", "/users/me", json={"email": NEW, "password": PASSWORD})
        assert taken.status_code == free.status_code == 200
        assert taken.json() == free.json(), "nobody learns who has an account"
        assert (await server.mails(BOB))[-1]["template"] == "already_registered"
        await server.register(NEW)  # somebody is faster
        token = await server.mailed_token(NEW, "email_change")
        late = await server.prove(token)
        assert late.status_code == 409
        assert (await me(ada))["email"] == EMAIL and (await me(bob))["email"] == BOB

    run(work)


def test_a_new_password_ends_a_change_of_address(run: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.verified()
        await ada.ask("PATCH", "/users/me", json={"email": NEW, "password": PASSWORD})
        token = await server.mailed_token(NEW, "email_change")
        body = {"current_password": PASSWORD, "new_password": "another whale lantern sofa"}
        assert (await ada.ask("POST", "/auth/password/change", json=body)).status_code == 200
        assert (await server.prove(token)).status_code == 422

    run(work)


# -- export -----------------------------------------------------------------------------------


def test_every_table_is_exported_or_excluded_with_a_reason() -> None:
    exported = {table.name for table in export.owned_tables()}
    everything = set(METADATA.tables)
    assert exported | set(export.EXCLUDED) == everything, "a new table is in neither"
    assert not exported & set(export.EXCLUDED)
    assert all(len(reason) > 10 for reason in export.EXCLUDED.values())
    for table in METADATA.sorted_tables:
        if "user_id" in table.c and table.name not in export.EXCLUDED:
            assert table.name in exported


def test_a_new_table_of_users_is_found_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = MetaData()
    users = Table("users", metadata, Col("id", String, primary_key=True))
    Table("notes", metadata, Col("id", String, primary_key=True), Col("user_id", String))
    parent = Col("note_id", ForeignKey("notes.id"))
    Table("remarks", metadata, Col("id", String, primary_key=True), parent)
    Table("weather", metadata, Col("id", String, primary_key=True))
    monkeypatch.setattr(export, "METADATA", metadata)
    assert {t.name for t in export.owned_tables()} == {users.name, "notes", "remarks"}


def test_no_column_that_sounds_secret_is_exported() -> None:
    secret = ("hash", "secret", "token", "password")
    shown = {
        (table.name, column.key)
        for table in export.owned_tables()
        for column in export.shown_columns(table)
    }
    assert not {c for c in shown if any(word in c[1] for word in secret)}
    columns = {(t.name, c.key) for t in METADATA.sorted_tables for c in t.columns}
    assert columns >= export.HIDDEN, "what is hidden exists"


def test_an_export_has_everything_of_mine_and_nothing_of_others(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "BATCH", 2)  # several batches of the little there is
    monkeypatch.setattr(export, "WIDE_BATCH", 3)

    async def work(server: Server) -> None:
        ada, bob = await server.verified(), await server.verified(BOB)
        mine, others = await owned_things(server, ada), await owned_things(server, bob)
        key = await ada.key("account:read")
        for number in range(2, 8):
            async with server.database() as session:
                session.add(JobEvent(job_id=mine["job"], seq=number, kind="stage", data={}))
        answer = await server.http.get("/v1/users/me/export", headers=bearer(key["key"]))
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert "attachment" in answer.headers["content-disposition"]
        document = json.loads(answer.text)
        assert (document["format"], document["version"]) == ("onevoice-account", 1)
        tables = document["tables"]
        assert set(tables) == {table.name for table in export.owned_tables()}
        empty = {name for name, rows in tables.items() if not rows}
        assert empty <= {"customers"}
        assert [row["seq"] for row in tables["job_events"]] == list(range(1, 8))
        assert tables["job_languages"][0]["lines"] == [{"text": "¡Hola!"}]
        assert {row["user_id"] for row in tables["ledger_entries"]} == {mine["user"]}
        for theirs in others.values():
            assert theirs not in answer.text
        for secret in ("whsec_verysecret", "$argon2id$", key["key"][-64:], "usd"):
            assert secret not in answer.text

    run(work)


def test_an_export_needs_the_scope(run: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        key = await ada.key("jobs:read")
        answer = await server.http.get("/v1/users/me/export", headers=bearer(key["key"]))
        assert answer.status_code == 403
        assert (await server.http.get("/v1/users/me/export")).status_code == 401

    run(work)


# -- leaving ----------------------------------------------------------------------------------


async def leave(person: Person, password: str = PASSWORD) -> int:
    answer = await person.ask("DELETE", "/users/me", json={"password": password})
    return answer.status_code


async def erased(server: Server, user_id: str) -> None:
    for _ in range(600):
        if not await server.count(User, User.id == user_id):
            return
        await asyncio.sleep(0.05)
    tasks = await server.rows("select kind, state, attempts, error from tasks")
    raise AssertionError(f"the account was not erased: {tasks}")


def test_leaving_erases_rows_and_media_and_frees_the_address(run: Run) -> None:
    async def work(server: Server) -> None:
        ada, bob = await server.user(), await server.user(BOB)
        mine, others = await owned_things(server, ada), await owned_things(server, bob)
        key = await ada.key("account:read")
        assert await leave(ada, "the wrong password") == 401
        assert await leave(ada) == 202
        answer = await server.http.get("/v1/users/me", headers=bearer(key["key"]))
        assert answer.status_code == 401 and not await ada.lives()
        assert (await ada.refresh()).status_code == 401
        assert (await server.login()).status_code == 401
        await erased(server, mine["user"])
        for table in METADATA.sorted_tables:
            if "user_id" in table.c:
                left = await server.rows(
                    f"select count(*) from {table.name} where user_id = :id",  # noqa: S608
                    id=mine["user"],
                )
                assert left[0][0] == 0, table.name
        for table, of_mine in ((JobLanguage, 1), (JobEvent, 1), (LineEdit, 1)):
            assert await server.count(table) == of_mine, "only the other's is left"
        assert await server.count(WebhookDelivery) == 1
        storage = server.resources.storage
        assert not list(storage.list(f"accounts/{mine['user']}/"))
        assert storage.head(others["key"]) is not None
        assert await bob.lives()
        again = await server.user()
        assert (await me(again))["id"] != mine["user"]

    run(work, worker=True)


def test_the_address_is_free_before_the_media_are_gone(run: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        user_id = (await me(ada))["id"]
        assert await leave(ada) == 202
        again = await server.user()
        assert (await me(again))["id"] != user_id
        assert await server.count(User) == 2
        (task,) = await server.rows("select subject, state from tasks where kind='erase_account'")
        assert tuple(task) == (user_id, "queued")

    run(work)


def test_leaving_twice_at_once_is_one_task(run: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        answers = await asyncio.gather(*(leave(ada) for _ in range(4)))
        assert answers.count(202) == 1 and set(answers) <= {202, 401, 404}
        assert await server.count(Task, Task.kind == "erase_account") == 1
        assert await server.count(LoginSession, LoginSession.revoked_at.is_(None)) == 0

    run(work)


def test_whoever_pays_cancels_first(run: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        user_id = (await me(ada))["id"]
        async with server.database() as session:
            session.add(
                Subscription(
                    id="sub_1", user_id=user_id, customer_id="ctm_1", plan="pro", status="active",
                    told_at=now(), told_by="evt_1",
                )
            )  # fmt: skip
        answer = await ada.ask("DELETE", "/users/me", json={"password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (409, "subscription_active")
        assert await ada.lives()
        async with server.database() as session:
            subscription = await session.get(Subscription, "sub_1")
            assert subscription is not None
            subscription.cancel_at = now()
        assert await leave(ada) == 202

    run(work)


def test_open_jobs_are_cancelled_and_running_ones_waited_for(run: Run) -> None:
    async def work(server: Server) -> None:
        ada = await server.user()
        mine = await owned_things(server, ada)
        running = new_id("job")
        async with server.database() as session:
            for job_id, state in ((new_id("job"), "queued"), (running, "running")):
                session.add(
                    Job(
                        id=job_id, user_id=mine["user"], video_id=mine["video"], status=state,
                        profile="embedded", route="cpu", settings={}, quote={},
                    )
                )  # fmt: skip
                await session.flush()
                session.add(JobLanguage(job_id=job_id, language="es", status=state))
                key = hold_key(job_id, "es", 1)
                await hold(session, mine["user"], 30, job_id=job_id, key=key)
                session.add(
                    Task(
                        id=new_id("task"), kind="dub", queue="cpu", user_id=mine["user"],
                        subject=job_id, payload={"group": 0, "round": 1}, state=state,
                        lease_until=now(),
                    )
                )  # fmt: skip
        assert await leave(ada) == 202
        jobs = await server.rows("select id, status, cancel_requested_at from jobs")
        states = {row.id: (row.status, row.cancel_requested_at is not None) for row in jobs}
        assert states.pop(running) == ("running", True), "its worker is told to stop"
        assert set(states.values()) == {("cancelled", True), ("done", False)}
        assert await server.count(Balance, Balance.held_s == 30) == 1, "the other's came back"
        await run_erasure(server)
        assert await server.count(User) == 1, "a worker may still be writing"
        waiting = await server.rows(
            "select state from tasks where kind = 'erase_account' order by id"
        )
        assert [row.state for row in waiting] == ["done", "queued"]
        async with server.database() as session:
            await session.execute(update(Task).values(due_at=now()))
            await session.execute(update(Task).where(Task.kind == "dub").values(state="done"))
        await run_erasure(server)
        assert await server.count(User) == 0 and await server.count(Balance) == 0
        assert await server.count(LedgerEntry) == 0
        assert await server.count(Task, Task.user_id.is_not(None)) == 0

    run(work)


def test_erasing_is_only_for_who_left_and_survives_failures(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(server: Server) -> None:
        ada, bob = await server.user(), await server.user(BOB)
        mine, others = await owned_things(server, ada), await owned_things(server, bob)

        async with server.database() as session:
            add_task(session, kind="erase_account", queue="tasks", subject=others["user"])
        await run_erasure(server)
        assert await bob.lives() and server.resources.storage.head(others["key"]) is not None

        assert await leave(ada) == 202
        storage = server.resources.storage

        def broken(prefix: str) -> int:
            raise StorageUnavailable("the storage does not answer")

        with monkeypatch.context() as patch:
            patch.setattr(type(storage), "delete_prefix", lambda self, prefix: broken(prefix))
            with pytest.raises(StorageUnavailable):
                await run_erasure(server)
        assert await server.count(User, User.id == mine["user"]) == 1, "media first"
        async with server.database() as session:
            task = (await server.rows("select id from tasks where state = 'running'"))[0]
            found = await session.get(Task, task.id)
            assert found is not None
            await EraseAccountHandler(server.resources).dead(session, found, {"code": "storage"})
        await run_erasure(server, late=True)
        assert await server.count(User, User.id == mine["user"]) == 0
        assert storage.head(mine["key"]) is None

    run(work)


async def run_erasure(server: Server, *, late: bool = False) -> None:
    """Do the newest task of this kind that is due, as the worker's loop does."""

    services = server.resources
    if late:
        async with server.database() as session:
            await session.execute(update(Task).values(due_at=now()))
    rows = await server.rows(
        "select id from tasks where kind = 'erase_account' and state = 'queued' order by id desc"
    )
    async with server.database() as session:
        taken = await claim(session, rows[0].id, worker="test", lease_s=60)
    assert isinstance(taken, Claim)
    context = TaskContext(database=services.database, queue=services.queue, claim=taken)
    await EraseAccountHandler(services).run(taken, context)
    if not context.finished:
        async with server.database() as session:
            assert await finish(session, taken)
