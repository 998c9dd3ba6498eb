"""Tasks about videos: ``inspect`` an upload, ``import`` from an address, ``erase`` the media.

However a file turns out, its video ends as ready or rejected. What may be different next time (the
storage, the network, this machine) raises, and the task is tried again; when it has been tried
often enough the video is rejected, too.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.errors import DiskFull, EngineFailed, EngineUnavailable, MediaError
from onevoice.pipeline.fingerprint import file_digest
from onevoice.server.auth.models import User
from onevoice.server.db import now
from onevoice.server.errors import ApiError
from onevoice.server.jobs.keys import local_artifacts
from onevoice.server.net import AddressUseless, fetch, make_client
from onevoice.server.resources import Resources
from onevoice.server.storage.base import ObjectMissing
from onevoice.server.tasks.claims import Claim
from onevoice.server.tasks.models import Task
from onevoice.server.videos import repository, service
from onevoice.server.videos.inspection import Inspection, inspect
from onevoice.server.videos.keys import video_prefix
from onevoice.server.videos.models import Video
from onevoice.server.videos.schemas import VideoOut
from onevoice.server.webhooks.service import enqueue
from onevoice.server.worker.handlers import TaskContext
from onevoice.server.worker.room import require_room

IMPORT_SECONDS = 2 * 3600.0
"""Most time that fetching a video may take."""

_PREFIX = "video-"
_STALE_S = 86_400.0
_PAGES = ("text/html", "application/xhtml+xml")
_TOLD = ("media", "address_", "content_", "video_")
"""Codes of errors whose words are meant for the owner of the video."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file that can be dubbed."""

    size: int
    sha256: str
    inspection: Inspection


class _Looking(ABC):
    """What inspecting and importing have in common."""

    statuses: ClassVar[tuple[str, ...]]

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def run(self, claim: Claim, context: TaskContext) -> None:
        async with context.database.session() as session:
            video = await self._wanted(session, claim.task)
            user = await session.get(User, video.user_id) if video is not None else None
        if video is None or user is None:
            return
        plan = self._resources.plans.of(user)
        outcome: Found | MediaError | ApiError
        with _scratch(self._resources.settings.data_dir / "scratch") as folder:
            try:
                outcome = await self._look(
                    video,
                    folder / "source",
                    max_bytes=plan.max_bytes,
                    max_seconds=plan.max_seconds,
                )
            except (MediaError, ApiError) as exc:
                if exc.retryable:
                    raise
                outcome = exc
            except ObjectMissing as exc:
                outcome = _lost(exc)
            except (DiskFull, EngineUnavailable) as exc:
                # The file is not to blame: another worker, or a later time, may do.
                raise EngineFailed(f"this worker cannot look at files: {exc}") from exc
        async with context.transaction() as session:
            await self._settle(session, claim.task, outcome)
            await context.finish_with(session)

    async def dead(self, session: AsyncSession, task: Task, error: dict[str, Any]) -> None:
        """Nobody could look at it: the user is told, and may try again."""
        video = await self._wanted(session, task, lock=True)
        if video is None:
            return
        code = str(error.get("code", ""))
        told = code.startswith(_TOLD)
        await _reject(
            session,
            video,
            code=code if told else "video_failed",
            message=str(error.get("message", "")) if told else "the video could not be looked at",
            hint=str(error.get("hint", "")) if told else "try again; if it fails again, tell us",
        )

    @abstractmethod
    async def _look(self, video: Video, path: Path, *, max_bytes: int, max_seconds: int) -> Found:
        """Get the file to ``path`` and look at it. Raises what says that it is no use."""

    async def _wanted(
        self, session: AsyncSession, task: Task, *, lock: bool = False
    ) -> Video | None:
        """The task's video, if it still waits for what the task does."""
        if task.subject is None or task.user_id is None:
            return None
        video = await repository.video_of(session, task.user_id, task.subject, lock=lock)
        return video if video is not None and video.status in self.statuses else None

    async def _settle(
        self, session: AsyncSession, task: Task, outcome: Found | MediaError | ApiError
    ) -> None:
        video = await self._wanted(session, task, lock=True)
        if video is None:
            # It was deleted meanwhile; what was stored since then has to go, too.
            service.erase(session, user_id=task.user_id, video_id=task.subject)
            return
        if not isinstance(outcome, Found):
            code = outcome.narrow_code if isinstance(outcome, ApiError) else outcome.code
            await _reject(session, video, code=code, message=outcome.message, hint=outcome.hint)
            return
        video.status = "ready"
        video.ready_at = now()
        video.error = None
        video.size = outcome.size
        video.sha256 = outcome.sha256
        video.duration_ms = outcome.inspection.duration_ms
        video.details = outcome.inspection.details
        await _tell(session, video)


class InspectHandler(_Looking):
    """Looks at what was uploaded."""

    kind: ClassVar[str] = "inspect"
    statuses = ("inspecting",)

    async def _look(self, video: Video, path: Path, *, max_bytes: int, max_seconds: int) -> Found:
        require_room(path.parent, video.size)
        await asyncio.to_thread(self._resources.storage.get_file, video.storage_key, path)
        found = await inspect(path, max_seconds=max_seconds)
        size, digest = await asyncio.to_thread(_measure, path)
        return Found(size=size, sha256=digest, inspection=found)


class ImportHandler(_Looking):
    """Fetches a file and looks at it; only one that can be dubbed is stored."""

    kind: ClassVar[str] = "import"
    statuses = ("importing",)

    async def _look(self, video: Video, path: Path, *, max_bytes: int, max_seconds: int) -> Found:
        hosts = self._resources.settings.import_hosts
        async with make_client(allow_hosts=hosts) as client:
            fetched = await fetch(
                client,
                video.source_url or "",
                path,
                max_bytes=max_bytes,
                max_seconds=IMPORT_SECONDS,
            )
        try:
            found = await inspect(path, max_seconds=max_seconds)
        except MediaError as exc:
            if fetched.media_type in _PAGES:
                raise AddressUseless(
                    "the address leads to a web page, not to a video",
                    hint="give the address of the file itself, or download it and upload it here",
                ) from exc
            raise
        size, digest = await asyncio.to_thread(_measure, path)
        await asyncio.to_thread(self._resources.storage.put_file, video.storage_key, path)
        return Found(size=size, sha256=digest, inspection=found)


class EraseHandler:
    """Removes what is stored of a video that was deleted or rejected."""

    kind: ClassVar[str] = "erase"

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def run(self, claim: Claim, context: TaskContext) -> None:
        task, storage = claim.task, self._resources.storage
        if task.subject is None or task.user_id is None:
            return
        async with context.database.session() as session:
            video = await repository.whatever_became_of(session, task.user_id, task.subject)
        if video is not None and video.status not in ("deleted", "rejected"):
            return
        if video is not None and video.upload_id is not None:
            await asyncio.to_thread(storage.abort_upload, video.storage_key, video.upload_id)
        await asyncio.to_thread(storage.delete_prefix, video_prefix(task.user_id, task.subject))
        artifacts = local_artifacts(self._resources.settings.data_dir, task.user_id, task.subject)
        await asyncio.to_thread(shutil.rmtree, artifacts, ignore_errors=True)

    async def dead(self, session: AsyncSession, task: Task, error: dict[str, Any]) -> None:
        """Nobody waits for it. The dead task is what operators see, and can queue again."""


async def _reject(
    session: AsyncSession, video: Video, *, code: str, message: str, hint: str
) -> None:
    service.reject(session, video, code=code, message=message, hint=hint)
    await _tell(session, video)


async def _tell(session: AsyncSession, video: Video) -> None:
    told = VideoOut.of(video).model_dump(mode="json", exclude={"source_url"})
    await enqueue(session, video.user_id, f"video.{video.status}", told)


def _lost(exc: ObjectMissing) -> MediaError:
    error = MediaError("the uploaded file is not there any more", hint="upload it again")
    error.__cause__ = exc
    return error


@contextmanager
def _scratch(root: Path) -> Iterator[Path]:
    """A folder for one file. Those of workers that were killed are removed on the way."""
    root.mkdir(parents=True, exist_ok=True)
    for old in root.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > _STALE_S:
                shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(
        dir=root, prefix=_PREFIX, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def _measure(path: Path) -> tuple[int, str]:
    """The size of a file, and its SHA-256 in hex."""
    return path.stat().st_size, file_digest(path)
