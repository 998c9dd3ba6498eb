"""Diarizers that count: nobody says how many people speak in the sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from onevoice.engines import registry
from onevoice.errors import EngineRefused
from tests.contract import sample


def create(name: str, options: dict[str, Any] | None = None) -> Any:
    return registry.create("diarization", name, options or {}, sample.runtime())


def test_camplus_counts_two_and_tells_them_apart_as_if_told(mix: Path) -> None:
    words = sample.true_words()
    with create("camplus") as engine:
        assert engine.counts
        counted = engine.diarize(mix, words, speakers=None, progress=sample.ignore)
        told = engine.diarize(mix, words, speakers=2, progress=sample.ignore)
    assert counted == told
    assert {turn.speaker for turn in counted} == {"S1", "S2"}


@pytest.mark.parametrize("speaker", ["S1", "S2"])
def test_camplus_counts_one(mix: Path, speaker: str) -> None:
    spoken = [(s.start, s.end) for s in sample.truth() if s.speaker == speaker]
    words = [w for w in sample.true_words() if any(a <= w.start < b for a, b in spoken)]
    with create("camplus") as engine:
        turns = engine.diarize(mix, words, speakers=None, progress=sample.ignore)
    assert {turn.speaker for turn in turns} == {"S1"}


def test_the_most_is_a_setting(mix: Path) -> None:
    with create("camplus", {"most": 1}) as engine:
        turns = engine.diarize(mix, sample.true_words(), speakers=None, progress=sample.ignore)
    assert {turn.speaker for turn in turns} == {"S1"}


def test_no_words_no_turns(mix: Path) -> None:
    with create("camplus") as engine:
        assert engine.diarize(mix, [], speakers=None, progress=sample.ignore) == ()


def test_single_does_not_count(mix: Path) -> None:
    with create("single") as engine:
        assert not engine.counts
        with pytest.raises(EngineRefused) as caught:
            engine.diarize(mix, sample.true_words(), speakers=None, progress=sample.ignore)
    assert "camplus" in caught.value.hint
