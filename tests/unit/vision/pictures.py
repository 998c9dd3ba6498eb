"""Drawn heads, and films of them: nobody's face is needed to test a face detector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from onevoice.vision.sampling import Picture

WIDTH, HEIGHT, RATE = 480, 270, 25
Spot = tuple[float, float, float, float]
GREEN, BROWN = (90, 160, 90), (40, 70, 110)

_PARTS: Sequence[tuple[Spot, tuple[int, int, int]]] = (
    ((0, 1.9, 1.5, 1.0), (90, 60, 50)),  # shoulders
    ((0, -0.25, 0.95, 1.25), (30, 40, 55)),  # hair
    ((0, 1.0, 0.4, 0.6), (120, 150, 200)),  # neck
    ((0, 0, 0.8, 1.1), (140, 175, 225)),  # skin
    ((0, 0.2, 0.1, 0.28), (120, 155, 205)),  # nose
    ((0, 0.38, 0.15, 0.07), (105, 135, 185)),
    ((0, 0.65, 0.3, 0.1), (90, 90, 185)),  # mouth
    ((0, 0.65, 0.3, 0.015), (50, 50, 110)),
)
_PAIRED: Sequence[tuple[Spot, tuple[int, int, int]]] = (
    ((0.35, -0.15, 0.16, 0.08), (245, 245, 245)),  # eyes
    ((0.35, -0.15, 0.075, 0.08), (40, 30, 25)),
    ((0.35, -0.38, 0.2, 0.05), (40, 50, 65)),  # brows
    ((0.78, 0, 0.1, 0.22), (130, 160, 210)),  # ears
)


def plain(colour: tuple[int, int, int] = GREEN) -> Picture:
    """A picture with nobody in it."""
    return np.full((HEIGHT, WIDTH, 3), colour, np.uint8)


def head(size: int, *, ground: tuple[int, int, int] = GREEN) -> Picture:
    """A head whose face is about 1.1 times ``size`` pixels high."""
    picture = plain(ground)
    unit = size / 2
    mirrored = [((-x, y, a, b), colour) for (x, y, a, b), colour in _PAIRED]
    for (x, y, a, b), colour in (*_PARTS, *_PAIRED, *mirrored):
        centre = (round(WIDTH / 2 + x * unit), round(HEIGHT / 2 + y * unit))
        axes = (max(round(a * unit), 1), max(round(b * unit), 1))
        cv2.ellipse(picture, centre, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)
    blurred: Picture = cv2.GaussianBlur(picture, (0, 0), max(size / 60, 0.6)).astype(np.uint8)
    return blurred


def write(path: Path, pictures: Sequence[NDArray[np.uint8]], *options: str) -> None:
    """Encode pictures of one size as a silent film of 25 a second."""
    import subprocess

    from onevoice.media import ffmpeg_path

    height, width = pictures[0].shape[:2]
    given = ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{width}x{height}", "-r", str(RATE)]
    command = [
        *(ffmpeg_path(), "-loglevel", "error", "-y", *given, "-i", "-"),
        *("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", *options, str(path)),
    ]
    data = b"".join(picture.tobytes() for picture in pictures)
    subprocess.run(command, input=data, check=True)


def film(*shots: tuple[float, Callable[[int], Picture]]) -> list[Picture]:
    """Shots of so many seconds; each is asked for its pictures by number."""
    return [draw(i) for seconds, draw in shots for i in range(round(seconds * RATE))]
