"""From a wanted speaking rate to an engine's speed setting.

No engine's speed is what it says: Kokoro rounds every sound to whole frames and never drops
one, Pico stretches its pauses too. So each voice's pace (characters per second) is measured at
several settings, and the setting for a wanted pace is read off that curve backwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceCurve:
    """Measured ``pace`` (characters a second) at rising ``speeds``; both strictly rise.

    ``neutral`` is the setting at which the voice speaks at a usual conversational rate.
    """

    speeds: tuple[float, ...]
    pace: tuple[float, ...]
    neutral: float

    def __post_init__(self) -> None:
        rising = all(np.all(np.diff(x) > 0) for x in (self.speeds, self.pace))
        if len(self.speeds) != len(self.pace) or len(self.speeds) < 2 or not rising:
            raise ValueError("a pace curve needs two or more points, rising in both directions")
        if not self.speeds[0] <= self.neutral <= self.speeds[-1]:
            raise ValueError(f"the neutral speed {self.neutral} lies outside the measured range")

    @property
    def natural(self) -> float:
        """Characters a second at the neutral setting: the voice's natural rate."""
        return float(np.interp(self.neutral, self.speeds, self.pace))

    def speed_for(self, rate: float) -> float:
        """The setting at which the voice speaks ``rate`` times its natural rate.

        Beyond what was measured the curve ends: nobody knows how the engine sounds there.
        """
        return float(np.interp(rate * self.natural, self.pace, self.speeds))
