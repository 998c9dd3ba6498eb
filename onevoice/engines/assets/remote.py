"""Models from a Remote Settings server: Mozilla's catalogue of translation models, or a copy.

Nothing in a package pins these models, and Mozilla replaces them now and then. So they are
trusted on first use: the first time a model is wanted, what the catalogue says of it (with the
SHA-256 of every file) is noted in the cache, and from then on only files with these digests
count, wherever they come from. The digests are part of the engine's identity, and a user who
knows the right ones can pin them. Protocol: https://remote-settings.readthedocs.io.
"""

from __future__ import annotations

import os
import tempfile
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from onevoice.engines.assets.catalog import Asset, AssetFile
from onevoice.engines.assets.download import download, read_json, unreachable
from onevoice.engines.assets.fetch import (
    all_verified,
    digest_of,
    present,
    sha256_of,
    store,
    unwritable,
    user_folder,
    writing,
)
from onevoice.engines.assets.released import NAMES, SETS, choose
from onevoice.engines.base import Runtime
from onevoice.errors import AssetDamaged
from onevoice.types import dump_json, load_json

SERVER = "https://firefox.settings.services.mozilla.com"
COLLECTION = "translations-models-v2"
_NOTE = "model.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file: what it must be (``sha256``, ``size``), and what is sent for it (zstd)."""

    name: str
    sha256: str
    size: int
    url: str = ""
    packed_sha256: str = ""
    packed_size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteModel:
    """A model as it was noted on first use."""

    name: str
    source: str
    target: str
    version: str
    architecture: str
    files: tuple[RemoteFile, ...]

    def asset(self) -> Asset:
        return Asset(
            name=self.name,
            purpose=f"translation {self.source} to {self.target}",
            origin=f"Mozilla Firefox Translations, {self.architecture} model {self.version}",
            licence="MPL-2.0",
            extra="",
            files=tuple(AssetFile(name=f.name, sha256=f.sha256, size=f.size) for f in self.files),
        )

    @property
    def digest(self) -> str:
        return digest_of(self.asset())


def noted(runtime: Runtime, name: str) -> RemoteModel | None:
    """What was noted of a model; None when it was never wanted (or the note is damaged)."""
    try:
        data = (runtime.models_dir / name / _NOTE).read_bytes()
        return load_json(RemoteModel, data)
    except (OSError, ValidationError):
        return None


def all_noted(runtime: Runtime, prefix: str) -> tuple[RemoteModel, ...]:
    """Every model noted under a name that begins so, by name."""
    names = sorted(path.parent.name for path in runtime.models_dir.glob(f"{prefix}*/{_NOTE}"))
    return tuple(model for name in names if (model := noted(runtime, name)) is not None)


def is_here(runtime: Runtime, model: RemoteModel) -> bool:
    """Whether its files are in the cache or where the user put them. Hashes nothing."""
    asset = model.asset()
    return present(asset, runtime.models_dir / model.name) or user_folder(asset) is not None


class Catalogue:
    """What a server has; asked for once, and again after it did not answer."""

    def __init__(self, server: str = "") -> None:
        self.server = (server or SERVER).rstrip("/")
        self._records: list[Any] | None = None
        self._base = ""

    def find(self, runtime: Runtime, name: str, source: str, target: str) -> RemoteModel | None:
        """Look a pair's model up and note it; None when there is none.

        Raises
        ------
        AssetMissing
            The server does not answer, or not with a catalogue.
        """
        if self._records is None:
            self._records = self._read(runtime, name)
        chosen = choose(self._records, source, target)
        if not chosen:
            return None
        model = RemoteModel(
            name=name,
            source=source,
            target=target,
            version=str(chosen[0]["version"]),
            architecture=str(chosen[0]["architecture"]),
            files=tuple(_remote_file(record, self._base) for record in chosen),
        )
        _note(runtime, model)
        return model

    def _read(self, runtime: Runtime, name: str) -> list[Any]:
        about = read_json(runtime, f"{self.server}/v1/", name)
        url = f"{self.server}/v1/buckets/main/collections/{COLLECTION}/records"
        records = read_json(runtime, url, name).get("data")
        try:
            self._base = str(about["capabilities"]["attachments"]["base_url"]).rstrip("/")
        except (KeyError, TypeError) as exc:
            why = f"{self.server} does not say where its files lie"
            raise unreachable(name, why) from exc
        if not isinstance(records, list):
            raise unreachable(name, f"{self.server} has no catalogue")
        return records


def adopt(runtime: Runtime, name: str, source: str, target: str) -> RemoteModel | None:
    """Note a model that a user put into ``ONEVOICE_ASSETS_DIR``; None when there is none."""
    for types in SETS:
        files = tuple(AssetFile(name=NAMES[kind], sha256="", size=0) for kind in types)
        asset = Asset(name=name, purpose="", origin="", licence="", files=files)
        folder = user_folder(asset)
        if folder is None:
            continue
        model = RemoteModel(
            name=name,
            source=source,
            target=target,
            version="unknown",
            architecture="given",
            files=tuple(
                RemoteFile(
                    name=file.name,
                    sha256=sha256_of(folder / file.name),
                    size=(folder / file.name).stat().st_size,
                )
                for file in files
            ),
        )
        _note(runtime, model)
        return model
    return None


def ensure(runtime: Runtime, model: RemoteModel) -> Path:
    """Folder with the model's verified files; brings them there first where they are missing.

    A download that was broken off goes on where it stopped.

    Raises
    ------
    AssetMissing
        Offline, or the server does not deliver.
    AssetDamaged
        It delivers something else than what was noted.
    """
    asset = model.asset()
    folder = runtime.models_dir / model.name
    if all_verified(asset, folder):
        return folder
    with writing(asset, folder):
        if all_verified(asset, folder):
            return folder
        given = user_folder(asset)
        for wanted, file in zip(model.files, asset.files, strict=True):
            if given is not None:
                store(asset, file, folder, [given / file.name], f"the folder {given}")
            else:
                _fetch(runtime, model, wanted, file, folder)
    return folder


def _remote_file(record: dict[str, Any], base: str) -> RemoteFile:
    attachment = record["attachment"]
    return RemoteFile(
        name=NAMES[record["fileType"]],
        sha256=record["decompressedHash"],
        size=record["decompressedSize"],
        url=f"{base}/{urllib.parse.quote(attachment['location'].lstrip('/'))}",
        packed_sha256=attachment["hash"],
        packed_size=attachment["size"],
    )


def _note(runtime: Runtime, model: RemoteModel) -> None:
    folder = runtime.models_dir / model.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".note-")
        with os.fdopen(handle, "wb") as out:
            out.write(dump_json(model))
        Path(temporary).replace(folder / _NOTE)
    except OSError as exc:
        raise unwritable(model.asset(), folder, exc) from exc


def _fetch(
    runtime: Runtime, model: RemoteModel, wanted: RemoteFile, file: AssetFile, folder: Path
) -> None:
    """Bring one file: download, check, unpack, check, keep."""
    from fxtranslate import discovery

    if runtime.offline or not wanted.url:
        why = "run.offline is set" if runtime.offline else "it came from a folder that is gone"
        raise unreachable(model.name, why)
    asset = model.asset()
    partial = folder / f".{wanted.packed_sha256[:16]}.zst"
    unpacked = folder / f".{wanted.packed_sha256[:16]}.raw"
    try:
        download(runtime, wanted.url, wanted.packed_size, partial, model.name)
        if sha256_of(partial) != wanted.packed_sha256:
            partial.unlink()
            raise _damaged(model, wanted)
        try:
            unpacked.write_bytes(
                discovery.verify_and_decompress(partial.read_bytes(), wanted.sha256)
            )
        except ValueError as exc:
            partial.unlink()
            raise _damaged(model, wanted) from exc
        store(asset, file, folder, [unpacked], wanted.url)
        partial.unlink()
    except OSError as exc:
        raise unwritable(asset, folder, exc) from exc
    finally:
        unpacked.unlink(missing_ok=True)


def _damaged(model: RemoteModel, wanted: RemoteFile) -> AssetDamaged:
    return AssetDamaged(
        f"{wanted.name} of the translation model {model.name}, from {wanted.url}, is not what the "
        f"catalogue promised (SHA-256 {wanted.sha256[:12]}…)",
        hint="run again; if it stays, remove the model's folder from the cache (onevoice cache)",
    )
