"""What every synthesizer promises, held against each one that needs no key."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onevoice.engines import registry
from onevoice.engines.base import Runtime
from onevoice.errors import EngineRefused
from tests.contract import synthesis_suite as suite
from tests.contract.synthesis_suite import ask

pytestmark = pytest.mark.models

ENGINES = ("kokoro", "pico")
RATE_TOLERANCE = {"kokoro": 0.05, "pico": 0.15}
"""Kokoro is a 25 ms frame off here and there; Pico's pauses between clauses never shrink."""
_built: dict[str, Any] = {}


@pytest.fixture(scope="module", autouse=True)
def closing() -> Iterator[None]:
    yield
    for engine in _built.values():
        engine.close()
    _built.clear()


def build(name: str, **runtime: Any) -> Any:
    folder = Path(os.environ["ONEVOICE_CACHE_DIR"]) / "models"
    return registry.create("synthesis", name, {}, Runtime(models_dir=folder, threads=2, **runtime))


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Any:
    name = request.param
    if name not in _built:
        _built[name] = build(name)
    return _built[name]


def test_is_a_synthesizer_that_can_run_here(engine: Any) -> None:
    suite.check_is_a_synthesizer(engine)


def test_every_voice_speaks_every_language_it_is_listed_for(engine: Any) -> None:
    suite.check_voices_speak(engine, sorted(engine.info.languages), rated=True)


def test_length_follows_the_rate(engine: Any) -> None:
    suite.check_length_follows_rate(engine, RATE_TOLERANCE[engine.info.name])


def test_the_same_request_gives_the_same_samples(engine: Any) -> None:
    suite.check_same_request_same_samples(engine)


def test_lines_spoken_side_by_side_are_those_spoken_alone(engine: Any) -> None:
    suite.check_side_by_side(engine)


@pytest.mark.parametrize("text", suite.ODD_TEXTS)
def test_odd_text_is_spoken(engine: Any, text: str) -> None:
    suite.check_odd_text(engine, text)


@pytest.mark.parametrize("text", suite.EMPTY_TEXTS)
def test_text_with_nothing_to_say_is_refused(engine: Any, text: str) -> None:
    suite.check_nothing_to_say(engine, text)


def test_very_long_text_is_spoken_whole(engine: Any) -> None:
    suite.check_long_text(engine)


def test_refusals_name_what_there_is(engine: Any) -> None:
    suite.check_unknown_voice(engine)
    suite.check_unknown_language(engine)
    suite.check_bad_rates(engine)
    with pytest.raises(EngineRefused, match="does not speak 'it'"):
        engine.speak(ask(engine, language="it", voice=engine.voices("es")[0].name))


def test_region_of_a_tag_is_no_obstacle(engine: Any) -> None:
    suite.check_region_is_no_obstacle(engine)


def test_stops_when_asked_to(engine: Any) -> None:
    suite.check_stops_when_asked(lambda **more: build(engine.info.name, **more))


def test_speaks_again_after_close(engine: Any) -> None:
    suite.check_speaks_again_after_close(engine)


def test_identity_is_json_and_tells_settings_apart(engine: Any) -> None:
    name = engine.info.name
    other = registry.create("synthesis", name, {"speed": 1.2}, engine.runtime)
    suite.check_identity(engine, build(name), other)
