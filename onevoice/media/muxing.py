"""Put new sound to the old picture: one ffmpeg process, the video untouched."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

from onevoice.errors import ConfigError, MediaError, MediaNotFound, OutputError, OutputExists
from onevoice.media.burning import require_burning
from onevoice.media.command import MuxSpec, mux_arguments
from onevoice.media.containers import Container, container_of
from onevoice.media.files import disk_full, whole_file
from onevoice.media.info import MediaInfo
from onevoice.media.mark import append_xmp
from onevoice.media.matroska import state_duration
from onevoice.media.probing import open_media, probe, require_whole
from onevoice.media.process import Cancellable, FFmpegFailed, give_back_memory, run, url

_PICTURES = {"png": "png", "mjpeg": "jpeg", "bmp": "bmp", "gif": "gif", "webp": "webp"}


def mux(
    spec: MuxSpec,
    *,
    progress: Callable[[float], None] | None = None,
    cancel: Cancellable | None = None,
) -> None:
    """Write ``spec.output``: every video stream copied bit for bit, the new audio encoded once.

    Only ``spec.burn`` makes a new picture, of the first video stream.

    Tags, chapters, covers, rotation and (where the container can hold them) subtitles of the
    source are kept, and the new tracks last exactly as long as the source. The file takes its
    name only when it is whole and was read back.

    Raises
    ------
    MediaNotFound, MediaUnreadable, MediaTruncated
        The source, a track or a subtitle file cannot be used.
    OutputExists
        The output is the source itself.
    ConfigError
        The container asked for cannot hold what is asked.
    DiskFull, OutputUnwritable, OutputError
        The result cannot be written.
    Cancelled
        ``cancel`` was set; nothing is left behind.
    """
    container = container_of(spec.output)
    info = probe(spec.source)
    require_whole(info, salvage=spec.salvage)
    info = replace(info, duration=info.duration * spec.retime)
    codec = _check(spec, container, info)
    with (
        tempfile.TemporaryDirectory(prefix="onevoice-") as scratch,
        whole_file(spec.output) as part,
    ):
        covers = _covers(info, Path(scratch)) if container.muxer == "matroska" else ()
        if spec.burn is not None:
            spec.burn.stage(Path(scratch))
        chapters = _chapters(spec, info, Path(scratch))
        arguments = list(mux_arguments(spec, container, codec, info, covers, chapters))
        command = [*arguments, "-f", container.muxer, "-y", url(part)]
        give_back_memory()
        try:
            run(
                command,
                consume=follow(info.duration, progress),
                cancel=cancel,
                folder=Path(scratch),
            )
        except FFmpegFailed as exc:
            if exc.disk_full:
                raise disk_full(spec.output) from exc
            raise OutputError(
                f"{spec.output} could not be put together: {exc.line}",
                hint="check that the source plays to its end in a media player",
            ) from exc
        if container.boxes and spec.synthetic_voice:
            append_xmp(part, spec.synthetic_voice)
        if container.muxer in {"matroska", "webm"}:
            state_duration(part, info.duration)
        _read_back(part, spec, info)
    if progress is not None:
        progress(1.0)


def _check(spec: MuxSpec, container: Container, info: MediaInfo) -> str:
    """Refuse what cannot work before an hour is spent on it; return the codec."""
    suffix = spec.output.suffix
    codec = container.codecs[0] if spec.audio_codec == "auto" else spec.audio_codec
    if codec not in container.codecs:
        raise ConfigError(
            f"a {suffix} file cannot hold {codec} sound",
            hint=f"it can hold {', '.join(container.codecs)}",
        )
    if spec.picture:
        _check_picture(spec, container, info)
    if not spec.new_audio:
        raise ConfigError(f"no audio track was given for {spec.output}")
    if not container.tracks and len(spec.audio) > 1:
        raise ConfigError(
            f"a {suffix} file holds one audio track only",
            hint="choose .m4a or .mka, or one file each",
        )
    for kept in spec.kept_audio:
        if not 0 <= kept.number < len(info.audio):
            raise MediaError(f"{spec.source} has no audio track {kept.number}")
    if spec.output.exists() and spec.output.samefile(spec.source):
        raise OutputExists(
            f"{spec.output} is the source itself", hint="choose another name or folder"
        )
    for path in (*(t.path for t in spec.new_audio), *(t.path for t in spec.subtitles)):
        if not path.is_file():
            raise MediaNotFound(f"there is no file {path}")
    return codec


def _check_picture(spec: MuxSpec, container: Container, info: MediaInfo) -> None:
    suffix = spec.output.suffix
    if info.has_video and not container.video:
        raise ConfigError(f"a {suffix} file cannot hold the video of {spec.source}")
    foreign = [s.codec for s in info.video if not s.attached_pic and s.codec not in container.films]
    if container.films and foreign and container_of(Path(info.extension)) is not container:
        raise ConfigError(
            f"a {suffix} file cannot hold the {foreign[0]} picture of {spec.source}",
            hint="choose an .mkv file, which can hold any",
        )
    if spec.burn is not None:
        if not info.has_video:
            raise ConfigError(f"there is no picture in {spec.source} to draw subtitles into")
        require_burning(container.burner)


def _covers(info: MediaInfo, folder: Path) -> tuple[Path, ...]:
    """Covers that are streams, as files: Matroska keeps a cover as an attachment."""
    covers = []
    with open_media(info.path) as container:
        for stream in info.video:
            kind = _PICTURES.get(stream.codec)
            if stream.attached_pic and kind:
                packet = next(iter(container.demux(container.streams[stream.index])))
                cover = folder / f"{stream.index}.{kind}"
                cover.write_bytes(bytes(packet))
                covers.append(cover)
    return tuple(covers)


def _chapters(spec: MuxSpec, info: MediaInfo, folder: Path) -> Path | None:
    """The chapters of a picture that is shown slower, in ffmpeg's own format."""
    if spec.retime == 1.0 or not info.chapters:
        return None
    lines = [";FFMETADATA1"]
    for chapter in info.chapters:
        start, end = (round(1000 * spec.retime * t) for t in (chapter.start, chapter.end))
        title = re.sub(r"([=;#\\\n])", r"\\\1", chapter.title)
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={start}", f"END={end}", f"title={title}"]
    path = folder / "chapters.txt"
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def follow(
    duration: float, progress: Callable[[float], None] | None
) -> Callable[[IO[bytes]], None]:
    """Read what ffmpeg tells of its progress, as shares of the film."""

    def consume(lines: IO[bytes]) -> None:
        for line in lines:
            name, _, value = line.strip().partition(b"=")
            if progress is not None and name == b"out_time_us" and value.isdigit():
                progress(min(1.0, int(value) / 1e6 / max(duration, 1e-3)))

    return consume


def _read_back(part: Path, spec: MuxSpec, info: MediaInfo) -> None:
    """ffmpeg may end well and still leave something else than was asked."""
    made = probe(part)
    wanted = len(spec.audio)
    pictures = sum(not stream.attached_pic for stream in info.video) if spec.picture else 0
    found = sum(not stream.attached_pic for stream in made.video)
    short = info.duration - made.duration > 1.0 + 0.01 * info.duration
    if len(made.audio) != wanted or found != pictures or made.truncated or short:
        raise OutputError(
            f"{spec.output} was not put together as it should be: {len(made.audio)} of {wanted} "
            f"audio tracks, {found} of {pictures} video streams, {made.duration:.1f} of "
            f"{info.duration:.1f} s",
            hint="check that the source plays to its end",
        )
