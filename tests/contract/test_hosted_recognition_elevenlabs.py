"""ElevenLabs Scribe, held to what every recogniser promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("elevenlabs")

from onevoice.engines import elevenlabs
from onevoice.engines.base import CancelToken, Runtime
from onevoice.engines.recognition.elevenlabs import Scribe, ScribeWordsParams
from tests.contract import recognition_suite as suite
from tests.simulators.base import KEY
from tests.simulators.elevenlabs import ElevenLabs

Build = Callable[..., Scribe]


@pytest.fixture
def sim(talk: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[ElevenLabs]:
    monkeypatch.setenv(elevenlabs.KEY, KEY)
    with ElevenLabs(**talk) as running:
        yield running


@pytest.fixture
def build(sim: ElevenLabs, tmp_path: Path) -> Build:
    def make(cancel: CancelToken | None = None, **params: Any) -> Scribe:
        runtime = Runtime(
            models_dir=tmp_path, backoff=0.01, timeout=10.0, cancel=cancel or CancelToken()
        )
        return Scribe(ScribeWordsParams(base_url=sim.url, **params), runtime)

    return make


@pytest.fixture
def recognizer(build: Build) -> Iterator[Scribe]:
    with build() as engine:
        yield engine


def test_hears_the_sample(recognizer: Scribe, mix: Path) -> None:
    suite.check_hears_the_sample(recognizer, mix)


def test_hears_a_quiet_line(recognizer: Scribe, mix: Path, tmp_path: Path) -> None:
    suite.check_hears_a_quiet_line(recognizer, mix, tmp_path)


@pytest.mark.parametrize("kind", suite.NOTHING)
def test_hears_nothing_where_nobody_speaks(
    recognizer: Scribe, sim: ElevenLabs, tmp_path: Path, kind: str
) -> None:
    sim.script = ()
    suite.check_hears_nothing(recognizer, tmp_path, kind)


def test_an_unknown_language_is_refused(recognizer: Scribe, mix: Path) -> None:
    suite.check_unknown_language(recognizer, mix)


def test_what_is_no_sound_is_refused(recognizer: Scribe, tmp_path: Path) -> None:
    suite.check_no_sound(recognizer, tmp_path)


def test_can_be_cancelled(build: Build, sim: ElevenLabs, mix: Path) -> None:
    suite.check_can_be_cancelled(build, mix)
    assert sim.log == []


def test_identity_is_json_and_tells_settings_apart(build: Build) -> None:
    suite.check_identity(build(), build(usd_per_hour=1.0), build(model="scribe_v1"))
