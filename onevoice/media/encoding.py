"""Encode a sound once; what is made can be copied into any container that holds its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from onevoice.errors import ConfigError, OutputError
from onevoice.media.command import channels_of, encode_arguments
from onevoice.media.containers import ENCODERS
from onevoice.media.files import disk_full, whole_file
from onevoice.media.muxing import follow
from onevoice.media.process import Cancellable, FFmpegFailed, give_back_memory, run, url
from onevoice.media.tempo import slowing

# Each with a clock of single samples, and the encoder's padding told apart from the sound:
# in Matroska, whose ticks are milliseconds, copies of copies would lose that.
_CARRIERS = {"aac": "mp4", "opus": "mp4", "flac": "flac", "mp3": "mp3", "pcm": "wav"}


def encode(
    source: Path,
    output: Path,
    *,
    codec: str,
    bitrate: str,
    seconds: float,
    progress: Callable[[float], None] | None = None,
    cancel: Cancellable | None = None,
) -> None:
    """Encode ``source`` into ``output`` for :class:`~onevoice.media.AudioTrack` to copy.

    It is padded or cut to ``seconds``. ``bitrate`` is as in :class:`~onevoice.media.MuxSpec`.

    Raises
    ------
    ConfigError
        There is no such codec.
    DiskFull, OutputUnwritable, OutputError
        The result cannot be written.
    Cancelled
        ``cancel`` was set; nothing is left behind.
    """
    if codec not in _CARRIERS:
        raise ConfigError(f"{codec!r} is no kind of sound", hint=f"choose one of {[*_CARRIERS]}")
    how = [*encode_arguments(0, codec, channels_of(source), bitrate, seconds)]
    if codec == "pcm":
        how += ["-rf64", "auto"]
    _run(source, output, [*how, "-f", _CARRIERS[codec]], seconds, progress, cancel)


def encode_wav(
    source: Path,
    output: Path,
    *,
    tags: Mapping[str, str],
    seconds: float,
    progress: Callable[[float], None] | None = None,
    cancel: Cancellable | None = None,
) -> None:
    """Make a broadcast WAV of 24 bits, sample for sample as long as ``source``.

    EBU Tech 3285 with its ``bext`` chunk, whose fields are ``tags``; RF64 (EBU Tech 3306) where
    it grows over 4 GB. Raises as :func:`encode` does.
    """
    how = ["-c:a", ENCODERS["pcm"], "-write_bext", "1", "-rf64", "auto", "-bitexact"]
    for name, value in tags.items():
        how += ["-metadata", f"{name}={value}"]
    _run(source, output, [*how, "-f", "wav"], seconds, progress, cancel)


def slow(
    source: Path,
    output: Path,
    *,
    factor: float,
    seconds: float,
    progress: Callable[[float], None] | None = None,
    cancel: Cancellable | None = None,
) -> None:
    """Make a sound ``factor`` times as long at its own pitch, as a WAV of float32 samples.

    It is padded or cut to ``seconds``. Raises as :func:`encode` does.
    """
    filters = f"{slowing(factor)},apad=whole_dur={seconds:.6f},atrim=end={seconds:.6f}"
    how = ["-af", filters, "-c:a", "pcm_f32le", "-rf64", "auto", "-bitexact", "-f", "wav"]
    _run(source, output, how, seconds, progress, cancel)


def _run(
    source: Path,
    output: Path,
    how: list[str],
    seconds: float,
    progress: Callable[[float], None] | None,
    cancel: Cancellable | None,
) -> None:
    def arguments(part: Path) -> Iterator[str]:
        yield from ("-i", url(source), "-map", "0:a:0", "-map_metadata", "-1", *how)
        yield from ("-progress", "pipe:1", "-nostats", "-y", url(part))

    with whole_file(output) as part:
        give_back_memory()
        try:
            run([*arguments(part)], consume=follow(seconds, progress), cancel=cancel)
        except FFmpegFailed as exc:
            if exc.disk_full:
                raise disk_full(output) from exc
            raise OutputError(f"{output} could not be encoded: {exc.line}") from exc
