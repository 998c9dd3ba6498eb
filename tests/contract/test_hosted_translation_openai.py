"""translation.openai against a simulated server: what every translator must do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from onevoice.engines.base import Runtime
from onevoice.engines.translation.openai import KEY as VARIABLE
from onevoice.engines.translation.openai import OpenAI
from tests.contract import translation_suite as suite
from tests.simulators.base import KEY
from tests.simulators.openai import OpenAISimulator

PAIRS = [("en", "es"), ("en", "ko")]


@pytest.fixture
def simulator() -> Iterator[OpenAISimulator]:
    with OpenAISimulator() as running:
        yield running


@pytest.fixture
def engine(
    simulator: OpenAISimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenAI]:
    monkeypatch.setenv(VARIABLE, KEY)
    runtime = Runtime(models_dir=tmp_path, backoff=0.01, timeout=5.0)
    with OpenAI(
        OpenAI.Params(base_url=f"{simulator.url}/v1", key_variable=VARIABLE), runtime
    ) as made:
        yield made


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    chosen: tuple[str, str] = request.param
    return chosen


def test_is_a_translator(engine: OpenAI) -> None:
    suite.check_is_a_translator(engine, "openai")


def test_identity(engine: OpenAI) -> None:
    suite.check_identity(engine, OpenAI(engine.params, engine.runtime))


def test_pairs(engine: OpenAI, pair: tuple[str, str]) -> None:
    suite.check_supports(engine, pair)
    suite.check_refuses_another_pair(engine, pair)


def test_no_requests_no_results(engine: OpenAI, pair: tuple[str, str]) -> None:
    suite.check_no_requests(engine, pair)


def test_order_and_repetition(engine: OpenAI, pair: tuple[str, str]) -> None:
    suite.check_order_and_repetition(engine, pair)


def test_results_come_one_by_one(engine: OpenAI, simulator: OpenAISimulator) -> None:
    suite.check_results_come_one_by_one(engine, PAIRS[0], count=2_000)
    # Those under way are finished, no other is begun.
    assert len(simulator.log) < 20


def test_text_without_words(
    engine: OpenAI, pair: tuple[str, str], simulator: OpenAISimulator
) -> None:
    suite.check_text_without_words(engine, pair)
    assert not simulator.log


@pytest.mark.parametrize("text", suite.ODD_TEXTS)
def test_odd_characters(engine: OpenAI, pair: tuple[str, str], text: str) -> None:
    suite.check_odd_characters(engine, pair, text)


def test_numbers_are_kept(engine: OpenAI, pair: tuple[str, str]) -> None:
    suite.check_numbers_are_kept(engine, pair)


def test_a_very_long_text(engine: OpenAI, pair: tuple[str, str]) -> None:
    suite.check_a_very_long_text(engine, pair)


def test_other_threads(engine: OpenAI, pair: tuple[str, str]) -> None:
    suite.check_other_threads(engine, pair)


def test_cancelled(engine: OpenAI, pair: tuple[str, str]) -> None:
    suite.check_cancelled(engine, pair)


def test_works_after_close(engine: OpenAI, pair: tuple[str, str]) -> None:
    suite.check_works_after_close(engine, pair)


def test_an_obeyed_order_is_reported(engine: OpenAI) -> None:
    suite.check_an_obeyed_order_is_reported(engine)


def test_shorten(engine: OpenAI) -> None:
    suite.check_shorten(engine)


def test_review(engine: OpenAI) -> None:
    suite.check_review_keeps_count_and_order(engine)


def test_summary(engine: OpenAI) -> None:
    suite.check_summary_invents_no_terms(engine)
