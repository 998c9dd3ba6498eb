"""ElevenLabs' voice isolator, held to what every separator promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("elevenlabs")

from onevoice.engines import elevenlabs
from onevoice.engines.base import CancelToken, Runtime
from onevoice.engines.separation.elevenlabs import IsolationParams, VoiceIsolator
from tests.contract import separation_suite as suite
from tests.simulators.base import KEY
from tests.simulators.elevenlabs import ElevenLabs

Build = Callable[..., VoiceIsolator]


@pytest.fixture
def sim(monkeypatch: pytest.MonkeyPatch) -> Iterator[ElevenLabs]:
    monkeypatch.setenv(elevenlabs.KEY, KEY)
    with ElevenLabs() as running:
        yield running


@pytest.fixture
def build(sim: ElevenLabs, tmp_path: Path) -> Build:
    def make(cancel: CancelToken | None = None, **params: Any) -> VoiceIsolator:
        runtime = Runtime(
            models_dir=tmp_path, backoff=0.01, timeout=10.0, cancel=cancel or CancelToken()
        )
        return VoiceIsolator(IsolationParams(base_url=sim.url, **params), runtime)

    return make


@pytest.fixture
def separator(build: Build) -> Iterator[VoiceIsolator]:
    with build() as engine:
        yield engine


def test_is_a_separator(separator: VoiceIsolator) -> None:
    suite.check_is_a_separator(separator)


@pytest.mark.parametrize("channels", suite.CHANNELS)
def test_speech_and_bed_are_the_mix(
    separator: VoiceIsolator, tmp_path: Path, channels: int
) -> None:
    suite.check_sum_is_the_mix(separator, tmp_path, channels)


@pytest.mark.parametrize("frames", suite.LENGTHS)
def test_any_length_is_kept(separator: VoiceIsolator, tmp_path: Path, frames: int) -> None:
    suite.check_length_is_kept(separator, tmp_path, frames)


def test_silence_stays_silent(separator: VoiceIsolator, sim: ElevenLabs, tmp_path: Path) -> None:
    suite.check_silence_stays_silent(separator, tmp_path)
    assert sim.bill.count == 0


def test_an_empty_file_gives_empty_files(separator: VoiceIsolator, tmp_path: Path) -> None:
    suite.check_empty_file(separator, tmp_path)


def test_progress_rises_to_one(separator: VoiceIsolator, tmp_path: Path) -> None:
    suite.check_progress(separator, tmp_path)


def test_cancelling_leaves_no_results(build: Build, tmp_path: Path) -> None:
    suite.check_cancelling(build, tmp_path)


@pytest.mark.parametrize("content", suite.NO_SOUND)
def test_what_is_no_sound_is_refused(
    separator: VoiceIsolator, tmp_path: Path, content: bytes
) -> None:
    suite.check_no_sound(separator, tmp_path, content)


def test_identity_is_json_and_tells_settings_apart(build: Build) -> None:
    suite.check_identity(build(), build(usd_per_minute=1.0), build(chunk=60))
