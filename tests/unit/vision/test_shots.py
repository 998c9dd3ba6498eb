"""Cuts: steps that are large, stand out, and last."""

from __future__ import annotations

import pytest

from onevoice.vision.shots import Shots, find_cuts
from tests.unit.vision.pictures import BROWN, GREEN, head, plain


def cuts(pictures: list[float]) -> list[int]:
    """Numbers of the pictures that begin a shot; a picture here is a point on a line."""
    steps = [abs(a - b) for a, b in zip(pictures, [*pictures[:1], *pictures], strict=False)]
    leaps = [abs(a - b) for a, b in zip(pictures, [*pictures[:1] * 2, *pictures], strict=False)]
    found = find_cuts([float(i) for i in range(len(pictures))], steps, leaps)
    return [int(time) for time in found]


@pytest.mark.parametrize(
    ("pictures", "expected"),
    [
        ([], []),
        ([7], []),
        ([0, 1, 2, 32, 33, 34], [3]),
        ([0, 1, 2, 32, 33, 34, 64, 65, 66], [3, 6]),
        ([0, 1, 2, 32, 64, 65, 66, 67], [3, 4]),  # a shot of one picture
        ([0, 1, 2, 60, 2, 1, 2, 1], []),  # a flash
        ([0, 1, 2, 32], [3]),
        ([0, 1, 2, 8, 9, 10], []),  # too small
        ([0, 20, 42, 67, 88, 111], []),  # motion everywhere
        ([0, 0, 0, 0, 30, 30, 30, 30], [4]),  # stills
    ],
)
def test_steps(pictures: list[float], expected: list[int]) -> None:
    assert cuts(pictures) == expected


def test_pictures() -> None:
    shots = Shots()
    flash = plain((250, 250, 250))
    film = [head(60)] * 10 + [flash] + [head(62)] * 10 + [head(60, ground=BROWN)] * 10
    for i, picture in enumerate(film):
        shots.add(i / 10, picture)
    assert shots.cuts() == (2.1,)


def test_a_dissolve_is_no_cut() -> None:
    shots = Shots()
    for i in range(31):
        share = min(max((i - 5) / 20, 0), 1)
        mixed = [round((1 - share) * a + share * b) for a, b in zip(GREEN, BROWN, strict=True)]
        shots.add(i / 10, plain((mixed[0], mixed[1], mixed[2])))
    assert shots.cuts() == ()
