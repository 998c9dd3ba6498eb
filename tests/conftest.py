"""Fixtures shared by all tests: an own cache folder, small videos, a pipeline of fakes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from onevoice import media
from onevoice.config import Settings
from onevoice.engines import registry
from onevoice.pipeline.store import LocalStore
from tests import fakes

pytest_plugins = ["tests.postgres"]

REPOSITORY = Path(__file__).parent.parent
# How long an example takes says nothing on a machine that does other things as well.
settings.register_profile("onevoice", deadline=None)
settings.load_profile("onevoice")
SAMPLE = REPOSITORY / "samples" / "talk.mp4"


@pytest.fixture(autouse=True)
def own_cache(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No test reads or writes the user's cache, data or keys.

    Tests with models share a cache, models are large.
    """
    for name in [n for n in os.environ if n.startswith("ONEVOICE_") or n.endswith("_API_KEY")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setenv("ONEVOICE_DATA_DIR", str(tmp_path_factory.mktemp("data")))
    if request.node.get_closest_marker("models"):
        folder = shared_cache(tmp_path_factory)
    else:
        folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("ONEVOICE_CACHE_DIR", str(folder))


def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    given = os.environ.get("TEST_CACHE_DIR")
    folder = Path(given) if given else tmp_path_factory.getbasetemp() / "models-cache"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[fakes.Scene]:
    """The fake engines, registered beside the real ones; the scene says what they do."""
    real = registry.load

    def load(kind: registry.Kind, name: str) -> type[registry.Engine]:
        return fakes.ENGINES.get((kind, name)) or real(kind, name)

    monkeypatch.setattr(registry, "load", load)
    scene = fakes.Scene(
        sentences=[
            (0.5, 2.0, "The first sentence is here."),
            (2.5, 4.0, "The second one follows it."),
            (5.0, 7.0, "And a third one ends it all."),
        ]
    )
    monkeypatch.setattr(fakes, "SCENE", scene)
    yield scene


@pytest.fixture
def fake_settings() -> Settings:
    return fake_tree()


def fake_tree(**sections: dict[str, object]) -> Settings:
    """Settings of a run on fake engines; ``sections`` are laid over."""
    tree: dict[str, dict[str, object]] = {
        "separation": {"engine": "fake"},
        "recognition": {"engine": "fake"},
        "diarization": {"engine": "fake"},
        "translation": {"engine": "fake"},
        "synthesis": {"engine": "fake"},
        # The clip is one tone: a voice in every pause, and a note that is held all the time.
        "keep": {"voices": False, "songs": False},
        "quality": {"page": False},  # it takes longer than the dub; tests of it ask for it
    }
    for name, values in sections.items():
        tree[name] = {**tree.get(name, {}), **values}
    return Settings.model_validate(tree)


@pytest.fixture(scope="session")
def ffmpeg() -> Callable[..., None]:
    """Run the ffmpeg that OneVoice itself would run."""

    def run(*arguments: str | Path) -> None:
        command = [
            media.ffmpeg_path(),
            "-nostdin",
            "-loglevel",
            "error",
            "-y",
            *map(str, arguments),
        ]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)

    return run


@pytest.fixture(scope="session")
def _clip(tmp_path_factory: pytest.TempPathFactory, ffmpeg: Callable[..., None]) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc=size=160x120:rate=25:duration=8",
        "-f", "lavfi", "-i", "sine=frequency=300:sample_rate=48000:duration=8",
        "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-ac", "2", "-shortest", path,
    )  # fmt: skip
    return path


@pytest.fixture
def clip(_clip: Path, tmp_path: Path) -> Path:
    """A small video of 8 s in a folder of its own."""
    folder = tmp_path / "videos"
    folder.mkdir()
    path = folder / "talk.mp4"
    path.write_bytes(_clip.read_bytes())
    return path


@pytest.fixture(scope="session")
def mix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's sound as the pipeline extracts it."""
    from tests.contract import sample

    return sample.decode(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="session")
def talk() -> dict[str, Any]:
    """Options for a simulator of ElevenLabs that knows the sample."""
    from tests.simulators.elevenlabs import sample_talk

    return sample_talk()
