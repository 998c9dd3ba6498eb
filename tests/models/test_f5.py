"""F5-TTS with tiny random weights in local files: the package's own classes, our own loading."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from onevoice.engines import registry
from onevoice.engines.base import CLONE, CancelToken, Reference
from onevoice.engines.synthesis.f5 import F5, F5Params
from onevoice.engines.synthesis.f5_voices import SAMPLE_RATE, examples
from onevoice.errors import (
    AssetDamaged,
    AssetMissing,
    ConfigError,
    EngineRefused,
    EngineUnavailable,
    MediaUnreadable,
)
from tests.contract import synthesis_suite as suite
from tests.models.conftest import runtime

torch = pytest.importorskip("torch", reason="f5: torch is not installed")
pytest.importorskip("torchaudio", reason="f5: torchaudio is not installed")
pytest.importorskip("vocos", reason="f5: the package vocos is not installed")
if not examples():
    pytest.skip("f5: the package f5-tts is not installed", allow_module_level=True)

# Half a megabyte of transformer over the package's own characters.
CONFIG = """\
model:
  name: tiny
  backbone: DiT
  arch: {dim: 64, depth: 2, heads: 2, ff_mult: 2, text_dim: 64, conv_layers: 1}
  mel_spec: {mel_spec_type: vocos, target_sample_rate: 24000}
"""
VOCOS = """\
feature_extractor:
  class_path: vocos.feature_extractors.MelSpectrogramFeatures
  init_args: {sample_rate: 24000, n_fft: 1024, hop_length: 256, n_mels: 100, padding: center}
backbone:
  class_path: vocos.models.VocosBackbone
  init_args: {input_channels: 100, dim: 32, intermediate_dim: 64, num_layers: 2}
head:
  class_path: vocos.heads.ISTFTHead
  init_args: {dim: 32, n_fft: 1024, hop_length: 256, padding: center}
"""
SAID = "The quick brown fox jumps over the lazy dog near the river."


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``tiny.yaml``, ``model.safetensors`` and the vocoder in ``vocos/``."""
    from importlib.resources import files

    from f5_tts.model import CFM, DiT
    from f5_tts.model.utils import get_tokenizer
    from omegaconf import OmegaConf
    from safetensors.torch import save_file
    from vocos import Vocos

    folder = tmp_path_factory.mktemp("f5")
    (folder / "tiny.yaml").write_text(CONFIG)
    vocab = str(files("f5_tts").joinpath("infer/examples/vocab.txt"))
    characters, size = get_tokenizer(vocab, "custom")
    torch.manual_seed(1)
    arch = OmegaConf.load(folder / "tiny.yaml").model.arch
    model = CFM(
        transformer=DiT(**arch, text_num_embeds=size, mel_dim=100),
        mel_spec_kwargs={"n_mel_channels": 100, "mel_spec_type": "vocos"},
        vocab_char_map=characters,
    )
    for parameter in model.parameters():
        if parameter.dim() > 1 and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)  # F5-TTS starts at zero: nothing would flow
    state = {f"ema_model.{name}": tensor.clone() for name, tensor in model.state_dict().items()}
    save_file(state, folder / "model.safetensors")
    (folder / "vocos").mkdir()
    (folder / "vocos" / "config.yaml").write_text(VOCOS)
    vocoder = Vocos.from_hparams(str(folder / "vocos" / "config.yaml"))
    torch.save(vocoder.state_dict(), folder / "vocos" / "pytorch_model.bin")
    return folder


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of a harmonic tone with the rhythm of syllables."""
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    soundfile.write(path, tone(4.0), SAMPLE_RATE, subtype="FLOAT")
    return path


def tone(seconds: float, pitch: float = 140.0) -> np.ndarray:
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    voice = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 12))
    return (0.1 * voice * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))).astype(np.float32)


def create(
    weights: Path | None, folder: Path, cancel: CancelToken | None = None, **more: Any
) -> F5:
    options: dict[str, Any] = {"languages": ("en", "zh", "es"), "nfe_step": 2, "examples": True}
    if weights is not None:
        options |= {
            "model": str(weights / "tiny.yaml"),
            "ckpt_file": weights / "model.safetensors",
            "vocoder": weights / "vocos",
        }
    return F5(F5Params(**options | more), runtime(folder, cancel=cancel or CancelToken()))


@pytest.fixture(scope="module")
def engine(weights: Path, recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with create(weights, tmp_path_factory.mktemp("models"), references=voices(recording)) as made:
        yield made


def voices(recording: Path) -> dict[str, Any]:
    return {"ana": {"audio": recording, "text": SAID, "language": "es", "sex": "female"}}


# --- what every synthesizer promises ------------------------------------------------------------


def test_is_a_synthesizer(engine: Any) -> None:
    suite.check_is_a_synthesizer(engine)


def test_voices_speak(engine: Any) -> None:
    suite.check_voices_speak(engine, ["en", "es"], rated=False)


def test_the_users_and_native_voices_come_first(
    engine: Any, weights: Path, recording: Path, tmp_path: Path
) -> None:
    assert [v.name for v in engine.voices("es")] == ["ana", "basic_ref_en", "basic_ref_zh"]
    assert [v.name for v in engine.voices("zh")] == ["basic_ref_zh", "ana", "basic_ref_en"]
    plain = create(weights, tmp_path, references=voices(recording), examples=False)
    assert [v.name for v in plain.voices("es")] == ["ana"]
    assert [v.name for v in create(weights, tmp_path, examples=False).voices("es")] == ["clone"]
    ana = engine.voices("es")[0]
    assert ana.sex == "female"
    # It has no silence at its ends: the whole recording counts, and the moment put behind it.
    assert ana.rate == pytest.approx(len(SAID) / 4.05, rel=0.02)


def test_length_follows_rate(engine: Any) -> None:
    # The model works in frames of 11 ms, and noise is not trimmed: only rounding is left.
    suite.check_length_follows_rate(engine, 0.03)


def test_a_line_is_as_long_as_its_voice_would_take(engine: Any) -> None:
    speech = engine.speak(suite.ask(engine))
    expected = len(suite.TEXTS["es"].encode()) / (len(SAID) + 2) * 4.05
    assert speech.duration == pytest.approx(expected, rel=0.1)
    assert speech.sample_rate == SAMPLE_RATE


def test_same_request_same_samples(engine: Any) -> None:
    suite.check_same_request_same_samples(engine)


def test_side_by_side(engine: Any) -> None:
    suite.check_side_by_side(engine)


@pytest.mark.parametrize("text", suite.ODD_TEXTS)
def test_odd_text(engine: Any, text: str) -> None:
    suite.check_odd_text(engine, text)


@pytest.mark.parametrize("text", suite.EMPTY_TEXTS)
def test_nothing_to_say(engine: Any, text: str) -> None:
    suite.check_nothing_to_say(engine, text)


def test_long_text(engine: Any) -> None:
    suite.check_long_text(engine)


def test_what_is_refused(engine: Any) -> None:
    suite.check_unknown_voice(engine)
    suite.check_unknown_language(engine)
    suite.check_bad_rates(engine)
    suite.check_region_is_no_obstacle(engine)


def test_stops_when_asked(weights: Path, tmp_path: Path) -> None:
    suite.check_stops_when_asked(lambda cancel: create(weights, tmp_path, cancel))


def test_speaks_again_after_close(weights: Path, tmp_path: Path) -> None:
    with create(weights, tmp_path) as engine:
        suite.check_speaks_again_after_close(engine)


def test_identity(engine: Any, weights: Path, recording: Path, tmp_path: Path) -> None:
    references = voices(recording)
    same = create(weights, tmp_path, references=references)
    suite.check_identity(engine, same, create(weights, tmp_path, references=references, seed=1))
    renamed = {"ana": references["ana"] | {"text": "Something else is said."}}
    suite.check_identity(engine, same, create(weights, tmp_path, references=renamed))
    assert str(weights) not in str(engine.identity())
    assert str(recording) not in str(engine.identity())


def test_clones(engine: Any, tmp_path: Path) -> None:
    path = tmp_path / "speaker.wav"
    soundfile.write(path, tone(6.0, 220.0), SAMPLE_RATE)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    reference = Reference(audio=path, digest=digest, text=SAID, language="en", speaker="S1")
    suite.check_clones(engine, reference)


# --- its own ------------------------------------------------------------------------------------


def test_another_seed_another_reading(engine: Any, weights: Path, tmp_path: Path) -> None:
    with create(weights, tmp_path, seed=7, references=engine.params.references) as other:
        assert not np.array_equal(
            other.speak(suite.ask(other)).samples, engine.speak(suite.ask(engine)).samples
        )


def test_it_leaves_chance_and_output_alone(engine: Any, capfd: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    engine.close()
    capfd.readouterr()
    engine.speak(suite.ask(engine))
    assert torch.equal(torch.rand(4), expected)
    assert capfd.readouterr().out == ""


def test_pauses_are_shortened_when_asked() -> None:
    from onevoice.engines.base import Speech
    from onevoice.engines.synthesis.f5 import _without_pauses

    silence = np.zeros(3 * SAMPLE_RATE, np.float32)
    speech = Speech(np.concatenate([tone(1), silence, tone(1), silence[:12_000], tone(1)]), 24_000)
    shortened = _without_pauses(speech)
    assert shortened.duration == pytest.approx(1 + 0.5 + 1 + 0.5 + 1, abs=0.05)


@pytest.mark.parametrize("seconds", [0.5, 25.0])
def test_a_recording_of_the_wrong_length_is_refused(
    engine: Any, tmp_path: Path, seconds: float
) -> None:
    path = tmp_path / "speaker.wav"
    soundfile.write(path, tone(seconds), SAMPLE_RATE)
    with pytest.raises(EngineRefused, match="imitates 1 to 18 s"):
        engine.speak(suite.ask(engine, voice=CLONE, reference=reference(path, SAID)))


def reference(path: Path, text: str) -> Reference:
    return Reference(audio=path, digest=str(path), text=text, language="en", speaker="S1")


def test_a_recording_without_text_or_sound_is_refused(engine: Any, tmp_path: Path) -> None:
    path = tmp_path / "speaker.wav"
    path.write_bytes(b"this is no sound")
    with pytest.raises(MediaUnreadable):
        engine.speak(suite.ask(engine, voice=CLONE, reference=reference(path, SAID)))
    soundfile.write(path, tone(4), SAMPLE_RATE)
    with pytest.raises(EngineRefused, match="what is said"):
        engine.speak(suite.ask(engine, voice=CLONE, reference=reference(path, " ")))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("ckpt_file", "nothing.pt"), ("vocoder", "nothing"), ("vocab_file", "nothing.txt")],
)
def test_missing_files_are_named(weights: Path, tmp_path: Path, setting: str, value: str) -> None:
    create(weights, tmp_path).ready()
    engine = create(weights, tmp_path, **{setting: tmp_path / value})
    with pytest.raises(AssetMissing) as caught:
        engine.speak(suite.ask(engine))
    assert f"synthesis.f5.{setting}" in caught.value.hint


@pytest.mark.parametrize("offline", [True, False])
def test_weights_that_cannot_be_fetched_name_the_settings(tmp_path: Path, offline: bool) -> None:
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    engine = F5(F5Params(examples=True), runtime(tmp_path, offline=offline))
    if offline:
        with pytest.raises(AssetMissing):
            engine.ready()
    with pytest.raises(AssetMissing if offline else EngineUnavailable) as caught:
        engine.speak(suite.ask(engine, language="en"))
    assert "synthesis.f5.ckpt_file" in caught.value.hint
    assert "synthesis.f5.vocoder" in caught.value.hint


def test_weights_of_another_model_are_refused(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(CONFIG.replace("depth: 2", "depth: 3"))
    engine = create(weights, tmp_path, model=str(path))
    with pytest.raises(AssetDamaged, match=r"model\.safetensors"):
        engine.speak(suite.ask(engine))
    engine = create(weights, tmp_path, model="F5TTS_v9")
    with pytest.raises(AssetMissing, match="no model"):
        engine.speak(suite.ask(engine))


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigError):
        registry.parse_params("synthesis", "f5", F5, {"references": {"ana": {"text": "x"}}})
