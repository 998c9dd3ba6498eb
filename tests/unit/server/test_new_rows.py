"""New rows of several tables at once, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import IntegrityError

from onevoice.server.auth.models import User
from onevoice.server.db import Base, Database, now
from onevoice.server.jobs.models import Job, JobEvent, JobLanguage
from onevoice.server.new_rows import write_new
from onevoice.server.settings import load_settings
from onevoice.server.tables import METADATA
from onevoice.server.tasks.models import Task
from onevoice.server.videos.models import Video

Work = Callable[[Database], Awaitable[Any]]


def run(database_url: str, work: Work) -> None:
    async def all_of_it() -> None:
        database = Database(load_settings(database_url=database_url))
        try:
            async with database.engine.begin() as connection:
                await connection.run_sync(METADATA.create_all)
            await work(database)
        finally:
            await database.close()

    asyncio.run(all_of_it())


def rows() -> list[Base]:
    """A user, their video and a job with two languages; those that refer to others come first."""
    return [
        Task(id="task_1", kind="dub", queue="cpu", payload={"round": 1}, subject="job_1"),
        JobEvent(job_id="job_1", seq=1, kind="job.queued", data={"languages": ["es", "ko"]}),
        JobLanguage(job_id="job_1", language="es", held_s=60),
        JobLanguage(job_id="job_1", language="ko", held_s=60, error={"code": "x"}, ended_at=now()),
        Job(
            id="job_1",
            user_id="user_1",
            video_id="vid_1",
            status="queued",
            profile="embedded",
            route="cpu",
            settings={"quote": 'it\'s "quoted" :v0 {}'},
            quote={},
            confirmed_at=now(),
        ),
        Video(id="vid_1", user_id="user_1", name="한국어.mp4", status="ready", storage_key="k"),
        User(id="user_1", email="a@example.com", email_key="a@example.com", password_hash=""),
    ]


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def test_rows_of_all_tables_are_there_as_they_were_added(database_url: str) -> None:
    async def work(database: Database) -> None:
        added = rows()
        async with database.transaction() as session:
            session.add_all(added)
            with counted(database) as statements:
                await write_new(session)
            assert not session.new
        inserts = [one for one in statements if "INSERT" in one]
        assert len(inserts) == (1 if database_url.startswith("postgresql") else 7)
        async with database.session() as session:
            job = await session.get(Job, "job_1")
            assert job is not None
            assert job.settings == {"quote": 'it\'s "quoted" :v0 {}'}
            assert (job.event_seq, job.priority, job.usd) == (0, "normal", 0.0)
            assert job.cancel_requested_at is None
            given = next(one for one in added if isinstance(one, Job))
            assert job.confirmed_at == given.confirmed_at
            assert job.created_at == given.created_at
            languages = {row.language: row for row in await session.scalars(select(JobLanguage))}
            assert languages["es"].error is None
            assert languages["ko"].error == {"code": "x"}
            assert languages["es"].status == languages["ko"].status == "queued"
            video = await session.get(Video, "vid_1")
            assert video is not None
            assert video.name == "한국어.mp4"
            task = await session.get(Task, "task_1")
            assert task is not None
            assert (task.state, task.attempts, task.payload) == ("queued", 0, {"round": 1})
            seen = await session.get(JobEvent, ("job_1", 1))
            assert seen is not None

    run(database_url, work)


def test_a_json_field_nobody_set_is_null_for_the_database(database_url: str) -> None:
    async def work(database: Database) -> None:
        async with database.transaction() as session:
            session.add_all(rows())
            await write_new(session)
        async with database.session() as session:
            empty = await session.scalars(
                select(JobLanguage.language).where(JobLanguage.outputs.is_(None))
            )
            assert sorted(empty) == ["es", "ko"]

    run(database_url, work)


def test_one_row_that_may_not_be_undoes_them_all(database_url: str) -> None:
    async def work(database: Database) -> None:
        async with database.transaction() as session:
            session.add_all(rows())
            await write_new(session)
        again = Task(id="task_2", kind="dub", queue="cpu", payload={})
        with pytest.raises(IntegrityError):
            async with database.transaction() as session:
                session.add_all([again, JobEvent(job_id="job_1", seq=1, kind="x", data={})])
                await write_new(session)
        async with database.session() as session:
            assert await session.get(Task, "task_2") is None

    run(database_url, work)


def test_what_is_there_already_is_left_to_the_session(database_url: str) -> None:
    async def work(database: Database) -> None:
        async with database.transaction() as session:
            session.add_all(rows())
            await write_new(session)
        async with database.transaction() as session:
            job = await session.get(Job, "job_1")
            assert job is not None
            job.status = "running"
            session.add(JobEvent(job_id="job_1", seq=2, kind="job.started", data={}))
            with session.no_autoflush:
                await write_new(session)
            assert job in session
        async with database.session() as session:
            job = await session.get(Job, "job_1")
            assert job is not None
            assert job.status == "running"
            assert await session.get(JobEvent, ("job_1", 2)) is not None

    run(database_url, work)
