"""The diarizers that need no key, held to what every diarizer promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from onevoice.engines import registry
from onevoice.engines.base import CancelToken
from onevoice.errors import EngineRefused
from tests.contract import diarization_suite as suite
from tests.contract import sample

ENGINES = ["single", "camplus"]


def create(name: str, cancel: CancelToken | None = None) -> Any:
    return registry.create("diarization", name, {}, sample.runtime(cancel))


@pytest.mark.parametrize("name", ENGINES)
def test_one_speaker(name: str, mix: Path) -> None:
    with create(name) as engine:
        suite.check_one_speaker(engine, mix)


@pytest.mark.parametrize("speakers", [1, 2])
@pytest.mark.parametrize("name", ENGINES)
def test_no_words_no_turns(name: str, mix: Path, speakers: int) -> None:
    with create(name) as engine:
        if name == "single" and speakers > 1:
            with pytest.raises(EngineRefused) as caught:
                engine.diarize(mix, [], speakers=speakers, progress=sample.ignore)
            assert "camplus" in caught.value.hint
        else:
            suite.check_no_words(engine, mix, speakers)


def test_two_speakers_are_told_apart(mix: Path) -> None:
    with create("camplus") as engine:
        suite.check_two_speakers(engine, mix)


def test_more_speakers_than_phrases(mix: Path) -> None:
    with create("camplus") as engine:
        suite.check_more_speakers_than_phrases(engine, mix)


def test_words_over_silence_are_covered(tmp_path: Path) -> None:
    with create("camplus") as engine:
        suite.check_words_over_silence(engine, tmp_path)


def test_can_be_cancelled(mix: Path) -> None:
    suite.check_can_be_cancelled(lambda token: create("camplus", token), mix)
