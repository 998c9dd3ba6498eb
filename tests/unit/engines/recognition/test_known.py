from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from onevoice.engines.recognition.known import Known
from onevoice.engines.recognition.uploads import Passage
from onevoice.types import Word


def words(*turns: tuple[str, float, float]) -> list[Word]:
    """Turns of one word a second."""
    return [
        Word(text="word", start=t, end=min(t + 1.0, end), speaker=who)
        for who, start, end in turns
        for t in np.arange(start, end, 1.0).tolist()
    ]


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    noise = 0.1 * np.random.default_rng(2).standard_normal(60 * 16_000)
    soundfile.write(tmp_path / "x.wav", noise.astype(np.float32), 16_000)
    return tmp_path / "x.wav"


def lengths(known: Known) -> list[float]:
    data = [base64.b64decode(sample.partition(",")[2]) for sample in known.samples]
    return [soundfile.info(io.BytesIO(flac)).duration for flac in data]


def test_those_who_speak_most_come_first_with_their_longest_turn(audio: Path) -> None:
    said = words(("A", 0, 3), ("B", 3, 18), ("A", 18, 23), ("C", 23, 24), ("", 24, 40))
    known = Known.of(audio, said)
    # C says too little for a sample; the sample of B is cut to what the service takes.
    assert known.names == ("B", "A")
    assert lengths(known) == pytest.approx([10.0, 5.0])


def test_no_more_than_the_service_takes(audio: Path) -> None:
    said = words(*((who, 5.0 * i, 5.0 * i + 4) for i, who in enumerate("ABCDEF")))
    assert len(Known.of(audio, said).names) == 4
    assert Known.of(audio, []) == Known()


def test_labels_mean_one_person_in_all_passages() -> None:
    known = Known(("A_0",), ("data:",))
    later = Passage(600.4, 1200.0, ((600.4, 1200.0),))
    word = Word(text="a", start=601, end=602)
    label = {
        who: known.named(Word(text="a", start=601, end=602, speaker=who), later).speaker
        for who in ("A", "A_0")
    }
    assert label == {"A": "A_600", "A_0": "A_0"}
    assert known.named(word, later) is word
