"""The task ``dub``: one group of a job's languages, from the video in the storage to its results.

Every step may have been done before by a worker that was killed: results are put under names
that say job, round and language, credit is captured by the name of its hold, and what is written to
the database is fenced. So whoever comes next repeats nothing that was finished, and books nothing
twice.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any, ClassVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.db import now
from onevoice.server.jobs import repository
from onevoice.server.jobs.archives import unpack
from onevoice.server.jobs.attempt import Dub, Work
from onevoice.server.jobs.ending import OPEN, end_if_over, end_language, tell
from onevoice.server.jobs.keys import (
    artifacts_prefix,
    local_artifacts,
    projects_prefix,
)
from onevoice.server.jobs.models import ENDED, Job, JobLanguage
from onevoice.server.jobs.ordering import settings_of
from onevoice.server.jobs.orders import (
    Artifacts,
    Edit,
    Order,
    Remote,
    SpokenLine,
)
from onevoice.server.jobs.schemas import JobOptions
from onevoice.server.jobs.sending import send_open_groups
from onevoice.server.resources import Resources
from onevoice.server.storage import LocalStorage
from onevoice.server.tasks.claims import Claim
from onevoice.server.tasks.models import Task
from onevoice.server.videos.models import Video
from onevoice.server.worker.handlers import TaskContext
from onevoice.server.worker.room import require_room, room_may_end

_SOUND_PER_MS = 48 * 2 * 4
"""Bytes of sound as stages keep it: stereo, 48 kHz, 32 bits."""
_STAGES_OF_ANALYSIS = 4


class DubHandler:
    """Dubs; one at a time of each task, any number of tasks."""

    kind: ClassVar[str] = "dub"

    def __init__(self, services: Resources) -> None:
        self._services = services

    async def run(self, claim: Claim, context: TaskContext) -> None:
        folder = self._services.settings.data_dir / "work" / f"{claim.task.id}.{claim.fence}"
        structlog.contextvars.bind_contextvars(job_id=claim.task.subject)
        try:
            work = await self._begin(claim, context, folder)
            if work is not None:
                with room_may_end():
                    await asyncio.to_thread(self._fetch, work, folder)
                await Dub(self._services, context, work).run()
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def dead(self, session: AsyncSession, task: Task, error: dict[str, Any]) -> None:
        job = await _locked(session, task)
        if job is None:
            return
        sent = await repository.groups_sent(session, job)
        for row in await repository.languages_of(session, job.id):
            # Languages that wait for an analysis which nobody will make end with it.
            if row.group == task.payload["group"] or row.group not in sent:
                await end_language(session, job, row, status="failed", error=error)
        await end_if_over(session, self._services, job)

    # -- beginning ---------------------------------------------------------------------------

    async def _begin(self, claim: Claim, context: TaskContext, folder: Path) -> Work | None:
        """Note that the languages are worked on. None where nothing is left to do."""
        task = claim.task
        async with context.transaction() as session:
            job = await _locked(session, task)
            rows = []
            if job is not None:
                group = task.payload["group"]
                rows = [
                    row
                    for row in await repository.languages_of(session, job.id)
                    if row.group == group and row.status in OPEN
                ]
            if job is not None and job.cancel_requested_at is not None:
                sent = await repository.groups_sent(session, job)
                for row in await repository.languages_of(session, job.id):
                    if row.group == task.payload["group"] or row.group not in sent:
                        await end_language(session, job, row, status="cancelled")
                rows = []
            video = await session.get(Video, job.video_id) if job is not None else None
            if job is not None and not rows:
                # Whoever did the last of them was killed before it could say so.
                await send_open_groups(session, self._services, job)
                await end_if_over(session, self._services, job)
            if job is None or video is None or not rows:
                await context.finish_with(session)
                return None
            if job.status == "queued":
                job.status = "running"
                job.started_at = job.started_at or now()
                await tell(session, job, "job.started", {"round": job.round})
            for row in rows:
                row.status = "running"
            order = await self._order(session, job, video, rows, folder)
            session.expunge(job)
            return Work(
                job=job,
                video=video,
                group=group,
                fence=claim.fence,
                order=order,
                charges={row.language: row.held_s for row in rows},
            )

    async def _order(
        self,
        session: AsyncSession,
        job: Job,
        video: Video,
        rows: list[JobLanguage],
        folder: Path,
    ) -> Order:
        settings, options = self._services.settings, JobOptions.model_validate(job.settings)
        languages = [row.language for row in rows]
        edits: dict[str, dict[str, Edit]] = {}
        for edit in await repository.edits_of(session, job.id, languages):
            edits.setdefault(edit.language, {})[edit.line_id] = Edit.model_validate(edit.changes)
        shared = not isinstance(self._services.storage, LocalStorage)
        remote = Remote(prefix=artifacts_prefix(job.user_id, video.id)) if shared else None
        tree: dict[str, Any] = settings_of(options)
        if options.glossary:
            tree["glossary"] = [term.model_dump(exclude_defaults=True) for term in options.glossary]
        minutes = (video.duration_ms or 0) / 60000 * len(rows)
        most = settings.max_usd_per_minute
        return Order(
            source=folder / "source",
            name=video.name,
            languages=tuple(languages),
            profile=job.profile,
            settings=tree,
            out=folder / "out",
            edits=edits,
            previous_lines={
                row.language: tuple(SpokenLine.model_validate(line) for line in row.lines)
                for row in rows
                if row.lines and row.charged_s
            },
            max_usd=None if most is None else round(most * minutes, 4),
            artifacts=Artifacts(
                local=local_artifacts(settings.data_dir, job.user_id, video.id), remote=remote
            ),
        )

    def _fetch(self, work: Work, folder: Path) -> None:
        """The video, and the project folder as the last worker left it."""
        folder.mkdir(parents=True, exist_ok=True)
        require_room(folder, room_for(work.video, len(work.order.languages)))
        storage = self._services.storage
        storage.get_file(work.video.storage_key, work.order.source)
        archive = folder / "project.tar"
        kept = projects_prefix(work.job.user_id, work.job.id, work.group)
        newest = max((found.key for found in storage.list(kept)), default=None)
        if newest is not None:
            storage.get_file(newest, archive)
            unpack(archive, work.order.out)


def room_for(video: Video, languages: int) -> int:
    """Bytes of disk that a dub takes: the film, a copy of its picture in each language, and
    uncompressed sound at each of some stages.
    """
    sound = (video.duration_ms or 0) * _SOUND_PER_MS
    return video.size * (1 + languages) + sound * (_STAGES_OF_ANALYSIS + languages)


async def _locked(session: AsyncSession, task: Task) -> Job | None:
    """The task's job, if it is still about this round of it."""
    job = await repository.lock_job(session, task.subject or "")
    if job is None or job.status in ENDED or job.round != task.payload["round"]:
        return None
    return job
