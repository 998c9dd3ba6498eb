"""The separators that need no key, held to what every separator promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from onevoice.engines import registry
from onevoice.engines.base import CancelToken
from tests.contract import sample
from tests.contract import separation_suite as suite
from tests.contract.separation_suite import level

ENGINES = [
    pytest.param("none", id="none"),
    pytest.param("deepfilter", id="deepfilter", marks=pytest.mark.models),
]


def create(name: str, cancel: CancelToken | None = None) -> Any:
    return registry.create("separation", name, {}, sample.runtime(cancel))


@pytest.fixture(params=ENGINES)
def separator(request: pytest.FixtureRequest) -> Iterator[Any]:
    with create(request.param) as engine:
        yield engine


def test_is_a_separator(separator: Any) -> None:
    suite.check_is_a_separator(separator)


@pytest.mark.parametrize("channels", suite.CHANNELS)
def test_speech_and_bed_are_the_mix(separator: Any, tmp_path: Path, channels: int) -> None:
    suite.check_sum_is_the_mix(separator, tmp_path, channels)


@pytest.mark.parametrize("frames", suite.LENGTHS)
def test_any_length_is_kept(separator: Any, tmp_path: Path, frames: int) -> None:
    suite.check_length_is_kept(separator, tmp_path, frames)


def test_silence_stays_silent(separator: Any, tmp_path: Path) -> None:
    suite.check_silence_stays_silent(separator, tmp_path)


def test_an_empty_file_gives_empty_files(separator: Any, tmp_path: Path) -> None:
    suite.check_empty_file(separator, tmp_path)


def test_progress_rises_to_one(separator: Any, tmp_path: Path) -> None:
    suite.check_progress(separator, tmp_path)


@pytest.mark.parametrize("name", ENGINES)
def test_cancelling_leaves_no_results(name: str, tmp_path: Path) -> None:
    suite.check_cancelling(lambda token: create(name, token), tmp_path)


@pytest.mark.parametrize("content", suite.NO_SOUND)
def test_what_is_no_sound_is_refused(separator: Any, tmp_path: Path, content: bytes) -> None:
    suite.check_no_sound(separator, tmp_path, content)


@pytest.mark.models
def test_music_goes_to_the_bed_and_speech_does_not(tmp_path: Path) -> None:
    mix = sample.decode(tmp_path)
    with create("deepfilter") as engine:
        speech, bed = suite.run(engine, mix, tmp_path)
    original = soundfile.read(mix, dtype="float32")[0]

    # The music stands alone from 26.5 to 29.2 s: it must be gone from the speech, whole in the bed.
    assert level(speech, 26.9, 28.9) < level(original, 26.9, 28.9) - 20
    assert level(bed, 26.9, 28.9) == pytest.approx(level(original, 26.9, 28.9), abs=0.5)
    # The man speaks from 11 to 17 s, 19 dB over the music.
    assert level(speech, 11, 17) == pytest.approx(level(original, 11, 17), abs=1.0)
    assert level(bed, 11, 17) < level(original, 11, 17) - 12
