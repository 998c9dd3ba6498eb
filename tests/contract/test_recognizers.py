"""The recognisers that need no key, held to what every recogniser promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onevoice.engines import registry
from tests.contract import recognition_suite as suite
from tests.contract import sample

pytestmark = pytest.mark.models
ENGINES = ["whisper"]


@pytest.fixture(params=ENGINES)
def recognizer(request: pytest.FixtureRequest) -> Iterator[Any]:
    with registry.create("recognition", request.param, {}, sample.runtime()) as engine:
        yield engine


def test_hears_the_sample(recognizer: Any, mix: Path) -> None:
    suite.check_hears_the_sample(recognizer, mix)


def test_hears_a_quiet_line(recognizer: Any, mix: Path, tmp_path: Path) -> None:
    suite.check_hears_a_quiet_line(recognizer, mix, tmp_path)


@pytest.mark.parametrize("kind", suite.NOTHING)
def test_hears_nothing_where_nobody_speaks(recognizer: Any, tmp_path: Path, kind: str) -> None:
    suite.check_hears_nothing(recognizer, tmp_path, kind)


def test_an_unknown_language_is_refused(recognizer: Any, mix: Path) -> None:
    suite.check_unknown_language(recognizer, mix)


def test_what_is_no_sound_is_refused(recognizer: Any, tmp_path: Path) -> None:
    suite.check_no_sound(recognizer, tmp_path)


@pytest.mark.parametrize("name", ENGINES)
def test_can_be_cancelled(name: str, mix: Path) -> None:
    suite.check_can_be_cancelled(
        lambda token: registry.create("recognition", name, {}, sample.runtime(token)), mix
    )
