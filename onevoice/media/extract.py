"""Take one audio track out of a film, on the picture's clock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO

from onevoice.audio.wav import FloatWavWriter
from onevoice.errors import MediaError, MediaTruncated, MediaUnreadable, NoAudio
from onevoice.media.info import AudioStream, MediaInfo
from onevoice.media.probing import clock, probe, require_whole
from onevoice.media.process import GUARD, Cancellable, FFmpegFailed, run, url
from onevoice.types import AudioSpec

MOST_CHANNELS = 8
MISSING_SECONDS = 1.0
"""Sound that ends this much before its stream says so was cut off or damaged."""

BLOCK = 1 << 15
"""Frames that are handled at once."""

SPEAKERS = ("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR")
"""ffmpeg's names, in the order of the bits of a WAVE speaker mask."""


def extract_audio(
    path: Path,
    out: Path,
    *,
    track: int = 0,
    sample_rate: int = 48_000,
    salvage: bool = False,
    progress: Callable[[float], None] | None = None,
    cancel: Cancellable | None = None,
) -> AudioSpec:
    """Write audio track ``track`` of ``path`` as a 32-bit float WAV (RF64 over 4 GB).

    Sample 0 sounds at the film's time zero and the length is the film's duration to the sample:
    a track that starts late, ends early or has holes gets silence there. The channels are the
    source's, at most eight.

    Raises
    ------
    MediaNotFound, MediaUnreadable
        As :func:`probe`; also when the sound cannot be decoded.
    NoAudio
        The file has no sound at all.
    MediaError
        It has no such track.
    MediaTruncated
        It is cut short and ``salvage`` is not set.
    DiskFull, OutputUnwritable
        ``out`` cannot be written.
    Cancelled
        ``cancel`` was set; nothing is left behind.
    """
    info = probe(path)
    stream = _choose(info, track)
    require_whole(info, salvage=salvage)
    spec = AudioSpec(
        sample_rate=sample_rate,
        channels=min(stream.channels, MOST_CHANNELS),
        frames=round(info.duration * sample_rate),
    )
    wav = FloatWavWriter(
        out,
        sample_rate=sample_rate,
        channels=spec.channels,
        frames=spec.frames or 0,
        mask=_mask(stream, spec.channels),
    )
    with wav:
        try:
            decoded = _decode(info, track, spec, wav, progress, cancel)
        except FFmpegFailed as exc:
            raise MediaUnreadable(
                f"the sound of {path} cannot be decoded: {exc.line}",
                hint="check that it plays in a media player, or convert it to MP4 or WAV first",
            ) from exc
        if not salvage:
            _check_complete(info, stream, decoded / sample_rate)
    return spec


def _choose(info: MediaInfo, track: int) -> AudioStream:
    if not info.audio:
        raise NoAudio(f"there is no sound in {info.path}", hint="choose a file with speech in it")
    if not 0 <= track < len(info.audio):
        known = "; ".join(
            f"{number}: {' '.join(filter(None, (s.language, s.title, s.codec, s.layout)))}"
            for number, s in enumerate(info.audio)
        )
        raise MediaError(
            f"{info.path} has no audio track {track}", hint=f"its audio tracks are {known}"
        )
    return info.audio[track]


def _decode(
    info: MediaInfo,
    track: int,
    spec: AudioSpec,
    wav: FloatWavWriter,
    progress: Callable[[float], None] | None,
    cancel: Cancellable | None,
) -> int:
    """Write every sample; return how many frames were decoded before the padding."""
    import ffmpeg
    import numpy as np

    source = ffmpeg.input(url(info.path), **clock(info), **GUARD)
    # async=1 fills holes and cuts overlaps without bending the pitch.
    on_time = source[f"a:{track}"].filter(
        "aresample", spec.sample_rate, **{"async": 1, "first_pts": 0}
    )
    target = ffmpeg.output(
        on_time, "pipe:1", format="f32le", ac=spec.channels, t=f"{info.duration:.6f}"
    )
    frames, written = spec.frames or 0, 0

    def consume(samples: IO[bytes]) -> None:
        nonlocal written
        while data := samples.read(BLOCK * spec.channels * 4):
            whole = len(data) // (4 * spec.channels) * spec.channels
            block = np.frombuffer(data, "<f4", count=whole).reshape(-1, spec.channels)
            block = block[: frames - written]
            wav.write(block)
            written += len(block)
            if progress is not None:
                progress(written / max(1, frames))

    run(ffmpeg.get_args(target), consume=consume, cancel=cancel)
    for start in range(written, frames, BLOCK):
        wav.write(np.zeros((min(BLOCK, frames - start), spec.channels), np.float32))
    if progress is not None:
        progress(1.0)
    return written


def _mask(stream: AudioStream, channels: int) -> int | None:
    """The WAVE speaker mask of the source's layout; None where it has no place in one."""
    import av

    if channels < stream.channels:
        return None
    try:
        names = [channel.name for channel in av.AudioLayout(stream.layout).channels]
    except ValueError:
        return None
    known = len(names) == channels and set(names) <= set(SPEAKERS)
    return sum(1 << SPEAKERS.index(name) for name in names) if known else None


def _check_complete(info: MediaInfo, stream: AudioStream, decoded: float) -> None:
    """A whole container may still hold damaged sound: silence must not stand in for it."""
    if decoded == 0:
        raise MediaUnreadable(f"nothing of the sound of {info.path} can be decoded")
    if stream.duration is None:
        return
    stated = min(stream.start_time + stream.duration, info.duration)
    if stated - decoded > max(MISSING_SECONDS, 0.01 * stated):
        raise MediaTruncated(
            f"the sound of {info.path} breaks off at {decoded:.1f} s of {stated:.1f} s",
            hint="fetch or copy the file again, or use --salvage to go on with what there is",
        )
