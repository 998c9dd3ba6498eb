"""OpenAI's voices, as every synthesizer is held to its word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openai")

from onevoice.engines.base import Runtime
from onevoice.engines.synthesis.openai import OpenAISynthesis, OpenAISynthesisParams
from tests.contract import synthesis_suite as suite
from tests.simulators.base import KEY
from tests.simulators.openai import OpenAISimulator

Build = Callable[..., OpenAISynthesis]


@pytest.fixture
def sim(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAISimulator]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with OpenAISimulator() as sim:
        yield sim


@pytest.fixture(params=["gpt-4o-mini-tts", "tts-1", "gpt-audio-1.5"])
def build(request: pytest.FixtureRequest, sim: OpenAISimulator, tmp_path: Path) -> Build:
    def make(*, params: dict[str, Any] | None = None, **more: Any) -> OpenAISynthesis:
        settings = {
            "model": request.param,
            "base_url": f"{sim.url}/v1",
            "key_variable": "OPENAI_API_KEY",
            **(params or {}),
        }
        runtime = Runtime(models_dir=tmp_path, backoff=0.01, timeout=5.0, **more)
        return OpenAISynthesis(OpenAISynthesisParams(**settings), runtime)

    return make


@pytest.fixture
def engine(build: Build) -> Iterator[OpenAISynthesis]:
    with build() as engine:
        yield engine


def test_is_a_synthesizer_that_can_run_here(engine: OpenAISynthesis) -> None:
    suite.check_is_a_synthesizer(engine)


def test_every_voice_speaks_every_language_it_is_listed_for(engine: OpenAISynthesis) -> None:
    suite.check_voices_speak(engine, ("es", "ko", "hi"), rated=False)


def test_length_follows_the_rate(engine: OpenAISynthesis) -> None:
    # The tone is exact; what trimming leaves at its ends does not shrink with it.
    suite.check_length_follows_rate(engine, 0.03)


def test_the_same_request_gives_the_same_samples(engine: OpenAISynthesis) -> None:
    suite.check_same_request_same_samples(engine)


def test_lines_spoken_side_by_side_are_those_spoken_alone(engine: OpenAISynthesis) -> None:
    suite.check_side_by_side(engine)


@pytest.mark.parametrize("text", suite.ODD_TEXTS)
def test_odd_text_is_spoken(engine: OpenAISynthesis, text: str) -> None:
    suite.check_odd_text(engine, text)


@pytest.mark.parametrize("text", suite.EMPTY_TEXTS)
def test_text_with_nothing_to_say_is_refused(
    sim: OpenAISimulator, engine: OpenAISynthesis, text: str
) -> None:
    suite.check_nothing_to_say(engine, text)
    assert sim.bill.count == 0


def test_very_long_text_is_spoken_whole(engine: OpenAISynthesis) -> None:
    suite.check_long_text(engine)


def test_refusals_name_what_there_is(sim: OpenAISimulator, engine: OpenAISynthesis) -> None:
    suite.check_unknown_voice(engine)
    suite.check_unknown_language(engine)
    suite.check_bad_rates(engine)
    assert sim.bill.count == 0


def test_region_of_a_tag_is_no_obstacle(engine: OpenAISynthesis) -> None:
    suite.check_region_is_no_obstacle(engine)


def test_stops_when_asked_to(sim: OpenAISimulator, build: Build) -> None:
    suite.check_stops_when_asked(build)
    assert sim.bill.count == 0


def test_speaks_again_after_close(engine: OpenAISynthesis) -> None:
    suite.check_speaks_again_after_close(engine)


def test_identity_is_json_and_tells_settings_apart(build: Build, engine: OpenAISynthesis) -> None:
    suite.check_identity(engine, build(), build(params={"speed": 1.2}))
    assert KEY not in str(engine.identity())
