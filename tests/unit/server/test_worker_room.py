"""Room on a worker's disk: asked for before a task begins, and never the task's fault."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from onevoice.errors import DiskFull
from onevoice.server.errors import facts_of, status_of
from onevoice.server.jobs.handlers import room_for
from onevoice.server.videos.models import Video
from onevoice.server.worker.room import SPARE, NoRoom, require_room, room_may_end


def test_a_task_that_fits_leaves_some_to_the_others(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    require_room(tmp_path, 1, spare=0)
    for needed, spare in ((free * 2, 0), (1, free * 2)):
        with pytest.raises(NoRoom) as caught:
            require_room(tmp_path, needed, spare=spare)
        assert caught.value.retryable and caught.value.hint
        assert status_of(caught.value) == 503
        assert str(free >> 20) not in str(facts_of(caught.value))
    assert SPARE > 0


def test_a_disk_that_fills_up_is_another_workers_matter() -> None:
    with pytest.raises(NoRoom) as caught, room_may_end():
        raise DiskFull("no room left on the disk for 'source'", hint="free some space on it")
    assert caught.value.retryable and not DiskFull.retryable


def test_room_grows_with_the_film_and_its_languages() -> None:
    film = Video(size=10 << 30, duration_ms=2 * 3_600_000)
    one, four = room_for(film, 1), room_for(film, 4)
    assert 30 << 30 < one < 45 << 30
    assert four - one > 3 * film.size
    assert room_for(Video(size=10, duration_ms=None), 1) == 20
