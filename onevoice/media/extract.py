"""Take one audio track out of a film, on the picture's clock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from onevoice.audio.wav import FloatWavWriter
from onevoice.errors import MediaTruncated, MediaUnreadable
from onevoice.media.decoding import BLOCK, Sound
from onevoice.media.info import AudioStream, MediaInfo
from onevoice.media.probing import probe, require_whole
from onevoice.media.process import Cancellable
from onevoice.types import AudioSpec

MISSING_SECONDS = 1.0
"""Sound that ends this much before its stream says so was cut off or damaged."""


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
    import numpy as np

    info = probe(path)
    sound = Sound.in_(info, track)
    require_whole(info, salvage=salvage)
    spec = AudioSpec(
        sample_rate=sample_rate,
        channels=sound.channels,
        frames=round(info.duration * sample_rate),
    )
    wav = FloatWavWriter(
        out,
        sample_rate=sample_rate,
        channels=spec.channels,
        frames=spec.frames or 0,
        mask=sound.mask,
    )
    with wav:
        decoded = sound.decode(wav.write, sample_rate=sample_rate, progress=progress, cancel=cancel)
        if not salvage:
            _check_complete(info, sound.stream, decoded / sample_rate)
        for start in range(decoded, spec.frames or 0, BLOCK):
            size = min(BLOCK, (spec.frames or 0) - start)
            wav.write(np.zeros((size, spec.channels), np.float32))
    if progress is not None:
        progress(1.0)
    return spec


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
