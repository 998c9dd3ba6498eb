"""Demucs with a tiny random model in a local folder: on the GPU where there is one."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from onevoice.engines import registry
from onevoice.engines.base import CancelToken, Separator
from onevoice.engines.separation.demucs import Demucs, DemucsParams
from onevoice.errors import (
    AssetDamaged,
    AssetMissing,
    Cancelled,
    ConfigError,
    EngineRefused,
    EngineUnavailable,
    MediaError,
)
from tests.models.conftest import runtime

torch = pytest.importorskip("torch", reason="demucs: torch is not installed")
pytest.importorskip("demucs", reason="demucs: the package demucs is not installed")

RATE = 44_100
SEGMENT = 1
SOURCES = ["drums", "bass", "other", "vocals"]


def tiny(seed: int, **options: Any) -> Any:
    """A Hybrid Transformer Demucs of 0.3 million random weights, with windows of a second."""
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(seed)
    return HTDemucs(
        **{"sources": SOURCES, "channels": 8, "t_layers": 1, "t_heads": 4, "dconv_depth": 1}
        | {"t_hidden_scale": 1.0, "segment": SEGMENT, "samplerate": RATE}
        | options
    ).eval()


def package(model: Any) -> dict[str, Any]:
    """What Demucs' own training writes into a ``.th`` file."""
    args, kwargs = model._init_args_kwargs
    return {
        "klass": type(model),
        "args": args,
        "kwargs": kwargs,
        "state": model.state_dict(),
        "training_args": {},
    }


@pytest.fixture(scope="session")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bag of one model, one of two, and a single model without a yaml."""
    from demucs.states import save_with_checksum

    folder = tmp_path_factory.mktemp("demucs")
    save_with_checksum(package(tiny(1)), folder / "aaaa1111.th")
    save_with_checksum(package(tiny(2)), folder / "bbbb2222.th")
    (folder / "htdemucs.yaml").write_text("models: ['aaaa1111']\n")
    weights = "weights: [[1., 1., 1., 0.], [0., 0., 0., 1.]]\n"
    (folder / "htdemucs_ft.yaml").write_text("models: ['aaaa1111', 'bbbb2222']\n" + weights)
    return folder


@pytest.fixture
def engine(repo: Path, tmp_path: Path) -> Any:
    return create(repo, tmp_path)


def create(
    repo: Path | None, folder: Path, cancel: CancelToken | None = None, **params: Any
) -> Any:
    options = {"repo": repo, "block": 2.0} | params
    return Demucs(DemucsParams(**options), runtime(folder, cancel=cancel or CancelToken()))


def noise(seconds: float, channels: int, rate: int = RATE, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((round(seconds * rate), channels))).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def run(engine: Any, mix: Path, folder: Path, progress: Any = lambda share: None) -> Any:
    speech, bed = folder / "speech.wav", folder / "bed.wav"
    engine.separate(mix, speech=speech, bed=bed, progress=progress)
    return (
        soundfile.read(speech, dtype="float32", always_2d=True)[0],
        soundfile.read(bed, dtype="float32", always_2d=True)[0],
    )


# --- the engine ---------------------------------------------------------------------------------


def test_is_a_separator(engine: Any) -> None:
    assert isinstance(engine, Separator)
    engine.ready()


@pytest.mark.parametrize(("channels", "rate"), [(1, 44_100), (2, 48_000), (2, 44_100), (6, 48_000)])
def test_speech_and_bed_are_the_mix(engine: Any, tmp_path: Path, channels: int, rate: int) -> None:
    mix = noise(3.3, channels, rate)
    speech, bed = run(engine, write(tmp_path / "mix.wav", mix, rate), tmp_path)
    assert speech.shape == bed.shape == mix.shape
    # One rounding of float32 at an amplitude under 1.
    np.testing.assert_allclose(speech + bed, mix, atol=1e-6)
    assert np.any(speech[:, 0])


@pytest.mark.parametrize("frames", [0, 1, 479, 44_100, 97_441])
@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_any_length_is_kept(engine: Any, tmp_path: Path, frames: int, rate: int) -> None:
    mix = noise(frames / rate, 1, rate)
    speech, bed = run(engine, write(tmp_path / "mix.wav", mix, rate), tmp_path)
    assert len(speech) == len(bed) == frames
    np.testing.assert_allclose(speech + bed, mix, atol=1e-6)


def test_surrounds_belong_to_the_bed(engine: Any, tmp_path: Path) -> None:
    mix = noise(2, 6, 48_000)
    speech, bed = run(engine, write(tmp_path / "mix.wav", mix, 48_000), tmp_path)
    assert np.any(speech[:, 0]) and np.any(speech[:, 1]) and np.any(speech[:, 2])
    assert not np.any(speech[:, 3:])
    np.testing.assert_array_equal(bed[:, 3:], mix[:, 3:])


def test_silence_stays_silent(engine: Any, tmp_path: Path) -> None:
    mix = np.zeros((RATE, 2), np.float32)
    speech, bed = run(engine, write(tmp_path / "mix.wav", mix), tmp_path)
    assert not np.any(speech) and not np.any(bed)


@pytest.mark.parametrize("model", ["htdemucs", "htdemucs_ft"])
def test_blocks_equal_the_whole(repo: Path, tmp_path: Path, model: str) -> None:
    """What Demucs gives for the recording in one piece, seams included."""
    from demucs.apply import apply_model
    from demucs.pretrained import get_model

    mix = noise(7.3, 2)
    with create(repo, tmp_path, model=model) as engine:
        speech, _ = run(engine, write(tmp_path / "mix.wav", mix), tmp_path)
    reference = mix.mean(axis=1)
    wave = torch.from_numpy(((mix - reference.mean()) / reference.std()).T.copy())[None]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    whole = apply_model(get_model(model, repo), wave.to(device), shifts=0, device=device)
    expected = whole[0, SOURCES.index("vocals")].T.cpu().numpy() * reference.std()
    # The level is measured in double precision here; a GPU multiplies in TF32.
    tolerance = 1e-5 if device == "cpu" else 2e-3
    np.testing.assert_allclose(speech, expected, atol=tolerance * np.abs(expected).max())


def test_the_same_twice_and_chance_is_seeded(repo: Path, tmp_path: Path) -> None:
    mix = write(tmp_path / "mix.wav", noise(3, 2))
    random.seed(5)
    before = random.getstate()
    with create(repo, tmp_path, shifts=2) as engine:
        first, _ = run(engine, mix, tmp_path)
        assert random.getstate() == before
        second, _ = run(engine, mix, tmp_path)
    with create(repo, tmp_path) as engine:
        unshifted, _ = run(engine, mix, tmp_path)
    tolerance = 1e-5 if torch.cuda.is_available() else 0.0
    np.testing.assert_allclose(first, second, atol=tolerance)
    assert np.abs(first - unshifted).max() > 1e-6


def test_a_level_change_changes_only_the_level(engine: Any, tmp_path: Path) -> None:
    mix = noise(2, 2)
    loud, _ = run(engine, write(tmp_path / "a.wav", mix), tmp_path)
    quiet, _ = run(engine, write(tmp_path / "b.wav", mix / 16), tmp_path)
    np.testing.assert_allclose(quiet * 16, loud, atol=2e-3 * np.abs(loud).max())


def test_progress_rises_to_one(engine: Any, tmp_path: Path) -> None:
    shares: list[float] = []
    run(engine, write(tmp_path / "mix.wav", noise(5, 1)), tmp_path, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 5


def test_cancelling_leaves_no_results(repo: Path, tmp_path: Path, token: CancelToken) -> None:
    seen: list[float] = []

    def stop(share: float) -> None:
        seen.append(share)
        token.cancel()

    mix = write(tmp_path / "mix.wav", noise(6, 1))
    with create(repo, tmp_path, token) as engine, pytest.raises(Cancelled):
        run(engine, mix, tmp_path, stop)
    assert len(seen) == 1  # at the next window of the model, not at the next block
    assert not (tmp_path / "speech.wav").exists()
    assert not (tmp_path / "bed.wav").exists()


@pytest.mark.parametrize("content", [b"", b"this is no sound"])
def test_what_is_no_sound_is_refused(engine: Any, tmp_path: Path, content: bytes) -> None:
    mix = tmp_path / "mix.wav"
    mix.write_bytes(content)
    with pytest.raises(MediaError):
        run(engine, mix, tmp_path)


def test_the_hubs_format_works_too(repo: Path, tmp_path: Path) -> None:
    """A folder with safetensors, as they lie on the hub: the same sound as from a pickle."""
    from safetensors.torch import save_file

    folder = tmp_path / "hub"
    folder.mkdir()
    model = tiny(1)
    args, kwargs = model._init_args_kwargs
    metadata = {
        "klass": "demucs.htdemucs.HTDemucs",
        "args": json.dumps(args),
        "kwargs": json.dumps(kwargs),
    }
    save_file(model.state_dict(), folder / "aaaa1111.safetensors", metadata)
    (folder / "htdemucs.yaml").write_text("models: ['aaaa1111']\n")
    mix = write(tmp_path / "mix.wav", noise(1.5, 2))
    with create(folder, tmp_path) as a, create(repo, tmp_path) as b:
        np.testing.assert_allclose(run(a, mix, tmp_path)[0], run(b, mix, tmp_path)[0], atol=1e-6)
        assert a.identity() != b.identity()  # other files


def test_identity_follows_the_files_not_the_folder(repo: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(repo, tmp_path / "elsewhere")
    first = create(repo, tmp_path).identity()
    assert first == create(moved, tmp_path).identity()
    assert first != create(repo, tmp_path, model="htdemucs_ft").identity()
    assert first != create(repo, tmp_path, shifts=1).identity()
    assert str(repo) not in str(first)


# --- what can go wrong --------------------------------------------------------------------------


def test_missing_weights_are_named(repo: Path, tmp_path: Path) -> None:
    mix = write(tmp_path / "mix.wav", noise(1, 1))
    for folder, model in [(repo, "mdx"), (tmp_path / "nowhere", "htdemucs")]:
        with pytest.raises(AssetMissing) as caught:
            run(create(folder, tmp_path, model=model), mix, tmp_path)
        assert "separation.demucs.repo" in caught.value.hint
    (tmp_path / "htdemucs.yaml").write_text("models: ['cccc3333']\n")
    with pytest.raises(AssetMissing, match="cccc3333"):
        run(create(tmp_path, tmp_path), mix, tmp_path)


def test_a_download_is_refused_offline(tmp_path: Path) -> None:
    mix = write(tmp_path / "mix.wav", noise(1, 1))
    engine = Demucs(DemucsParams(), runtime(tmp_path, offline=True))
    with pytest.raises(AssetMissing, match="offline"):
        engine.ready()
    with pytest.raises(AssetMissing) as caught:
        run(engine, mix, tmp_path)
    assert "separation.demucs.repo" in caught.value.hint


@pytest.mark.parametrize("damage", ["weights", "yaml"])
def test_damaged_files_are_refused(
    repo: Path, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(repo, tmp_path / "repo")
    if damage == "weights":
        path = next(folder.glob("aaaa1111-*.th"))
        path.write_bytes(path.read_bytes()[:-1000])
    else:
        (folder / "htdemucs.yaml").write_text("[1, 2")
    with pytest.raises(AssetDamaged) as caught:
        run(create(folder, tmp_path), write(tmp_path / "mix.wav", noise(1, 1)), tmp_path)
    assert caught.value.hint
    assert capsys.readouterr().out == ""


def test_a_model_without_vocals_is_refused(tmp_path: Path) -> None:
    torch.save(package(tiny(1, sources=["drums", "other"])), tmp_path / "two.th")
    with pytest.raises(EngineRefused, match="drums, other"):
        engine = create(tmp_path, tmp_path, model="two")
        run(engine, write(tmp_path / "mix.wav", noise(1, 1)), tmp_path)


def test_a_window_longer_than_the_model_is_refused(repo: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineRefused, match="up to 1 s"):
        engine = create(repo, tmp_path, segment=3.0)
        run(engine, write(tmp_path / "mix.wav", noise(1, 1)), tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="demucs: there is a GPU here")
def test_a_gpu_that_is_not_there_is_refused(repo: Path, tmp_path: Path) -> None:
    engine = Demucs(DemucsParams(repo=repo), runtime(tmp_path, device="cuda"))
    with pytest.raises(EngineUnavailable) as caught:
        run(engine, write(tmp_path / "mix.wav", noise(1, 1)), tmp_path)
    assert "run.device" in caught.value.hint


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigError):
        registry.parse_params("separation", "demucs", Demucs, {"overlap": 1.0})
