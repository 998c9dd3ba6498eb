from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from onevoice.engines.recognition.alignment import spelled, spread
from onevoice.types import Word


def bare(*texts: str) -> list[Word]:
    return [Word(text=text, start=float(i), end=i + 0.5) for i, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("words", "text", "wanted"),
    [
        ("hello world", "Hello, world!", ["Hello,", "world!"]),
        ("well no", "“Well …” no.", ["“Well …”", "no."]),
        ("qué tal", "¿Qué tal?", ["¿Qué", "tal?"]),
        ("a cat and a dog", "A cat and a dog.", ["A", "cat", "and", "a", "dog."]),
        # A word the text spells otherwise stays; those around it keep their own punctuation.
        ("about twenty people", "About, 20 people.", ["About,", "twenty", "people."]),
        # A short word is not looked for inside a longer one.
        ("that a", "that hat a", ["that hat", "a"]),
        ("I", "", ["I"]),
        ("", "Nobody timed this.", []),
    ],
)
def test_words_get_the_spelling_of_the_text(words: str, text: str, wanted: list[str]) -> None:
    given = bare(*words.split())
    found = spelled(given, text)
    assert [word.text for word in found] == wanted
    assert [(w.start, w.end) for w in found] == [(w.start, w.end) for w in given]


def test_words_without_spaces_are_joined() -> None:
    found = spelled(bare("今日", "は", "いい", "天気"), "今日は、いい天気。")
    assert [w.text for w in found] == ["今日", "は、", "いい", "天気。"]
    assert [w.joined for w in found] == [False, True, True, True]


def test_text_is_spread_over_its_sound_and_not_over_the_pause() -> None:
    active = np.ones(1000, np.bool_)
    active[300:500] = False
    # Ten letters with their spaces: five a second of sound, in 1…3 and 5…?
    words = spread("abcd efgh", 1.0, 7.0, active)
    assert [w.text for w in words] == ["abcd", "efgh"]
    np.testing.assert_allclose([(w.start, w.end) for w in words], [(1, 3), (5, 7)], atol=0.02)


def test_times_are_the_letters_share() -> None:
    words = spread("a bcd efgh", 0.0, 11.0, np.ones(1100, np.bool_), probability=0.5, speaker="B")
    np.testing.assert_allclose(
        [(w.start, w.end) for w in words], [(0, 2), (2, 6), (6, 11)], atol=0.02
    )
    assert {(w.probability, w.speaker) for w in words} == {(0.5, "B")}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Hello , world !", ["Hello ,", "world !"]),
        ("好的。谢谢 OK2", ["好", "的。", "谢", "谢", "OK2"]),
        ("iPhoneは", ["iPhone", "は"]),
        ("안녕하세요 여러분", ["안녕하세요", "여러분"]),
        ("…", []),
        ("", []),
    ],
)
def test_pieces_of_a_text(text: str, wanted: list[str]) -> None:
    words = spread(text, 0.0, 2.0, np.ones(200, np.bool_))
    assert [w.text.replace(" ", "") for w in words] == [w.replace(" ", "") for w in wanted]
    joined = "".join(("" if w.joined else " ") + w.text for w in words).strip()
    assert joined.replace(" ", "") == "".join(wanted).replace(" ", "")


def test_a_text_without_any_sound_still_gets_times() -> None:
    words = spread("one two", 3.0, 5.0, np.zeros(100, np.bool_))
    assert words[0].start == 3.0 and words[-1].end == 5.0
    assert all(w.end > w.start for w in words)


@pytest.mark.parametrize(
    ("text", "before"),
    [
        # By letters alone the pause would fall into the third word.
        ("Yes. We have it all.", "Yes."),
        ("Yes, we have it all.", "Yes,"),
        # Without punctuation the nearest edge of a word is where it falls.
        ("Yes we have it all", "Yes we"),
        # A full stop that is farther away than a comma is the one to stop at.
        ("Yes. We, have it all.", "Yes."),
        ("“Yes.” We have it all.", "“Yes.”"),
    ],
)
def test_a_pause_falls_between_words_and_behind_punctuation(text: str, before: str) -> None:
    active = np.ones(300, np.bool_)
    active[90:130] = False  # 0.9 s of speech, a pause of 0.4 s, 1.7 s of speech
    words = spread(text, 0.0, 3.0, active)
    early = [word for word in words if word.start < 0.9]
    assert " ".join(word.text for word in early) == before
    assert early[-1].end == pytest.approx(0.9)
    assert words[len(early)].start == pytest.approx(1.3)


def test_a_full_stop_far_from_the_pause_does_not_attract_it() -> None:
    active = np.ones(1200, np.bool_)
    active[900:950] = False
    text = "One. " + "and so on and on and on and on it goes without any end to it"
    words = spread(text, 0.0, 12.0, active)
    assert words[0].end < 1.5
    assert any(word.end == pytest.approx(9.0) for word in words)


def test_more_pauses_than_words_are_borne() -> None:
    active = np.tile(np.repeat([True, False], 30), 8)
    words = spread("Two words.", 0.0, 4.8, active)
    assert [word.text for word in words] == ["Two", "words."]
    assert 0 <= words[0].start < words[0].end <= words[1].start < words[1].end <= 4.8


def test_words_never_overlap() -> None:
    # 19 letters on 100 frames: no edge between words falls on a frame's edge.
    words = spread("a bc def ghij klmno", 0.0, 1.0, np.ones(100, np.bool_))
    for left, right in pairwise(words):
        assert left.end <= right.start < right.end
