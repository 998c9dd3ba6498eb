"""Drawn heads are found, at the size they have; nothing else is."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import cv2
import numpy as np
import pytest

from onevoice.vision.faces import Faces
from tests.unit.vision.pictures import HEIGHT, head, plain

SHA256 = "c5f355ec717ae034e3495bfebf2000cc6b52a545acd2ed3a8dce6e49cf958536"


@pytest.fixture(scope="module")
def faces() -> Faces:
    return Faces()


def test_the_model_is_the_one_that_was_measured() -> None:
    data = files("onevoice.vision").joinpath("data/yunet.onnx").read_bytes()
    assert hashlib.sha256(data).hexdigest() == SHA256


@pytest.mark.parametrize("size", (32, 60, 140))
def test_a_head_is_as_high_as_it_was_drawn(faces: Faces, size: int) -> None:
    assert faces.largest(head(size)) == pytest.approx(1.12 * size / HEIGHT, rel=0.1)


def test_the_largest_counts(faces: Faces) -> None:
    both = head(60)
    both[:120, :120] = cv2.resize(head(140), (213, 120))[:, 46:166]
    alone = faces.largest(np.ascontiguousarray(both[:120, :120])) * 120 / HEIGHT
    assert faces.largest(both) == pytest.approx(max(alone, 1.12 * 60 / HEIGHT), rel=0.1)


@pytest.mark.parametrize("size", ((270, 480), (480, 270), (64, 100), (33, 17)))
def test_no_head_is_no_face_whatever_the_size(faces: Faces, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    assert faces.largest(noise) == 0
    assert faces.largest(plain()) == 0


def test_opencv_says_nothing_of_its_devices(capfd: pytest.CaptureFixture[str]) -> None:
    Faces().largest(head(60))
    assert capfd.readouterr() == ("", "")
