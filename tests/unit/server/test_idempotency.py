"""What one request with a key does, and a second one: without routes, on both databases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth.models import IdempotencyKey, User
from onevoice.server.db import Database, now
from onevoice.server.errors import Conflict, Invalid
from onevoice.server.idempotency import Once
from onevoice.server.settings import ServerSettings
from onevoice.server.tables import METADATA


class Made(BaseModel):
    number: int
    at: datetime


@pytest.fixture
def settings(database_url: str) -> ServerSettings:
    return ServerSettings(database_url=database_url)


@asynccontextmanager
async def tables(settings: ServerSettings) -> AsyncIterator[Database]:
    database = Database(settings)
    async with database.engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    async with database.transaction() as session:
        for user in ("ada", "bob"):
            session.add(User(id=user, email=user, email_key=user, password_hash="-"))
    yield database
    await database.close()


class Effects:
    """Counts what was done."""

    def __init__(self, *, pause: float = 0.0, fail: int = 0) -> None:
        self.count = 0
        self._pause = pause
        self._fail = fail

    async def __call__(self) -> Made:
        self.count += 1
        await asyncio.sleep(self._pause)
        if self.count <= self._fail:
            raise Conflict("not now")
        return Made(number=self.count, at=now())


async def once(
    database: Database,
    work: Callable[[], Awaitable[Made]],
    *,
    user: str = "ada",
    key: str | None = "k",
    request: str = "r",
) -> tuple[int, bytes, bool]:
    async with database.transaction() as session:
        answer = await Once(session, user, key, request).answer(201, work)
    return answer.status_code, bytes(answer.body), "idempotent-replay" in answer.headers


async def kept(session: AsyncSession) -> int:
    return await session.scalar(select(func.count()).select_from(IdempotencyKey)) or 0


def test_it_is_done_once(settings: ServerSettings) -> None:
    async def work() -> None:
        async with tables(settings) as database:
            effects = Effects(pause=0.05)
            answers = await asyncio.gather(*(once(database, effects) for _ in range(6)))
            assert effects.count == 1
            assert sorted(replayed for _, _, replayed in answers) == [False] + [True] * 5
            assert {status for status, _, _ in answers} == {201}
            bodies = {Made.model_validate_json(body).model_dump_json() for _, body, _ in answers}
            assert len(bodies) == 1

    asyncio.run(work())


def test_other_people_other_keys_and_no_key(settings: ServerSettings) -> None:
    async def work() -> None:
        async with tables(settings) as database:
            effects = Effects()
            await once(database, effects)
            await once(database, effects, user="bob")
            await once(database, effects, key="other")
            for _ in range(2):
                await once(database, effects, key=None)
            assert effects.count == 5
            with pytest.raises(Invalid, match="another request") as refused:
                await once(database, effects, request="changed")
            assert refused.value.narrow_code == "idempotency_mismatch" and effects.count == 5
            async with database.session() as session:
                assert await kept(session) == 3

    asyncio.run(work())


def test_a_failure_leaves_no_key(settings: ServerSettings) -> None:
    async def work() -> None:
        async with tables(settings) as database:
            effects = Effects(fail=1, pause=0.05)
            found = await asyncio.gather(
                *(once(database, effects) for _ in range(3)), return_exceptions=True
            )
            # The first fails; one of those that waited for it does the work, the other repeats it.
            assert sum(isinstance(one, Conflict) for one in found) == 1
            replayed = sorted(one[2] for one in found if not isinstance(one, BaseException))
            assert replayed == [False, True] and effects.count == 2
            async with database.session() as session:
                assert await kept(session) == 1

    asyncio.run(work())


def test_an_answer_is_dressed_each_time_and_kept_as_it_was(settings: ServerSettings) -> None:
    async def work() -> None:
        async with tables(settings) as database:
            effects, dressed = Effects(), 0

            async def ask() -> tuple[dict[str, Any], bool]:
                async with database.session() as session:

                    async def dress(kept: Any) -> Made:
                        nonlocal dressed
                        dressed += 1
                        # By now it is committed: another transaction sees it, and can write.
                        async with database.transaction() as other:
                            found = await other.get_one(IdempotencyKey, ("ada", "k"))
                            assert found.body == kept
                        return Made(number=kept["number"] + dressed, at=kept["at"])

                    answer = await Once(session, "ada", "k", "r").answer(201, effects, dress=dress)
                    assert answer.status_code == 201
                    return json.loads(bytes(answer.body)), "idempotent-replay" in answer.headers

            (first, replayed), (again, replayed_again) = await ask(), await ask()
            assert (replayed, replayed_again) == (False, True)
            assert (first["number"], again["number"]) == (2, 3)
            assert first["at"] == again["at"]
            assert effects.count == 1

    asyncio.run(work())


def test_a_dress_that_fails_is_tried_again_with_the_same_key(settings: ServerSettings) -> None:
    async def work() -> None:
        async with tables(settings) as database:
            effects, tries = Effects(), 0

            async def dress(kept: Any) -> Made:
                nonlocal tries
                tries += 1
                if tries == 1:
                    raise Conflict("not now")
                return Made.model_validate(kept)

            async def ask() -> int:
                async with database.session() as session:
                    once = Once(session, "ada", "k", "r")
                    return (await once.answer(201, effects, dress=dress)).status_code

            with pytest.raises(Conflict):
                await ask()
            assert await ask() == 201
            assert (effects.count, tries) == (1, 2)

    asyncio.run(work())


def test_what_was_asked_before_is_known_before_the_work(settings: ServerSettings) -> None:
    async def work() -> None:
        async with tables(settings) as database:
            effects = Effects()

            async def ask(key: str | None = "k", request: str = "r") -> bool:
                async with database.session() as session:
                    once = Once(session, "ada", key, request)
                    if await once.asked_before() is not None:
                        return True
                    # Nothing is held meanwhile: others write, on either database.
                    async with database.transaction() as other:
                        await other.execute(update(User).where(User.id == "bob").values(name="B"))
                    await once.answer(201, effects)
                    await session.commit()
                    return False

            assert [await ask(), await ask(), await ask(key=None), await ask(key=None)] == [
                False, True, False, False,
            ]  # fmt: skip
            assert effects.count == 3
            with pytest.raises(Invalid):
                await ask(request="another")

    asyncio.run(work())
