"""Where the dialogue of a programme lies among its channels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from onevoice.audio.levels import FRONT_CENTRE, speakers
from onevoice.audio.stream import BlockReader
from onevoice.audio.wav import channel_mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Frames, channels and speaker mask of a programme at one sample rate."""

    sample_rate: int
    frames: int
    channels: int
    mask: int

    @classmethod
    def of(cls, path: Path, sample_rate: int) -> Self:
        """Read it from an audio file. Raises MediaNotFound, MediaUnreadable."""
        with BlockReader(path, sample_rate) as reader:
            return cls(
                sample_rate=sample_rate,
                frames=reader.frames,
                channels=reader.channels,
                mask=channel_mask(path, reader.channels),
            )

    @property
    def dialogue(self) -> list[int]:
        """The channels that speech goes to: the centre where there is one, else the front pair."""
        order = speakers(self.mask)
        if self.channels > 2 and FRONT_CENTRE in order:
            return [order.index(FRONT_CENTRE)]
        return [0, 1][: self.channels]

    @property
    def ducked(self) -> list[int]:
        """Where the bed makes room: only in the centre when the dialogue has it to itself."""
        return self.dialogue if len(self.dialogue) == 1 else list(range(self.channels))
