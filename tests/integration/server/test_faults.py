"""Real workers on PostgreSQL, S3 and SQS, that are killed, stopped, cut off and lied to.

Every scenario ends in ``check``: see there what has to be true. ``docs/reliability.md`` says what
is promised; ``benchmarks/faults.py`` runs the same code for longer.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.settings import ServerSettings
from onevoice.server.tasks.claims import Claim
from onevoice.server.tasks.models import Task
from onevoice.server.tasks.outbox import add_task, transaction
from onevoice.server.worker.handlers import TaskContext
from onevoice.server.worker.housekeeping import tidy_work
from onevoice.server.worker.loop import Worker
from tests.cloud import aws, aws_credentials  # noqa: F401 (a fixture)
from tests.integration.server import faults_scenes as scenes
from tests.integration.server.faults_site import Site
from tests.integration.server.faults_wire import wire
from tests.integration.server.tasking import server
from tests.postgres import Postgres, find_programs

SEED = int(os.environ.get("FAULTS_SEED", "4"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path("/proc/self/stat").exists(), reason="looks at processes through /proc"
    ),
]


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory: pytest.TempPathFactory, ffmpeg: Callable[..., None]) -> Path:
    path = tmp_path_factory.mktemp("faults") / "clip.mp4"
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc=size=96x64:rate=10:duration=5",
        "-f", "lavfi", "-i", "sine=frequency=300:sample_rate=48000:duration=5",
        "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-ac", "2", "-shortest", path,
    )  # fmt: skip
    return path


@pytest.fixture
def durable_postgres() -> Iterator[Postgres]:
    """A cluster whose crashes lose nothing that was committed, as a server's should be."""
    programs = find_programs()
    assert programs is not None
    cluster = Postgres(programs, durable=True)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture
def site(
    tmp_path: Path,
    small_clip: Path,
    postgres: Postgres,
    aws_credentials: None,  # noqa: F811
    request: pytest.FixtureRequest,
) -> Iterator[Site]:
    more: dict[str, Any] = getattr(request, "param", {})
    if "cluster" in more:
        postgres = request.getfixturevalue(more["cluster"])
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # moto notes every request
    with aws() as cloud, wire(cloud.endpoint, seed=SEED) as between:
        made = Site(tmp_path, cloud, between, postgres, small_clip, dict(more))
        try:
            yield made
        finally:
            made.close()


def tell(name: str, figures: dict[str, object]) -> None:
    """With ``-s`` or after a failure: what to repeat it with, and what came out."""
    shown = "  ".join(f"{key}={value}" for key, value in figures.items())
    sys.stdout.write(f"\n{name}: seed={SEED}  {shown}\n")


def test_a_worker_that_is_killed_at_twenty_random_moments(site: Site) -> None:
    figures = asyncio.run(scenes.kills(site, rounds=20, seed=SEED))
    tell("kills", figures)
    assert figures["kills"] == 20


def test_a_worker_that_is_killed_between_two_languages(site: Site) -> None:
    tell("between languages", asyncio.run(scenes.killed_between_languages(site)))


def test_messages_that_come_three_times_late_and_in_disorder(site: Site) -> None:
    figures = asyncio.run(scenes.storm_of_messages(site, jobs=4))
    tell("messages", figures)
    assert figures["claims"] == figures["tasks"], "two workers, and nothing was begun twice"


def test_a_storage_that_fails_every_tenth_request(site: Site) -> None:
    figures = asyncio.run(scenes.storage_faults(site, jobs=3, seed=SEED))
    tell("storage", figures)
    assert int(str(figures["faults"])) >= 10


@pytest.mark.parametrize("site", [{"max_attempts": 2}], indirect=True)
def test_a_storage_that_is_away_for_longer_than_all_attempts(site: Site) -> None:
    tell("outage", asyncio.run(scenes.storage_outage(site)))


@pytest.mark.parametrize("site", [{"cluster": "durable_postgres"}], indirect=True)
def test_a_database_that_is_restarted_under_requests_and_dubs(site: Site) -> None:
    tell("database", asyncio.run(scenes.database_restarts(site, rounds=2)))


@pytest.mark.parametrize("at", ["speaking", "uploading"])
def test_a_worker_that_hangs_longer_than_its_lease_replaces_nothing(
    site: Site, at: Literal["speaking", "uploading"]
) -> None:
    tell(f"hanging while {at}", asyncio.run(scenes.hanging_worker(site, at=at)))


def test_a_worker_that_is_asked_to_stop_loses_no_attempt(site: Site) -> None:
    tell("stopping", asyncio.run(scenes.asked_to_stop(site)))


@pytest.mark.parametrize("site", [{"max_attempts": 2}], indirect=True)
def test_a_dub_that_kills_its_workers_is_laid_to_rest(site: Site) -> None:
    tell("poison", asyncio.run(scenes.poison(site)))


def test_a_server_that_dies_between_the_commit_and_the_message(site: Site) -> None:
    tell("web", asyncio.run(scenes.server_dies_before_the_message(site, key=secrets.token_hex(8))))


def test_only_folders_of_work_that_nobody_does_are_removed(tmp_path: Path) -> None:
    async def work() -> None:
        async with server(ServerSettings(data_dir=tmp_path)) as services:
            async with services.database.transaction() as session:
                running = add_task(session, kind="dub", queue="cpu")
                freed = add_task(session, kind="dub", queue="cpu")
                await session.flush()
                for task, state in ((running, "running"), (freed, "queued")):
                    task.state, task.fence = state, 2
            folders = {f"{running.id}.1", f"{running.id}.2", f"{freed.id}.2", "task_unknown.1"}
            for name in folders:
                (tmp_path / "work" / name / "out").mkdir(parents=True)
            await tidy_work(services)
            left = {path.name for path in (tmp_path / "work").iterdir()}
            assert left == {f"{running.id}.2"}

    asyncio.run(work())


class Tidying:
    """Ends its task, and then has something to clear away for longer than a lease is renewed."""

    kind: ClassVar[str] = "tidying"
    tidy = False

    async def run(self, claim: Claim, context: TaskContext) -> None:
        async with context.transaction() as session:
            await context.finish_with(session)
        await asyncio.sleep(4)
        self.tidy = True

    async def dead(self, session: AsyncSession, task: Task, error: dict[str, Any]) -> None:
        raise AssertionError(error)


def test_a_task_that_has_ended_is_not_taken_for_lost(tmp_path: Path) -> None:
    async def work() -> None:
        settings = ServerSettings(data_dir=tmp_path, visibility_seconds=10)
        handler, told = Tidying(), list[str]()
        async with server(settings) as services:
            worker = Worker(
                database=services.database,
                queue=services.queue,
                handlers=[handler],
                settings=settings,
                queues=["tasks"],
                tell=lambda event, kind, seconds: told.append(event),
            )
            async with transaction(services.database, services.queue) as session:
                add_task(session, kind="tidying", queue="tasks")
            running = asyncio.create_task(worker.run())
            async with asyncio.timeout(60):
                while len(told) < 2:
                    await asyncio.sleep(0.05)
            worker.stop()
            await running
            assert told == ["started", "done"] and handler.tidy
            depth = await services.queue.depth("tasks")
            assert depth.waiting + depth.in_flight == 0, "its message is gone"

    asyncio.run(work())
