"""The lines of a dub as people see and change them; a re-dub speaks what they changed."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from onevoice import languages as tags
from onevoice.server.errors import Conflict, NotFound
from onevoice.server.jobs import ordering, repository
from onevoice.server.jobs.ending import OPEN
from onevoice.server.jobs.models import Job, JobLanguage
from onevoice.server.jobs.schemas import LineChangeOf, LineOut, LinesOut


async def edit_lines(
    session: AsyncSession, job: Job, language: str, changes: Sequence[LineChangeOf]
) -> LinesOut:
    """Note what a person wants said instead; a re-dub speaks it."""
    row = await _language(session, job, language)
    if row.status in OPEN:  # the round under way speaks, and charges, what was changed before it
        raise Conflict(
            f"{tags.name(row.language)} is being dubbed",
            hint="change its lines when the job has ended",
            code="language_busy",
        )
    known = {line["id"] for line in row.lines or []}
    unknown = next((change.id for change in changes if change.id not in known), None)
    if unknown is not None:
        raise NotFound(
            f"there is no line {unknown!r} in {row.language}",
            hint="GET the lines to see their ids",
        )
    voices = {change.voice for change in changes if change.voice}
    await ordering.accept_voices(job.profile, row.language, voices)
    await repository.note_edits(
        session,
        job.id,
        row.language,
        [(change.id, change.model_dump(exclude={"id"}, exclude_none=True)) for change in changes],
    )
    await session.flush()
    return await lines_of(session, job, language)


async def lines_of(session: AsyncSession, job: Job, language: str) -> LinesOut:
    """The lines of a language, with the changes nobody has spoken yet."""
    row = await _language(session, job, language)
    edits = await repository.edits_of(session, job.id, [row.language], pending=True)
    edited = {edit.line_id: edit.changes for edit in edits}
    return LinesOut(
        language=row.language,
        lines=[
            LineOut.model_validate({**line, "edited": edited.get(line["id"], {})})
            for line in row.lines or []
        ],
    )


def changed_seconds(lines: Sequence[dict[str, Any]], changed: set[str]) -> int:
    """What speaking these lines anew costs: the time they take in the picture, a second at least.

    Lines are counted by their windows, begun seconds of the sum included.
    """
    total: float = sum(line["end"] - line["start"] for line in lines if line["id"] in changed)
    return max(1, math.ceil(round(total, 3)))


async def changed_lines(
    session: AsyncSession, job: Job, languages: Collection[str]
) -> dict[str, set[str]]:
    """The lines of each language that were changed since they were spoken."""
    found: dict[str, set[str]] = {}
    for edit in await repository.edits_of(session, job.id, languages, pending=True):
        found.setdefault(edit.language, set()).add(edit.line_id)
    return found


async def _language(session: AsyncSession, job: Job, language: str) -> JobLanguage:
    row = await session.get(JobLanguage, (job.id, tags.normalize(language)))
    if row is None or row.lines is None:
        raise NotFound(
            f"the job has no lines in {language!r}",
            hint="a language has lines once it is dubbed; GET the job lists its languages",
        )
    return row
