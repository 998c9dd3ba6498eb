"""Films that are drawn and encoded here: what is seen in them, and when."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from onevoice import media, vision
from onevoice.errors import Cancelled
from onevoice.types import Sight
from onevoice.vision import sampling
from tests.unit.vision.pictures import BROWN, film, head, plain, write


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 s of a head, 2 s of nobody, 2 s of a head that is far away."""
    path = tmp_path_factory.mktemp("film") / "talk.mp4"
    near, nobody, far = head(100), plain(BROWN), head(18)
    write(path, film((2, lambda i: near), (2, lambda i: nobody), (2, lambda i: far)))
    return path


def seen(path: Path, **options: float) -> Sight:
    return vision.look(media.probe(path), per_second=options.get("per_second", 2.0))


def test_cuts_and_faces(talk: Path) -> None:
    sight = seen(talk)
    assert sight.cuts == pytest.approx((2.0, 4.0), abs=0.13)
    assert [glance.time for glance in sight.glances] == pytest.approx(
        [i / 2 for i in range(12)], abs=0.2
    )
    faces = [glance.face for glance in sight.glances]
    assert all(face == pytest.approx(0.41, abs=0.05) for face in faces[:4])
    assert faces[4:8] == [0, 0, 0, 0]
    assert all(face < 0.1 for face in faces[8:])


def test_looking_twice_sees_the_same(talk: Path) -> None:
    assert seen(talk) == seen(talk)


def test_how_often_is_asked_for(talk: Path) -> None:
    assert len(seen(talk, per_second=1.0).glances) == 6


def test_looking_can_be_stopped(talk: Path) -> None:
    def stop(time: float) -> None:
        if time > 1:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        vision.look(media.probe(talk), per_second=2.0, progress=stop)


@pytest.mark.parametrize(("turns", "rotation"), ((1, 90), (2, 180), (3, 270)))
def test_a_turned_film_is_turned_upright(turns: int, rotation: int, tmp_path: Path, ffmpeg) -> None:
    lying, turned = tmp_path / "lying.mp4", tmp_path / "turned.mp4"
    write(lying, [np.ascontiguousarray(np.rot90(head(100), turns))] * 25)
    ffmpeg("-display_rotation", str(-rotation), "-i", lying, "-c", "copy", turned)
    assert media.probe(turned).video[0].rotation == rotation
    assert next(sampling.frames(media.probe(turned))).picture(480).shape == (270, 480, 3)
    assert seen(turned).glances[0].face == pytest.approx(0.41, abs=0.05)


def test_only_keyframes_of_a_very_large_picture_are_decoded(
    talk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense = len(list(sampling.frames(media.probe(talk))))
    monkeypatch.setattr(sampling, "DENSE_UP_TO", 1.0)
    sparse = list(sampling.frames(media.probe(talk)))
    assert 1 <= len(sparse) <= 6 < 30 < dense
    assert all(b.time > a.time for a, b in pairwise(sparse))


def test_damage_is_passed_over(talk: Path, tmp_path: Path) -> None:
    data = bytearray(talk.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data)
    assert seen(broken).glances


def test_sound_alone_shows_nothing(tmp_path: Path, ffmpeg) -> None:
    path = tmp_path / "sound.wav"
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", path)
    assert seen(path) == Sight()
