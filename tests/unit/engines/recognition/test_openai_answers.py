from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from onevoice.engines.boundary import Garbled
from onevoice.engines.recognition.openai_answers import is_stuck, read, words_of
from onevoice.engines.recognition.uploads import Passage, Upload

UPLOAD = Upload(Passage(0.0, 10.0, ((0.0, 10.0),)), b"", np.ones(1000, np.bool_))


def segment(start: float, end: float, text: str, **more: Any) -> dict[str, Any]:
    sure = {"avg_logprob": -0.1, "no_speech_prob": 0.01, "compression_ratio": 1.2}
    return {"id": 0, "start": start, "end": end, "text": text, "tokens": [1], **sure, **more}


def answer(**fields: Any) -> bytes:
    return json.dumps({"text": "Hi there.", **fields}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"text": "Hi',
        b"[]",
        b'{"words": []}',
        b'{"text": "a", "words": [{"word": "a", "start": "soon", "end": 1}]}',
        b'{"text": "a", "segments": [{"text": "a"}]}',
    ],
)
def test_what_is_no_answer_is_asked_for_again(body: bytes) -> None:
    with pytest.raises(Garbled):
        read(body)


@pytest.mark.parametrize(
    ("named", "tag"),
    [
        ("english", "en"),
        ("portuguese", "pt"),
        ("haitian creole", "ht"),
        ("castilian", "es"),
        ("tagalog", "fil"),
        ("ko", "ko"),
        ("martian", "und"),
        (None, "und"),
        ("", "und"),
    ],
)
def test_languages_come_as_names(named: str | None, tag: str) -> None:
    assert read(answer(language=named)).spoken == tag


def test_words_take_spelling_and_probability_from_segments() -> None:
    words = [
        {"word": "hi", "start": 0.0, "end": 0.5},
        {"word": "there", "start": 0.5, "end": 1.0},
        {"word": "bye", "start": 5.0, "end": 5.5},
        {"word": "…", "start": 5.5, "end": 5.6},
    ]
    segments = [segment(0, 1, " Hi there."), segment(5, 6, " Bye!", avg_logprob=-0.7)]
    found = words_of(read(answer(words=words, segments=segments)), UPLOAD)
    assert [w.text for w in found] == ["Hi", "there.", "Bye!"]
    np.testing.assert_allclose(
        [w.probability for w in found], [math.exp(-0.1), math.exp(-0.1), math.exp(-0.7)]
    )
    assert not any(w.joined for w in found)


def test_what_the_model_takes_for_silence_is_dropped() -> None:
    ghost = segment(8, 9, " Thanks for watching!", no_speech_prob=0.9, avg_logprob=-1.3)
    unsure = segment(4, 5, " Hm.", no_speech_prob=0.9, avg_logprob=-0.4)
    words = [
        {"word": "hm", "start": 4, "end": 5},
        {"word": "thanks", "start": 8, "end": 8.4},
        {"word": "watching", "start": 8.4, "end": 9},
    ]
    heard = read(answer(words=words, segments=[unsure, ghost]))
    assert [w.text for w in words_of(heard, UPLOAD)] == ["Hm."]
    assert heard.sure == pytest.approx(math.exp(-0.4))


def test_segments_alone_are_spread_with_their_speakers() -> None:
    body = answer(
        segments=[
            {"start": 0, "end": 2, "text": " Hi there.", "speaker": "A", "id": "s1"},
            {"start": 4, "end": 5, "text": " Yes.", "speaker": "B", "id": "s2"},
        ]
    )
    found = words_of(read(body), UPLOAD)
    assert [(w.text, w.speaker, w.probability) for w in found] == [
        ("Hi", "A", 1.0),
        ("there.", "A", 1.0),
        ("Yes.", "B", 1.0),
    ]
    assert found[1].end <= 2.0 <= 4.0 <= found[2].start


@pytest.mark.parametrize(
    ("fields", "timed"),
    [
        ({}, False),
        ({"words": None, "segments": []}, False),
        ({"text": " "}, True),
        ({"segments": [segment(0, 1, "Hi")]}, True),
        # Servers of others fill in what they don't know with nothing.
        (
            {
                "segments": [segment(0, 1, "Hi", avg_logprob=None, no_speech_prob=None)],
                "usage": None,
            },
            True,
        ),
        ({"segments": [segment(0, 1, "Hi", speaker=None, compression_ratio=None)]}, True),
        ({"words": [{"word": "Hi", "start": 0, "end": 1}]}, True),
    ],
)
def test_answers_without_times_are_told_from_silence(fields: dict[str, Any], timed: bool) -> None:
    heard = read(answer(**fields))
    assert heard.timed is timed
    assert bool(words_of(heard, UPLOAD)) == (heard.text != " ")


def test_a_bare_text_is_spread_over_its_sound() -> None:
    active = np.zeros(1000, np.bool_)
    active[200:300] = active[600:700] = True
    upload = Upload(Passage(0.0, 10.0, ((1.8, 7.2),)), b"", active)
    one, other = words_of(read(answer(text="Three, fours.")), upload)
    assert (one.text, other.text) == ("Three,", "fours.")
    np.testing.assert_allclose([one.start, one.end, other.start, other.end], [2, 3, 6, 7])
    assert one.probability == other.probability == 1.0


@pytest.mark.parametrize(
    ("languages", "tag", "sure"),
    [
        ([{"code": "en"}], "en", 1.0),
        ([{"code": "tl"}, {"code": "en"}], "fil", 0.5),
        ([], "und", 0.0),
    ],
)
def test_languages_named_by_code(languages: list[dict[str, str]], tag: str, sure: float) -> None:
    heard = read(answer(languages=languages))
    assert (heard.spoken, heard.sure) == (tag, sure)


def test_sureness_is_weighted_by_length() -> None:
    heard = read(
        answer(segments=[segment(0, 3, "a", avg_logprob=0), segment(3, 4, "b", avg_logprob=-9)])
    )
    assert heard.sure == pytest.approx(0.75, abs=1e-3)
    assert read(answer()).sure == 0.0


def test_loops_are_told_by_words_or_by_how_well_they_compress() -> None:
    plain = read(answer(segments=[segment(0, 2, " one two")]))
    repetitive = read(answer(segments=[segment(0, 2, " one two", compression_ratio=2.9)]))
    chant = read(answer(segments=[segment(0, 9, " so it goes" * 6)]))
    assert not is_stuck(plain, words_of(plain, UPLOAD))
    assert is_stuck(repetitive, words_of(repetitive, UPLOAD))
    assert is_stuck(chant, words_of(chant, UPLOAD))
