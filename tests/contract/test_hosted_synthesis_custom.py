"""The engine for any HTTP service, held to what every synthesizer promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("httpx")

from onevoice.engines.base import Reference, Runtime
from onevoice.engines.synthesis.custom import Custom
from onevoice.engines.synthesis.custom_params import CustomParams
from tests.contract import synthesis_suite as suite
from tests.simulators.base import KEY as SECRET
from tests.simulators.custom import CustomSimulator

BODY = {"text": "{text}", "voice": "{voice}", "reference": "{reference}"}
WAYS: dict[str, dict[str, Any]] = {
    "audio": {"body": {**BODY, "speed": "{speed}"}},
    "link": {"body": BODY, "answer": "url:output.files.0.url"},
}


class Setup:
    def __init__(self, sim: CustomSimulator, way: str) -> None:
        self.sim = sim
        self.way = WAYS[way]
        self.path = "/linked" if way == "link" else "/tts"

    def build(self, *, params: dict[str, Any] | None = None, **more: Any) -> Custom:
        settings = CustomParams(
            url=self.sim.url + self.path,
            headers={"X-Service-Key": "${MY_SPEECH_KEY}"},
            voices=[{"name": "ada"}, {"name": "bo", "language": "es"}],
            languages=["es", "en", "ko"],
            reference_as="base64",
            **{**self.way, **(params or {})},
        )
        return Custom(settings, Runtime(models_dir=Path(), backoff=0.01, timeout=5.0, **more))


@pytest.fixture(params=sorted(WAYS))
def setup(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setup]:
    monkeypatch.setenv("MY_SPEECH_KEY", SECRET)
    with CustomSimulator() as sim:
        yield Setup(sim, request.param)


@pytest.fixture
def engine(setup: Setup) -> Iterator[Custom]:
    with setup.build() as engine:
        yield engine


def test_is_a_synthesizer_that_can_run_here(engine: Custom) -> None:
    suite.check_is_a_synthesizer(engine)


def test_every_voice_speaks_every_language_it_is_listed_for(engine: Custom) -> None:
    suite.check_voices_speak(engine, ("es", "en", "ko"), rated=False)


def test_length_follows_the_rate(engine: Custom) -> None:
    suite.check_length_follows_rate(engine, 0.03)


def test_the_same_request_gives_the_same_samples(engine: Custom) -> None:
    suite.check_same_request_same_samples(engine)


def test_lines_spoken_side_by_side_are_those_spoken_alone(engine: Custom) -> None:
    suite.check_side_by_side(engine)


@pytest.mark.parametrize("text", suite.ODD_TEXTS)
def test_odd_text_is_spoken(engine: Custom, text: str) -> None:
    suite.check_odd_text(engine, text)


@pytest.mark.parametrize("text", suite.EMPTY_TEXTS)
def test_text_with_nothing_to_say_is_refused(setup: Setup, engine: Custom, text: str) -> None:
    suite.check_nothing_to_say(engine, text)
    assert setup.sim.log == []


def test_very_long_text_is_spoken_whole(engine: Custom) -> None:
    suite.check_long_text(engine)


def test_refusals_name_what_there_is(setup: Setup, engine: Custom) -> None:
    suite.check_unknown_voice(engine)
    suite.check_unknown_language(engine)
    suite.check_bad_rates(engine)
    assert setup.sim.log == []


def test_region_of_a_tag_is_no_obstacle(engine: Custom) -> None:
    suite.check_region_is_no_obstacle(engine)


def test_stops_when_asked_to(setup: Setup) -> None:
    suite.check_stops_when_asked(setup.build)
    assert setup.sim.log == []


def test_speaks_again_after_close(engine: Custom) -> None:
    suite.check_speaks_again_after_close(engine)


def test_identity_is_json_and_tells_settings_apart(setup: Setup, engine: Custom) -> None:
    suite.check_identity(engine, setup.build(), setup.build(params={"speed": 1.2}))
    assert SECRET not in str(engine.identity())


def test_clones(engine: Custom, tmp_path: Path) -> None:
    path = tmp_path / "S1.wav"
    tone = 0.3 * np.sin(2 * np.pi * 150 * np.arange(16_000) / 16_000)
    soundfile.write(path, tone.astype(np.float32), 16_000, subtype="FLOAT")
    reference = Reference(audio=path, digest="d" * 64, text="Hello.", language="en", speaker="S1")
    suite.check_clones(engine, reference)
