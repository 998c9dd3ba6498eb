from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from onevoice.engines.base import Runtime
from onevoice.engines.separation.deepfilter import (
    DeepFilter,
    DeepFilterParams,
    assign_lanes,
    front_channels,
)
from onevoice.errors import EngineRefused, EngineUnavailable

A, B = (0.1 * np.random.default_rng(seed).standard_normal(500) for seed in (1, 2))
Z = np.zeros(500)


@pytest.mark.parametrize(
    ("channels", "lanes"),
    [
        ([A], [0]),
        ([A, A], [0, 0]),
        ([A, A + 5e-4], [0, 0]),
        ([A, B], [0, 1]),
        ([A, Z], [0, None]),
        ([Z, Z], [None, None]),
        ([A, B, A, B, B, B], [0, 1, 0, None, None, None]),
        ([Z, Z, A, B, A, A], [None, None, 2, None, None, None]),
    ],
)
def test_same_channels_share_a_lane(channels: list[np.ndarray], lanes: list[int | None]) -> None:
    block = np.column_stack(channels).astype(np.float32)
    front = range(min(3, len(channels)))
    assert assign_lanes([block[:200], block[200:]], list(front)) == lanes


def test_channels_that_differ_late_differ() -> None:
    same, later = np.column_stack([A, A]), np.column_stack([A, B])
    assert assign_lanes([same, later, same], [0, 1]) == [0, 1]


@pytest.mark.parametrize(
    ("mask", "channels", "front"),
    [
        (0x4, 1, (0,)),
        (0x3, 2, (0, 1)),
        (0x3F, 6, (0, 1, 2)),
        (0x33, 4, (0, 1)),
        (0x63F, 8, (0, 1, 2)),
        (0, 2, (0, 1)),
        (0x30, 2, (0, 1)),
    ],
)
def test_front_channels(mask: int, channels: int, front: tuple[int, ...]) -> None:
    assert front_channels(mask, channels) == front


def test_another_rate_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros(441), 44_100)
    engine = DeepFilter(DeepFilterParams(), Runtime(models_dir=tmp_path))
    with pytest.raises(EngineRefused, match="44100"):
        engine.separate(
            tmp_path / "x.wav",
            speech=tmp_path / "s.wav",
            bed=tmp_path / "b.wav",
            progress=lambda share: None,
        )


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onevoice.engines.separation.deepfilter.find_spec", lambda name: None)
    with pytest.raises(EngineUnavailable) as caught:
        DeepFilter.check(Runtime(models_dir=tmp_path))
    assert "pip install" in caught.value.hint


def test_identity_follows_what_alters_the_output(tmp_path: Path) -> None:
    def identity(threads: int, **params: float) -> object:
        runtime = Runtime(models_dir=tmp_path, threads=threads)
        return DeepFilter(DeepFilterParams(**params), runtime).identity()

    assert identity(1) == identity(8)
    assert identity(1) != identity(1, attenuation_db=20)
