"""Fish Audio's cloud, and a Fish Speech server, as every synthesizer is held to its word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("fishaudio")

from onevoice.engines.base import Reference, Runtime
from onevoice.engines.synthesis.fish import Fish
from onevoice.engines.synthesis.fish_models import KEY, SERVER_KEY, FishParams
from tests.contract import synthesis_suite as suite
from tests.simulators.base import KEY as SECRET
from tests.simulators.fish import FishServerSimulator, FishSimulator


class Setup:
    """One kind of service and engines for it."""

    def __init__(self, sim: FishSimulator, folder: Path) -> None:
        self.sim = sim
        self.folder = folder
        self.service = "server" if isinstance(sim, FishServerSimulator) else "cloud"

    def build(self, *, params: dict[str, Any] | None = None, **more: Any) -> Fish:
        settings = FishParams(base_url=self.sim.url, service=self.service, **(params or {}))
        runtime = Runtime(models_dir=self.folder, backoff=0.01, timeout=5.0, **more)
        return Fish(settings, runtime)


@pytest.fixture(params=[FishSimulator, FishServerSimulator])
def setup(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Setup]:
    monkeypatch.setenv(KEY, SECRET)
    monkeypatch.delenv(SERVER_KEY, raising=False)
    with request.param() as sim:
        yield Setup(sim, tmp_path)


@pytest.fixture
def engine(setup: Setup) -> Iterator[Fish]:
    with setup.build() as engine:
        yield engine


def test_is_a_synthesizer_that_can_run_here(engine: Fish) -> None:
    suite.check_is_a_synthesizer(engine)
    assert engine.lines_at_once == engine.runtime.requests_at_once


def test_every_voice_speaks_every_language_it_is_listed_for(engine: Fish) -> None:
    suite.check_voices_speak(engine, ("es", "ko", "en"), rated=False)


def test_length_follows_the_rate(engine: Fish) -> None:
    # The cloud's tone is exact but for its ends; the server's is stretched here.
    suite.check_length_follows_rate(engine, 0.03)


def test_the_same_request_gives_the_same_samples(engine: Fish) -> None:
    suite.check_same_request_same_samples(engine)


def test_lines_spoken_side_by_side_are_those_spoken_alone(engine: Fish) -> None:
    suite.check_side_by_side(engine)


@pytest.mark.parametrize("text", suite.ODD_TEXTS)
def test_odd_text_is_spoken(engine: Fish, text: str) -> None:
    suite.check_odd_text(engine, text)


@pytest.mark.parametrize("text", suite.EMPTY_TEXTS)
def test_text_with_nothing_to_say_is_refused(setup: Setup, engine: Fish, text: str) -> None:
    suite.check_nothing_to_say(engine, text)
    assert setup.sim.bill.count == 0


def test_very_long_text_is_spoken_whole(engine: Fish) -> None:
    suite.check_long_text(engine)


def test_refusals_name_what_there_is(setup: Setup, engine: Fish) -> None:
    suite.check_unknown_voice(engine)
    suite.check_unknown_language(engine)
    suite.check_bad_rates(engine)
    assert setup.sim.bill.count == 0


def test_region_of_a_tag_is_no_obstacle(engine: Fish) -> None:
    suite.check_region_is_no_obstacle(engine)


def test_stops_when_asked_to(setup: Setup) -> None:
    suite.check_stops_when_asked(setup.build)
    assert setup.sim.bill.count == 0


def test_speaks_again_after_close(engine: Fish) -> None:
    suite.check_speaks_again_after_close(engine)


def test_identity_is_json_and_tells_settings_apart(setup: Setup, engine: Fish) -> None:
    suite.check_identity(engine, setup.build(), setup.build(params={"speed": 1.2}))
    assert SECRET not in str(engine.identity())


def test_clones(engine: Fish, tmp_path: Path) -> None:
    path = tmp_path / "S1.wav"
    tone = 0.3 * np.sin(2 * np.pi * 150 * np.arange(16_000) / 16_000)
    soundfile.write(path, tone.astype(np.float32), 16_000, subtype="FLOAT")
    reference = Reference(audio=path, digest="d" * 64, text="Hello.", language="en", speaker="S1")
    suite.check_clones(engine, reference)
