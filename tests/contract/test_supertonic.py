"""The real package of supertonic, on tiny random weights loaded from a folder like real ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onevoice.engines.base import Runtime
from onevoice.engines.synthesis.supertonic import Supertonic, SupertonicParams
from tests.contract import synthesis_suite as suite
from tests.contract.synthesis_suite import TEXTS, ask
from tests.unit.engines.synthesis import supertonic_weights

pytest.importorskip("supertonic", reason="pip install 'onevoice[supertonic]'")
pytest.importorskip("onnx", reason="it makes the weights of these tests")

SPOKEN = ("de", "en", "es", "fr", "it", "ko", "pt")
"""Languages of the suite whose letters the tests' weights know."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return supertonic_weights.write(tmp_path_factory.mktemp("supertonic") / "weights")


def build(weights: Path, **more: Any) -> Supertonic:
    params = {name: more.pop(name) for name in ("steps", "seed", "speed") if name in more}
    runtime = Runtime(models_dir=weights.parent, threads=2, offline=True, **more)
    return Supertonic(SupertonicParams(model_dir=str(weights), **params), runtime)


@pytest.fixture(scope="module")
def engine(weights: Path) -> Iterator[Supertonic]:
    with build(weights) as made:
        yield made


def test_is_a_synthesizer_that_can_run_here(engine: Supertonic) -> None:
    suite.check_is_a_synthesizer(engine)


def test_every_voice_speaks(engine: Supertonic) -> None:
    suite.check_voices_speak(engine, SPOKEN, rated=False)
    assert [voice.name for voice in engine.voices("ko")] == ["F1", "F2", "M1"]


def test_length_follows_the_rate(engine: Supertonic) -> None:
    suite.check_length_follows_rate(engine, 0.03)


def test_the_same_request_gives_the_same_samples(engine: Supertonic) -> None:
    suite.check_same_request_same_samples(engine)


def test_lines_spoken_side_by_side_are_those_spoken_alone(engine: Supertonic) -> None:
    suite.check_side_by_side(engine)


@pytest.mark.parametrize("text", suite.ODD_TEXTS)
def test_odd_text_is_spoken(engine: Supertonic, text: str) -> None:
    suite.check_odd_text(engine, text)


@pytest.mark.parametrize("text", suite.EMPTY_TEXTS)
def test_text_with_nothing_to_say_is_refused(engine: Supertonic, text: str) -> None:
    suite.check_nothing_to_say(engine, text)


def test_very_long_text_is_spoken_whole(engine: Supertonic) -> None:
    suite.check_long_text(engine)


def test_refusals_name_what_there_is(engine: Supertonic) -> None:
    suite.check_unknown_voice(engine, "did you mean 'F")
    suite.check_unknown_language(engine)
    suite.check_bad_rates(engine)


def test_region_of_a_tag_is_no_obstacle(engine: Supertonic) -> None:
    suite.check_region_is_no_obstacle(engine)


def test_stops_when_asked_to(weights: Path) -> None:
    suite.check_stops_when_asked(lambda **more: build(weights, **more))


def test_speaks_again_after_close(engine: Supertonic) -> None:
    suite.check_speaks_again_after_close(engine)


@pytest.mark.parametrize("other", [{"steps": 3}, {"seed": 1}, {"speed": 1.2}])
def test_identity_tells_settings_apart_that_are_heard(
    engine: Supertonic, weights: Path, other: dict[str, Any]
) -> None:
    with build(weights, **other) as changed:
        suite.check_identity(engine, build(weights), changed)
        heard = changed.speak(ask(engine))
    assert not np.array_equal(heard.samples, engine.speak(ask(engine)).samples)


def test_a_mark_of_a_language_in_the_text_is_only_text(engine: Supertonic) -> None:
    marked = engine.speak(ask(engine, f"<ko>{TEXTS['es']}</ko>"))
    plain = engine.speak(ask(engine, f"ko {TEXTS['es']} /ko"))
    assert np.array_equal(marked.samples, plain.samples)
