"""What goes into a result, and the ffmpeg command line that says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from onevoice.errors import ConfigError, MediaError
from onevoice.languages import iso639_2
from onevoice.media.burning import Burn, burn_arguments
from onevoice.media.containers import CONTAINERS, ENCODERS, LOSSLESS, Container
from onevoice.media.info import AudioStream, MediaInfo
from onevoice.media.mark import KEY, comment
from onevoice.media.probing import clock, probe
from onevoice.media.process import GUARD, url
from onevoice.media.tempo import slowing

EARLY = 0.1
"""Seconds before the film: more than an encoder's padding, which is told apart from the sound."""
_LAYOUTS = {3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_SUBTITLES_HELD = {"mov_text": {"mov_text"}, "webvtt": {"webvtt"}}
"""By a container's own subtitle kind: those it can take as they are. Matroska takes any text."""
_SUBTITLE_TEXTS = {"mov_text", "webvtt", "subrip", "ass", "ssa", "text"}
"""Those that are text, which another container gets in its own kind of subtitle."""

_BRANDS = {"major_brand", "minor_version", "compatible_brands"}
"""What an MP4 says of its own format: no tags to hand on."""

_MATROSKA_SUBTITLES = {"subrip", "ass", "ssa", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle",
                       "dvb_subtitle", "text"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTrack:
    """A WAV to encode. ``language`` is any BCP 47 tag, ``title`` what a player's menu shows.

    ``encoded`` says that ``path`` is what :func:`~onevoice.media.encode` made: it is copied.
    """

    path: Path
    language: str
    title: str = ""
    default: bool = False
    encoded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTrack:
    """An audio track of the source, by its number, to be kept as it is.

    ``language`` and ``title`` replace those it has, where they are not empty.
    """

    number: int
    language: str = ""
    title: str = ""
    default: bool = False
    original: bool = True
    """The film was made in this sound; False for a commentary, an older dub and the like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtitleTrack:
    """A subtitle file (SRT or VTT) to put in as a track."""

    path: Path
    language: str
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MuxSpec:
    """What goes into the result.

    ``audio`` has new and kept tracks in the order that a player shows them in.
    ``bitrate`` is that of a mono or stereo track; more channels get as much for each pair.
    ``synthetic_voice`` is the text of the mark, one line; empty leaves no mark.
    """

    source: Path
    output: Path
    audio: tuple[AudioTrack | SourceTrack, ...]
    picture: bool = True
    """False leaves the moving pictures out: a sound file, with the source's cover and tags."""
    burn: Burn | None = None
    """Subtitles to draw into the picture, which is then encoded anew."""
    subtitles: tuple[SubtitleTrack, ...] = ()
    keep_subtitles: bool = True
    audio_codec: str = "auto"
    """aac, opus, flac, mp3 or pcm; auto is what suits the container."""
    bitrate: str = "192k"
    synthetic_voice: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Tags to set beside those of the source."""
    salvage: bool = False
    retime: float = 1.0
    """Show the picture this many times as long. New tracks are already as long as that."""

    @property
    def new_audio(self) -> tuple[AudioTrack, ...]:
        return tuple(track for track in self.audio if isinstance(track, AudioTrack))

    @property
    def kept_audio(self) -> tuple[SourceTrack, ...]:
        return tuple(track for track in self.audio if isinstance(track, SourceTrack))


def mux_arguments(
    spec: MuxSpec,
    container: Container,
    codec: str,
    info: MediaInfo,
    covers: tuple[Path, ...],
    chapters: Path | None = None,
) -> Iterator[str]:
    """The command line between the program and the output.

    ``info`` has the length of the result. ``chapters`` are others than the source's (ffmetadata).

    Written out rather than built with ffmpeg-python: tags and chapters refer to inputs by
    number, and that library numbers them as it likes.
    """
    subtitles = spec.subtitles if container.subtitles else ()
    for name, value in GUARD.items():
        yield from (f"-{name}", value)
    flags = "+genpts+discardcorrupt" if info.truncated else "+genpts"
    for name, argument in clock(info).items():
        yield from filter(None, (f"-{name}", argument))
    if spec.retime != 1.0:
        for kind in "vs":
            yield from (f"-itsscale:{kind}", f"{spec.retime:.9f}")
    yield from ("-fflags", flags, "-i", url(spec.source))
    for new in spec.new_audio:
        yield from ("-i", url(new.path))
    for text in subtitles:
        yield from ("-t", f"{info.duration:.6f}", "-i", url(text.path))
    if chapters is not None:
        yield from ("-f", "ffmetadata", "-i", url(chapters))

    yield from _video_arguments(spec, info, container, covers)
    files = count(1)
    for number, track in enumerate(spec.audio):
        if isinstance(track, AudioTrack):
            yield from ("-map", f"{next(files)}:a:0")
            yield from _new_track(number, track, codec, spec, info.duration)
        else:
            yield from ("-map", f"0:a:{track.number}")
            stream = info.audio[track.number]
            if spec.retime == 1.0:
                yield from _keep(number, stream, codec, container, spec.bitrate)
            else:
                first = ("aresample=async=1:first_pts=0", slowing(spec.retime))
                channels = stream.channels
                yield from encode_arguments(
                    number, codec, channels, spec.bitrate, info.duration, first=first
                )
        if container.tracks:
            yield from _tags("a", number, track.language, track.title, container)
        yield from (f"-disposition:a:{number}", _role(track))

    yield from _subtitle_arguments(spec, container, info, subtitles)
    yield from _metadata_arguments(spec, container, info)
    numbered = len(spec.new_audio) + len(subtitles) + 1
    yield from ("-map_chapters", "0" if chapters is None else str(numbered))
    yield from ("-progress", "pipe:1", "-nostats", "-max_muxing_queue_size", "4096")


def _video_arguments(
    spec: MuxSpec, info: MediaInfo, container: Container, covers: tuple[Path, ...]
) -> Iterator[str]:
    burn, made = spec.burn, count()
    yield from ("-c:v", "copy")
    for number, stream in enumerate(info.video):
        moving = container.video and spec.picture
        if not (container.pictures if stream.attached_pic else moving):
            continue
        yield from ("-map", f"0:v:{number}")
        place = next(made)
        if burn is not None and not stream.attached_pic:
            yield from burn_arguments(burn, place, stream, encoder=container.burner)
            burn = None
        elif spec.retime != 1.0 and container.muxer == "matroska" and stream.frame_rate:
            # Only said in the header: a player's first guess. Frames have their own times.
            yield from (f"-r:v:{place}", f"{stream.frame_rate / spec.retime:.6f}")
    if container.muxer == "matroska":
        yield from ("-map", "0:t?", "-c:t", "copy")
    for number, cover in enumerate(covers):
        kind = cover.suffix.removeprefix(".")
        yield from ("-attach", url(cover))
        yield from (f"-metadata:s:t:{number}", f"mimetype=image/{kind}")
        yield from (f"-metadata:s:t:{number}", f"filename=cover{cover.suffix}")


def _new_track(
    number: int, track: AudioTrack, codec: str, spec: MuxSpec, duration: float
) -> Iterator[str]:
    if track.encoded:
        yield from (f"-c:a:{number}", "copy")
        # What the carrier says of its own track is no tag of this one.
        for name in ("language", "handler_name", "vendor_id"):
            yield from (f"-metadata:s:a:{number}", f"{name}=")
    else:
        channels = channels_of(track.path)
        yield from encode_arguments(number, codec, channels, spec.bitrate, duration)


def _role(track: AudioTrack | SourceTrack) -> str:
    """The track's flags. A commentary stays what its flags say, but is not the default."""
    if isinstance(track, SourceTrack) and not track.original:
        return "-default"
    kind = "dub" if isinstance(track, AudioTrack) else "original"
    return f"default+{kind}" if track.default else kind


def encode_arguments(
    number: int,
    codec: str,
    channels: int,
    bitrate: str,
    duration: float,
    *,
    first: tuple[str, ...] = (),
) -> Iterator[str]:
    """Encode the ``number``-th audio stream, exactly ``duration`` seconds of it.

    ``first`` are filters that it goes through before.
    """
    filters = [*first, f"apad=whole_dur={duration:.6f}", f"atrim=end={duration:.6f}"]
    if channels in _LAYOUTS:
        # A WAV may not say where its channels stand, and Opus takes only the usual places.
        filters.append(f"aformat=channel_layouts={_LAYOUTS[channels]}")
    if codec == "mp3" and channels > 2:
        filters.append("aformat=channel_layouts=stereo")
        channels = 2
    yield from (f"-filter:a:{number}", ",".join(filters))
    yield from _encoder(number, codec, channels, bitrate)


def _encoder(number: int, codec: str, channels: int, bitrate: str) -> Iterator[str]:
    yield from (f"-c:a:{number}", ENCODERS[codec])
    if codec == "aac":
        # Half the time of ffmpeg's default search, and nothing lost: docs/decisions/0054.
        yield from (f"-aac_coder:a:{number}", "fast")
    if codec not in LOSSLESS:
        yield from (f"-b:a:{number}", _bitrate(bitrate, channels))


def _bitrate(stereo: str, channels: int) -> str:
    """``192k`` for one or two channels, 96k more for each further one."""
    number = stereo.removesuffix("k")
    if not number.isdigit() or not 8 <= int(number) <= 512:
        raise ConfigError(f"{stereo!r} is no bit rate for sound", hint="write it as 192k")
    return f"{int(number) * max(2, channels) // 2}k"


def holds_sound(container: Container, codec: str) -> bool:
    """Whether sound of that kind can be copied into the container."""
    return container.muxer == "matroska" or codec in {*container.codecs, *container.copied}


def _keep(
    number: int, stream: AudioStream, codec: str, container: Container, bitrate: str
) -> Iterator[str]:
    if holds_sound(container, stream.codec):
        yield from (f"-c:a:{number}", "copy")
        if stream.start_time < -EARLY and not container.boxes:
            # Where there are no edit lists, sound from before the film would move all the rest.
            yield from (f"-bsf:a:{number}", "noise=drop=lt(pts\\,0)")
    else:
        yield from _encoder(number, codec, stream.channels, bitrate)


def _subtitle_arguments(
    spec: MuxSpec, container: Container, info: MediaInfo, added: tuple[SubtitleTrack, ...]
) -> Iterator[str]:
    first = len(spec.new_audio) + 1
    for number, text in enumerate(added):
        yield from ("-map", f"{first + number}:s:0", f"-c:s:{number}", container.subtitles)
        yield from _tags("s", number, text.language, text.title, container)
        yield from (f"-disposition:s:{number}", "0")
    if not spec.keep_subtitles:
        return
    for number, (old, way) in enumerate(kept_subtitles(container, info), start=len(added)):
        yield from ("-map", f"0:s:{old}", f"-c:s:{number}", way)


def kept_subtitles(container: Container, info: MediaInfo) -> Iterator[tuple[int, str]]:
    """Subtitles of the source that the container can hold: their numbers, and how."""
    held = _SUBTITLES_HELD.get(container.subtitles, _MATROSKA_SUBTITLES)
    for number, stream in enumerate(info.subtitles):
        if container.subtitles and stream.codec in held:
            yield number, "copy"
        elif container.subtitles and stream.codec in _SUBTITLE_TEXTS:
            yield number, container.subtitles


def holds_all(extension: str, info: MediaInfo) -> bool:
    """Whether such a file can hold further audio tracks beside every track of the source."""
    container = CONTAINERS[extension]
    texts = [*kept_subtitles(container, info)]
    return (
        container.tracks
        and all(holds_sound(container, stream.codec) for stream in info.audio)
        and len(texts) == len(info.subtitles)
    )


def _metadata_arguments(spec: MuxSpec, container: Container, info: MediaInfo) -> Iterator[str]:
    # Ogg keeps a file's tags with its stream.
    origin = "0:s:a:0" if info.container == "ogg" else "0:g"
    yield from ("-map_metadata:g", origin)
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
    if language:
        yield from (stream, f"language={iso639_2(language)}")
    if title:
        yield from (stream, f"title={title}")
        if container.boxes:
            # Players of MP4 show the handler's name.
            yield from (stream, f"handler_name={title}")


def channels_of(path: Path) -> int:
    """Of a sound file. Raises MediaError where there is no sound in it."""
    streams = probe(path).audio
    if not streams:
        raise MediaError(f"there is no sound in {path}")
    return streams[0].channels
