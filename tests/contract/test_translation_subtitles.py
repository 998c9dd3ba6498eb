"""Brought subtitles hold every promise of a translator that does not need its text read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from onevoice.engines.base import CancelToken, Runtime, TranslationRequest, TranslationResult
from onevoice.engines.translation.subtitles import Subtitles, SubtitlesParams
from onevoice.subtitles import Cue, write
from onevoice.types import Summary
from tests.contract import translation_suite as suite

PAIR = ("en", "es")


class Timed(Subtitles):
    """The requests of the suite have no times: here the nth is said in the nth second."""

    def translate(
        self,
        requests: Sequence[TranslationRequest],
        *,
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        timed = [replace(r, start=float(n), end=n + 1.0) for n, r in enumerate(requests)]
        return super().translate(timed, source=source, target=target, summary=summary)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("subtitles")
    cues = [Cue(float(n), n + 0.9, f"Frase número {n}.") for n in range(50)]
    write(made / "talk.es.srt", cues, language="es")
    write(made / "talk.pt.vtt", cues, language="pt")
    return made


def build(folder: Path, cancel: CancelToken | None = None) -> Timed:
    params = SubtitlesParams(
        path=str(folder / "talk.{language}.srt"), files={"pt": str(folder / "talk.pt.vtt")}
    )
    return Timed(params, Runtime(models_dir=folder / "models", cancel=cancel or CancelToken()))


@pytest.fixture
def engine(folder: Path) -> Timed:
    return build(folder)


def test_is_a_translator(engine: Timed) -> None:
    suite.check_is_a_translator(engine, "subtitles")


def test_identity(engine: Timed, folder: Path) -> None:
    suite.check_identity(engine, build(folder))


def test_pairs(engine: Timed) -> None:
    suite.check_supports(engine, PAIR)
    suite.check_refuses_another_pair(engine, ("es", "fr"))


def test_results(engine: Timed) -> None:
    suite.check_no_requests(engine, PAIR)
    suite.check_order_and_repetition(engine, PAIR)
    suite.check_results_come_one_by_one(engine, PAIR)
    suite.check_works_after_close(engine, PAIR)


def test_threads(engine: Timed) -> None:
    suite.check_other_threads(engine, PAIR)


def test_cancelled(folder: Path) -> None:
    suite.check_cancelled(build(folder), PAIR)
