"""The command line as a person uses it, with the real embedded models on the sample."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SAMPLE, shared_cache


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.stdout)
        return data


def onevoice(*arguments: str | Path, cache: Path, timeout: float = 1800) -> Finished:
    """Run the command line in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "onevoice", *map(str, arguments)],
        env={**os.environ, "ONEVOICE_CACHE_DIR": str(cache)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache that all tests with models share: models are large."""
    return shared_cache(tmp_path_factory)


@pytest.fixture(scope="session")
def dubbed(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[Path, Finished]:
    """The sample in three languages: the folder of the results, and what the command said."""
    out = tmp_path_factory.mktemp("dubbed")
    arguments = ("dub", SAMPLE, "--to", "pt,es,ko", "--speakers", "2", "--out", out, "--json")
    return out, onevoice(*arguments, cache=cache)


@pytest.fixture
def command(cache: Path) -> Callable[..., Finished]:
    def run(*arguments: str | Path) -> Finished:
        return onevoice(*arguments, cache=cache)

    return run
