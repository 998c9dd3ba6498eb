"""The kinds of file that can be written, and what each can hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onevoice.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """``muxer`` is ffmpeg's name; the first of ``codecs`` is the one to use unless told."""

    muxer: str
    codecs: tuple[str, ...]
    video: bool = True
    pictures: bool = False
    """Holds a cover as such. Matroska does too, as an attachment."""
    tracks: bool = True
    """Holds more than one audio track."""
    subtitles: str = ""
    """Its own kind of text subtitle; empty when it has none."""
    copied: tuple[str, ...] = ()
    """Further kinds of sound that it can keep as they are. Matroska takes them all."""
    boxes: bool = False
    """An ISO base media file: its ordinary tags are a fixed set."""
    films: frozenset[str] = frozenset()
    """The kinds of picture that it can hold; empty where that is any."""
    burner: str = "libx264"
    """The encoder of a picture with subtitles drawn into it."""


ENCODERS = {
    "aac": "aac",
    "opus": "libopus",
    "flac": "flac",
    "mp3": "libmp3lame",
    "pcm": "pcm_s24le",
}
LOSSLESS = frozenset({"flac", "pcm"})

_MP4_FILMS = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mjpeg", "vvc"})
_MP4 = Container(
    muxer="mp4",
    films=_MP4_FILMS,
    codecs=("aac", "opus", "flac", "mp3"),
    copied=("ac3", "eac3", "alac"),
    pictures=True,
    subtitles="mov_text",
    boxes=True,
)
_MATROSKA = Container(
    muxer="matroska", codecs=("aac", "opus", "flac", "mp3", "pcm"), subtitles="srt"
)
_OGG = Container(muxer="ogg", codecs=("opus", "flac"), video=False, tracks=False)

CONTAINERS: dict[str, Container] = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": Container(
        muxer="mov",
        codecs=("aac", "mp3", "pcm"),
        copied=("ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le"),
        subtitles="mov_text",
        boxes=True,
    ),
    ".mkv": _MATROSKA,
    ".mka": _MATROSKA,
    ".webm": Container(
        muxer="webm",
        codecs=("opus",),
        copied=("vorbis",),
        subtitles="webvtt",
        films=frozenset({"vp8", "vp9", "av1"}),
        burner="libvpx-vp9",
    ),
    ".m4a": Container(muxer="ipod", codecs=("aac",), video=False, pictures=True, boxes=True),
    ".wav": Container(muxer="wav", codecs=("pcm",), video=False, tracks=False),
    ".mp3": Container(muxer="mp3", codecs=("mp3",), video=False, pictures=True, tracks=False),
    ".flac": Container(muxer="flac", codecs=("flac",), video=False, pictures=True, tracks=False),
    ".ogg": _OGG,
    ".opus": Container(muxer="opus", codecs=("opus",), video=False, tracks=False),
}

MEDIA_EXTENSIONS = frozenset(CONTAINERS) | {
    ".3gp", ".aac", ".ac3", ".aif", ".aiff", ".amr", ".avi", ".caf", ".flv", ".m2ts", ".mpeg",
    ".mpg", ".mts", ".mxf", ".oga", ".ogv", ".ts", ".vob", ".w64", ".wma", ".wmv", ".wv",
}  # fmt: skip
"""Names that a folder is searched for. A file that is named itself may be called anything."""

_DEMUXED = {"avi": "avi", "mpegts": "mpegts", "mpeg": "mpeg", "asf": "asf", "flv": "flv",
            "wav": "wav", "w64": "wav", "mp3": "mp3", "flac": "flac", "ogg": "ogg"}  # fmt: skip
_SOUND = {"wav": ".wav", "aiff": ".wav", "mp3": ".mp3", "flac": ".flac", "ogg": ".ogg",
          "mkv": ".mka", "webm": ".webm"}  # fmt: skip


def is_media(path: Path) -> bool:
    """Does the name look like a video or a sound file?"""
    return path.suffix.lower() in MEDIA_EXTENSIONS


def container_of(path: Path) -> Container:
    """What kind of file a name asks for.

    Raises
    ------
    ConfigError
        When files of that name cannot be written.
    """
    try:
        return CONTAINERS[path.suffix.lower()]
    except KeyError:
        raise ConfigError(
            f"cannot write a file of kind {path.suffix or 'without extension'!r}: {path}",
            hint=f"choose one of {' '.join(sorted(CONTAINERS))}",
        ) from None


def container_name(demuxer: str, *, brand: str, doctype: str) -> str:
    """One word for the kind of a file that was read: ``mp4``, ``mov``, ``mkv``, ``wav``, …"""
    if "mov" in demuxer.split(","):
        return "mov" if brand.strip() == "qt" else "mp4"
    if "matroska" in demuxer:
        return "webm" if doctype == "webm" else "mkv"
    return _DEMUXED.get(demuxer, demuxer.split(",")[0])


def extension_for(container: str, *, suffix: str, video: bool) -> str:
    """The extension for a result made from such a file.

    The source's own extension where it tells the truth, so that talk.m4v stays an m4v; kinds
    that nobody should write any more (AVI, WMV, …) become Matroska, which can hold their video.
    """
    suffix = suffix.lower()
    if not video:
        own = {"ogg": {".ogg", ".opus"}}.get(container, set())
        return suffix if suffix in own else _SOUND.get(container, ".m4a")
    if container == "mp4":
        return suffix if suffix in {".mp4", ".m4v"} else ".mp4"
    return f".{container}" if container in {"mov", "mkv", "webm"} else ".mkv"
