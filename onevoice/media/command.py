"""What goes into a result, and the ffmpeg command line that says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from onevoice.errors import ConfigError, MediaError
from onevoice.languages import iso639_2
from onevoice.media.containers import ENCODERS, LOSSLESS, Container
from onevoice.media.info import AudioStream, MediaInfo
from onevoice.media.mark import KEY, comment
from onevoice.media.probing import clock, probe
from onevoice.media.process import GUARD, url

AudioCodec = Literal["auto", "aac", "opus", "flac", "mp3", "pcm"]

_LAYOUTS = {3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_SUBTITLES_HELD = {"mov_text": {"mov_text"}, "webvtt": {"webvtt"}}
"""By a container's own subtitle kind: those it can take as they are. Matroska takes any text."""

_BRANDS = {"major_brand", "minor_version", "compatible_brands"}
"""What an MP4 says of its own format: no tags to hand on."""

_MATROSKA_SUBTITLES = {"subrip", "ass", "ssa", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle",
                       "dvb_subtitle", "text"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTrack:
    """A WAV to encode. ``language`` is any BCP 47 tag, ``title`` what a player's menu shows."""

    path: Path
    language: str
    title: str = ""
    default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtitleTrack:
    """A subtitle file (SRT or VTT) to put in as a track."""

    path: Path
    language: str
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MuxSpec:
    """What goes into the result.

    ``keep_audio`` numbers the source's audio tracks that follow the new ones, copied.
    ``bitrate`` is that of a mono or stereo track; more channels get as much for each pair.
    ``synthetic_voice`` is the text of the mark, one line; empty leaves no mark.
    """

    source: Path
    output: Path
    audio: tuple[AudioTrack, ...]
    keep_audio: tuple[int, ...] = ()
    subtitles: tuple[SubtitleTrack, ...] = ()
    keep_subtitles: bool = True
    audio_codec: AudioCodec = "auto"
    bitrate: str = "192k"
    synthetic_voice: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Tags to set beside those of the source."""
    salvage: bool = False


def mux_arguments(
    spec: MuxSpec, container: Container, codec: str, info: MediaInfo, covers: tuple[Path, ...]
) -> Iterator[str]:
    """The command line between the program and the output.

    Written out rather than built with ffmpeg-python: tags and chapters refer to inputs by
    number, and that library numbers them as it likes.
    """
    subtitles = spec.subtitles if container.subtitles else ()
    for name, value in GUARD.items():
        yield from (f"-{name}", value)
    flags = "+genpts+discardcorrupt" if info.truncated else "+genpts"
    for name, argument in clock(info).items():
        yield from filter(None, (f"-{name}", argument))
    yield from ("-fflags", flags, "-i", url(spec.source))
    for track in spec.audio:
        yield from ("-i", url(track.path))
    for text in subtitles:
        yield from ("-t", f"{info.duration:.6f}", "-i", url(text.path))

    yield from _video_arguments(info, container, covers)
    channels = [_channels(track.path) for track in spec.audio]
    for number, track in enumerate(spec.audio):
        yield from ("-map", f"{number + 1}:a:0")
        yield from _encode(number, codec, channels[number], spec.bitrate, info.duration)
        if container.tracks:
            yield from _tags("a", number, track.language, track.title, container)
        role = "default+dub" if track.default else "dub"
        yield from (f"-disposition:a:{number}", role)
    for number, kept in enumerate(spec.keep_audio, start=len(spec.audio)):
        stream = info.audio[kept]
        yield from ("-map", f"0:a:{kept}", f"-disposition:a:{number}", "original")
        yield from _keep(number, stream, codec, container, spec.bitrate)

    yield from _subtitle_arguments(spec, container, info, subtitles)
    yield from _metadata_arguments(spec, container, info)
    yield from ("-progress", "pipe:1", "-nostats", "-max_muxing_queue_size", "4096")


def _video_arguments(
    info: MediaInfo, container: Container, covers: tuple[Path, ...]
) -> Iterator[str]:
    for number, stream in enumerate(info.video):
        held = container.pictures if stream.attached_pic else container.video
        if held:
            yield from ("-map", f"0:v:{number}")
    yield from ("-c:v", "copy")
    if container.muxer == "matroska":
        yield from ("-map", "0:t?", "-c:t", "copy")
    for number, cover in enumerate(covers):
        kind = cover.suffix.removeprefix(".")
        yield from ("-attach", url(cover))
        yield from (f"-metadata:s:t:{number}", f"mimetype=image/{kind}")
        yield from (f"-metadata:s:t:{number}", f"filename=cover{cover.suffix}")


def _encode(number: int, codec: str, channels: int, bitrate: str, duration: float) -> Iterator[str]:
    filters = [f"apad=whole_dur={duration:.6f}", f"atrim=end={duration:.6f}"]
    if channels in _LAYOUTS:
        # A WAV may not say where its channels stand, and Opus takes only the usual places.
        filters.append(f"aformat=channel_layouts={_LAYOUTS[channels]}")
    if codec == "mp3" and channels > 2:
        filters.append("aformat=channel_layouts=stereo")
        channels = 2
    yield from (f"-filter:a:{number}", ",".join(filters), f"-c:a:{number}", ENCODERS[codec])
    if codec not in LOSSLESS:
        yield from (f"-b:a:{number}", _bitrate(bitrate, channels))


def _bitrate(stereo: str, channels: int) -> str:
    """``192k`` for one or two channels, 96k more for each further one."""
    number = stereo.removesuffix("k")
    if not number.isdigit() or not 8 <= int(number) <= 512:
        raise ConfigError(f"{stereo!r} is no bit rate for sound", hint="write it as 192k")
    return f"{int(number) * max(2, channels) // 2}k"


def _keep(
    number: int, stream: AudioStream, codec: str, container: Container, bitrate: str
) -> Iterator[str]:
    if stream.codec in {*container.codecs, *container.copied} or container.muxer == "matroska":
        yield from (f"-c:a:{number}", "copy")
    else:
        yield from (f"-c:a:{number}", ENCODERS[codec])
        if codec not in LOSSLESS:
            yield from (f"-b:a:{number}", _bitrate(bitrate, stream.channels))


def _subtitle_arguments(
    spec: MuxSpec, container: Container, info: MediaInfo, added: tuple[SubtitleTrack, ...]
) -> Iterator[str]:
    first = len(spec.audio) + 1
    for number, text in enumerate(added):
        yield from ("-map", f"{first + number}:s:0", f"-c:s:{number}", container.subtitles)
        yield from _tags("s", number, text.language, text.title, container)
        yield from (f"-disposition:s:{number}", "0")
    if not spec.keep_subtitles:
        return
    held = _SUBTITLES_HELD.get(container.subtitles, _MATROSKA_SUBTITLES)
    kept = [n for n, s in enumerate(info.subtitles) if container.subtitles and s.codec in held]
    for number, old in enumerate(kept, start=len(added)):
        yield from ("-map", f"0:s:{old}", f"-c:s:{number}", "copy")


def _metadata_arguments(spec: MuxSpec, container: Container, info: MediaInfo) -> Iterator[str]:
    # Ogg keeps a file's tags with its stream.
    origin = "0:s:a:0" if info.container == "ogg" else "0:g"
    yield from ("-map_metadata:g", origin, "-map_chapters", "0")
    tags = {**dict.fromkeys(_BRANDS & set(info.metadata), ""), **spec.metadata}
    if not container.tracks:
        tags["language"] = iso639_2(spec.audio[0].language)
    if spec.synthetic_voice:
        mark = " ".join(spec.synthetic_voice.split())
        tags["comment"] = comment(tags.get("comment", info.metadata.get("comment", "")), mark)
        tags[KEY] = mark
    for name, value in tags.items():
        yield from ("-metadata", f"{name}={value}")
    if container.boxes:
        yield from ("-movflags", "+faststart")
    if container.muxer == "wav":
        yield from ("-rf64", "auto")
    if container.muxer == "mp3":
        yield from ("-id3v2_version", "3")


def _tags(kind: str, number: int, language: str, title: str, container: Container) -> Iterator[str]:
    stream = f"-metadata:s:{kind}:{number}"
    yield from (stream, f"language={iso639_2(language)}")
    if title:
        yield from (stream, f"title={title}")
        if container.boxes:
            # Players of MP4 show the handler's name.
            yield from (stream, f"handler_name={title}")


def _channels(path: Path) -> int:
    streams = probe(path).audio
    if not streams:
        raise MediaError(f"there is no sound in {path}")
    return streams[0].channels
