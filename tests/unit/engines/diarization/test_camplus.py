from __future__ import annotations

import hashlib
from importlib.resources import files

import numpy as np
import pytest

from onevoice.engines.base import Runtime
from onevoice.engines.diarization import camplus
from onevoice.engines.diarization.camplus import (
    BANDS,
    SHA256,
    CamPlus,
    filterbank,
    windows,
    word_scores,
)
from onevoice.errors import AssetDamaged, EngineUnavailable
from onevoice.types import Word


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0.4, [(0.0, 0.4)]),
        (2.0, [(0.0, 2.0)]),
        (2.5, [(0.0, 2.0), (0.5, 2.5)]),
        (5.0, [(0.0, 2.0), (1.0, 3.0), (2.0, 4.0), (3.0, 5.0)]),
    ],
)
def test_windows_cover_a_phrase(length: float, expected: list[tuple[float, float]]) -> None:
    np.testing.assert_allclose(windows(length, 2.0, 1.0), expected)


@pytest.mark.parametrize(("samples", "frames"), [(16_000, 98), (400, 30), (100, 30), (0, 30)])
def test_filterbank_shape(samples: int, frames: int) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(samples)
    features = filterbank(noise.astype(np.float32))
    assert features.shape == (frames, BANDS)
    assert np.all(np.isfinite(features))


def test_filterbank_hears_a_tone_in_its_band() -> None:
    t = np.arange(16_000) / 16_000
    # Mel bands from 20 Hz to 8 kHz: 1 kHz lies 35 % of the way up, 4 kHz 75 %.
    for hertz, share in ((1000, 0.345), (4000, 0.752)):
        features = filterbank((0.5 * np.sin(2 * np.pi * hertz * t)).astype(np.float32))
        assert np.argmax(features.mean(axis=0)) / BANDS == pytest.approx(share, abs=0.03)


def test_word_scores_weigh_by_overlap() -> None:
    words = [
        Word(text="a", start=0.0, end=1.0),
        Word(text="b", start=1.5, end=2.5),
        Word(text="far", start=9.0, end=9.5),
    ]
    spans = np.array([[0.0, 2.0], [2.0, 4.0]])
    similarity = np.array([[1.0, 0.0], [0.0, 1.0]])
    scores = word_scores(words, spans, similarity)
    np.testing.assert_allclose(scores, [[1, 0], [0.5, 0.5], [0, 1]])


def test_the_carried_model_is_the_pinned_one() -> None:
    data = (files("onevoice.engines.diarization") / "data" / "campplus.onnx").read_bytes()
    assert hashlib.sha256(data).hexdigest() == SHA256


def test_a_damaged_model_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camplus, "SHA256", "0" * 64)
    camplus._weights.cache_clear()
    with pytest.raises(AssetDamaged) as caught:
        camplus._weights()
    assert caught.value.hint


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(camplus, "find_spec", lambda name: None)
    with pytest.raises(EngineUnavailable) as caught:
        CamPlus.check(Runtime(models_dir=tmp_path))
    assert "pip install" in caught.value.hint
