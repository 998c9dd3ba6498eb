"""The routes of jobs over the real application. Nobody works here: jobs stay as they were sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from onevoice.server.auth.rate_limit import _limiter
from onevoice.server.db import now
from onevoice.server.ids import new_id
from onevoice.server.jobs import repository
from onevoice.server.jobs.ending import end_if_over, end_language
from onevoice.server.jobs.models import Job, JobLanguage, LineEdit
from onevoice.server.settings import ServerSettings
from onevoice.server.tasks.claims import claim
from onevoice.server.tasks.fairness import admit
from onevoice.server.tasks.models import Task
from onevoice.server.webhooks.models import WebhookDelivery, WebhookEndpoint
from tests.integration.server.dubbing import SECONDS, Ada, fake_engines, join, settings, studio
from tests.postgres import Postgres

__all__ = ["fake_engines", "settings"]

MANY = ["es", "de", "fr", "it", "pt", "ja", "ko", "zh", "pl"]
LINES: list[dict[str, Any]] = [
    {
        "id": f"s{number}",
        "speaker": "S1",
        "start": float(number),
        "end": number + 0.8,
        "source_text": f"Sentence {number}.",
        "text": f"Frase {number}.",
        "voice": "low",
        "keep": False,
    }
    for number in range(5)
]


async def finish(ada: Ada, job_id: str, *languages: str, status: str = "done") -> None:
    """What a worker writes when languages end."""
    services = ada.server.resources
    async with ada.server.database() as session:
        job = await repository.lock_job(session, job_id)
        assert job is not None
        for row in await repository.languages_of(session, job_id):
            if row.language not in (languages or (row.language,)):
                continue
            if status == "done":
                row.lines, row.outputs = (
                    LINES,
                    [
                        {
                            "kind": "video",
                            "name": f"My talk.{row.language}.mp4",
                            "key": f"accounts/x/jobs/{job_id}/results/1/{row.language}/video.mp4",
                            "size": 3,
                            "media_type": "video/mp4",
                        }
                    ],
                )
            used = row.held_s if status == "done" else 0
            await end_language(session, job, row, status=status, used_s=used)
        await end_if_over(session, services, job)
        await session.execute(
            update(Task)
            .where(Task.subject == job_id, Task.kind == "dub")
            .values(state="done", ended_at=now())
        )


# --- ordering -------------------------------------------------------------------------------


def test_a_quote_holds_nothing_and_is_confirmed_once(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            video = await ada.video(seconds=7.2)
            quoted = await ada.submit(video, "es", "ko", confirm=False)
            assert quoted["status"] == "quoted" and quoted["quote"]["seconds"] == 2 * SECONDS
            assert quoted["quote"]["by_language"] == {"es": 8, "ko": 8}
            assert await ada.books() == (600, 0, 0)
            path = f"/jobs/{quoted['id']}/confirm"
            answers = await asyncio.gather(*(ada.ask("POST", path) for _ in range(4)))
            assert sorted(a.status_code for a in answers) == [200, 409, 409, 409]
            assert {a.json()["code"] for a in answers if a.is_error} == {"not_quoted"}
            assert await ada.books() == (584, 16, 0)
            assert await ada.kinds(quoted["id"]) == ["job.queued"]
            assert await ada.server.count(Task, Task.kind == "dub") == 1, "the analysis comes first"

    asyncio.run(work())


def test_what_cannot_be_asked_for(settings: ServerSettings) -> None:
    terms = [{"term": "One", "keep": True}, {"term": "One", "keep": True}]
    cases: list[tuple[dict[str, Any], int, str, str]] = [
        ({"languages": ["xx-nope"]}, 422, "config_unknown_language", "xx-nope"),
        ({"languages": []}, 422, "invalid", "languages"),
        ({"languages": ["es"] * 41}, 422, "invalid", "languages"),
        ({"languages": ["es", "../.."]}, 422, "invalid", "languages.1"),
        ({"languages": ["es"], "profile": "nobody"}, 422, "invalid", "nobody"),
        ({"languages": ["en"], "options": {"source_language": "en"}}, 422, "invalid", "English"),
        ({"languages": ["es"], "options": {"source_language": "qqq"}}, 422, "", "qqq"),
        ({"languages": ["es"], "options": {"voices": {"S1": "clone"}}}, 422, "consent_missing", ""),
        ({"languages": ["es"], "options": {"voices": {"*": {"es": "clone"}}}}, 422, "", "consent"),
        ({"languages": ["es"], "options": {"glossary": terms}}, 422, "glossary", "One"),
        ({"languages": ["es"], "options": {"deliverables": ["exe"]}}, 422, "invalid", ""),
        ({"languages": ["es"], "options": {"speakers": 99}}, 422, "invalid", ""),
        ({"languages": ["es"], "secret": "hunter2"}, 422, "invalid", "secret"),
        ({"languages": MANY}, 402, "plan_limit", "Creator"),
        ({"languages": ["es"], "video_id": "vid_other"}, 404, "not_found", "vid_other"),
    ]

    async def work() -> None:
        async with studio(settings) as ada:
            video = await ada.video()
            for body, status, code, said in cases:
                answer = await ada.ask("POST", "/jobs", json=ada.order(video) | body)
                problem = answer.json()
                assert answer.status_code == status, (body, problem)
                assert problem["code"] == code or not code, (body, problem)
                assert said.lower() in problem["detail"].lower(), (body, problem)
                assert "/tmp" not in answer.text and "hunter2" not in answer.text
            assert await ada.server.count(Job) == 0 and await ada.books() == (600, 0, 0)
            twice = await ada.submit(video, "es", "ES", "ko")
            assert [row["language"] for row in twice["languages"]] == ["es", "ko"]

    asyncio.run(work())


def test_an_expired_quote_and_a_video_that_is_gone(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            video = await ada.video()
            old = await ada.submit(video, "es", confirm=False)
            async with ada.server.database() as session:
                job = await session.get(Job, old["id"])
                assert job is not None
                job.quote = job.quote | {"expires_at": (now() - timedelta(seconds=1)).isoformat()}
            answer = await ada.ask("POST", f"/jobs/{old['id']}/confirm")
            assert (answer.status_code, answer.json()["code"]) == (409, "quote_expired")
            fresh = await ada.submit(video, "es", confirm=False)
            await ada.ok("DELETE", f"/videos/{video}")
            answer = await ada.ask("POST", f"/jobs/{fresh['id']}/confirm")
            assert answer.status_code == 404
            assert await ada.books() == (600, 0, 0)

    asyncio.run(work())


def test_without_credit_nothing_is_left_behind(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            video = await ada.video(seconds=301)
            key = {"Idempotency-Key": "k1"}
            body = ada.order(video, "es", "ko")
            answer = await ada.ask("POST", "/jobs", json=body, headers=key)
            assert (answer.status_code, answer.json()["code"]) == (402, "not_enough_credit")
            assert answer.json()["needed_seconds"] == 602
            for table in (Job, JobLanguage, Task):
                assert await ada.server.count(table) == 0
            assert await ada.books() == (600, 0, 0)
            # A request that failed left no key: the same one passes once there is credit.
            other = await ada.video(seconds=300)
            answer = await ada.ask("POST", "/jobs", json=ada.order(other, "es", "ko"), headers=key)
            assert answer.status_code == 201 and await ada.books() == (0, 600, 0)

    asyncio.run(work())


# --- the same request twice -----------------------------------------------------------------


def test_a_key_is_one_effect_and_one_answer(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            bob = await join(ada.server)
            body = ada.order(await ada.video(), "es")
            key = {"Idempotency-Key": "same"}
            asked = [ada.ask("POST", "/jobs", json=body, headers=key) for _ in range(8)]
            answers = await asyncio.gather(*asked)
            assert {a.status_code for a in answers} == {201}, [a.text for a in answers]
            assert all(a.json() == answers[0].json() for a in answers)
            assert sum("Idempotent-Replay" in a.headers for a in answers) == 7
            assert await ada.server.count(Job) == 1 and (await ada.books())[1] == SECONDS
            other = await ada.ask("POST", "/jobs", json=body | {"confirm": False}, headers=key)
            assert other.json()["code"] == "idempotency_mismatch"
            path = f"/jobs/{answers[0].json()['id']}/confirm"
            assert (await ada.ask("POST", path, headers=key)).status_code == 422
            his = bob.order(await bob.video(), "es")
            answer = await bob.ask("POST", "/jobs", json=his, headers=key)
            assert answer.status_code == 201 and "Idempotent-Replay" not in answer.headers
            bad = {"Idempotency-Key": "a b"}
            assert (await ada.ask("POST", "/jobs", json=body, headers=bad)).status_code == 422

    asyncio.run(work())


class NoLimits:
    async def count(self, *counted: object) -> None:
        """Lets everybody pass: how many requests are let through is another test's matter."""


def test_a_hundred_at_once_with_credit_for_ten(
    settings: ServerSettings, record_property: Any
) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            ada.server.app.dependency_overrides[_limiter] = NoLimits
            bob = await join(ada.server, credit=10 * SECONDS)
            body = bob.order(await bob.video(), "es")
            begun = asyncio.get_running_loop().time()
            asked = [bob.ask("POST", "/jobs", json=body) for _ in range(100)]
            answers = Counter(a.status_code for a in await asyncio.gather(*asked))
            record_property("seconds", asyncio.get_running_loop().time() - begun)
            assert answers == {201: 10, 402: 90}
            assert await bob.books() == (0, 10 * SECONDS, 0)
            assert await ada.server.count(Job) == 10
            states = Counter(row.state for row in await ada.server.rows("SELECT state FROM tasks"))
            assert states == {"queued": 3, "waiting": 7}, "the plan lets three be under way"

    asyncio.run(work())


# --- looking --------------------------------------------------------------------------------


def test_others_see_nothing(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            bob = await join(ada.server)
            job = (await ada.submit(await ada.video(), "es"))["id"]
            await finish(ada, job)
            lines = {"lines": [{"id": "s1", "text": "x"}]}
            asked: list[tuple[str, str, Any]] = [
                ("GET", "", None),
                ("DELETE", "", None),
                ("POST", "/confirm", None),
                ("POST", "/cancel", None),
                ("POST", "/retry", None),
                ("GET", "/results", None),
                ("GET", "/events", None),
                ("GET", "/languages/es/lines", None),
                ("PATCH", "/languages/es/lines", lines),
                ("PATCH", "/languages/es/lines/s1", {"text": "x"}),
                ("POST", "/redub", {"confirm": True}),
            ]
            for method, path, body in asked:
                more = {} if body is None else {"json": body}
                answer = await bob.ask(method, f"/jobs/{job}{path}", **more)
                assert answer.status_code == 404, (method, path, answer.text)
            assert (await bob.ok("GET", "/jobs"))["items"] == []
            order = bob.order((await ada.ok("GET", f"/jobs/{job}"))["video_id"], "es")
            assert (await bob.ask("POST", "/jobs", json=order)).status_code == 404
            assert await ada.server.count(LineEdit) == 0

    asyncio.run(work())


def test_lists_come_in_pages(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            video = await ada.video()
            made = [(await ada.submit(video, "es", confirm=n == 2))["id"] for n in range(5)]
            seen: list[str] = []
            cursor: str | None = None
            while True:
                params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
                found = await ada.ok("GET", "/jobs", params=params)
                seen += [job["id"] for job in found["items"]]
                cursor = found["next_cursor"]
                if cursor is None:
                    break
            assert seen == made[::-1]
            queued = await ada.ok("GET", "/jobs", params={"status": "queued"})
            assert [job["id"] for job in queued["items"]] == [made[2]]
            for cursor in ("!", "é", "AA", "a" * 201, "4pyT", "Cg"):
                answer = await ada.ask("GET", "/jobs", params={"cursor": cursor})
                assert answer.status_code == 422, cursor

    asyncio.run(work())


def test_text_that_is_none(settings: ServerSettings) -> None:
    """NUL and half characters: refused or kept, never a crash."""

    async def work() -> None:
        async with studio(settings) as ada:
            job = (await ada.submit(await ada.video(), "es"))["id"]
            await finish(ada, job)
            for text in ("\\u0000", "\\ud800", "\\u202e", "\\u0007"):
                answer = await ada.ask(
                    "PATCH",
                    f"/jobs/{job}/languages/es/lines/s1",
                    content=f'{{"text": "a{text}b"}}',
                    headers={"Content-Type": "application/json"},
                )
                assert answer.status_code in (200, 422), (text, answer.text)
            for path in ("/jobs/%00", f"/jobs/{job}/languages/es%00/lines", "/jobs?video_id=%00"):
                answer = await ada.ask("GET", path)
                assert answer.status_code in (200, 404, 422), (path, answer.text)

    asyncio.run(work())


# --- cancelling and trying again ------------------------------------------------------------


def test_cancelling_what_nobody_began(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            video = await ada.video()
            quoted = (await ada.submit(video, "es", confirm=False))["id"]
            assert (await ada.ok("POST", f"/jobs/{quoted}/cancel"))["status"] == "cancelled"
            assert await ada.kinds(quoted) == ["job.cancelled"]
            job = (await ada.submit(video, "es", "ko"))["id"]
            cancelled = await ada.ok("POST", f"/jobs/{job}/cancel")
            assert cancelled["status"] == "cancelled"
            assert await ada.kinds(job) == [
                "job.queued",
                "job.language.cancelled",
                "job.language.cancelled",
                "job.cancelled",
            ]
            assert await ada.books() == (600, 0, 0)
            again = await ada.ask("POST", f"/jobs/{job}/cancel")
            assert (again.status_code, again.json()["code"]) == (409, "ended")
            assert await ada.server.count(Task, Task.kind == "dub", Task.state == "queued") == 0

            retried = await ada.ok("POST", f"/jobs/{job}/retry")
            assert retried["status"] == "queued" and retried["round"] == 2
            assert not retried["cancel_requested"] and await ada.books() == (584, 16, 0)
            assert (await ada.ask("POST", f"/jobs/{job}/retry")).json()["code"] == "not_failed"

    asyncio.run(work())


async def states(ada: Ada) -> dict[str, str]:
    """Of the dubs, by job."""
    rows = await ada.server.rows("SELECT subject, state FROM tasks WHERE kind = 'dub'")
    return {row.subject: row.state for row in rows}


def test_cancelling_lets_the_next_one_in(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            bob = await join(ada.server, plan="free")
            video = await bob.video()
            first, second = [(await bob.submit(video, "es"))["id"] for _ in range(2)]
            assert await states(ada) == {first: "queued", second: "waiting"}
            await bob.ok("POST", f"/jobs/{first}/cancel")
            assert await states(ada) == {first: "done", second: "queued"}

    asyncio.run(work())


def test_a_group_that_a_worker_has_is_left_to_it(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            job = (await ada.submit(await ada.video(), "es", "ko"))["id"]
            async with ada.server.database() as session:
                task_id = await session.scalar(select(Task.id).where(Task.subject == job))
                assert task_id is not None
                await claim(session, task_id, worker="w", lease_s=60)
            stopped = await ada.ok("POST", f"/jobs/{job}/cancel")
            assert stopped["cancel_requested"] and stopped["status"] == "queued"
            assert [row["status"] for row in stopped["languages"]] == ["queued", "cancelled"]
            assert await ada.books() == (592, 8, 0)

            # Its worker died, the job ended otherwise and was begun anew: that is no worker of now.
            await finish(ada, job, status="cancelled")
            async with ada.server.database() as session:
                await session.execute(
                    update(Task).where(Task.id == task_id).values(state="running")
                )
            await ada.ok("POST", f"/jobs/{job}/retry")
            ended = await ada.ok("POST", f"/jobs/{job}/cancel")
            assert ended["status"] == "cancelled" and await ada.books() == (600, 0, 0)

    asyncio.run(work())


def test_groups_that_end_together_end_the_job_once(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            job = (await ada.submit(await ada.video(), "es", "ko"))["id"]
            await asyncio.gather(finish(ada, job, "es"), finish(ada, job, "ko"))
            await finish(ada, job)  # the other group's worker, when it leaves
            assert (await ada.kinds(job)).count("job.done") == 1
            assert len(await ada.server.mails()) == 1
            assert await ada.books() == (584, 0, 16)

    asyncio.run(work())


def test_cancels_and_workers_do_not_block_each_other(postgres: Postgres, tmp_path: Any) -> None:
    """Both need the ledger, the account's turn and a job: taken in one order by everybody."""
    given = ServerSettings(
        data_dir=tmp_path,
        database_url=postgres.create(),
        log_level="ERROR",
    )

    async def ends(ada: Ada, job_id: str) -> None:
        async with ada.server.database() as session:
            job = await repository.lock_job(session, job_id)
            assert job is not None
            for row in await repository.languages_of(session, job_id):
                await end_language(session, job, row, status="done", used_s=1)
                await asyncio.sleep(0.02)
            await end_if_over(session, ada.server.resources, job)
            await admit(session, ada.user_id, limit=ada.server.resources.jobs_at_once)

    async def work() -> None:
        async with studio(given) as ada:
            video = await ada.video()
            jobs = [(await ada.submit(video, "es"))["id"] for _ in range(16)]
            done = await asyncio.gather(
                *(ends(ada, job) for job in jobs[:8]),
                *(ada.ask("POST", f"/jobs/{job}/cancel") for job in jobs[8:]),
            )
            assert [answer.status_code for answer in done[8:]] == [200] * 8
            assert await ada.books() == (600 - 8, 0, 8)

    asyncio.run(work())


# --- lines ----------------------------------------------------------------------------------


def test_lines_are_changed_and_spoken_for_their_seconds(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            job = (await ada.submit(await ada.video(), "es", "ko"))["id"]
            path = f"/jobs/{job}/languages/es/lines"
            assert (await ada.ask("GET", path)).status_code == 404
            await finish(ada, job)
            assert (await ada.ask("POST", f"/jobs/{job}/redub", json={})).json()["code"] == (
                "nothing_changed"
            )
            changes: list[tuple[dict[str, Any], int]] = [
                ({"text": "x" * 2000}, 200),
                ({"text": "x" * 2001}, 422),
                ({"text": ""}, 200),
                ({}, 422),
                ({"keep": True, "start": 1.0}, 422),
                ({"voice": "clone"}, 422),
            ]
            for body, status in changes:
                answer = await ada.ask("PATCH", f"{path}/s1", json=body)
                assert answer.status_code == status, (body, answer.text)
            assert (await ada.ask("PATCH", f"{path}/s9", json={"text": ""})).status_code == 404
            both = {"lines": [{"id": "s2", "text": "Otra."}, {"id": "nope", "keep": True}]}
            assert (await ada.ask("PATCH", path, json=both)).status_code == 404
            other = f"/jobs/{job}/languages"
            assert (await ada.ask("GET", f"{other}/de/lines")).status_code == 404
            assert (await ada.ask("GET", f"{other}/zz9/lines")).status_code in (404, 422)
            await ada.ok("PATCH", f"{path}/s1", json={"voice": "high"})
            told = await ada.ok("GET", path)
            assert {line["id"]: line["edited"] for line in told["lines"] if line["edited"]} == {
                "s1": {"text": "", "voice": "high"}
            }

            quote = (await ada.ok("POST", f"/jobs/{job}/redub", json={}))["quote"]
            assert quote["by_language"] == {"es": 1}
            answer = await ada.ask("POST", f"/jobs/{job}/redub", json={"languages": ["de"]})
            assert answer.status_code == 404
            key = {"Idempotency-Key": "again"}
            body = {"confirm": True}
            begun = await ada.ok("POST", f"/jobs/{job}/redub", json=body, headers=key)
            twice = await ada.ok("POST", f"/jobs/{job}/redub", json=body, headers=key)
            assert begun == twice and begun["job"]["round"] == 2
            assert await ada.books() == (583, 1, 16)
            assert {r["language"]: r["status"] for r in begun["job"]["languages"]} == {
                "es": "queued",
                "ko": "done",
            }
            # What is paid for is what was changed before: the rest has to wait.
            busy = await ada.ask("PATCH", f"{path}/s3", json={"text": "free?"})
            assert (busy.status_code, busy.json()["code"]) == (409, "language_busy")
            await ada.ok("PATCH", f"/jobs/{job}/languages/ko/lines/s3", json={"text": "ok"})

            # It fails: nothing is charged, and trying again holds no more than before.
            await finish(ada, job, "es", status="failed")
            assert (await ada.ok("GET", f"/jobs/{job}"))["status"] == "partial"
            assert await ada.books() == (584, 0, 16)
            await ada.ok("POST", f"/jobs/{job}/retry")
            assert await ada.books() == (583, 1, 16)

    asyncio.run(work())


# --- results and the end --------------------------------------------------------------------


def test_results_are_called_what_users_call_them(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            job = (await ada.submit(await ada.video(), "es"))["id"]
            assert (await ada.ok("GET", f"/jobs/{job}/results"))["files"] == []
            await finish(ada, job)
            async with ada.server.database() as session:
                row = await session.get(JobLanguage, (job, "es"))
                assert row is not None and row.outputs
                key = row.outputs[0]["key"]
            ada.server.resources.storage.put_bytes(key, b"abc")
            (file,) = (await ada.ok("GET", f"/jobs/{job}/results"))["files"]
            assert file["name"] == "My talk.es.mp4" and file["size"] == 3
            fetched = await ada.server.http.get(file["url"])
            assert fetched.content == b"abc"
            assert "attachment" in fetched.headers["content-disposition"]
            assert "My talk.es.mp4" in fetched.headers["content-disposition"]

    asyncio.run(work())


def test_deleting_a_job(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            video = await ada.video()
            job = (await ada.submit(video, "es"))["id"]
            answer = await ada.ask("DELETE", f"/jobs/{job}")
            assert (answer.status_code, answer.json()["code"]) == (409, "not_ended")
            await finish(ada, job)
            await ada.ok("PATCH", f"/jobs/{job}/languages/es/lines/s1", json={"text": "x"})
            answer = await ada.ask("DELETE", f"/jobs/{job}")
            assert answer.status_code == 204 and not answer.content
            assert (await ada.ask("GET", f"/jobs/{job}")).status_code == 404
            assert (await ada.ask("DELETE", f"/jobs/{job}")).status_code == 404
            for table in (Job, JobLanguage, LineEdit):
                assert await ada.server.count(table) == 0
            assert await ada.server.count(Task, Task.kind == "erase_job") == 1
            assert await ada.books() == (592, 0, 8)
            await ada.ok("DELETE", f"/videos/{video}")

    asyncio.run(work())


def test_webhooks_are_enqueued_once(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            async with ada.server.database() as session:
                session.add(
                    WebhookEndpoint(
                        id=new_id("whe"),
                        user_id=ada.user_id,
                        url="https://example.com/",
                        secret="-",
                        events=["*"],
                        enabled=True,
                        created_at=now(),
                    )
                )
            job = (await ada.submit(await ada.video(), "es", "ko"))["id"]
            await finish(ada, job, "es")
            await finish(ada, job, "ko", status="failed")
            async with ada.server.database() as session:
                sent: Sequence[str] = (
                    await session.scalars(select(WebhookDelivery.event).order_by("id"))
                ).all()
            assert Counter(sent) == {"job.queued": 1, "job.language.done": 1, "job.done": 1}
            # Nobody reads the topic here, but its message is in the outbox.
            assert await ada.server.count(Task, Task.kind == "publish") == 1
            assert await ada.server.count(Task, Task.kind == "mail") == 1

    asyncio.run(work())


@pytest.mark.parametrize("what", ["announced", "chunked"])
def test_bodies_have_a_limit(settings: ServerSettings, what: str) -> None:
    async def chunks() -> Any:
        for _ in range(40):
            yield b" " * 65536

    async def work() -> None:
        async with studio(settings) as ada:
            body: Any = b" " * (2 << 20) if what == "announced" else chunks()
            for path in ("/jobs", "/jobs/job_x/confirm"):
                if what == "chunked":
                    body = chunks()
                answer = await ada.ask(
                    "POST", path, content=body, headers={"Content-Type": "application/json"}
                )
                assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

    asyncio.run(work())
