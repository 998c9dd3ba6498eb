"""What every recogniser keeps: the words of the sample, in order, in time; nothing for silence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from onevoice.engines import registry
from onevoice.engines.base import CancelToken, Recognizer
from onevoice.errors import Cancelled, EngineRefused, MediaError
from onevoice.types import Recognition, Word
from tests.contract import sample

pytestmark = pytest.mark.models
ENGINES = ["whisper"]


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample.decode(tmp_path_factory.mktemp("sample"))


@pytest.fixture(params=ENGINES)
def recognizer(request: pytest.FixtureRequest) -> Iterator[Any]:
    with registry.create("recognition", request.param, {}, sample.runtime()) as engine:
        yield engine


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


def test_hears_the_sample(recognizer: Any, mix: Path) -> None:
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


def test_hears_a_quiet_line(recognizer: Any, mix: Path, tmp_path: Path) -> None:
    samples, rate = soundfile.read(mix, dtype="float32")
    start = round(26.8 * rate)
    samples[start:] *= 10 ** (-30 / 20)
    soundfile.write(tmp_path / "quiet.wav", samples, rate, subtype="FLOAT")
    result = recognizer.transcribe(tmp_path / "quiet.wav", language="en", hints=(), progress=sample.ignore)
    quiet = [s for s in sample.truth() if s.start > 26.8]
    heard = tokens(text_of(tuple(w for w in result.words if w.start > 26.8)))
    assert word_error_rate(tokens(" ".join(s.text for s in quiet)), heard) <= 0.15


@pytest.mark.parametrize("kind", ["silence", "hiss", "tone", "nothing"])
def test_hears_nothing_where_nobody_speaks(recognizer: Any, tmp_path: Path, kind: str) -> None:
    t = np.arange(8 * 16_000) / 16_000
    sound = {
        "silence": np.zeros(len(t)),
        "hiss": 0.05 * np.random.default_rng(2).standard_normal(len(t)),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * t),
        "nothing": np.zeros(0),
    }[kind]
    soundfile.write(tmp_path / "x.wav", sound.astype(np.float32), 16_000, subtype="FLOAT")
    result = recognizer.transcribe(tmp_path / "x.wav", language=None, hints=(), progress=sample.ignore)
    assert result.words == ()
    assert result.duration == pytest.approx(len(sound) / 16_000)


def test_an_unknown_language_is_refused(recognizer: Any, mix: Path) -> None:
    with pytest.raises(EngineRefused) as caught:
        recognizer.transcribe(mix, language="tlh", hints=(), progress=sample.ignore)
    assert caught.value.hint


def test_what_is_no_sound_is_refused(recognizer: Any, tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_text("no sound")
    with pytest.raises(MediaError):
        recognizer.transcribe(tmp_path / "x.wav", language="en", hints=(), progress=sample.ignore)


@pytest.mark.parametrize("name", ENGINES)
def test_can_be_cancelled(name: str, mix: Path) -> None:
    token = CancelToken()
    token.cancel()
    engine = registry.create("recognition", name, {}, sample.runtime(token))
    with engine, pytest.raises(Cancelled):
        engine.transcribe(mix, language="en", hints=(), progress=sample.ignore)
