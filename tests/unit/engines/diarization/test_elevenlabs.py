"""Speakers by Scribe: labels that are there, labels that are asked for, and too many of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("elevenlabs")

from onevoice.engines import elevenlabs
from onevoice.engines.base import Runtime
from onevoice.engines.diarization.elevenlabs import ScribeSpeakers, at_most, nearest_labels
from onevoice.engines.metering import collecting
from onevoice.engines.recognition.scribe import ScribeParams
from onevoice.errors import EngineUnavailable
from onevoice.types import Word
from tests.contract import sample
from tests.simulators.base import KEY
from tests.simulators.elevenlabs import ElevenLabs

Build = Callable[..., ScribeSpeakers]


@pytest.fixture
def sim(talk: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[ElevenLabs]:
    monkeypatch.setenv(elevenlabs.KEY, KEY)
    with ElevenLabs(**talk) as running:
        yield running


@pytest.fixture
def build(sim: ElevenLabs, tmp_path: Path) -> Iterator[Build]:
    made: list[ScribeSpeakers] = []

    def make(**params: Any) -> ScribeSpeakers:
        runtime = Runtime(models_dir=tmp_path, backoff=0.01, timeout=5.0)
        made.append(ScribeSpeakers(ScribeParams(base_url=sim.url, **params), runtime))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def row(text: str) -> list[Word]:
    """``"a:x b:x c:y"``: words of 0.4 s every half second; the speaker stands behind the colon."""
    return [
        Word(text=word, start=i / 2, end=i / 2 + 0.4, speaker=speaker)
        for i, (word, _, speaker) in enumerate(part.partition(":") for part in text.split())
    ]


def who(turns: Any) -> list[str]:
    return [turn.speaker for turn in turns]


def test_labels_that_are_there_cost_nothing(sim: ElevenLabs, build: Build) -> None:
    words = row("a:speaker_3 b:speaker_3 c:speaker_0 d e:speaker_3")
    turns = build().diarize(Path("none.wav"), words, speakers=None, progress=sample.ignore)
    assert who(turns) == ["S1", "S2", "S1"]
    assert sim.log == []


def test_the_request(sim: ElevenLabs, build: Build, mix: Path) -> None:
    engine = build(model="scribe_v1")
    with collecting() as used:
        engine.diarize(mix, sample.true_words(), speakers=5, progress=sample.ignore)
        engine.diarize(mix, sample.true_words(), speakers=None, progress=sample.ignore)
        engine.diarize(mix, sample.true_words(), speakers=40, progress=sample.ignore)
    assert [sent.body.get("num_speakers") for sent in sim.log] == ["5", None, "32"]
    for sent in sim.log:
        assert (sent.path, sent.body["diarize"]) == ("/v1/speech-to-text", "true")
        assert sent.body["model_id"] == "scribe_v1"
        assert "keyterms" not in sent.body and "language_code" not in sent.body
    assert {item.engine for item in used} == {"diarization.elevenlabs"}
    assert sum(item.quantity for item in used) == pytest.approx(sim.bill.total("seconds"))
    assert engine.quote(3_600) == pytest.approx(0.22)


def test_every_word_is_somebody_s_even_if_scribe_heard_none(
    sim: ElevenLabs, build: Build, mix: Path
) -> None:
    sim.script = ()
    turns = build().diarize(mix, sample.true_words(), speakers=2, progress=sample.ignore)
    assert set(who(turns)) == {"S1"}


def test_errors_pass(sim: ElevenLabs, build: Build, mix: Path) -> None:
    sim.faults.plan("status", status=401, code="quota_exceeded")
    with pytest.raises(EngineUnavailable, match="quota_exceeded"):
        build().diarize(mix, sample.true_words(), speakers=2, progress=sample.ignore)
    assert len(sim.log) == 1


@pytest.mark.parametrize(
    ("text", "most", "labels"),
    [
        ("a:x b:x c:y d:y", None, "x x y y"),
        ("a:x b:x c:y d:y", 2, "x x y y"),
        ("a:x b:x c:z d:y e:y", 2, "x x x y y"),
        ("a:x b:x c:z d:z e:z f:y g:y h:y h:y", 2, "z z z z z y y y y"),
        ("a:z b:x c:x d:y e:y", 2, "x x x y y"),
        ("a:x b:y c:z", 1, "x x x"),
    ],
)
def test_those_who_say_least_go_to_their_neighbours(
    text: str, most: int | None, labels: str
) -> None:
    words = row(text)
    assert at_most(words, [word.speaker for word in words], most) == labels.split()


def test_the_nearer_neighbour_is_taken() -> None:
    words = row("a:x b:x c:z d:y e:y")
    words[2] = replace(words[2], start=1.05, end=1.49)
    assert at_most(words, [w.speaker for w in words], 2) == ["x", "x", "y", "y", "y"]


@pytest.mark.parametrize(
    ("spans", "labels"),
    [
        ([(0.0, 1.0), (5.0, 6.0)], ["x", "y"]),
        ([(0.9, 1.6)], ["x"]),
        ([(1.2, 2.4)], ["y"]),
        ([(3.0, 3.1), (3.9, 4.0)], ["y", "y"]),
        ([(90.0, 91.0)], ["y"]),
    ],
)
def test_words_get_the_label_they_overlap_most(
    spans: list[tuple[float, float]], labels: list[str]
) -> None:
    known = [
        Word(text="1", start=0.0, end=1.5, speaker="x"),
        Word(text="2", start=1.5, end=2.5, speaker="y"),
        Word(text="3", start=5.0, end=5.2, speaker="y"),
    ]
    words = [Word(text="w", start=start, end=end) for start, end in spans]
    assert nearest_labels(words, known) == labels
    assert nearest_labels(words, []) == [""] * len(words)
