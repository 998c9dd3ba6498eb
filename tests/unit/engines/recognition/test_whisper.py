from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from onevoice.engines.base import Runtime
from onevoice.engines.recognition import whisper
from onevoice.engines.recognition.listening import Span
from onevoice.engines.recognition.whisper import LANGUAGES, Whisper, WhisperParams
from onevoice.errors import EngineFailed, EngineUnavailable
from onevoice.languages import normalize
from tests.contract.sample import ignore

RATE = 16_000


def segment(text: str, start: float, end: float, **other: float) -> Any:
    """A segment as faster-whisper gives it, its words spread evenly."""
    parts = text.split()
    step = (end - start) / len(parts)
    words = [
        SimpleNamespace(
            word=f" {p}", start=start + i * step, end=start + (i + 1) * step, probability=0.9
        )
        for i, p in enumerate(parts)
    ]
    facts = {"compression_ratio": 1.2, "no_speech_prob": 0.0, "avg_logprob": -0.2, **other}
    return SimpleNamespace(start=start, end=end, words=words, **facts)


class Decoder:
    """Stands in for the model: answers each call from a script, and notes what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[list[Span], dict[str, Any]]] = []

    def __call__(self, samples: Any, batch: Any, code: str, **options: Any) -> Any:
        self.calls.append((list(batch), options))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def hear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoder: Decoder, speech: list[Span]
) -> tuple[str, ...]:
    noise = 0.05 * np.random.default_rng(0).standard_normal(12 * RATE)
    soundfile.write(tmp_path / "x.wav", noise, RATE, subtype="FLOAT")
    engine = Whisper(WhisperParams(), Runtime(models_dir=tmp_path))
    monkeypatch.setattr(engine, "_run", decoder)
    monkeypatch.setattr(whisper, "_find_speech", lambda samples: speech)
    result = engine.transcribe(tmp_path / "x.wav", language="en", hints=(), progress=ignore)
    return tuple(word.text for word in result.words)


def test_a_hole_is_listened_to_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder([segment("the first half", 0.5, 3.0)], [segment("and the second", 6.0, 8.0)])
    words = hear(tmp_path, monkeypatch, decoder, [(0.5, 3.0), (5.9, 8.1)])
    assert words == ("the", "first", "half", "and", "the", "second")
    assert decoder.calls[1][0] == [(5.9, 8.1)]


def test_a_loop_is_decoded_again_without_repeating(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = segment("so it goes " * 6, 0.5, 8.0)
    decoder = Decoder([stuck], [segment("so it goes on and on for quite a while", 0.5, 8.0)])
    words = hear(tmp_path, monkeypatch, decoder, [(0.5, 8.0)])
    assert " ".join(words) == "so it goes on and on for quite a while"
    assert decoder.calls[1][1]["no_repeat_ngram_size"] == 4


def test_a_loop_that_stays_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = [segment("so it goes " * 6, 0.5, 8.0)]
    decoder = Decoder(stuck, stuck, [])
    words = hear(tmp_path, monkeypatch, decoder, [(0.5, 8.0)])
    assert " ".join(words) == "so it goes"


def test_what_whisper_itself_takes_for_silence_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ghost = segment("Thanks for watching!", 0.5, 3, no_speech_prob=0.9, avg_logprob=-1.4)
    assert hear(tmp_path, monkeypatch, Decoder([ghost], []), [(0.5, 3.0)]) == ()


def test_errors_of_the_runtime_are_translated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def __init__(self, model: object) -> None:
            pass

        def transcribe(self, *args: object, **options: object) -> object:
            raise RuntimeError("CUDA failed with error out of memory")

    faster_whisper = pytest.importorskip("faster_whisper")
    monkeypatch.setattr(faster_whisper, "BatchedInferencePipeline", Broken)
    engine = Whisper(WhisperParams(), Runtime(models_dir=tmp_path))
    monkeypatch.setattr(engine, "_loaded", lambda: None)
    with pytest.raises(EngineFailed, match="out of memory") as caught:
        engine._run(np.zeros(RATE, np.float32), [(0.0, 1.0)], "en")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_an_unsure_language_is_put_to_the_vote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros(120 * RATE, np.float32), RATE, subtype="FLOAT")
    engine = Whisper(WhisperParams(), Runtime(models_dir=tmp_path))
    ballots = [{"cy": 0.4, "en": 0.3}] + 4 * [{"en": 0.9, "cy": 0.05}]
    monkeypatch.setattr(engine, "_probabilities", lambda samples, clip: ballots.pop(0))
    monkeypatch.setattr(engine, "_run", Decoder([segment("hello there you", 1, 3)]))
    spoken = iter([[(1.0, 3.0)]] * 5)
    monkeypatch.setattr(whisper, "_find_speech", lambda samples: next(spoken))
    result = engine.transcribe(tmp_path / "x.wav", language=None, hints=(), progress=ignore)
    assert result.language == "en"
    assert result.language_probability == pytest.approx((0.3 + 4 * 0.9) / 5)
    assert ballots == []


def test_languages_are_canonical_tags() -> None:
    assert {normalize(tag) for tag in LANGUAGES} == set(LANGUAGES)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper, "find_spec", lambda name: None)
    with pytest.raises(EngineUnavailable) as caught:
        Whisper.check(Runtime(models_dir=tmp_path))
    assert "pip install" in caught.value.hint


def test_identity_follows_the_weights_not_their_place(tmp_path: Path) -> None:
    def identity(**params: object) -> object:
        return Whisper(WhisperParams(**params), Runtime(models_dir=tmp_path)).identity()

    for name, content in (("a", b"weights"), ("b", b"weights"), ("c", b"other")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.bin").write_bytes(content)
    assert identity(model=str(tmp_path / "a")) == identity(model=str(tmp_path / "b"))
    assert identity(model=str(tmp_path / "a")) != identity(model=str(tmp_path / "c"))
    assert identity() == identity(batch_size=8)
    assert identity() != identity(beam_size=1)


def test_each_utterance_is_heard_in_its_own_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speech = [(0.5, 2.5), (3.0, 5.0), (5.3, 5.9), (7.0, 7.5), (8.5, 11.0)]
    sure = {(0.5, 2.5): 0.99, (3.0, 5.0): 0.05, (8.5, 11.0): 0.45}
    asked: list[Span] = []
    heard: list[tuple[str, list[Span]]] = []

    def probabilities(samples: Any, clip: Span) -> dict[str, float]:
        asked.append(clip)
        return {"en": sure[clip], "jw": 1 - sure[clip]}

    def run(samples: Any, batch: Any, code: str, **options: Any) -> list[Any]:
        heard.append((code, list(batch)))
        return [segment(f"in {code}", start, end) for start, end in batch]

    noise = 0.05 * np.random.default_rng(0).standard_normal(12 * RATE)
    soundfile.write(tmp_path / "x.wav", noise, RATE, subtype="FLOAT")
    engine = Whisper(WhisperParams(), Runtime(models_dir=tmp_path))
    monkeypatch.setattr(engine, "_run", run)
    monkeypatch.setattr(engine, "_probabilities", probabilities)
    monkeypatch.setattr(whisper, "_find_speech", lambda samples: speech)
    result = engine.transcribe_each(tmp_path / "x.wav", language="en", hints=(), progress=ignore)
    assert result.language == "en"
    # Short ones are not asked for: one is Javanese like what it follows, one stands alone.
    assert asked == list(sure)
    clips = {code: [clip for c, batch in heard if c == code for clip in batch] for code, _ in heard}
    assert clips["jw"][0] == (3.0, 5.9)
    assert clips["en"][:2] == [(0.5, 2.5), (7.0, 11.0)]
    languages = {word.language: word for word in result.words}
    assert set(languages) == {"", "jv"}
    foreign = [word for word in result.words if word.language]
    assert 2.5 < foreign[0].start < foreign[-1].end < 7.0
    assert [w.start for w in result.words] == sorted(w.start for w in result.words)


def test_doubtful_languages_are_those_of_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = 0.05 * np.random.default_rng(0).standard_normal(12 * RATE)
    soundfile.write(tmp_path / "x.wav", noise, RATE, subtype="FLOAT")
    engine = Whisper(WhisperParams(), Runtime(models_dir=tmp_path))
    monkeypatch.setattr(engine, "_run", Decoder([segment("so it is", 0.5, 3.0)]))
    monkeypatch.setattr(engine, "_probabilities", lambda *_: {"en": 0.45, "gl": 0.55})
    monkeypatch.setattr(whisper, "_find_speech", lambda samples: [(0.5, 3.0)])
    result = engine.transcribe_each(tmp_path / "x.wav", language="en", hints=(), progress=ignore)
    assert [(word.text, word.language) for word in result.words] == [
        ("so", ""),
        ("it", ""),
        ("is", ""),
    ]


def test_the_recording_is_in_the_language_that_most_is_said_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speech = [(0.5, 2.0), (2.5, 4.0), (5.0, 9.0)]
    asked: list[Span] = []

    def probabilities(samples: Any, clip: Span) -> dict[str, float]:
        asked.append(clip)
        return {"es": 0.9, "en": 0.1} if clip[0] < 5 else {"es": 0.2, "en": 0.8}

    noise = 0.05 * np.random.default_rng(0).standard_normal(12 * RATE)
    soundfile.write(tmp_path / "x.wav", noise, RATE, subtype="FLOAT")
    engine = Whisper(WhisperParams(), Runtime(models_dir=tmp_path))
    monkeypatch.setattr(
        engine, "_run", lambda _s, batch, code, **_: [segment(f"in {code}", *c) for c in batch]
    )
    monkeypatch.setattr(engine, "_probabilities", probabilities)
    monkeypatch.setattr(whisper, "_find_speech", lambda samples: speech)
    result = engine.transcribe_each(tmp_path / "x.wav", language=None, hints=(), progress=ignore)
    assert (result.language, result.language_probability) == ("en", 0.8)
    assert {word.language for word in result.words} == {"", "es"}
    assert asked == speech  # once each
