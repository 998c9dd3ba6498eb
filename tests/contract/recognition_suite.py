"""What every recogniser promises, as functions: each engine's contract test calls them.

``mix`` is the sample talk as :func:`tests.contract.sample.decode` gives it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from onevoice.engines.base import CancelToken, Recognizer
from onevoice.errors import Cancelled, EngineRefused, MediaError
from onevoice.types import Recognition, Word
from tests.contract import sample

NOTHING = ("silence", "hiss", "tone", "nothing")


def text_of(words: tuple[Word, ...]) -> str:
    return "".join(("" if word.joined else " ") + word.text for word in words)


def tokens(text: str) -> list[str]:
    plain = text.lower().replace("mr.", "mister").replace("-", " ")
    return re.sub(r"[^a-z' ]", " ", plain).split()


def word_error_rate(said: list[str], heard: list[str]) -> float:
    row = list(range(len(heard) + 1))
    for i, a in enumerate(said, 1):
        new = [i]
        for j, b in enumerate(heard, 1):
            new.append(min(row[j] + 1, new[-1] + 1, row[j - 1] + (a != b)))
        row = new
    return row[-1] / len(said)


def check_order(result: Recognition) -> None:
    clock = 0.0
    for word in result.words:
        assert word.text == word.text.strip() != ""
        assert clock <= word.start < word.end <= result.duration
        assert 0 <= word.probability <= 1
        clock = word.end


def check_hears_the_sample(recognizer: Any, mix: Path) -> None:
    shares: list[float] = []
    result = recognizer.transcribe(mix, language=None, hints=(), progress=shares.append)
    said = sample.truth()

    assert isinstance(recognizer, Recognizer)
    assert result.language == "en"
    assert result.language_probability > 0.7
    assert result.duration == pytest.approx(54.0, abs=0.1)
    check_order(result)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0

    heard = tokens(text_of(result.words))
    wanted = tokens(" ".join(sentence.text for sentence in said))
    assert word_error_rate(wanted, heard) <= 0.15
    # Edges at pauses: the recordings have up to 0.2 s of silence around the words.
    for sentence in said:
        assert min(abs(word.start - sentence.start) for word in result.words) < 0.5
        assert min(abs(word.end - sentence.end) for word in result.words) < 0.5
    # Nobody speaks between 26.6 and 29.1 s.
    assert not [w for w in result.words if w.start < 29.0 and w.end > 26.9]


def check_hears_a_quiet_line(recognizer: Any, mix: Path, folder: Path) -> None:
    samples, rate = soundfile.read(mix, dtype="float32")
    start = round(26.8 * rate)
    samples[start:] *= 10 ** (-30 / 20)
    soundfile.write(folder / "quiet.wav", samples, rate, subtype="FLOAT")
    result = recognizer.transcribe(
        folder / "quiet.wav", language="en", hints=(), progress=sample.ignore
    )
    quiet = [s for s in sample.truth() if s.start > 26.8]
    heard = tokens(text_of(tuple(w for w in result.words if w.start > 26.8)))
    assert word_error_rate(tokens(" ".join(s.text for s in quiet)), heard) <= 0.15


def check_hears_nothing(recognizer: Any, folder: Path, kind: str) -> None:
    """``kind`` is one of NOTHING."""
    t = np.arange(8 * 16_000) / 16_000
    sound = {
        "silence": np.zeros(len(t)),
        "hiss": 0.05 * np.random.default_rng(2).standard_normal(len(t)),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * t),
        "nothing": np.zeros(0),
    }[kind]
    soundfile.write(folder / "x.wav", sound.astype(np.float32), 16_000, subtype="FLOAT")
    result = recognizer.transcribe(
        folder / "x.wav", language=None, hints=(), progress=sample.ignore
    )
    assert result.words == ()
    assert result.duration == pytest.approx(len(sound) / 16_000)


def check_unknown_language(recognizer: Any, mix: Path) -> None:
    with pytest.raises(EngineRefused) as caught:
        recognizer.transcribe(mix, language="tlh", hints=(), progress=sample.ignore)
    assert caught.value.hint


def check_no_sound(recognizer: Any, folder: Path) -> None:
    (folder / "x.wav").write_text("no sound")
    with pytest.raises(MediaError):
        recognizer.transcribe(folder / "x.wav", language="en", hints=(), progress=sample.ignore)


def check_can_be_cancelled(build: Callable[[CancelToken], Any], mix: Path) -> None:
    """``build`` makes the engine with a token."""
    token = CancelToken()
    token.cancel()
    with build(token) as engine, pytest.raises(Cancelled):
        engine.transcribe(mix, language="en", hints=(), progress=sample.ignore)


def check_identity(engine: Any, same: Any, other: Any) -> None:
    """``same`` is built alike; ``other`` with a setting that alters the words."""
    assert json.loads(json.dumps(engine.identity())) == engine.identity()
    assert same.identity() == engine.identity()
    assert other.identity() != engine.identity()
