"""OpenAI's transcription, held to what every recogniser promises: each kind of model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openai")
pytest.importorskip("faster_whisper", reason="its voice activity detection tells noise from speech")

from onevoice.engines.base import CancelToken, Runtime
from onevoice.engines.recognition.openai import OpenAIRecognition, OpenAIRecognitionParams
from tests.contract import recognition_suite as suite
from tests.contract import sample
from tests.simulators.base import KEY
from tests.simulators.hearing import Script, ScriptLine
from tests.simulators.openai import OpenAISimulator

Build = Callable[..., OpenAIRecognition]
SETTINGS: dict[str, dict[str, Any]] = {
    "whisper-1": {},
    "whisper-1 in pieces": {"minutes": 0.3},
    "gpt-transcribe": {"model": "gpt-transcribe"},
    "diarize in pieces": {"model": "gpt-4o-transcribe-diarize", "minutes": 0.3},
}


@pytest.fixture(scope="module")
def script(mix: Path) -> Script:
    return Script((ScriptLine(s.start, s.end, s.speaker, s.text) for s in sample.truth()), mix)


@pytest.fixture
def sim(script: Script, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAISimulator]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with OpenAISimulator(script=script) as running:
        yield running


@pytest.fixture(params=SETTINGS)
def build(request: pytest.FixtureRequest, sim: OpenAISimulator, tmp_path: Path) -> Build:
    def make(cancel: CancelToken | None = None, **params: Any) -> OpenAIRecognition:
        runtime = Runtime(
            models_dir=tmp_path, backoff=0.01, timeout=10.0, cancel=cancel or CancelToken()
        )
        settings = {
            "base_url": f"{sim.url}/v1",
            "key_variable": "OPENAI_API_KEY",
            **SETTINGS[request.param],
            **params,
        }
        return OpenAIRecognition(OpenAIRecognitionParams(**settings), runtime)

    return make


@pytest.fixture
def recognizer(build: Build) -> Iterator[OpenAIRecognition]:
    with build() as engine:
        yield engine


def test_hears_the_sample(recognizer: OpenAIRecognition, mix: Path) -> None:
    suite.check_hears_the_sample(recognizer, mix)


def test_hears_a_quiet_line(recognizer: OpenAIRecognition, mix: Path, tmp_path: Path) -> None:
    suite.check_hears_a_quiet_line(recognizer, mix, tmp_path)


@pytest.mark.parametrize("kind", suite.NOTHING)
def test_hears_nothing_where_nobody_speaks(
    recognizer: OpenAIRecognition, sim: OpenAISimulator, tmp_path: Path, kind: str
) -> None:
    suite.check_hears_nothing(recognizer, tmp_path, kind)
    assert sim.bill.count == 0


def test_an_unknown_language_is_refused(
    recognizer: OpenAIRecognition, sim: OpenAISimulator, mix: Path
) -> None:
    suite.check_unknown_language(recognizer, mix)
    assert sim.bill.count == 0


def test_what_is_no_sound_is_refused(recognizer: OpenAIRecognition, tmp_path: Path) -> None:
    suite.check_no_sound(recognizer, tmp_path)


def test_can_be_cancelled(build: Build, sim: OpenAISimulator, mix: Path) -> None:
    suite.check_can_be_cancelled(build, mix)
    assert sim.log == []


def test_identity(build: Build, recognizer: OpenAIRecognition) -> None:
    suite.check_identity(recognizer, build(), build(hints="Ann"))
    assert KEY not in str(recognizer.identity())
