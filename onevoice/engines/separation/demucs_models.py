"""Demucs' models: which files they are, and how they are loaded."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onevoice.engines import torch_device
from onevoice.engines.base import Runtime
from onevoice.errors import AssetDamaged, AssetMissing, EngineUnavailable

SETTINGS = "separation.demucs.repo=FOLDER"


def model_files(repo: Path, name: str) -> tuple[Path, ...]:
    """The files of a model in a local folder: its yaml, where it has one, then its weights.

    Raises
    ------
    AssetMissing
        The folder or one of the files is not there.
    AssetDamaged
        The yaml does not name models.
    """
    import yaml

    hint = f"{SETTINGS} must hold {name}.yaml and the files it names, as Demucs publishes them"
    bag = repo / f"{name}.yaml"
    if not repo.is_dir():
        raise AssetMissing(f"there is no folder {repo} with Demucs models", hint=hint)
    signatures = [name]
    if bag.is_file():
        try:
            signatures = [str(s) for s in yaml.safe_load(bag.read_text(encoding="utf-8"))["models"]]
        except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError) as exc:
            raise AssetDamaged(f"{bag} names no models: {exc}", hint=hint) from exc
    found = [bag] if bag.is_file() else []
    for signature in signatures:
        weights = [
            file
            for file in sorted(repo.iterdir())
            if (file.suffix == ".safetensors" and file.stem == signature)
            or (file.suffix == ".th" and file.stem.rsplit("-", 1)[0] == signature)
        ]
        if not weights:
            raise AssetMissing(f"{repo} has no weights {signature!r} for {name}", hint=hint)
        found.append(weights[0])
    return tuple(found)


def load(name: str, repo: Path | None, runtime: Runtime) -> Any:
    """A model of Demucs (a bag of models, mostly), on the CPU.

    ``.th`` files are Python pickles, which run code when they are read: only trusted ones.

    Raises
    ------
    AssetMissing, AssetDamaged
        It is not to be had, or is not a model.
    """
    from demucs.pretrained import get_model

    if repo is None:
        need_hub(name, runtime)
        where = "the model hub"
    else:
        where = str(repo)
    files = model_files(repo, name) if repo is not None else ()
    try:
        with torch_device.silence():
            if any(file.suffix == ".safetensors" for file in files):
                return _from_safetensors(files)
            return get_model(name, repo)
    except (Exception, SystemExit) as exc:
        # torch, the hub's client, urllib and pickle each raise their own; Demucs itself exits.
        logging.getLogger(__name__).debug("demucs", exc_info=True)
        short = " ".join(str(exc).split())[:300] or type(exc).__name__
        if repo is None:
            raise EngineUnavailable(
                f"the Demucs model {name!r} cannot be fetched from {where}: {short}",
                hint=f"check the name and the network, or name a local folder: {SETTINGS}",
            ) from exc
        raise AssetDamaged(
            f"the Demucs model {name!r} in {where} cannot be loaded: {short}",
            hint="fetch its files again",
        ) from exc


def need_hub(name: str, runtime: Runtime) -> None:
    torch_device.need_network(runtime, f"the Demucs model {name!r}", SETTINGS)


def _from_safetensors(files: Sequence[Path]) -> Any:
    """A model in the format of the hub, from a folder."""
    import yaml
    from demucs.apply import BagOfModels
    from demucs.hf import load_safetensors_model

    weights = [file for file in files if file.suffix != ".yaml"]
    bag = yaml.safe_load(files[0].read_text(encoding="utf-8")) if files[0] != weights[0] else {}
    models = [load_safetensors_model(file) for file in weights]
    return BagOfModels(models, bag.get("weights"), bag.get("segment"))


def members(model: Any) -> list[Any]:
    return list(getattr(model, "models", [model]))


def longest_window(model: Any) -> float:
    """Seconds: transformers do not see further than they were trained to."""
    from demucs.htdemucs import HTDemucs

    return min((float(m.segment) for m in members(model) if isinstance(m, HTDemucs)), default=1e9)
