"""What is in a media file, read with PyAV."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any

from onevoice.errors import MediaNotFound, MediaTruncated, MediaUnreadable
from onevoice.media.containers import container_name
from onevoice.media.info import (
    AudioStream,
    Chapter,
    MediaInfo,
    SubtitleStream,
    VideoStream,
)
from onevoice.media.integrity import Structure, inspect
from onevoice.media.process import GUARD, url

LATE_START = 1.0
"""MP4 and Matroska count from zero, unless they are a piece of a stream that began long ago."""

_GUESSED = {"mp3", "aac", "ac3", "eac3", "dts", "amr", "mpegvideo"}
"""Bare streams without an index: their stated duration is an estimate from the bit rate."""

_CONTENT = {"video", "audio"}


def require_whole(info: MediaInfo, *, salvage: bool) -> None:
    """Raise MediaTruncated for a file that was cut short, unless its rest is wanted."""
    if info.truncated and not salvage:
        raise MediaTruncated(
            f"{info.path} is cut short: {info.duration:.1f} s of it can be read",
            hint="fetch or copy the file again, or use --salvage to go on with the readable part",
        )


def probe(path: Path) -> MediaInfo:
    """Read what ``path`` contains: its streams, times, tags and chapters.

    Raises
    ------
    MediaNotFound
        No such file, or a folder.
    MediaUnreadable
        Empty, forbidden, not media, or damaged beyond reading.
    """
    import av

    structure = _structure(path)
    try:
        with open_media(path) as container:
            info = _describe(path, container, structure)
    except (av.error.FFmpegError, OSError, ValueError) as exc:
        raise _unreadable(path, structure, str(getattr(exc, "strerror", "") or exc)) from exc
    if not info.video and not info.audio:
        raise _unreadable(path, structure, "there is neither sound nor picture in it")
    return info


def clock(info: MediaInfo) -> dict[str, str | None]:
    """Options before ``-i`` that make ffmpeg count from the same zero as ``info`` does.

    Left alone, ffmpeg counts from the first packet of the streams in use, so that leaving the
    original sound out would move the picture.
    """
    return {"copyts": None, "itsoffset": f"{-info.start_time:.6f}"}


def open_media(path: Path) -> AbstractContextManager[Any]:
    """Open a file with PyAV, held to plain media formats."""
    import av

    opened: AbstractContextManager[Any] = av.open(
        url(path), options=dict(GUARD), metadata_errors="replace"
    )
    return opened


def _structure(path: Path) -> Structure:
    try:
        if path.is_dir():
            raise MediaNotFound(f"{path} is a folder, not a media file")
        if path.stat().st_size == 0:
            raise MediaUnreadable(f"{path} is empty", hint="fetch or copy the file again")
        return inspect(path)
    except FileNotFoundError as exc:
        raise MediaNotFound(f"there is no file {path}", hint="check the name and folder") from exc
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise MediaUnreadable(f"cannot open {path}: {reason}") from exc


def _unreadable(path: Path, structure: Structure, reason: str) -> MediaUnreadable:
    if structure.kind == "boxes" and not structure.indexed:
        return MediaUnreadable(
            f"{path} was cut before its index (moov), without which nothing in it can be found",
            hint="fetch or copy the file again; a recording that broke off may be mended with a "
            "repair tool such as untrunc and a whole file from the same camera",
        )
    return MediaUnreadable(
        f"{path} cannot be read as video or sound: {reason}",
        hint="check that it plays in a media player, or convert it to MP4 or WAV first",
    )


def _describe(path: Path, container: Any, structure: Structure) -> MediaInfo:
    tags = [container.metadata]
    if container.format.name == "ogg":
        # Ogg has no tags of its own: they are the stream's.
        tags += [stream.metadata for stream in container.streams.audio[:1]]
    metadata = {key.lower(): value for each in tags for key, value in each.items()}
    name = container_name(
        container.format.name,
        brand=metadata.get("major_brand", ""),
        doctype=structure.doctype,
    )
    began = _seconds(container.start_time, 1e-6) or 0.0
    zero = 0.0 if name in {"mp4", "mov", "mkv", "webm"} and began < LATE_START else began
    streams = [stream for stream in container.streams if stream.codec_context is not None]
    return MediaInfo(
        path=path,
        container=name,
        start_time=zero,
        duration=_duration(path, container, structure, zero),
        truncated=structure.truncated,
        video=tuple(_video(path, s, zero) for s in streams if s.type == "video"),
        audio=tuple(_audio(s, zero, metadata) for s in streams if s.type == "audio"),
        subtitles=tuple(_subtitle(s) for s in container.streams if s.type == "subtitle"),
        chapters=tuple(_chapter(chapter, zero) for chapter in container.chapters()),
        metadata=metadata,
    )


def _seconds(value: int | None, unit: Any) -> float | None:
    return None if value is None or unit is None else float(value * unit)


def _duration(path: Path, container: Any, structure: Structure, zero: float) -> float:
    stated = _seconds(container.duration, 1e-6)
    guessed = container.format.name in _GUESSED
    began = zero >= LATE_START and structure.kind in {"boxes", "ebml"}
    if stated is not None and not (structure.truncated or guessed or began):
        return stated
    found = _last_moment(path) - zero
    # A header that agrees knows the encoder's padding, which the packets do not show.
    close = stated is not None and abs(stated - found) < 0.2 and not structure.truncated
    return stated if close and stated is not None else max(0.0, found)


def _last_moment(path: Path) -> float:
    """When the last readable packet of sound or picture ends, on the file's own clock."""
    import av

    end = 0.0
    with open_media(path) as container:
        try:
            for packet in container.demux():
                if packet.pts is None or packet.is_corrupt or packet.stream.type not in _CONTENT:
                    continue
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        except av.error.FFmpegError:
            return end
    return end


def _video(path: Path, stream: Any, zero: float) -> VideoStream:
    from av.stream import Disposition

    picture = Disposition.attached_pic in stream.disposition
    rate = stream.average_rate or stream.guessed_rate
    return VideoStream(
        index=stream.index,
        codec=_codec(stream),
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        frame_rate=float(rate) if rate and not picture else None,
        rotation=0 if picture else _rotation(path, stream.index),
        start_time=(_seconds(stream.start_time, stream.time_base) or zero) - zero,
        duration=None if picture else _seconds(stream.duration, stream.time_base),
        attached_pic=picture,
    )


def _rotation(path: Path, index: int) -> int:
    """The turn is told with the first frame, so one frame is decoded."""
    import av

    with open_media(path) as container:
        stream = container.streams[index]
        try:
            for packet in islice(container.demux(stream), 100):
                for frame in packet.decode():
                    return int(-round(frame.rotation) % 360)
        except av.error.FFmpegError:
            return 0
    return 0


def _audio(stream: Any, zero: float, metadata: Mapping[str, str]) -> AudioStream:
    from av.stream import Disposition

    codec = stream.codec_context
    return AudioStream(
        index=stream.index,
        codec=_codec(stream),
        sample_rate=codec.sample_rate,
        channels=codec.channels,
        layout=codec.layout.name,
        language=_language(stream) or metadata.get("language", ""),
        title=_title(stream),
        default=Disposition.default in stream.disposition,
        start_time=(_seconds(stream.start_time, stream.time_base) or zero) - zero,
        duration=_seconds(stream.duration, stream.time_base),
    )


def _subtitle(stream: Any) -> SubtitleStream:
    return SubtitleStream(
        index=stream.index,
        codec=_codec(stream),
        language=_language(stream),
        title=_title(stream),
    )


def _codec(stream: Any) -> str:
    """The kind of coding, whichever decoder reads it: opus, not libopus."""
    context = stream.codec_context
    return str(context.codec.canonical_name) if context is not None else ""


def _title(stream: Any) -> str:
    # MP4 and MOV keep a track's title under "name".
    return str(stream.metadata.get("title") or stream.metadata.get("name") or "")


def _language(stream: Any) -> str:
    tag = str(stream.language or stream.metadata.get("language") or "")
    return "" if tag == "und" else tag


def _chapter(chapter: Mapping[str, Any], zero: float) -> Chapter:
    unit = chapter["time_base"]
    title = {key.lower(): value for key, value in chapter["metadata"].items()}.get("title", "")
    return Chapter(
        start=float(chapter["start"] * unit) - zero,
        end=float(chapter["end"] * unit) - zero,
        title=title,
    )
