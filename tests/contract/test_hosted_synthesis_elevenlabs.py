"""ElevenLabs' speech, held to what every synthesizer promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("elevenlabs")

from onevoice.engines import elevenlabs
from onevoice.engines.base import Reference, Runtime
from onevoice.engines.synthesis.elevenlabs import ElevenLabsVoices
from onevoice.engines.synthesis.elevenlabs_models import ElevenLabsVoiceParams
from tests.contract import synthesis_suite as suite
from tests.simulators.base import KEY
from tests.simulators.elevenlabs import ElevenLabs

Build = Callable[..., ElevenLabsVoices]


@pytest.fixture
def sim(monkeypatch: pytest.MonkeyPatch) -> Iterator[ElevenLabs]:
    monkeypatch.setenv(elevenlabs.KEY, KEY)
    with ElevenLabs() as running:
        yield running


@pytest.fixture(params=["eleven_multilingual_v2", "eleven_v3", "eleven_flash_v2_5"])
def build(request: pytest.FixtureRequest, sim: ElevenLabs, tmp_path: Path) -> Build:
    def make(*, params: dict[str, Any] | None = None, **more: Any) -> ElevenLabsVoices:
        settings = {"base_url": sim.url, "model": request.param, **(params or {})}
        runtime = Runtime(models_dir=tmp_path, backoff=0.01, timeout=5.0, **more)
        return ElevenLabsVoices(ElevenLabsVoiceParams(**settings), runtime)

    return make


@pytest.fixture
def engine(build: Build) -> Iterator[ElevenLabsVoices]:
    with build() as engine:
        yield engine


def test_is_a_synthesizer_that_can_run_here(engine: ElevenLabsVoices) -> None:
    suite.check_is_a_synthesizer(engine)
    assert engine.lines_at_once == engine.runtime.requests_at_once


def test_every_voice_speaks_every_language_it_is_listed_for(engine: ElevenLabsVoices) -> None:
    suite.check_voices_speak(engine, ("es", "ko", "en"), rated=False)


def test_length_follows_the_rate(engine: ElevenLabsVoices) -> None:
    # The simulated tone is exact but for its ends; what is beyond the service is stretched.
    suite.check_length_follows_rate(engine, 0.03)


def test_the_same_request_gives_the_same_samples(engine: ElevenLabsVoices) -> None:
    suite.check_same_request_same_samples(engine)


def test_lines_spoken_side_by_side_are_those_spoken_alone(engine: ElevenLabsVoices) -> None:
    suite.check_side_by_side(engine)


@pytest.mark.parametrize("text", suite.ODD_TEXTS)
def test_odd_text_is_spoken(engine: ElevenLabsVoices, text: str) -> None:
    suite.check_odd_text(engine, text)


@pytest.mark.parametrize("text", suite.EMPTY_TEXTS)
def test_text_with_nothing_to_say_is_refused(
    engine: ElevenLabsVoices, sim: ElevenLabs, text: str
) -> None:
    suite.check_nothing_to_say(engine, text)
    assert sim.bill.count == 0


def test_very_long_text_is_spoken_whole(engine: ElevenLabsVoices) -> None:
    suite.check_long_text(engine)


def test_refusals_name_what_there_is(engine: ElevenLabsVoices, sim: ElevenLabs) -> None:
    suite.check_unknown_voice(engine)
    suite.check_unknown_language(engine)
    suite.check_bad_rates(engine)
    assert sim.bill.count == 0


def test_region_of_a_tag_is_no_obstacle(engine: ElevenLabsVoices) -> None:
    suite.check_region_is_no_obstacle(engine)


def test_stops_when_asked_to(build: Build, sim: ElevenLabs) -> None:
    suite.check_stops_when_asked(build)
    assert sim.bill.count == 0


def test_speaks_again_after_close(engine: ElevenLabsVoices) -> None:
    suite.check_speaks_again_after_close(engine)


def test_identity_is_json_and_tells_settings_apart(build: Build, engine: ElevenLabsVoices) -> None:
    same = build(params={"usd_per_1000_credits": 0.3})
    suite.check_identity(engine, same, build(params={"seed": 2}))
    assert KEY not in str(engine.identity())


def test_clones(engine: ElevenLabsVoices, tmp_path: Path) -> None:
    path = tmp_path / "S1.wav"
    tone = 0.3 * np.sin(2 * np.pi * 150 * np.arange(16_000) / 16_000)
    soundfile.write(path, tone.astype(np.float32), 16_000, subtype="FLOAT")
    reference = Reference(audio=path, digest="d" * 64, text="Hello.", language="en", speaker="S1")
    suite.check_clones(engine, reference)
