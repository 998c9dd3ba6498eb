"""Routes of videos: upload in parts, import, list, look, delete."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response

from onevoice.server.auth.dependencies import Principal, require
from onevoice.server.auth.rate_limit import limit
from onevoice.server.idempotency import OncePerKey
from onevoice.server.paging import Page, PageOf, page
from onevoice.server.unit_of_work import Services, Session
from onevoice.server.videos import repository, service
from onevoice.server.videos.schemas import (
    NewImport,
    NewUpload,
    NewVideo,
    PartNumbers,
    PartUrls,
    UploadedParts,
    VideoOut,
)

router = APIRouter(prefix="/videos", tags=["videos"])

Reader = Annotated[Principal, require("videos:read")]
Writer = Annotated[Principal, require("videos:write", verified=True)]
VideoId = Annotated[str, Path(max_length=40, examples=["vid_01k3m5p7q9r1s3t5v7w9x1y3z5"])]


@router.post("", status_code=201, dependencies=[limit("videos", per_minute=60)])
async def create_video(
    body: NewVideo, user: Writer, services: Services, session: Session, once: OncePerKey
) -> NewUpload:
    """Begin an upload. PUT each part to its URL, then `POST …/complete` with their ETags.

    Asked again with the same key, it answers with the same video and with new URLs; without any,
    once nothing of it is to be uploaded any more.
    """

    async def work() -> VideoOut:
        return VideoOut.of(await service.create(session, services, user.user, body))

    async def dress(kept: Any) -> NewUpload:
        video = VideoOut.model_validate(kept)
        upload = await service.upload_of(services, user.user, video.id, media_type=body.media_type)
        return NewUpload(video=video, upload=upload)

    return await once.answer(201, work, dress=dress)  # type: ignore[return-value]


@router.post("/import", status_code=202, dependencies=[limit("videos", per_minute=60)])
async def import_video(
    body: NewImport, user: Writer, services: Services, session: Session, once: OncePerKey
) -> VideoOut:
    """Have a video fetched from a public address. GET it to see when it is ready, or why not."""

    async def work() -> VideoOut:
        return VideoOut.of(await service.bring(session, services, user.user, body))

    return await once.answer(202, work)  # type: ignore[return-value]


@router.get("")
async def list_videos(
    user: Reader,
    session: Session,
    wanted: PageOf,
    status: Annotated[
        Literal["uploading", "importing", "inspecting", "ready", "rejected"] | None,
        Query(description="Only videos that are this."),
    ] = None,
) -> Page[VideoOut]:
    """Your videos, newest first."""
    found = await repository.videos_of(session, user.user_id, wanted, status=status)
    return page([VideoOut.of(video) for video in found], wanted, key=lambda video: video.id)


@router.get("/{video_id}")
async def get_video(video_id: VideoId, user: Reader, session: Session) -> VideoOut:
    """A video: how it stands, and what is in it."""
    return VideoOut.of(await service.find(session, user.user_id, video_id))


@router.delete("/{video_id}", status_code=204)
async def delete_video(video_id: VideoId, user: Writer, session: Session) -> Response:
    """Delete a video, or give up its upload. Dubs that were made of it stay."""
    await service.delete(session, user.user_id, video_id)
    return Response(status_code=204)


@router.post("/{video_id}/parts", dependencies=[limit("parts", per_minute=600)])
async def create_part_urls(
    video_id: VideoId, body: PartNumbers, user: Writer, services: Services
) -> PartUrls:
    """URLs for further parts of an upload, or new ones for parts whose PUT failed."""
    return await service.part_urls(services, user.user, video_id, body.numbers)


@router.post("/{video_id}/complete", dependencies=[limit("videos", per_minute=60)])
async def complete_video(
    video_id: VideoId, body: UploadedParts, user: Writer, services: Services, session: Session
) -> VideoOut:
    """End an upload: the file is put together and inspected. Asked twice, it is done once."""
    return VideoOut.of(await service.complete(session, services, user.user, video_id, body.parts))
