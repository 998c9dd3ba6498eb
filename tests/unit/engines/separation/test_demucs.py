"""Which channels Demucs separates, which files it takes, and what it says without its package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from onevoice.engines.base import Runtime
from onevoice.engines.separation.demucs import Demucs, dialogue_channels
from onevoice.engines.separation.demucs_models import model_files
from onevoice.errors import AssetDamaged, AssetMissing, EngineUnavailable


@pytest.mark.parametrize(
    ("mask", "channels", "groups"),
    [
        (0x4, 1, ((0,),)),
        (0x3, 2, ((0, 1),)),
        (0x3F, 6, ((0, 1), (2,))),
        (0x63F, 8, ((0, 1), (2,))),
        (0x37, 5, ((0, 1), (2,))),
        (0x0, 1, ((0,),)),
        (0x0, 3, ((0, 1), (2,))),
        (0x30, 2, ((0, 1),)),
    ],
)
def test_left_and_right_go_together(
    mask: int, channels: int, groups: tuple[tuple[int, ...], ...]
) -> None:
    assert dialogue_channels(mask, channels) == groups


def test_a_models_files(tmp_path: Path) -> None:
    for name in ("aa-1234.th", "bb.th", "cc.safetensors", "bb2-1.th"):
        (tmp_path / name).touch()
    (tmp_path / "bag.yaml").write_text("models: [bb, cc]")
    found = model_files(tmp_path, "bag")
    assert [file.name for file in found] == ["bag.yaml", "bb.th", "cc.safetensors"]
    assert [file.name for file in model_files(tmp_path, "aa")] == ["aa-1234.th"]


@pytest.mark.parametrize("text", ["models: 3", "[", "other: []", "\ufffe"])
def test_a_yaml_that_names_no_models(tmp_path: Path, text: str) -> None:
    (tmp_path / "bag.yaml").write_text(text, encoding="utf-16")
    with pytest.raises(AssetDamaged):
        model_files(tmp_path, "bag")
    (tmp_path / "bag.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(AssetDamaged):
        model_files(tmp_path, "bag")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssetMissing, match="htdemucs"):
        model_files(tmp_path, "htdemucs")
    with pytest.raises(AssetMissing, match="nowhere"):
        model_files(tmp_path / "nowhere", "htdemucs")


@pytest.mark.skipif(find_spec("demucs") is not None, reason="demucs is installed")
def test_without_its_package_the_extra_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        Demucs.check(Runtime(models_dir=tmp_path))
    assert "onevoice[demucs]" in caught.value.hint
