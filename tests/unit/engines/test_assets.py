"""Models are what they claim to be, or are not loaded."""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path

import pytest

from onevoice.engines import assets
from onevoice.engines.assets.catalog import Asset, AssetFile, Part
from onevoice.engines.base import Runtime
from onevoice.errors import AssetDamaged, AssetMissing


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def carrier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that carries a model in two parts."""
    package = tmp_path / "site" / "carrier_of_tests"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('never imported')")
    (package / "one").write_bytes(b"first half, ")
    (package / "two").write_bytes(b"second half")
    monkeypatch.syspath_prepend(str(package.parent))
    whole = b"first half, second half"
    asset = Asset(
        name="test-model",
        purpose="tests",
        origin="here",
        licence="none",
        files=(
            AssetFile(
                name="model.bin",
                size=len(whole),
                sha256=sha(whole),
                parts=(Part("carrier_of_tests", "one"), Part("carrier_of_tests", "two")),
            ),
        ),
    )
    catalogue = import_module("onevoice.engines.assets.catalog")
    monkeypatch.setattr(catalogue, "catalog", lambda: (asset,))
    return package


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return Runtime(models_dir=tmp_path / "models", offline=True)


def test_parts_are_joined_and_verified(carrier: Path, runtime: Runtime) -> None:
    assert assets.status("test-model", runtime) == "available"
    folder = assets.ensure(runtime, "test-model")
    assert (folder / "model.bin").read_bytes() == b"first half, second half"
    assert assets.status("test-model", runtime) == "ready"
    assert assets.verify("test-model", runtime) == "ready"


def test_a_wrong_digest_is_never_kept(carrier: Path, runtime: Runtime) -> None:
    (carrier / "two").write_bytes(b"second HALF")
    with pytest.raises(AssetDamaged, match="wrong digest") as caught:
        assets.ensure(runtime, "test-model")
    assert "reinstall" in caught.value.hint
    assert list(runtime.models_dir.glob("test-model/model*")) == []


@pytest.mark.parametrize("damage", [b"first half, second HALF", b"short"])
def test_a_damaged_copy_is_found_and_made_anew(
    damage: bytes, carrier: Path, runtime: Runtime
) -> None:
    path = assets.ensure(runtime, "test-model") / "model.bin"
    path.write_bytes(damage)
    assert assets.status("test-model", runtime) == "damaged"
    assert assets.verify("test-model", runtime) == "damaged"
    assets.ensure(runtime, "test-model")
    assert path.read_bytes() == b"first half, second half"


def test_a_damaged_copy_without_a_source_is_an_error(carrier: Path, runtime: Runtime) -> None:
    path = assets.ensure(runtime, "test-model") / "model.bin"
    path.write_bytes(b"first half, second HALF")
    (carrier / "one").unlink()
    with pytest.raises(AssetMissing):
        assets.ensure(runtime, "test-model")


def test_a_missing_model_names_every_way_to_get_it(carrier: Path, runtime: Runtime) -> None:
    (carrier / "one").unlink()
    assert assets.status("test-model", runtime) == "missing"
    for act in (
        lambda: assets.check("test-model", runtime),
        lambda: assets.ensure(runtime, "test-model"),
    ):
        with pytest.raises(AssetMissing, match="for tests") as caught:
            act()
        assert "pip install" in caught.value.hint
        assert "ONEVOICE_ASSETS_DIR" in caught.value.hint


def test_a_folder_the_user_names_comes_first(
    carrier: Path, runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "mine" / "test-model"
    given.mkdir(parents=True)
    (given / "model.bin").write_bytes(b"first half, second half")
    monkeypatch.setenv("ONEVOICE_ASSETS_DIR", str(given.parent))
    (carrier / "one").unlink()
    assert assets.ensure(runtime, "test-model").parent == runtime.models_dir
    (given / "model.bin").write_bytes(b"first half, second HALF")
    (runtime.models_dir / "test-model" / "model.bin").unlink()
    with pytest.raises(AssetDamaged, match="the folder"):
        assets.ensure(runtime, "test-model")


def test_an_unknown_model_names_the_nearest(runtime: Runtime) -> None:
    with pytest.raises(AssetMissing) as caught:
        assets.ensure(runtime, "wisper-base")
    assert "whisper-base" in caught.value.hint


def test_the_catalogue_is_pinned() -> None:
    for asset in assets.catalog():
        assert asset.purpose
        assert asset.origin
        assert asset.licence
        for file in asset.files:
            assert len(file.sha256) == 64
            assert file.size > 0
