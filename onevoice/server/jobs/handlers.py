"""The task ``dub``: one group of a job's languages, from the video in the storage to its results.

Every step may have been done before by a worker that was killed: results are put under names
that say job, round and language, credit is captured by the name of its hold, and what is written to
the database is fenced. So whoever comes next repeats nothing that was finished, and books nothing
twice.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.errors import Cancelled, OneVoiceError
from onevoice.server import metrics
from onevoice.server.db import now
from onevoice.server.jobs import repository
from onevoice.server.jobs.archives import pack, unpack
from onevoice.server.jobs.ending import OPEN, end_if_over, end_language, tell
from onevoice.server.jobs.keys import (
    artifacts_prefix,
    local_artifacts,
    project_key,
    projects_prefix,
    result_key,
)
from onevoice.server.jobs.models import ENDED, Job, JobLanguage
from onevoice.server.jobs.ordering import settings_of
from onevoice.server.jobs.orders import (
    AnalysisFinished,
    Artifacts,
    Edit,
    ErrorFacts,
    Failed,
    Finished,
    LanguageDone,
    LanguageFailed,
    Order,
    Remote,
    SpokenLine,
)
from onevoice.server.jobs.process import DubProcess
from onevoice.server.jobs.progress import Progress
from onevoice.server.jobs.schemas import JobOptions
from onevoice.server.jobs.sending import send_open_groups
from onevoice.server.resources import Resources
from onevoice.server.storage import LocalStorage
from onevoice.server.tasks.claims import Claim
from onevoice.server.tasks.models import Task
from onevoice.server.videos.models import Video
from onevoice.server.worker.handlers import TaskContext
from onevoice.server.worker.room import require_room, room_may_end

LOOK_S = 1.0
"""How often progress is written, and a user's wish to cancel is looked for."""
_SOUND_PER_MS = 48 * 2 * 4
"""Bytes of sound as stages keep it: stereo, 48 kHz, 32 bits."""
_STAGES_OF_ANALYSIS = 4
_log = structlog.get_logger(__name__)


class DubFailed(OneVoiceError):
    """What a dub's own process said, as an error of the task."""

    def __init__(self, facts: ErrorFacts) -> None:
        super().__init__(facts.message, hint=facts.hint)
        self.code = facts.code  # type: ignore[misc]
        self.retryable = facts.retryable  # type: ignore[misc]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is to be done, as it was when it was begun."""

    job: Job
    video: Video
    group: int
    fence: int
    order: Order
    charges: dict[str, int]
    """Seconds held, by language."""


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
                await _Dub(self._services, context, work).run()
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


class _Dub:
    """One attempt at a group of languages."""

    def __init__(self, services: Resources, context: TaskContext, work: Work) -> None:
        self._services = services
        self._context = context
        self._work = work
        self._open = set(work.charges)
        self._progress = Progress(work.charges)
        self._again: ErrorFacts | None = None
        self._cancelled = False
        self._usd = 0.0

    async def run(self) -> None:
        async with DubProcess(self._work.order, settings=self._services.settings) as process:
            watch = asyncio.create_task(self._watch(process))
            try:
                async for event in process.events():
                    await self._take(event)
            finally:
                watch.cancel()
                with suppress(asyncio.CancelledError):
                    await watch
                # What is known by now is worth keeping, however this ends.
                await asyncio.shield(asyncio.to_thread(self._keep_project))
        await self._finish()

    async def _take(self, event: Any) -> None:
        self._progress.take(event)
        if isinstance(event, AnalysisFinished):
            await self._analysis_done()
        elif isinstance(event, LanguageDone):
            await self._language_done(event)
        elif isinstance(event, LanguageFailed):
            await self._failed([event.language], event.error)
        elif isinstance(event, Finished):
            self._usd = event.usd
        elif isinstance(event, Failed):
            self._usd = event.usd
            if event.error.code == Cancelled.code:
                if not self._cancelled:
                    raise Cancelled("the worker was asked to stop")
                return
            await self._failed(list(self._open), event.error)

    # -- while it runs -----------------------------------------------------------------------

    async def _watch(self, process: DubProcess) -> None:
        """Write progress now and then, and stop the dub when its user wants that."""
        while not self._context.cancelled.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._context.cancelled.wait()
            try:
                if await self._look():
                    self._cancelled = True
                    break
            except OneVoiceError:
                break  # the lease is lost: the loop ends this attempt
            except Exception as exc:
                _log.warning("dub.not_told", error=type(exc).__name__)
        await process.stop()

    async def _look(self) -> bool:
        """Tell progress; says whether the user asked to stop."""
        news = self._progress.news()
        if not news:
            async with self._services.database.session() as session:
                job = await session.get(Job, self._work.job.id)
                return job is None or job.cancel_requested_at is not None
        async with self._context.transaction() as session:
            job = await repository.lock_job(session, self._work.job.id)
            if job is None:
                return True
            told = {}
            for language, (stage, share) in news.items():
                row = await session.get(JobLanguage, (job.id, language))
                if row is not None and row.status == "running":
                    # An attempt after the first begins anew, but has most of it already.
                    row.stage, row.progress = stage, max(row.progress, share)
                    told[language] = {"stage": stage, "progress": row.progress}
            if told:
                await tell(session, job, "job.progress", {"languages": told})
            return job.cancel_requested_at is not None

    async def _analysis_done(self) -> None:
        """The other groups may begin: they find the analysis among the artifacts."""
        await asyncio.to_thread(self._keep_project)

        async def work(session: AsyncSession, job: Job) -> None:
            await send_open_groups(session, self._services, job)

        await self._write(work)

    # -- ends --------------------------------------------------------------------------------

    async def _language_done(self, event: LanguageDone) -> None:
        job = self._work.job
        outputs = await asyncio.to_thread(self._upload, event)
        held = self._work.charges[event.language]
        used = held if event.changed_seconds is None else min(held, event.changed_seconds)

        async def work(session: AsyncSession, job: Job) -> None:
            row = await session.get(JobLanguage, (job.id, event.language))
            if row is None or row.status not in OPEN:
                return
            row.outputs = outputs
            row.lines = [line.model_dump(mode="json") for line in event.lines]
            row.measures = event.measures
            row.warnings = [warning.model_dump(mode="json") for warning in event.warnings]
            await self._note_edits(session, job, event.language)
            await end_language(session, job, row, status="done", used_s=used)

        if await self._write(work):
            metrics.dubbed((self._work.video.duration_ms or 0) / 1000)
            metrics.credit_captured(used)
            _log.info("job.language.done", job_id=job.id, language=event.language)
        self._ended(event.language)

    def _upload(self, event: LanguageDone) -> list[dict[str, Any]]:
        job, storage = self._work.job, self._services.storage
        wanted = set(JobOptions.model_validate(job.settings).deliverables)
        outputs = []
        for file in event.files:
            kind = file.path.suffix[1:] if file.kind == "subtitles" else file.kind
            if kind != "audio" and kind not in wanted:
                continue
            key = result_key(
                job.user_id, job.id, job.round, event.language, self._work.fence, file.path.name
            )
            stored = storage.put_file(key, file.path, media_type=file.media_type)
            outputs.append(
                {
                    "kind": kind,
                    "name": file.name,
                    "key": key,
                    "size": stored.size,
                    "media_type": file.media_type,
                }
            )
        return outputs

    async def _note_edits(self, session: AsyncSession, job: Job, language: str) -> None:
        """Those edits are spoken now; what was changed meanwhile waits for the next round."""
        spoken = self._work.order.edits.get(language, {})
        for edit in await repository.edits_of(session, job.id, [language], pending=True):
            known = spoken.get(edit.line_id)
            if known is not None and known.changes == edit.changes:
                edit.applied_round = job.round

    async def _failed(self, languages: list[str], error: ErrorFacts) -> None:
        """End languages for good, or leave them for another attempt."""
        if error.retryable:
            self._again = error
            return
        facts = error.model_dump(mode="json")

        async def work(session: AsyncSession, job: Job) -> None:
            for language in languages:
                row = await session.get(JobLanguage, (job.id, language))
                if row is not None:
                    await end_language(session, job, row, status="failed", error=facts)

        await self._write(work)
        for language in languages:
            self._ended(language)

    async def _finish(self) -> None:
        """End the task and, where nothing else is under way, the job."""

        async def work(session: AsyncSession, job: Job) -> None:
            job.usd = float(job.usd) + self._usd
            if self._cancelled:
                sent = await repository.groups_sent(session, job)
                for row in await repository.languages_of(session, job.id):
                    if row.group == self._work.group or row.group not in sent:
                        await end_language(session, job, row, status="cancelled")
            elif self._again is None:
                await send_open_groups(session, self._services, job)
            if self._again is None or self._cancelled:
                await end_if_over(session, self._services, job)
                await self._context.finish_with(session)

        await self._write(work)
        if self._again is not None and not self._cancelled:
            raise DubFailed(self._again)

    def _ended(self, language: str) -> None:
        self._open.discard(language)
        self._progress.end(language)

    # -- inner workings ----------------------------------------------------------------------

    async def _write(self, work: Callable[[AsyncSession, Job], Awaitable[None]]) -> bool:
        """A fenced transaction that holds the job's row; False if the job went on without us."""
        async with self._context.transaction() as session:
            job = await repository.lock_job(session, self._work.job.id)
            if job is None or job.round != self._work.job.round:
                return False
            await work(session, job)
            return True

    def _keep_project(self) -> None:
        """Put the project folder where the next worker finds it."""
        project = self._work.order.project
        if not project.is_dir():
            return
        archive = project.parent.parent / "project.tar"
        pack(project, archive)
        work, job = self._work, self._work.job
        key = project_key(job.user_id, job.id, work.group, job.round, work.fence)
        self._services.storage.put_file(key, archive, media_type="application/x-tar")


async def _locked(session: AsyncSession, task: Task) -> Job | None:
    """The task's job, if it is still about this round of it."""
    job = await repository.lock_job(session, task.subject or "")
    if job is None or job.status in ENDED or job.round != task.payload["round"]:
        return None
    return job
