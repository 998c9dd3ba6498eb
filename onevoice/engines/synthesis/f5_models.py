"""F5-TTS' weights: where they come from, and how they are loaded."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from onevoice.engines import torch_device
from onevoice.engines.base import Runtime
from onevoice.errors import AssetMissing, EngineRefused, EngineUnavailable

SETTINGS = "synthesis.f5.ckpt_file and synthesis.f5.vocoder"
HUB = {
    "F5TTS_v1_Base": ("SWivid/F5-TTS", "F5TTS_v1_Base/model_1250000.safetensors"),
    "F5TTS_Base": ("SWivid/F5-TTS", "F5TTS_Base/model_1200000.safetensors"),
    "E2TTS_Base": ("SWivid/E2-TTS", "E2TTS_Base/model_1200000.safetensors"),
}
VOCODER = "charactr/vocos-mel-24khz"
YAML = (".yaml", ".yml")


def load(
    name: str, weights: Path, vocab: Path | None, vocoder: Path, device: str
) -> tuple[Any, Any]:
    """Model and vocoder, as F5-TTS' own ``F5TTS`` class builds them, from local files."""
    from importlib.resources import files

    from f5_tts.infer.utils_infer import load_model, load_vocoder
    from hydra.utils import get_class
    from omegaconf import OmegaConf

    config = Path(name)
    if config.suffix not in YAML:
        config = Path(str(files("f5_tts").joinpath("configs"))) / f"{config.name}.yaml"
    if not config.is_file():
        raise AssetMissing(
            f"F5-TTS has no model {name!r}",
            hint="synthesis.f5.model is one of its configurations, or a path to a yaml",
        )
    settings = OmegaConf.load(config).model
    if settings.mel_spec.mel_spec_type != "vocos":
        raise EngineRefused(
            f"{name} speaks by another vocoder than Vocos",
            hint="synthesis.f5.model=F5TTS_v1_Base speaks by Vocos",
        )
    model = load_model(
        get_class(f"f5_tts.model.{settings.backbone}"),
        settings.arch,
        str(weights),
        "vocos",
        str(present(vocab, "vocab_file")) if vocab else "",
        device=device,
    )
    return model, load_vocoder("vocos", True, str(vocoder), device)


def fetch(repository: str, name: str, runtime: Runtime) -> Path:
    """A file of the model hub, from its cache where it is there."""
    from huggingface_hub import hf_hub_download

    try:
        with torch_device.silence():
            return Path(hf_hub_download(repository, name, local_files_only=runtime.offline))
    except Exception as exc:
        # The hub's client, its HTTP library and the disk each raise errors of their own.
        short = " ".join(str(exc).split())[:200]
        mend = f"allow the download once, or name local files with {SETTINGS}"
        if runtime.offline:
            raise AssetMissing(
                f"f5 needs {repository}/{name}, which is not here, and run.offline is set",
                hint=mend,
            ) from exc
        raise EngineUnavailable(
            f"f5 needs {repository}/{name}, which cannot be fetched: {short}", hint=mend
        ) from exc


def present(path: Path, setting: str) -> Path:
    if not path.is_file():
        raise AssetMissing(f"there is no file {path}", hint=f"check synthesis.f5.{setting}")
    return path


def digest(path: Path | None, setting: str) -> str:
    """What a file is: its size and its first and last megabyte; empty for none."""
    if path is None:
        return ""
    size = present(path, setting).stat().st_size
    sha = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        sha.update(file.read(1 << 20))
        file.seek(max(size - (1 << 20), 0))
        sha.update(file.read())
    return sha.hexdigest()
