"""What happens to videos on a user's word.

Each function is part of the request's transaction, except where the storage is asked: beginning an
upload comes after it, and completing one, which takes a while for gigabytes, before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from math import ceil
from urllib.parse import unquote

from sqlalchemy.ext.asyncio import AsyncSession

from onevoice.server.auth.models import User
from onevoice.server.db import now
from onevoice.server.errors import Conflict, Invalid, NotFound, TooLarge
from onevoice.server.ids import new_id
from onevoice.server.net import check_url
from onevoice.server.resources import Resources
from onevoice.server.storage.base import (
    ANY_TYPE,
    MAX_PARTS,
    ObjectMissing,
    Part,
    Storage,
    StoredObject,
    UploadInvalid,
)
from onevoice.server.tasks.fairness import lock_account
from onevoice.server.tasks.outbox import add_task, transaction
from onevoice.server.tasks.repository import withdraw
from onevoice.server.videos import repository
from onevoice.server.videos.keys import source_key
from onevoice.server.videos.models import Video
from onevoice.server.videos.schemas import (
    MOST_URLS,
    NewImport,
    NewVideo,
    PartUrl,
    PartUrls,
    Upload,
    UploadedPart,
    clean_name,
    rejection,
)

QUEUE = "tasks"
MOST_UNFINISHED = 20
"""Uploads, imports and inspections of one user that are under way at once."""
MOST_IMPORTS = 3
"""Imports among them: each keeps a worker waiting for somebody else's server, for hours maybe."""
URL_SECONDS = 3600
"""How long the URL of a part is valid. Longer would promise too much: what the keys of a role have
signed ends with them, after some hours."""
_BATCH = 100


async def create(session: AsyncSession, services: Resources, user: User, wanted: NewVideo) -> Video:
    """A video to be uploaded in parts; :func:`upload_of` begins that.

    Raises
    ------
    TooLarge
        The plan does not allow so many bytes.
    Conflict
        Too many uploads are under way.
    """
    settings = services.settings
    most = services.plans.of(user).max_bytes
    if wanted.size > min(most, MAX_PARTS * settings.part_size):
        raise TooLarge(
            f"the video has {wanted.size} bytes, and the plan allows {most}",
            hint="upload a smaller version, or choose a larger plan at /v1/billing/plans",
            code="video_too_large",
            facts={"max_bytes": most, "plan": services.plans.of(user).name},
        )
    await _check_room(session, user.id)
    video_id = new_id("vid")
    video = Video(
        id=video_id,
        user_id=user.id,
        name=wanted.name,
        status="uploading",
        storage_key=source_key(user.id, video_id),
        upload_expires_at=now() + timedelta(seconds=settings.upload_seconds),
        size=wanted.size,
    )
    session.add(video)
    await session.flush()
    return video


async def upload_of(
    services: Resources, user: User, video_id: str, *, media_type: str = ANY_TYPE
) -> Upload:
    """How to upload a video: with URLs as long as there is something to upload."""
    async with services.database.session() as session:
        video = await repository.whatever_became_of(session, user.id, video_id)
    if video is None or video.upload_expires_at is None:
        raise _no_video(video_id)
    count = _count(video, services.settings.part_size)
    urls: list[PartUrl] = []
    if _takes_parts(video):
        video = await _begun(services, video, media_type)
        urls = (await _urls(services, video, range(1, min(count, MOST_URLS) + 1))).urls
    return Upload(
        part_size=services.settings.part_size,
        parts=count,
        urls=urls,
        expires_at=video.upload_expires_at,
    )


async def part_urls(
    services: Resources, user: User, video_id: str, numbers: Sequence[int]
) -> PartUrls:
    """URLs of some parts, new ones each time."""
    async with services.database.session() as session:
        video = await find(session, user.id, video_id)
    _check_uploading(video)
    count = _count(video, services.settings.part_size)
    if max(numbers) > count:
        raise Invalid(f"there is no part {max(numbers)}", hint=f"the upload has {count} parts")
    video = await _begun(services, video, ANY_TYPE)
    return await _urls(services, video, sorted(set(numbers)))


async def complete(
    session: AsyncSession,
    services: Resources,
    user: User,
    video_id: str,
    parts: Iterable[UploadedPart],
) -> Video:
    """Make a file of the parts and have it inspected; done again, it changes nothing.

    Raises
    ------
    Invalid
        The parts are not what was uploaded.
    Conflict
        It is no upload, or took too long.
    """
    async with services.database.session() as before:
        video = await find(before, user.id, video_id)
    if video.status in ("inspecting", "ready", "rejected") and video.upload_id is not None:
        return video
    _check_uploading(video)
    stored = await asyncio.to_thread(
        _join, services.storage, video, [Part(part.number, part.etag) for part in parts]
    )
    video = await find(session, user.id, video_id, lock=True)
    if video.status != "uploading":
        return video
    announced, video.size = video.size, stored.size
    most = services.plans.of(user).max_bytes
    if stored.size != announced:
        reject(
            session,
            video,
            code="upload_size",
            message=f"{stored.size} bytes were uploaded and {announced} announced",
            hint="make a new upload with the size of the file",
        )
        return video
    if stored.size > most:  # the plan was a larger one when the upload began
        reject(
            session,
            video,
            code="video_too_large",
            message=f"the video has {stored.size} bytes, and the plan allows {most}",
            hint="upload a smaller version, or choose a larger plan at /v1/billing/plans",
        )
        return video
    video.status = "inspecting"
    add_task(session, kind="inspect", queue=QUEUE, user_id=user.id, subject=video.id)
    return video


async def bring(session: AsyncSession, services: Resources, user: User, wanted: NewImport) -> Video:
    """A video to be fetched from an address. Raises AddressRefused for one of our own network."""
    url = check_url(wanted.url, allow_hosts=services.settings.import_hosts)
    await _check_room(session, user.id)
    if await repository.count_of(session, user.id, "importing") >= MOST_IMPORTS:
        raise Conflict(
            f"{MOST_IMPORTS} imports are under way already",
            hint="wait until one of them has ended, or delete it",
            code="too_many_imports",
        )
    video_id = new_id("vid")
    last = clean_name(unquote(url.path.rstrip("/").rpartition("/")[2]))
    video = Video(
        id=video_id,
        user_id=user.id,
        name=wanted.name or last or clean_name(url.host),
        status="importing",
        storage_key=source_key(user.id, video_id),
        source_url=wanted.url,
    )
    session.add(video)
    await session.flush()
    add_task(session, kind="import", queue=QUEUE, user_id=user.id, subject=video_id)
    return video


async def find(session: AsyncSession, user_id: str, video_id: str, *, lock: bool = False) -> Video:
    """A user's video. Raises NotFound."""
    video = await repository.video_of(session, user_id, video_id, lock=lock)
    if video is None:
        raise _no_video(video_id)
    return video


async def delete(session: AsyncSession, user_id: str, video_id: str) -> None:
    """Forget a video; its media go soon after. Raises Conflict while a job needs it."""
    video = await find(session, user_id, video_id, lock=True)
    job_id = await repository.job_under_way(session, user_id, video_id)
    if job_id is not None:
        raise Conflict(
            f"the job {job_id} works on this video",
            hint="cancel the job first, or wait until it has ended",
            code="video_in_use",
            facts={"job_id": job_id},
        )
    await withdraw(session, video.id, user_id=user_id)
    video.status = "deleted"
    video.deleted_at = now()
    erase(session, user_id=video.user_id, video_id=video.id)


def reject(session: AsyncSession, video: Video, *, code: str, message: str, hint: str) -> None:
    """The video cannot be used: say why, and keep nothing of it."""
    video.status = "rejected"
    video.error = rejection(code, message, hint)
    erase(session, user_id=video.user_id, video_id=video.id)


def erase(session: AsyncSession, *, user_id: str | None, video_id: str | None) -> None:
    """Have all media of a video removed from the storage."""
    add_task(session, kind="erase", queue=QUEUE, user_id=user_id, subject=video_id)


async def expire_uploads(services: Resources) -> int:
    """Reject all uploads that took too long, and have what was stored of them removed.

    A chore of the workers, with transactions of its own. Returns how many there were.
    """
    count = 0
    while True:
        async with transaction(services.database, services.queue) as session:
            expired = await repository.expired_uploads(session, now(), limit=_BATCH)
            for video in expired:
                reject(
                    session,
                    video,
                    code="upload_expired",
                    message="the upload was not completed in time",
                    hint="upload it again",
                )
        count += len(expired)
        if len(expired) < _BATCH:
            return count


async def _begun(services: Resources, video: Video, media_type: str) -> Video:
    """The video with its upload begun at the storage.

    That is asked for with nothing locked, and noted only if nobody was faster: else the second one
    is given up. One whose note is lost takes up no room; the storage drops it after some days.
    """
    if video.upload_id is not None:
        return video
    storage, key = services.storage, video.storage_key
    upload_id = await asyncio.to_thread(storage.start_upload, key, media_type=media_type)
    async with services.database.transaction() as session:
        found = await repository.video_of(session, video.user_id, video.id, lock=True)
        if found is not None and _takes_parts(found) and found.upload_id is None:
            found.upload_id = upload_id
    if found is None or found.upload_id != upload_id:
        await asyncio.to_thread(storage.abort_upload, key, upload_id)
    if found is None:
        raise _no_video(video.id)
    _check_uploading(found)
    return found


def _join(storage: Storage, video: Video, parts: Sequence[Part]) -> StoredObject:
    try:
        if video.upload_id is None:
            raise UploadInvalid("no part was uploaded", hint="upload the parts first")
        return storage.complete_upload(video.storage_key, video.upload_id, parts)
    except (UploadInvalid, ObjectMissing) as exc:
        # The same request may have come twice, and the other one was faster.
        done = storage.head(video.storage_key)
        if done is not None and done.size == video.size:
            return done
        raise Invalid(
            "the parts are not what was uploaded",
            hint="name every part once, from 1 on, with the ETag its PUT was answered with; "
            "each but the last has part_size bytes",
            code="parts_invalid",
        ) from exc


async def _check_room(session: AsyncSession, user_id: str) -> None:
    await lock_account(session, user_id)
    if await repository.count_unfinished(session, user_id) >= MOST_UNFINISHED:
        raise Conflict(
            f"{MOST_UNFINISHED} uploads and imports are under way already",
            hint="complete or delete one of them first",
            code="too_many_uploads",
        )


def _no_video(video_id: str) -> NotFound:
    return NotFound(f"there is no video {video_id}", hint="GET /v1/videos lists yours")


def _takes_parts(video: Video) -> bool:
    expires_at = video.upload_expires_at
    return video.status == "uploading" and expires_at is not None and expires_at > now()


def _check_uploading(video: Video) -> None:
    if video.status != "uploading":
        raise Conflict(
            f"the video is {video.status}: nothing of it can be uploaded",
            hint="POST /v1/videos begins a new upload",
            code="not_uploading",
        )
    if not _takes_parts(video):
        raise Conflict(
            "the upload has expired", hint="POST /v1/videos begins a new one", code="upload_expired"
        )


def _count(video: Video, part_size: int) -> int:
    return ceil(video.size / part_size)


async def _urls(services: Resources, video: Video, numbers: Iterable[int]) -> PartUrls:
    assert video.upload_id is not None and video.upload_expires_at is not None  # noqa: S101
    at = now()
    until = min(video.upload_expires_at, at + timedelta(seconds=URL_SECONDS))
    upload_id, seconds = video.upload_id, max(1, int((until - at).total_seconds()))
    storage, key = services.storage, video.storage_key
    most, whole = services.settings.part_size, video.size

    def sign() -> list[PartUrl]:
        return [
            PartUrl(
                number=n,
                url=storage.part_url(
                    key, upload_id, n, seconds=seconds, size=min(most, whole - (n - 1) * most)
                ),
            )
            for n in numbers
        ]

    return PartUrls(urls=await asyncio.to_thread(sign), expires_at=until)
