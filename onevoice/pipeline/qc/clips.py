"""The sound inside the page: both tracks, small enough to be mailed, and their waveforms.

Up to :data:`LONGEST` a film is carried whole. Of a longer one only what has to be listened to is:
the flagged lines, the worst first, until the page is full. Both tracks are cut alike, so one table
of cuts says where in the sound a moment of the film is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onevoice import media
from onevoice.audio.levels import Audio
from onevoice.pipeline.qc.model import LineReport, Report
from onevoice.pipeline.qc.peaks import PeakMeter, Peaks
from onevoice.pipeline.qc.spans import Span, length, union

RATE = 24_000
BITRATE = "24k"
"""Opus at 24 kb/s: speech without audible harm up to 12 kHz (RFC 6716: 16 to 20 kb/s is wideband,
24 to 32 super-wideband and full band)."""
LONGEST = 30 * 60
"""Seconds of each track in one page: 2 x 5.4 MB of Opus, 14.4 MB as text."""
AROUND = 1.0
"""Seconds carried before and after a line."""


@dataclass(frozen=True, slots=True)
class Track:
    """A track as the page carries it: its waveform, and Opus in MP4 (nothing where no cut is)."""

    peaks: Peaks
    sound: bytes


def cuts(report: Report, worst_first: Sequence[LineReport]) -> list[Span]:
    """Which stretches of the film are carried, in order of time."""
    seconds = longest(report)
    if seconds <= LONGEST:
        return [(0.0, seconds)]
    taken: list[Span] = []
    for line in worst_first:
        if not line.flags:
            continue
        start = min(time for span in (line.window, *line.placements) for time in span)
        end = max(time for span in (line.window, *line.placements) for time in span)
        more = union(taken, [(max(0.0, start - AROUND), min(seconds, end + AROUND))])
        if length(more) > LONGEST:
            break
        taken = more
    return taken


def is_whole(cut: Sequence[Span], report: Report) -> bool:
    """Whether every moment can be heard."""
    return list(cut) == [(0.0, longest(report))]


def longest(report: Report) -> float:
    """Seconds that the time axis has: of the original or the dub, whichever is longer."""
    return max(report.original.duration, report.dub.duration)


def track(
    path: Path,
    number: int,
    cut: Sequence[Span],
    seconds: float,
    folder: Path,
    cancel: media.Cancellable | None = None,
) -> Track:
    """Decode an audio track once; ``folder`` is for what lies between.

    Raises
    ------
    MediaNotFound, MediaUnreadable, NoAudio
        There is no such sound.
    DiskFull, OutputError
        There is no room.
    Cancelled
        ``cancel`` was set.
    """
    import soundfile

    sound = media.Sound.of(path, number)
    meter = PeakMeter(RATE, seconds)
    wav, encoded = folder / "cut.wav", folder / "cut.mp4"
    at = 0
    with soundfile.SoundFile(str(wav), "w", RATE, 1, "PCM_16") as file:

        def push(block: Audio) -> None:
            nonlocal at
            mixed = mono(block)
            meter.push(mixed)
            for start, end in cut:
                first, last = (round(time * RATE) - at for time in (start, end))
                file.write(mixed[max(0, first) : max(0, last)])
            at += len(mixed)

        sound.decode(push, sample_rate=RATE, cancel=cancel)
    if not cut:
        return Track(meter.peaks(), b"")
    # A dub that ends before its original is padded, so that the cuts fit both.
    media.encode(wav, encoded, codec="opus", bitrate=BITRATE, seconds=length(cut), cancel=cancel)
    return Track(meter.peaks(), encoded.read_bytes())


def mono(block: Audio) -> Audio:
    """One channel, shape (n,), of a block of shape (n, channels)."""
    # Of surround the centre speaks: a mean of six would all but hide it.
    mixed: Audio = np.clip(block.sum(axis=1) / min(2, block.shape[1]), -1, 1)
    return mixed
