"""How loud a programme shall be, and how loud a finished file is.

The presets of ``mix.loudness``. Loudness is that of ITU-R BS.1770-4: over the programme, or, with
the gate "dialogue", over those of its blocks in which somebody speaks. Who speaks when is known
here (the placed lines and the kept stretches), so no detector has to guess it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from onevoice import media
from onevoice.audio import Gate, Interval, LoudnessMeter, TruePeakMeter, to_db
from onevoice.audio.levels import Audio
from onevoice.config import MixSettings
from onevoice.errors import MediaUnreadable
from onevoice.types import Loudness

HEADROOM = 0.5
"""In dB: how far under its ceiling a mix stays, because a lossy encoder raises peaks.

Measured on speech that the limiter had worked on: AAC at 192 kbit/s raised the true peak by up to
0.27 dB, Opus by up to 0.41 dB (docs/sound.md).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a programme is to measure: LUFS by a gate, within ``tolerance`` LU, peaks in dBTP."""

    lufs: float
    ceiling: float
    tolerance: float = 0.5
    gate: Gate = "programme"


PRESETS: Mapping[str, Target] = {
    # EBU R 128 v5 (2023).
    "ebu-r128": Target(lufs=-23.0, ceiling=-1.0),
    # ATSC A/85:2013, section 5.2 and annex K.
    "atsc-a85": Target(lufs=-24.0, ceiling=-2.0, tolerance=2.0),
    # What most music and video services turn programmes down to: Spotify, YouTube, Amazon.
    "streaming": Target(lufs=-14.0, ceiling=-1.0, tolerance=1.0),
    # Apple Podcasts, audio requirements.
    "podcast": Target(lufs=-16.0, ceiling=-1.0, tolerance=1.0),
    # Netflix Sound Mix Specifications & Best Practices v1.4, section 2.
    "dialogue-27": Target(lufs=-27.0, ceiling=-2.0, tolerance=2.0, gate="dialogue"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured(Loudness):
    """A file's figures; ``dialogue`` is its loudness in LUFS where somebody speaks.

    -inf where nothing was said to be dialogue, or none of it lasts for 0.4 s.
    """

    dialogue: float = float("-inf")

    def by(self, gate: Gate) -> float:
        """The loudness that a target with this gate is about, in LUFS.

        A film without dialogue is measured as a programme, as Netflix asks for one with little.
        """
        spoken = gate == "dialogue" and self.dialogue > float("-inf")
        return self.dialogue if spoken else self.integrated

    def meets(self, target: Target) -> bool:
        """Whether loudness and true peak are within what the target allows."""
        off = abs(self.by(target.gate) - target.lufs)
        return off <= target.tolerance and self.true_peak <= target.ceiling


def target_of(settings: MixSettings, source_lufs: float) -> Target:
    """What a dub is to measure, when its source has ``source_lufs`` (-inf for silence).

    ``true_peak`` can only lower the ceiling of a preset: who names a standard wants to keep it.
    """
    wanted = settings.loudness
    if wanted == "match":
        return Target(lufs=source_lufs, ceiling=settings.true_peak)
    if isinstance(wanted, float):
        return Target(lufs=wanted, ceiling=settings.true_peak)
    preset = PRESETS[wanted]
    return replace(preset, ceiling=min(preset.ceiling, settings.true_peak))


def measure_programme(
    path: Path,
    track: int = 0,
    *,
    dialogue: Sequence[Interval] = (),
    progress: Callable[[float], None] | None = None,
    cancel: media.Cancellable | None = None,
) -> Measured:
    """Decode an audio track of a finished file and measure it, at its own rate and layout.

    ``dialogue`` is when somebody speaks, in seconds of the film. Memory does not depend on the
    file's length.

    Raises
    ------
    MediaNotFound, MediaUnreadable, NoAudio, MediaError, Cancelled
        As :class:`onevoice.media.Sound`; MediaUnreadable also when nothing can be decoded.
    """
    sound = media.Sound.of(path, track)
    rate = sound.stream.sample_rate
    meter = LoudnessMeter(rate, sound.channels, mask=sound.mask, dialogue=dialogue)
    peak = TruePeakMeter(rate, sound.channels)

    def push(block: Audio) -> None:
        meter.push(block)
        peak.push(block)

    if not sound.decode(push, progress=progress, cancel=cancel):
        raise MediaUnreadable(f"nothing of the sound of {path} can be decoded")
    return Measured(
        integrated=meter.integrated(),
        range=meter.range(),
        true_peak=to_db(peak.finish()),
        dialogue=meter.integrated(gate="dialogue"),
    )
