"""What clients send and get about videos."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from onevoice.server.schemas import Failure, Strict
from onevoice.server.storage.base import MAX_PARTS
from onevoice.server.videos.models import Video

MOST_URLS = 100
"""How many parts get a URL in one answer."""

_UNSEEN = {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
_TURNING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that turn the direction of writing: they make ``gpj.exe`` read ``exe.jpg``."""


def clean_name(name: str) -> str:
    """A name as one visible line: without control characters, at most 255 characters."""
    seen = (
        " " if unicodedata.category(c) in _UNSEEN else c
        for c in unicodedata.normalize("NFC", name)
        if c not in _TURNING
    )
    return " ".join("".join(seen).split())[:255].strip()


def _name(name: str) -> str:
    cleaned = clean_name(name)
    if not cleaned:
        raise ValueError("nothing of it can be seen")
    return cleaned


Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        description="What you call it. Control characters are left out.",
        examples=["Talk of May.mp4"],
    ),
    AfterValidator(_name),
]
MediaType = Annotated[
    str,
    StringConstraints(
        max_length=100,
        to_lower=True,
        pattern=r"^((video|audio)/[A-Za-z0-9.+-]+|application/(octet-stream|mp4|mxf|ogg))$",
    ),
]
PartNumber = Annotated[int, Field(ge=1, le=MAX_PARTS)]


class NewVideo(Strict):
    """A video to upload."""

    name: Name
    size: int = Field(gt=0, le=1 << 50, description="Bytes of the file.", examples=[7340032])
    media_type: MediaType = Field(default="application/octet-stream", examples=["video/mp4"])


class PartNumbers(Strict):
    """Parts to get new URLs for."""

    numbers: list[PartNumber] = Field(
        min_length=1, max_length=MOST_URLS, examples=[[101, 102, 103]]
    )


class UploadedPart(Strict):
    number: PartNumber = Field(examples=[1])
    etag: Annotated[str, StringConstraints(max_length=130, pattern=r'^"?[0-9A-Za-z-]+"?$')] = Field(
        description="The ETag that the PUT of the part was answered with.",
        examples=['"9b2cf535f27731c974343645a3985328"'],
    )


class UploadedParts(Strict):
    """All parts of an upload, in any order."""

    parts: list[UploadedPart] = Field(min_length=1, max_length=MAX_PARTS)


class NewImport(Strict):
    """A video to fetch."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=2000)] = Field(
        description="Public http or https address of the file itself.",
        examples=["https://example.com/talks/may.mp4"],
    )
    name: Name | None = Field(default=None, description="The address's last part when left out.")


# -- answers -------------------------------------------------------------------------------------


class PictureOut(BaseModel):
    codec: str = Field(examples=["h264"])
    width: int = Field(examples=[1920])
    height: int = Field(examples=[1080])
    frame_rate: float | None = Field(default=None, examples=[25.0])
    rotation: int = Field(default=0, description="Degrees clockwise that players turn it.")
    cover: bool = Field(default=False, description="A still picture, no film.")


class SoundOut(BaseModel):
    codec: str = Field(examples=["aac"])
    sample_rate: int = Field(examples=[48000])
    channels: int = Field(examples=[2])
    layout: str = Field(default="", examples=["stereo"])
    language: str = Field(default="", description="The file's own tag.", examples=["eng"])
    title: str = ""
    default: bool = False


class SubtitlesOut(BaseModel):
    codec: str = Field(examples=["subrip"])
    language: str = ""


class Details(BaseModel):
    """What is in the file."""

    container: str = Field(examples=["mp4"])
    has_video: bool = True
    video: list[PictureOut]
    audio: list[SoundOut]
    subtitles: list[SubtitlesOut] = []
    synthetic_voice: str = Field(
        default="", description="The mark of an earlier dub, where there is one."
    )


class VideoOut(BaseModel):
    id: str = Field(examples=["vid_01k3m5p7q9r1s3t5v7w9x1y3z5"])
    name: str = Field(description="Text, as you gave it: escape it.", examples=["Talk of May.mp4"])
    status: str = Field(
        description="uploading or importing, inspecting, then ready or rejected.",
        examples=["ready"],
    )
    size: int = Field(description="Bytes; as announced until inspected.", examples=[7340032])
    seconds: float | None = Field(default=None, description="Length.", examples=[54.0])
    sha256: str | None = Field(default=None, description="Of the file, in hex.")
    source_url: str | None = Field(default=None, description="Where it was imported from.")
    upload_expires_at: datetime | None = None
    details: Details | None = None
    error: Failure | None = Field(default=None, description="Why it cannot be used.")
    created_at: datetime
    ready_at: datetime | None = None

    @classmethod
    def of(cls, video: Video) -> Self:
        return cls(
            id=video.id,
            name=video.name,
            status=video.status,
            size=video.size,
            seconds=None if video.duration_ms is None else video.duration_ms / 1000,
            sha256=video.sha256,
            source_url=video.source_url,
            upload_expires_at=video.upload_expires_at if video.status == "uploading" else None,
            details=None if video.details is None else Details.model_validate(video.details),
            error=None if video.error is None else Failure.model_validate(video.error),
            created_at=video.created_at,
            ready_at=video.ready_at,
        )


class PartUrl(BaseModel):
    number: int = Field(examples=[1])
    url: str = Field(
        description="PUT just the bytes of this part here, without further headers; keep the ETag.",
        examples=["https://media.example.com/…"],
    )


class Upload(BaseModel):
    """How to upload: part n has the bytes from (n - 1) · part_size on; the last may be shorter."""

    part_size: int = Field(examples=[16777216])
    parts: int = Field(description="How many there are.", examples=[1])
    urls: list[PartUrl] = Field(
        description=f"Of the first {MOST_URLS} parts, each valid for an hour at most; "
        "POST …/parts gives those of others, and new ones. None once the upload has ended."
    )
    expires_at: datetime = Field(description="When the upload is given up.")


class NewUpload(BaseModel):
    """The video, and how to upload it."""

    video: VideoOut
    upload: Upload


class PartUrls(BaseModel):
    urls: list[PartUrl]
    expires_at: datetime = Field(description="When the URLs end.")


def rejection(code: str, message: str, hint: str) -> dict[str, Any]:
    """A rejection as the table keeps it."""
    return Failure(code=code, message=message[:500], hint=hint[:500]).model_dump()
