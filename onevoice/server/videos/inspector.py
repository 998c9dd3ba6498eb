"""The program that looks at an untrusted file: started by :mod:`.inspection`, good for one file.

``python -P -m onevoice.server.videos.inspector FILE MEMORY SECONDS FILES`` prints what it found as
JSON: ``{duration_ms, details}``, or ``{error: {code, message, hint}}``.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onevoice.errors import MediaError, MediaTruncated, MediaUnreadable, NoAudio, OneVoiceError
from onevoice.media.info import AudioStream, MediaInfo, VideoStream

CANNOT_START = 70
"""Exit status when the machine lacks something: the file was not looked at."""
LISTEN_SECONDS = 5.0
"""How much of the sound is decoded, to know that it can be."""
HINT = "check that it plays in a media player, or convert it to MP4 first"


class MediaUnusual(MediaError):
    """Its streams are of sizes or numbers that no film has."""

    code = "media_unusual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a film may be. The length is the plan's business, these are everybody's."""

    streams: int = 64
    side: int = 8192
    frame_rate: float = 1000.0
    sample_rate: tuple[int, int] = (4_000, 384_000)
    channels: int = 32


BOUNDS = Bounds()


def main(arguments: Sequence[str]) -> int:
    """Look at one file; a dictionary of facts or of an error goes to standard output."""
    path = Path(arguments[0])
    try:
        # Loaded before memory gets scarce.
        import av  # noqa: F401

        import onevoice.media  # noqa: F401

        confine(*map(int, arguments[1:4]))
    except (ImportError, OSError, ValueError):
        return CANNOT_START
    try:
        told: dict[str, Any] = _facts(path)
    except OneVoiceError as exc:
        message = exc.message.replace(str(path), "the file")
        told = {"error": {"code": exc.code, "message": _text(message, 500), "hint": exc.hint}}
    except MemoryError:
        return 1
    sys.stdout.write(json.dumps(told, allow_nan=False))
    return 0


def confine(memory: int, processor: int, files: int) -> None:
    """Take away what looking at a file does not need."""
    for kind, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, processor),
        (resource.RLIMIT_NOFILE, files),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(kind, (limit, limit))
        except (OSError, ValueError):
            if sys.platform == "linux":  # elsewhere some of them are not to be had
                raise


def _facts(path: Path) -> dict[str, Any]:
    from onevoice.media import probe

    info = probe(path)
    _check(info)
    _listen(path)
    return {"duration_ms": round(info.duration * 1000), "details": _details(info)}


def _check(info: MediaInfo) -> None:
    if not info.audio:
        raise NoAudio("there is no sound in the video", hint="choose one in which people speak")
    if info.truncated:
        raise MediaTruncated(
            f"the video is cut short: {info.duration:.1f} s of it can be read",
            hint="upload the whole file",
        )
    if not 0 < info.duration < float("inf"):
        raise MediaUnreadable("the video does not say how long it is", hint=HINT)
    streams = len(info.video) + len(info.audio) + len(info.subtitles)
    _bound("it has", streams, (1, BOUNDS.streams), "streams")
    for picture in info.video:
        _bound("its picture is", picture.width, (1, BOUNDS.side), "pixels wide")
        _bound("its picture is", picture.height, (1, BOUNDS.side), "pixels high")
        _bound("it has", picture.frame_rate or 1.0, (0, BOUNDS.frame_rate), "frames per second")
    for sound in info.audio:
        _bound("its sound has", sound.sample_rate, BOUNDS.sample_rate, "samples per second")
        _bound("its sound has", sound.channels, (1, BOUNDS.channels), "channels")


def _bound(what: str, value: float, between: tuple[float, float], unit: str) -> None:
    if not between[0] <= value <= between[1]:
        raise MediaUnusual(
            f"{what} {value:g} {unit}, and {between[0]:g} to {between[1]:g} can be worked with",
            hint="convert it to an ordinary MP4 first",
        )


def _listen(path: Path) -> None:
    """Decode the beginning of the sound: its codec may be unknown, or its data no sound."""
    import av

    from onevoice.media.probing import open_media

    heard = 0.0
    try:
        with open_media(path) as container:
            stream = container.streams.audio[0]
            stream.thread_count = 1
            for frame in container.decode(stream):
                heard += frame.samples / frame.sample_rate
                if heard >= LISTEN_SECONDS:
                    return
    except (av.error.FFmpegError, OSError, ValueError, ZeroDivisionError) as exc:
        if heard:
            return  # damage after the first frames is what the dub itself finds and tells of
        reason = str(getattr(exc, "strerror", "") or exc)
        raise MediaUnreadable(f"its sound cannot be decoded: {reason}", hint=HINT) from exc
    if not heard:
        raise MediaUnreadable("there is nothing in its sound that can be decoded", hint=HINT)


def _details(info: MediaInfo) -> dict[str, Any]:
    return {
        "container": info.container,
        "has_video": info.has_video,
        "video": [_video(each) for each in info.video],
        "audio": [_audio(each) for each in info.audio],
        "subtitles": [
            {"codec": _text(each.codec, 40), "language": _text(each.language, 20)}
            for each in info.subtitles
        ],
        "synthetic_voice": _text(info.synthetic_voice, 200),
    }


def _video(stream: VideoStream) -> dict[str, Any]:
    return {
        "codec": _text(stream.codec, 40),
        "width": stream.width,
        "height": stream.height,
        "frame_rate": None if stream.frame_rate is None else round(stream.frame_rate, 3),
        "rotation": stream.rotation,
        "cover": stream.attached_pic,
    }


def _audio(stream: AudioStream) -> dict[str, Any]:
    return {
        "codec": _text(stream.codec, 40),
        "sample_rate": stream.sample_rate,
        "channels": stream.channels,
        "layout": _text(stream.layout, 60),
        "language": _text(stream.language, 20),
        "title": _text(stream.title, 200),
        "default": stream.default,
    }


def _text(value: str, most: int) -> str:
    """What a file says of itself, as one line of bounded length."""
    return "".join(c if c.isprintable() else " " for c in value)[:most].strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
