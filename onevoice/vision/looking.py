"""One pass over a film: its cuts, and how large a face is seen, a few times a second."""

from __future__ import annotations

import math
from collections.abc import Callable

from onevoice.media.info import MediaInfo
from onevoice.types import Glance, Sight
from onevoice.vision.faces import Faces
from onevoice.vision.sampling import frames
from onevoice.vision.shots import Shots

_EARLY = 0.02
"""A picture may be this much early: rates of 24 and 30 do not divide half seconds."""


def look(
    info: MediaInfo, *, per_second: float, progress: Callable[[float], None] = lambda time: None
) -> Sight:
    """Look at a film.

    Parameters
    ----------
    per_second:
        How often to look for a face. Cuts are looked for in every picture that is decoded.
    progress:
        Called with the seconds looked at so far; may raise to end the work.
    """
    shots, faces = Shots(), Faces()
    glances: list[Glance] = []
    due = 0.0
    for frame in frames(info):
        shots.add(frame.time, frame.picture(shots.side))
        if frame.time >= due - _EARLY:
            face = round(faces.largest(frame.picture(faces.side)), 3)
            glances.append(Glance(time=round(frame.time, 3), face=face))
            due = math.floor((frame.time + _EARLY) * per_second + 1) / per_second
            progress(frame.time)
    return Sight(cuts=shots.cuts(), glances=tuple(glances))
