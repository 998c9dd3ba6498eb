"""One attempt at a group of a job's languages: its process watched, what it makes kept and told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.errors import Cancelled, OneVoiceError
from onevoice.server import metrics
from onevoice.server.jobs import repository
from onevoice.server.jobs.archives import pack
from onevoice.server.jobs.ending import OPEN, end_if_over, end_language, tell
from onevoice.server.jobs.keys import project_key, result_key
from onevoice.server.jobs.models import Job, JobLanguage
from onevoice.server.jobs.orders import (
    AnalysisFinished,
    ErrorFacts,
    Failed,
    Finished,
    LanguageDone,
    LanguageFailed,
    Order,
)
from onevoice.server.jobs.process import DubProcess
from onevoice.server.jobs.progress import Progress
from onevoice.server.jobs.schemas import JobOptions
from onevoice.server.jobs.sending import send_open_groups
from onevoice.server.resources import Resources
from onevoice.server.videos.models import Video
from onevoice.server.worker.handlers import TaskContext
from onevoice.server.worker.outages import is_code_of_outage

LOOK_S = 1.0
"""How often progress is written, and a user's wish to cancel is looked for."""
_log = structlog.get_logger(__name__)


class DubFailed(OneVoiceError):
    """What a dub's own process said, as an error of the task."""

    def __init__(self, facts: ErrorFacts) -> None:
        super().__init__(facts.message, hint=facts.hint)
        self.code = facts.code  # type: ignore[misc]  # one class for all codes of the child
        self.retryable = facts.retryable  # type: ignore[misc]  # likewise


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


class Dub:
    """The attempt. :meth:`run` ends the task, or raises what it is to be tried again for."""

    def __init__(self, services: Resources, context: TaskContext, work: Work) -> None:
        self._services = services
        self._context = context
        self._work = work
        self._open = set(work.charges)
        self._progress = Progress(work.charges)
        self._again: ErrorFacts | None = None
        self._cancelled = False
        self._usd = 0.0
        self._keeping = Lock()

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
        await asyncio.to_thread(self._keep_project)  # a re-dub begins from it
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
            if self._again is None or is_code_of_outage(self._again.code):
                self._again = error  # what is the dub's own fault counts
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
        work, job = self._work, self._work.job
        key = project_key(job.user_id, job.id, work.group, job.round, work.fence)
        with self._keeping:  # a thread that nobody waits for any more may be at it
            pack(project, archive)
            self._services.storage.put_file(key, archive, media_type="application/x-tar")
