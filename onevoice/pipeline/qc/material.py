"""What is measured: an original, a dub of it, and what is known of its lines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onevoice.audio import Gate
from onevoice.media import MediaInfo
from onevoice.pipeline.qc.measures import ScriptLine
from onevoice.pipeline.qc.model import ChangeReport, Costs, SettingsReport, WarningReport
from onevoice.pipeline.qc.sound import Sound
from onevoice.subtitles import Cue


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The original or the dub: its file, the audio track that counts, and the sound of it."""

    info: MediaInfo
    track: int
    sound: Sound
    retimed: bool = False
    """The file runs at another speed than its sound here: that of the dub."""

    def heard(self) -> tuple[Path, int]:
        """A file and its audio track, to listen to."""
        return (self.sound.wav, 0) if self.retimed else (self.info.path, self.track)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """All that :func:`.assess.assess` looks at.

    ``speech`` is where the source's voice activity is looked for: its separated dialogue, or the
    whole sound. ``placed`` says that the placements are known, and not taken from the sound.
    """

    language: str
    source_language: str | None
    original: Side
    dub: Side
    speech: Sound
    lines: tuple[ScriptLine, ...]
    settings: SettingsReport
    placed: bool = True
    target_lufs: float | None = None
    gate: Gate = "programme"
    """Of which loudness that is: over everything, or where somebody speaks."""
    cues: tuple[Cue, ...] | None = None
    changes: tuple[ChangeReport, ...] = ()
    costs: Costs | None = None
    warnings: tuple[WarningReport, ...] = ()
