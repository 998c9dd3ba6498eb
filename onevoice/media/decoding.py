"""An audio track of any file as blocks of samples, on the picture's clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from onevoice.audio.levels import Audio
from onevoice.errors import MediaError, MediaUnreadable, NoAudio
from onevoice.media.info import AudioStream, MediaInfo
from onevoice.media.probing import clock, probe
from onevoice.media.process import GUARD, Cancellable, FFmpegFailed, run, url

MOST_CHANNELS = 8

BLOCK = 1 << 15
"""Frames that are handled at once."""

SPEAKERS = ("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR")
"""ffmpeg's names, in the order of the bits of a WAVE speaker mask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """An audio track whose format is known, to be decoded.

    ``mask`` is its WAVE speaker mask; None where its layout has no place in one.
    """

    info: MediaInfo
    stream: AudioStream
    track: int
    channels: int
    mask: int | None

    @classmethod
    def of(cls, path: Path, track: int = 0) -> Self:
        """Look into a file. Raises as :func:`probe`, NoAudio, MediaError for no such track."""
        return cls.in_(probe(path), track)

    @classmethod
    def in_(cls, info: MediaInfo, track: int) -> Self:
        """The track of a file that was probed already."""
        stream = _choose(info, track)
        channels = min(stream.channels, MOST_CHANNELS)
        mask = _mask(stream, channels)
        return cls(info=info, stream=stream, track=track, channels=channels, mask=mask)

    def decode(
        self,
        push: Callable[[Audio], None],
        *,
        sample_rate: int | None = None,
        progress: Callable[[float], None] | None = None,
        cancel: Cancellable | None = None,
    ) -> int:
        """Hand out every block, shape (frames, channels); returns how many frames there were.

        Sample 0 sounds at the film's time zero, nothing comes after its duration, and holes in
        the track are silence. ``sample_rate`` defaults to the track's own. Each block is lent:
        what is to outlast the call must be copied.

        Raises
        ------
        MediaUnreadable
            The sound cannot be decoded.
        Cancelled
            ``cancel`` was set.
        """
        import ffmpeg
        import numpy as np

        rate = sample_rate or self.stream.sample_rate
        frames = round(self.info.duration * rate)
        source = ffmpeg.input(url(self.info.path), **clock(self.info), **GUARD)
        # async=1 fills holes and cuts overlaps without bending the pitch.
        on_time = source[f"a:{self.track}"].filter(
            "aresample", rate, **{"async": 1, "first_pts": 0}
        )
        target = ffmpeg.output(
            on_time, "pipe:1", format="f32le", ac=self.channels, t=f"{self.info.duration:.6f}"
        )
        decoded = 0

        def consume(samples: IO[bytes]) -> None:
            nonlocal decoded
            while data := samples.read(BLOCK * self.channels * 4):
                whole = len(data) // (4 * self.channels) * self.channels
                block = np.frombuffer(data, "<f4", count=whole).reshape(-1, self.channels)
                block = block[: frames - decoded]
                push(block)
                decoded += len(block)
                if progress is not None:
                    progress(decoded / max(1, frames))

        try:
            run(ffmpeg.get_args(target), consume=consume, cancel=cancel)
        except FFmpegFailed as exc:
            raise MediaUnreadable(
                f"the sound of {self.info.path} cannot be decoded: {exc.line}",
                hint="check that it plays in a media player, or convert it to MP4 or WAV first",
            ) from exc
        return decoded


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


def _mask(stream: AudioStream, channels: int) -> int | None:
    import av

    if channels < stream.channels:
        return None
    try:
        names = [channel.name for channel in av.AudioLayout(stream.layout).channels]
    except ValueError:
        return None
    known = len(names) == channels and set(names) <= set(SPEAKERS)
    return sum(1 << SPEAKERS.index(name) for name in names) if known else None
