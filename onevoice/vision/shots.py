"""Where a film cuts from one shot to another.

Two pictures differ by the mean absolute difference of their thumbnails in CIELAB, where equal
numbers look about equally different. A cut is a step that is large by itself and against the steps
around it (the adaptive threshold of PySceneDetect's ``AdaptiveDetector``), after which the picture
stays different: a flash is none. Dissolves and fades are no cuts either.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onevoice.vision.sampling import Picture

THUMBNAIL = (32, 18)
LEAST = 10.0
"""A step this large, of 255, may be a cut; between two scenes it is 30 or so."""
RATIO = 3.0
"""A cut is this many times the median of the steps around it."""
AROUND = 3
"""Steps on either side that a step is compared with."""
STAYS = 0.5
"""Share of the step by which the picture must still differ one picture later, and must have
differed one picture earlier."""


class Shots:
    """Collects pictures in order; two numbers a picture are kept, however long the film is."""

    side = 96
    """Longer side of the pictures it wants."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._steps: list[float] = []
        self._leaps: list[float] = []
        self._last: NDArray[np.int16] | None = None
        self._before: NDArray[np.int16] | None = None

    def add(self, time: float, picture: Picture) -> None:
        """Note how a picture differs from the last one, and from the one before that."""
        import cv2

        small = cv2.resize(picture, THUMBNAIL, interpolation=cv2.INTER_AREA)
        lab = cv2.cvtColor(small, cv2.COLOR_BGR2LAB).astype(np.int16)
        self._times.append(time)
        self._steps.append(_difference(lab, self._last))
        self._leaps.append(_difference(lab, self._before))
        self._before, self._last = self._last, lab

    def cuts(self) -> tuple[float, ...]:
        """Times of the first pictures of all shots but the first."""
        return find_cuts(self._times, self._steps, self._leaps)


def find_cuts(times: list[float], steps: list[float], leaps: list[float]) -> tuple[float, ...]:
    """Cuts among n pictures.

    ``steps`` are the pictures' differences from the one before, ``leaps`` from the one before
    that; all three have n items.
    """
    found = []
    for i in range(1, len(steps)):
        first = max(i - AROUND, 1)
        around = [*steps[first:i], *steps[i + 1 : i + 1 + AROUND]]
        usual = float(np.median(around)) if around else 0.0
        large = steps[i] >= LEAST and steps[i] >= RATIO * usual
        returns = i > 1 and leaps[i] < STAYS * steps[i]
        stays = i + 1 == len(steps) or leaps[i + 1] >= STAYS * steps[i]
        if large and stays and not returns:
            found.append(round(times[i], 3))
    return tuple(found)


def _difference(picture: NDArray[np.int16], other: NDArray[np.int16] | None) -> float:
    return 0.0 if other is None else float(np.abs(picture - other).mean())
