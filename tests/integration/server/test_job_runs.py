"""Jobs from the request to the results: a real worker, dubs as processes, engines of the tests."""

from __future__ import annotations

import asyncio
import tarfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import select

from onevoice import media
from onevoice.server.auth.models import User
from onevoice.server.jobs.attempt import Dub
from onevoice.server.jobs.keys import job_prefix
from onevoice.server.jobs.models import Job
from onevoice.server.settings import ServerSettings
from onevoice.server.tasks.models import Task
from onevoice.server.tasks.outbox import add_task, transaction
from onevoice.server.users import service as users
from tests.integration.server.dubbing import (
    SECONDS,
    Ada,
    fake_engines,
    join,
    settings,
    studio,
    working,
)
from tests.integration.server.test_dub_process import SENTENCES, Site, site

__all__ = ["fake_engines", "settings", "site"]
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="dubs are watched through /proc"
)

only_postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


async def until(condition: Callable[[], Any], *, seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


async def idle(ada: Ada) -> None:
    """Wait until no task is open."""
    async with asyncio.timeout(30):
        while await ada.server.count(Task, Task.state.in_(("queued", "running", "waiting"))):
            await asyncio.sleep(0.05)


def stored(ada: Ada, job_id: str) -> list[str]:
    found = ada.server.resources.storage.list(job_prefix(ada.user_id, job_id))
    return [one.key for one in found]


def test_a_job_is_dubbed_edited_spoken_anew_and_deleted(
    settings: ServerSettings, site: Site, clip: Path, tmp_path: Path
) -> None:
    async def work() -> None:
        async with studio(settings) as ada, working(ada.server):
            video = await ada.video(clip)
            options = {"deliverables": ["video", "srt"]}
            made = await ada.submit(video, "es", "fr", "ko", options=options)
            job = await ada.ended(made["id"])
            assert job["status"] == "partial" and job["started_at"] and job["ended_at"]
            status = {row["language"]: row["status"] for row in job["languages"]}
            assert status == {"es": "done", "fr": "failed", "ko": "done"}
            errors = {row["language"]: row["error"] for row in job["languages"]}
            assert errors["fr"]["code"] == "engine_refused" and errors["es"] is None
            assert {r["language"]: r["charged_seconds"] for r in job["languages"]} == {
                "es": SECONDS,
                "fr": 0,
                "ko": SECONDS,
            }
            assert await ada.books() == (600 - 2 * SECONDS, 0, 2 * SECONDS)
            kinds = await ada.kinds(job["id"])
            assert kinds[:2] == ["job.queued", "job.started"] and kinds[-1] == "job.done"
            assert Counter(kinds)["job.language.done"] == 2
            assert Counter(kinds)["job.language.failed"] == 1

            files = (await ada.ok("GET", f"/jobs/{job['id']}/results"))["files"]
            assert sorted((f["language"], f["kind"], f["name"]) for f in files) == [
                ("es", "srt", "My talk.es.srt"),
                ("es", "video", "My talk.es.mp4"),
                ("ko", "srt", "My talk.ko.srt"),
                ("ko", "video", "My talk.ko.mp4"),
            ]
            video_file = next(f for f in files if f["name"] == "My talk.es.mp4")
            answer = await ada.server.http.get(video_file["url"])
            assert len(answer.content) == video_file["size"]
            (tmp_path / "es.mp4").write_bytes(answer.content)
            assert [a.language for a in media.probe(tmp_path / "es.mp4").audio] == ["spa"]
            await idle(ada)
            outbox = settings.data_dir / "outbox"
            assert len(list(outbox.iterdir())) == 1, "one mail"

            # One line is changed: only it is spoken, only its seconds are charged.
            before = len(site.spoken)
            path = f"/jobs/{job['id']}/languages/es/lines"
            lines = (await ada.ok("GET", path))["lines"]
            assert len(lines) == len(SENTENCES)
            await ada.ok("PATCH", f"{path}/{lines[1]['id']}", json={"text": "Otra frase mía."})
            begun = await ada.ok("POST", f"/jobs/{job['id']}/redub", json={"confirm": True})
            cost = begun["quote"]["seconds"]
            assert 1 <= cost <= 2
            again = await ada.ended(job["id"])
            assert again["round"] == 2
            assert site.spoken[before:] == ["es\tOtra frase mía."]
            spent = 2 * SECONDS + cost
            assert await ada.books() == (600 - spent, 0, spent)
            told = (await ada.ok("GET", path))["lines"]
            assert told[1]["text"] == "Otra frase mía." and not told[1]["edited"]
            answer = await ada.ask("POST", f"/jobs/{job['id']}/redub", json={"confirm": True})
            assert answer.json()["code"] == "nothing_changed"

            assert stored(ada, job["id"])
            await idle(ada)
            await ada.ok("DELETE", f"/jobs/{job['id']}")
            await idle(ada)
            assert stored(ada, job["id"]) == []
            assert await ada.books() == (600 - spent, 0, spent)

    asyncio.run(work())


@only_postgres
def test_cancelled_while_it_is_spoken_and_tried_again(
    settings: ServerSettings, site: Site, clip: Path
) -> None:
    site.play(seconds=0.3)

    async def work() -> None:
        async with studio(settings) as ada, working(ada.server):
            made = await ada.submit(await ada.video(clip), "es", "ko")
            await until(lambda: len(site.spoken) >= 2)
            await ada.ok("POST", f"/jobs/{made['id']}/cancel")
            job = await ada.ended(made["id"])
            assert job["status"] == "cancelled"
            assert await ada.books() == (600, 0, 0)
            assert (await ada.kinds(job["id"])).count("job.cancelled") == 1
            site.play()
            await ada.ok("POST", f"/jobs/{made['id']}/retry")
            job = await ada.ended(made["id"])
            assert (job["status"], job["round"]) == ("done", 2)
            assert await ada.books() == (600 - 2 * SECONDS, 0, 2 * SECONDS)
            # A line may be cut off while it is spoken, in each of two languages at once.
            assert len(site.spoken) - len(set(site.spoken)) <= 2

    asyncio.run(work())


def test_a_worker_that_dies_between_the_steps(
    settings: ServerSettings, site: Site, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last language, before the end of the task: the next worker ends the job."""
    real = Dub._finish
    died: Counter[str] = Counter()

    async def finish(self: Any) -> None:
        name = ",".join(self._work.charges)
        died[name] += 1
        if died[name] == 1:
            raise RuntimeError("killed")
        await real(self)

    monkeypatch.setattr(Dub, "_finish", finish)

    async def work() -> None:
        async with studio(settings) as ada, working(ada.server):
            made = await ada.submit(await ada.video(clip), "es", "ko")
            job = await ada.ended(made["id"])
            await idle(ada)
            assert job["status"] == "done" and died == {"es": 1, "ko": 1}
            assert await ada.books() == (600 - 2 * SECONDS, 0, 2 * SECONDS)
            assert (await ada.kinds(made["id"])).count("job.done") == 1
            assert len(site.spoken) == len(set(site.spoken)) == 2 * len(SENTENCES)

    asyncio.run(work())


@pytest.fixture
def together(settings: ServerSettings, monkeypatch: pytest.MonkeyPatch) -> ServerSettings:
    """Two languages travel in a message, and are made one after the other."""
    monkeypatch.setenv("ONEVOICE_RUN__PARALLEL_LANGUAGES", "1")
    return settings.model_copy(update={"languages_per_message": 2})


async def first_is_done(ada: Ada, site: Site, job_id: str) -> Any:
    """The job once Spanish is done, while Korean is being spoken."""
    await until(lambda: site.begun)
    async with asyncio.timeout(30):
        while True:
            job = await ada.ok("GET", f"/jobs/{job_id}")
            if job["languages"][0]["status"] == "done":
                break
            await asyncio.sleep(0.05)
    assert [row["status"] for row in job["languages"]] == ["done", "running"]
    assert job["status"] == "running"
    return job


def test_a_language_is_there_before_its_job_and_is_not_made_again(
    together: ServerSettings, site: Site, clip: Path, tmp_path: Path
) -> None:
    """And the dub is killed between the two."""
    site.play("wait")

    async def work() -> None:
        async with studio(together) as ada, working(ada.server):
            made = await ada.submit(await ada.video(clip), "es", "ko")
            await first_is_done(ada, site, made["id"])
            assert await ada.books() == (600 - 2 * SECONDS, SECONDS, SECONDS)
            kinds = await ada.kinds(made["id"])
            assert kinds == ["job.queued", "job.started", "job.language.done"]
            files = (await ada.ok("GET", f"/jobs/{made['id']}/results"))["files"]
            assert {file["language"] for file in files} == {"es"}
            answer = await ada.server.http.get(files[0]["url"])
            assert answer.is_success and len(answer.content) == files[0]["size"]
            before = [key for key in stored(ada, made["id"]) if "/results/" in key]

            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.NoSuchProcess):  # it died with the one before
                    if "onevoice.server.jobs.child" in " ".join(process.cmdline()):
                        process.kill()
            site.go()
            job = await ada.ended(made["id"])
            await idle(ada)
            assert job["status"] == "done"
            told = [data["language"] for _, kind, data in await ada.events(made["id"])
                    if kind == "job.language.done"]  # fmt: skip
            assert told == ["es", "ko"]
            assert (await ada.kinds(made["id"]))[-1] == "job.done"
            assert await ada.books() == (600 - 2 * SECONDS, 0, 2 * SECONDS)
            assert {row["charged_seconds"] for row in job["languages"]} == {SECONDS}
            assert len(site.spoken) == len(set(site.spoken)) == 2 * len(SENTENCES)
            attempts = await ada.server.rows("SELECT fence FROM tasks WHERE kind = 'dub'")
            assert [row.fence for row in attempts] == [2]
            after = [key for key in stored(ada, made["id"]) if "/results/" in key]
            assert [key for key in after if "/es/" in key] == before, "made and kept once"
            projects = [key for key in stored(ada, made["id"]) if "/projects/" in key]
            archive = tmp_path / "project.tar"
            ada.server.resources.storage.get_file(max(projects), archive)
            with tarfile.open(archive) as packed:
                names = {Path(name).name for name in packed.getnames()}
            assert {"lines.es.yaml", "lines.ko.yaml"} <= names, "what re-dubs begin from"

    asyncio.run(work())


@only_postgres
def test_a_job_that_is_cancelled_after_its_first_language(
    together: ServerSettings, site: Site, clip: Path
) -> None:
    site.play("wait")

    async def work() -> None:
        async with studio(together) as ada, working(ada.server):
            made = await ada.submit(await ada.video(clip), "es", "ko")
            await first_is_done(ada, site, made["id"])
            await ada.ok("POST", f"/jobs/{made['id']}/cancel")
            job = await ada.ended(made["id"])
            assert job["status"] == "partial"
            assert [row["status"] for row in job["languages"]] == ["done", "cancelled"]
            assert await ada.books() == (600 - SECONDS, 0, SECONDS)
            assert (await ada.ok("GET", f"/jobs/{made['id']}/results"))["files"]

    asyncio.run(work())


@only_postgres
def test_a_dub_that_crashes_is_given_up(settings: ServerSettings, site: Site, clip: Path) -> None:
    site.play("segv")
    given = settings.model_copy(update={"max_attempts": 2})

    async def work() -> None:
        async with studio(given) as ada, working(ada.server):
            made = await ada.submit(await ada.video(clip), "es", "ko")
            job = await ada.ended(made["id"])
            assert job["status"] == "failed"
            assert {row["error"]["code"] for row in job["languages"]} == {"dub_crashed"}
            assert await ada.books() == (600, 0, 0)
            attempts = await ada.server.rows("SELECT attempts FROM tasks WHERE kind = 'dub'")
            assert {row.attempts for row in attempts} == {2}
            assert (await ada.kinds(made["id"])).count("job.failed") == 1

    asyncio.run(work())


def test_two_groups_that_end_at_the_same_time(
    settings: ServerSettings, site: Site, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both languages are done before either group says so: the job ends once."""
    real = Dub._finish
    waiting: list[asyncio.Event] = []

    async def finish(self: Any) -> None:
        mine = asyncio.Event()
        waiting.append(mine)
        if len(waiting) == 2:
            for one in waiting:
                one.set()
        async with asyncio.timeout(30):
            await mine.wait()
        await real(self)

    monkeypatch.setattr(Dub, "_finish", finish)

    async def work() -> None:
        async with studio(settings) as ada, working(ada.server), working(ada.server):
            made = await ada.submit(await ada.video(clip), "es", "ko")
            job = await ada.ended(made["id"])
            await idle(ada)
            assert job["status"] == "done"
            kinds = Counter(await ada.kinds(made["id"]))
            assert kinds["job.done"] == kinds["job.started"] == 1
            assert await ada.server.count(Task, Task.kind == "mail") == 1
            assert await ada.server.count(Task, Task.kind == "dub") == 2
            assert await ada.books() == (600 - 2 * SECONDS, 0, 2 * SECONDS)

    asyncio.run(work())


@only_postgres
def test_a_voice_that_nobody_has_costs_nothing(
    settings: ServerSettings, site: Site, clip: Path
) -> None:
    async def work() -> None:
        async with studio(settings) as ada, working(ada.server):
            job = await ada.ended((await ada.submit(await ada.video(clip), "es"))["id"])
            path = f"/jobs/{job['id']}/languages/es/lines"
            line = (await ada.ok("GET", path))["lines"][0]["id"]
            await ada.ok("PATCH", f"{path}/{line}", json={"voice": "nobody", "text": ""})
            await ada.ok("PATCH", f"{path}/{line}", json={"text": "Hola."})
            await ada.ok("POST", f"/jobs/{job['id']}/redub", json={"confirm": True})
            failed = await ada.ended(job["id"])
            assert failed["status"] == "failed"
            assert failed["languages"][0]["error"]["code"] == "engine_refused"
            assert await ada.books() == (600 - SECONDS, 0, SECONDS)
            files = (await ada.ok("GET", f"/jobs/{job['id']}/results"))["files"]
            assert files, "what was made before is still there"
            # The voice is mended, and the language tried again: only that line is spoken and paid.
            await ada.ok("PATCH", f"{path}/{line}", json={"voice": "high"})
            await ada.ok("POST", f"/jobs/{job['id']}/retry")
            assert (await ada.ended(job["id"]))["status"] == "done"
            assert SECONDS < (await ada.books())[2] <= SECONDS + 2
            assert site.spoken[-1] == "es\tHola." and len(site.spoken) == len(SENTENCES) + 1

    asyncio.run(work())


@only_postgres
def test_a_stale_task_and_one_too_many_change_nothing(
    settings: ServerSettings, site: Site, clip: Path
) -> None:
    async def work() -> None:
        async with studio(settings) as ada, working(ada.server):
            made = await ada.submit(await ada.video(clip), "es")
            job = await ada.ended(made["id"])
            await idle(ada)
            events, spoken, books = await ada.events(job["id"]), site.spoken, await ada.books()
            services = ada.server.resources
            for round_, subject in ((1, job["id"]), (0, job["id"]), (1, "job_gone")):
                async with transaction(services.database, services.queue) as session:
                    add_task(
                        session,
                        kind="dub",
                        queue="cpu",
                        payload={"group": 0, "round": round_},
                        user_id=ada.user_id,
                        subject=subject,
                    )
            await idle(ada)
            assert await ada.events(job["id"]) == events
            assert site.spoken == spoken and await ada.books() == books

    asyncio.run(work())


@only_postgres
def test_a_video_without_its_file(settings: ServerSettings, site: Site) -> None:
    given = settings.model_copy(update={"max_attempts": 2})

    async def work() -> None:
        async with studio(given) as ada, working(ada.server):
            job = await ada.ended((await ada.submit(await ada.video(), "es", "ko"))["id"])
            assert job["status"] == "failed" and await ada.books() == (600, 0, 0)
            for row in job["languages"]:
                assert str(settings.data_dir) not in str(row["error"])

    asyncio.run(work())


@only_postgres
def test_an_account_that_leaves_while_its_job_runs(
    settings: ServerSettings, site: Site, clip: Path
) -> None:
    site.play(seconds=0.3)

    async def work() -> None:
        async with studio(settings) as ada, working(ada.server):
            bob = await join(ada.server)
            made = await bob.submit(await bob.video(clip), "es", "ko")
            await until(lambda: bool(site.spoken))
            services = ada.server.resources
            async with transaction(services.database, services.queue) as session:
                user = await session.get(User, bob.user_id)
                assert user is not None
                await users.leave(session, services, user)
            await bob.ask("GET", "/jobs")
            async with asyncio.timeout(60):
                while True:
                    async with ada.server.database() as session:
                        status = await session.scalar(
                            select(Job.status).where(Job.id == made["id"])
                        )
                    if status in (None, "cancelled"):
                        break
                    await asyncio.sleep(0.1)
            assert await ada.books() == (600, 0, 0), "and all books are in order"
            mails = await ada.server.rows("SELECT user_id FROM tasks WHERE kind = 'mail'")
            assert mails == []

    asyncio.run(work())


@only_postgres
def test_waiting_jobs_are_let_in_one_after_another(
    settings: ServerSettings, site: Site, clip: Path
) -> None:
    async def work() -> None:
        async with studio(settings) as ada, working(ada.server, concurrency=4):
            bob = await join(ada.server, plan="free")
            video = await bob.video(clip)
            made = [(await bob.submit(video, "es"))["id"] for _ in range(3)]
            jobs = [await bob.ended(job) for job in made]
            assert [job["status"] for job in jobs] == ["done"] * 3
            spans = sorted((job["started_at"], job["ended_at"]) for job in jobs)
            ended = [end for _, end in spans[:-1]]
            begun = [begin for begin, _ in spans[1:]]
            assert all(e <= b for e, b in zip(ended, begun, strict=True)), "the plan lets one run"
            assert await bob.books() == (600 - 3 * SECONDS, 0, 3 * SECONDS)

    asyncio.run(work())
