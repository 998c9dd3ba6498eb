"""ElevenLabs' own diarization, held to what every diarizer promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("elevenlabs")

from onevoice.engines import elevenlabs
from onevoice.engines.base import CancelToken, Runtime
from onevoice.engines.diarization.elevenlabs import ScribeSpeakers
from onevoice.engines.recognition.scribe import ScribeParams
from tests.contract import diarization_suite as suite
from tests.simulators.base import KEY
from tests.simulators.elevenlabs import ElevenLabs

Build = Callable[..., ScribeSpeakers]


@pytest.fixture
def sim(talk: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[ElevenLabs]:
    monkeypatch.setenv(elevenlabs.KEY, KEY)
    with ElevenLabs(**talk) as running:
        yield running


@pytest.fixture
def build(sim: ElevenLabs, tmp_path: Path) -> Build:
    def make(cancel: CancelToken | None = None, **params: Any) -> ScribeSpeakers:
        runtime = Runtime(
            models_dir=tmp_path, backoff=0.01, timeout=10.0, cancel=cancel or CancelToken()
        )
        return ScribeSpeakers(ScribeParams(base_url=sim.url, **params), runtime)

    return make


@pytest.fixture
def diarizer(build: Build) -> Iterator[ScribeSpeakers]:
    with build() as engine:
        yield engine


def test_one_speaker(diarizer: ScribeSpeakers, sim: ElevenLabs, mix: Path) -> None:
    suite.check_one_speaker(diarizer, mix)
    assert sim.bill.count == 0


@pytest.mark.parametrize("speakers", [1, 2, None])
def test_no_words_no_turns(
    diarizer: ScribeSpeakers, sim: ElevenLabs, mix: Path, speakers: int | None
) -> None:
    suite.check_no_words(diarizer, mix, speakers)
    assert sim.bill.count == 0


@pytest.mark.parametrize("speakers", [2, None])
def test_two_speakers_are_told_apart(
    diarizer: ScribeSpeakers, mix: Path, speakers: int | None
) -> None:
    suite.check_two_speakers(diarizer, mix, speakers=speakers)


def test_more_speakers_than_phrases(diarizer: ScribeSpeakers, mix: Path) -> None:
    suite.check_more_speakers_than_phrases(diarizer, mix)


def test_words_over_silence_are_covered(diarizer: ScribeSpeakers, tmp_path: Path) -> None:
    suite.check_words_over_silence(diarizer, tmp_path)


def test_can_be_cancelled(build: Build, sim: ElevenLabs, mix: Path) -> None:
    suite.check_can_be_cancelled(build, mix)
    assert sim.log == []


def test_identity_is_json_and_tells_settings_apart(build: Build) -> None:
    suite.check_identity(build(), build(usd_per_hour=1.0), build(model="scribe_v1"))
