"""Voices, bounds, missing and damaged weights; sound is tested in tests/contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onevoice.engines.base import Runtime, SpeechRequest
from onevoice.engines.synthesis import supertonic
from onevoice.engines.synthesis.supertonic import (
    FASTEST,
    LANGUAGES,
    SLOWEST,
    VOICES,
    Supertonic,
    SupertonicParams,
    speed_for,
)
from onevoice.errors import AssetDamaged, AssetMissing, EngineRefused, EngineUnavailable


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return Runtime(models_dir=tmp_path / "models", threads=2, offline=True)


def engine(runtime: Runtime, **params: Any) -> Supertonic:
    return Supertonic(SupertonicParams(**params), runtime)


def speak(made: Supertonic, text: str = "Hola.", **more: Any) -> Any:
    return made.speak(SpeechRequest(**{"text": text, "language": "es", "voice": "F1", **more}))


@pytest.mark.parametrize(
    ("rate", "speed"),
    [(1.0, 1.05), (1.2, 1.26), (0.8, 0.84), (0.5, SLOWEST), (3.0, FASTEST)],
)
def test_rate_becomes_speed_within_its_bounds(rate: float, speed: float) -> None:
    assert speed_for(rate) == pytest.approx(speed)


@pytest.mark.parametrize(
    ("model", "language", "count"),
    [
        ("supertonic-3", "ko", 10),
        ("supertonic-3", "es-419", 10),
        ("supertonic-3", "zh", 0),
        ("supertonic-2", "ko", 10),
        ("supertonic-2", "de", 0),
        ("supertonic", "en", 10),
        ("supertonic", "ko", 0),
    ],
)
def test_voices_of_each_model(runtime: Runtime, model: str, language: str, count: int) -> None:
    voices = engine(runtime, model=model).voices(language)
    assert len(voices) == count
    assert {voice.sex for voice in voices} == ({"female", "male"} if count else set())


def test_a_chosen_voice_comes_first(runtime: Runtime) -> None:
    assert engine(runtime, voice="M3").voices("ko")[0].name == "M3"
    assert sorted(v.name for v in engine(runtime, voice="M3").voices("ko")) == sorted(VOICES)


def test_31_languages() -> None:
    assert len(LANGUAGES["supertonic-3"]) == 31
    assert LANGUAGES["supertonic-2"] <= LANGUAGES["supertonic-3"]


def test_the_table_is_the_packages() -> None:
    config = pytest.importorskip("supertonic.config")
    assert frozenset(config.SUPPORTED_LANGUAGES) == LANGUAGES["supertonic-3"]
    assert tuple(LANGUAGES) == tuple(reversed(config.AVAILABLE_MODELS))
    assert (config.MIN_SPEED, config.MAX_SPEED) == (SLOWEST, FASTEST)
    assert config.DEFAULT_SPEED == supertonic.NATURAL


def test_without_the_package(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supertonic, "find_spec", lambda name: None)
    with pytest.raises(EngineUnavailable) as caught:
        Supertonic.check(runtime)
    assert "onevoice[supertonic]" in caught.value.hint


def test_offline_without_weights(runtime: Runtime) -> None:
    pytest.importorskip("supertonic")
    with pytest.raises(AssetMissing) as caught:
        speak(engine(runtime))
    assert "model_dir" in caught.value.hint
    assert "run.offline" in caught.value.hint


def test_a_folder_of_the_users_is_never_downloaded_into(runtime: Runtime, tmp_path: Path) -> None:
    pytest.importorskip("supertonic")
    folder = tmp_path / "mine"
    (folder / "voice_styles").mkdir(parents=True)
    (folder / "voice_styles" / "F1.json").write_text("{}", encoding="utf-8")
    (folder / "thesis.txt").write_text("years of work", encoding="utf-8")
    online = Runtime(models_dir=runtime.models_dir, threads=2)
    with pytest.raises(AssetMissing):
        speak(engine(online, model_dir=str(folder)))
    assert (folder / "thesis.txt").exists()


def test_weights_come_from_the_hub_at_the_pinned_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = pytest.importorskip("supertonic.config")
    hub = pytest.importorskip("huggingface_hub")
    pytest.importorskip("onnx")
    from tests.unit.engines.synthesis import supertonic_weights

    asked: list[tuple[str, str]] = []

    def deliver(*, repo_id: str, local_dir: str, revision: str) -> None:
        asked.append((repo_id, revision))
        supertonic_weights.write(Path(local_dir), voices=VOICES)

    monkeypatch.setattr(hub, "snapshot_download", deliver)
    online = Runtime(models_dir=tmp_path / "models", threads=2)
    before = engine(online).identity()
    assert speak(engine(online)).duration > 0.1
    assert speak(engine(online), voice="M5").duration > 0.1
    assert asked == [("Supertone/supertonic-3", config.get_model_revision("supertonic-3"))]
    assert engine(online).identity() == before
    offline = Runtime(models_dir=tmp_path / "models", threads=2, offline=True)
    assert speak(engine(offline)).duration > 0.1


def test_a_hub_that_does_not_deliver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("supertonic")
    hub = pytest.importorskip("huggingface_hub")

    def fail(**_: Any) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(hub, "snapshot_download", fail)
    with pytest.raises(AssetMissing, match="no route to host"):
        speak(engine(Runtime(models_dir=tmp_path / "models", threads=2)))


def test_damaged_weights(runtime: Runtime, tmp_path: Path) -> None:
    pytest.importorskip("supertonic")
    pytest.importorskip("onnx")
    from tests.unit.engines.synthesis import supertonic_weights

    folder = supertonic_weights.write(tmp_path / "weights")
    (folder / "onnx" / "vocoder.onnx").write_bytes(b"no model")
    with pytest.raises(AssetDamaged) as caught:
        speak(engine(runtime, model_dir=str(folder)))
    assert str(folder) in caught.value.message


def test_the_identity_knows_the_weights(runtime: Runtime, tmp_path: Path) -> None:
    pytest.importorskip("supertonic")
    pytest.importorskip("onnx")
    from tests.unit.engines.synthesis import supertonic_weights

    folder = supertonic_weights.write(tmp_path / "weights")
    made = engine(runtime, model_dir=str(folder))
    first = made.identity()
    assert str(tmp_path) not in json.dumps(first)
    copy = supertonic_weights.write(tmp_path / "copy")
    assert engine(runtime, model_dir=str(copy)).identity() == first
    (folder / "voice_styles" / "F1.json").write_text("{}", encoding="utf-8")
    assert made.identity() != first
    assert engine(runtime).identity()["weights"] not in ("none", first["weights"])


def test_the_global_noise_is_left_as_it_was(runtime: Runtime, tmp_path: Path) -> None:
    pytest.importorskip("supertonic")
    pytest.importorskip("onnx")
    from tests.unit.engines.synthesis import supertonic_weights

    made = engine(runtime, model_dir=str(supertonic_weights.write(tmp_path / "weights")))
    np.random.seed(3)
    expected = np.random.rand(2)[1]
    np.random.seed(3)
    np.random.rand(1)
    speak(made)
    assert np.random.rand(1)[0] == expected


def test_text_of_unknown_characters_is_refused(runtime: Runtime, tmp_path: Path) -> None:
    pytest.importorskip("supertonic")
    pytest.importorskip("onnx")
    from tests.unit.engines.synthesis import supertonic_weights

    made = engine(runtime, model_dir=str(supertonic_weights.write(tmp_path / "weights")))
    with pytest.raises(EngineRefused, match="nothing to say"):
        speak(made, "你好")
    assert speak(made, "Hola 你好 𝔘.").duration > 0.3
