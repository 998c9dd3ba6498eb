"""Where PyTorch engines compute, and how its failures become errors of ours."""

from __future__ import annotations

import contextlib
import hashlib
import io
import warnings
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from onevoice.engines.base import Runtime
from onevoice.errors import AssetMissing, EngineFailed, EngineUnavailable


def choose(runtime: Runtime) -> str:
    """``cuda`` or ``cpu``, as the settings and the machine say; also sets the CPU threads.

    Raises
    ------
    EngineUnavailable
        A GPU is asked for, and PyTorch finds none.
    """
    import torch

    torch.set_num_threads(runtime.threads)
    there = torch.cuda.is_available()
    if runtime.device == "cuda" and not there:
        raise EngineUnavailable(
            "run.device is cuda, and PyTorch finds no CUDA GPU here",
            hint="--set run.device=auto takes the CPU; else install the driver and a CUDA build "
            "of torch",
        )
    return "cuda" if there and runtime.device != "cpu" else "cpu"


def require(modules: Iterable[str], engine: str, extra: str) -> None:
    """Raise EngineUnavailable, naming the extra, unless all modules are installed."""
    missing = [name for name in modules if not _is_there(name)]
    if missing:
        raise EngineUnavailable(
            f"{engine} is not installed: {', '.join(missing)} is missing",
            hint=f"pip install 'onevoice[{extra}]'",
        )


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False  # the package that would hold it is missing, too


def package_version(name: str) -> str:
    """Version of an installed distribution, ``none`` where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def need_network(runtime: Runtime, what: str, settings: str) -> None:
    """Raise AssetMissing when weights would have to be downloaded and that is not allowed."""
    if runtime.offline:
        raise AssetMissing(
            f"{what} would have to be downloaded, and run.offline is set",
            hint=f"name local files with {settings}, or --set run.offline=false",
        )


def out_of_memory(exc: BaseException, engine: str, mend: str) -> EngineFailed:
    """The error for a model that broke while it ran; says so when memory was too small."""
    import torch

    short = " ".join(str(exc).split())[:300]
    if isinstance(exc, torch.OutOfMemoryError):
        return EngineFailed(f"{engine} ran out of GPU memory: {short}", hint=mend)
    return EngineFailed(f"{engine} broke: {short}", hint=mend)


def digest_of(paths: Iterable[Path]) -> str:
    """SHA-256 over the contents of some files, in the order given."""
    sha = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            sha.update(hashlib.file_digest(file, "sha256").digest())
    return sha.hexdigest()


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep what a package prints while it is imported and loads out of our output.

    For moments only: what other threads print meanwhile is lost.
    """
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        no_warnings(),
    ):
        yield


@contextlib.contextmanager
def no_warnings() -> Iterator[None]:
    """Keep a package's warnings to its developers from our users."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
