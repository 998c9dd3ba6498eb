"""What every diarizer promises, as functions: each engine's contract test calls them.

``mix`` is the sample talk as :func:`tests.contract.sample.decode` gives it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from onevoice.engines.base import CancelToken, Diarizer
from onevoice.engines.diarization.pitch import measured_speakers
from onevoice.errors import Cancelled
from onevoice.types import Turn, Word
from tests.contract import sample


def check_turns(turns: Sequence[Turn], words: Sequence[Word]) -> None:
    """In order, covering every word, speakers named as they come."""
    clock = 0.0
    for turn in turns:
        assert clock <= turn.start < turn.end
        clock = turn.end
    for word in words:
        assert any(t.start <= word.start and word.end <= t.end for t in turns), word
    first_seen = list(dict.fromkeys(turn.speaker for turn in turns))
    assert first_seen == [f"S{i + 1}" for i in range(len(first_seen))]


def check_one_speaker(engine: Any, mix: Path) -> None:
    words = sample.true_words()
    assert isinstance(engine, Diarizer)
    turns = engine.diarize(mix, words, speakers=1, progress=sample.ignore)
    check_turns(turns, words)
    assert {turn.speaker for turn in turns} == {"S1"}
    # A turn ends where speech pauses: none spans the silence in the middle.
    assert not [t for t in turns if t.start < 27 and t.end > 29]


def check_no_words(engine: Any, mix: Path, speakers: int | None) -> None:
    assert engine.diarize(mix, [], speakers=speakers, progress=sample.ignore) == ()


def check_two_speakers(engine: Any, mix: Path, *, speakers: int | None = 2) -> None:
    """It tells the sample's two people apart; ``speakers`` None has it count them as well."""
    words = sample.true_words()
    shares: list[float] = []
    turns = engine.diarize(mix, words, speakers=speakers, progress=shares.append)
    again = engine.diarize(mix, words, speakers=speakers, progress=sample.ignore)
    check_turns(turns, words)
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


def check_more_speakers_than_phrases(engine: Any, mix: Path) -> None:
    words = [w for w in sample.true_words() if w.start < 3]
    words += [w for w in sample.true_words() if 35 < w.start < 36]
    check_turns(engine.diarize(mix, words, speakers=5, progress=sample.ignore), words)


def check_words_over_silence(engine: Any, folder: Path) -> None:

    soundfile.write(folder / "x.wav", np.zeros((48_000, 1), np.float32), 48_000)
    words = [
        Word(text="one", start=0.1, end=0.3),
        Word(text="two", start=0.8, end=0.9),
        Word(text="late", start=1.2, end=1.4),
    ]
    turns = engine.diarize(folder / "x.wav", words, speakers=2, progress=sample.ignore)
    check_turns(turns, words)


def check_can_be_cancelled(build: Callable[[CancelToken], Any], mix: Path) -> None:
    """``build`` makes the engine with a token."""
    token = CancelToken()
    token.cancel()
    with build(token) as engine, pytest.raises(Cancelled):
        engine.diarize(mix, sample.true_words(), speakers=2, progress=sample.ignore)


def check_identity(engine: Any, same: Any, other: Any) -> None:
    """``same`` is built alike; ``other`` with a setting that alters the turns."""
    assert json.loads(json.dumps(engine.identity())) == engine.identity()
    assert same.identity() == engine.identity()
    assert other.identity() != engine.identity()
