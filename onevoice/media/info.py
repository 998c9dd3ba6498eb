"""What a media file contains, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from onevoice.media.containers import extension_for


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoStream:
    """``rotation`` is how many degrees clockwise a player turns the picture: 0, 90, 180, 270."""

    index: int
    codec: str
    width: int
    height: int
    frame_rate: float | None
    rotation: int
    start_time: float
    duration: float | None
    attached_pic: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioStream:
    """``language`` is the file's own tag, empty when it has none or says ``und``."""

    index: int
    codec: str
    sample_rate: int
    channels: int
    layout: str
    language: str
    title: str
    default: bool
    start_time: float
    duration: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtitleStream:
    index: int
    codec: str
    language: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    start: float
    end: float
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """A media file's contents. Times are seconds after ``start_time``, its time zero.

    ``duration`` of a truncated file is that of its readable part. ``metadata`` has its keys in
    lower case.
    """

    path: Path
    container: str
    duration: float
    start_time: float
    """The file's own clock at the moment we call zero."""
    truncated: bool
    video: tuple[VideoStream, ...]
    audio: tuple[AudioStream, ...]
    subtitles: tuple[SubtitleStream, ...]
    chapters: tuple[Chapter, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_video(self) -> bool:
        """Moving pictures: a cover does not count."""
        return any(not stream.attached_pic for stream in self.video)

    @property
    def frame_rate(self) -> float | None:
        return next((s.frame_rate for s in self.video if not s.attached_pic), None)

    @property
    def extension(self) -> str:
        """The extension, with its dot, for a result made from this file."""
        return extension_for(self.container, suffix=self.path.suffix, video=self.has_video)

    @property
    def synthetic_voice(self) -> str:
        """The mark that :func:`onevoice.media.mux` left; empty when there is none."""
        for line in (self.metadata.get("comment") or "").splitlines():
            if line.startswith("synthetic_voice="):
                return line.removeprefix("synthetic_voice=")
        return self.metadata.get("synthetic_voice", "")
