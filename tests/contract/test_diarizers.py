"""What every diarizer keeps: turns in order that cover every word, speakers named as they come."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from onevoice.engines import registry
from onevoice.engines.base import CancelToken, Diarizer
from onevoice.engines.diarization.pitch import measured_speakers
from onevoice.errors import Cancelled, EngineRefused
from onevoice.types import Turn, Word
from tests.contract import sample

ENGINES = ["single", "camplus"]


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample.decode(tmp_path_factory.mktemp("sample"))


def create(name: str, cancel: CancelToken | None = None) -> Any:
    return registry.create("diarization", name, {}, sample.runtime(cancel))


def check(turns: Sequence[Turn], words: Sequence[Word]) -> None:
    clock = 0.0
    for turn in turns:
        assert clock <= turn.start < turn.end
        clock = turn.end
    for word in words:
        assert any(t.start <= word.start and word.end <= t.end for t in turns), word
    first_seen = list(dict.fromkeys(turn.speaker for turn in turns))
    assert first_seen == [f"S{i + 1}" for i in range(len(first_seen))]


@pytest.mark.parametrize("name", ENGINES)
def test_one_speaker(name: str, mix: Path) -> None:
    words = sample.true_words()
    with create(name) as engine:
        assert isinstance(engine, Diarizer)
        turns = engine.diarize(mix, words, speakers=1, progress=sample.ignore)
    check(turns, words)
    assert {turn.speaker for turn in turns} == {"S1"}
    # A turn ends where speech pauses: none spans the silence in the middle.
    assert not [t for t in turns if t.start < 27 and t.end > 29]


@pytest.mark.parametrize("speakers", [1, 2])
@pytest.mark.parametrize("name", ENGINES)
def test_no_words_no_turns(name: str, mix: Path, speakers: int) -> None:
    with create(name) as engine:
        if name == "single" and speakers > 1:
            with pytest.raises(EngineRefused) as caught:
                engine.diarize(mix, [], speakers=speakers, progress=sample.ignore)
            assert "camplus" in caught.value.hint
        else:
            assert engine.diarize(mix, [], speakers=speakers, progress=sample.ignore) == ()


def test_two_speakers_are_told_apart(mix: Path) -> None:
    words = sample.true_words()
    shares: list[float] = []
    with create("camplus") as engine:
        turns = engine.diarize(mix, words, speakers=2, progress=shares.append)
        again = engine.diarize(mix, words, speakers=2, progress=sample.ignore)
    check(turns, words)
    assert turns == again
    assert shares == sorted(shares)
    assert shares[-1] == 1.0

    right = total = 0.0
    for sentence in sample.truth():
        total += sentence.end - sentence.start
        for turn in turns:
            if turn.speaker == sentence.speaker:
                overlap = min(turn.end, sentence.end) - max(turn.start, sentence.start)
                right += max(overlap, 0.0)
    assert right / total >= 0.95

    # S1 is a woman, S2 a man: half an octave lies between any usual pair of them.
    pitch = {s.id: s.pitch_hz for s in measured_speakers(mix, turns)}
    assert pitch["S1"] is not None and pitch["S2"] is not None
    assert 160 < pitch["S1"] < 260
    assert 80 < pitch["S2"] < 150


def test_more_speakers_than_phrases(mix: Path) -> None:
    words = [w for w in sample.true_words() if w.start < 3]
    words += [w for w in sample.true_words() if 35 < w.start < 36]
    with create("camplus") as engine:
        turns = engine.diarize(mix, words, speakers=5, progress=sample.ignore)
    check(turns, words)


def test_words_over_silence_are_covered(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros((48_000, 1), np.float32), 48_000)
    words = [
        Word(text="one", start=0.1, end=0.3),
        Word(text="two", start=0.8, end=0.9),
        Word(text="late", start=1.2, end=1.4),
    ]
    with create("camplus") as engine:
        turns = engine.diarize(tmp_path / "x.wav", words, speakers=2, progress=sample.ignore)
    check(turns, words)


def test_can_be_cancelled(mix: Path) -> None:
    token = CancelToken()
    token.cancel()
    with create("camplus", token) as engine, pytest.raises(Cancelled):
        engine.diarize(mix, sample.true_words(), speakers=2, progress=sample.ignore)
