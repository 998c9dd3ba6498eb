from __future__ import annotations

import numpy as np
import pytest

from onevoice.engines.recognition.wording import (
    loops,
    make_word,
    missed,
    ordered,
    snap,
    within_speech,
    without_loops,
)
from onevoice.types import Word


def said(text: str) -> list[Word]:
    return [Word(text=t, start=i * 0.5, end=i * 0.5 + 0.4) for i, t in enumerate(text.split())]


@pytest.mark.parametrize(
    ("raw", "text", "joined"),
    [
        (" Hello,", "Hello,", False),
        ("-disposed.", "-disposed.", True),
        ("世", "世", True),
        (" 안녕", "안녕", False),
        ("\u3000猫", "猫", False),
    ],
)
def test_make_word(raw: str, text: str, joined: bool) -> None:
    word = make_word(raw, 1, 2, 1.5)
    assert word == Word(text=text, start=1, end=2, probability=1.0, joined=joined)


@pytest.mark.parametrize("raw", ["", "  ", " ...", "♪", " - ", "\n"])
def test_what_is_no_word(raw: str) -> None:
    assert make_word(raw, 0, 1, 0.5) is None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a b c d e f g h", "a b c d e f g h"),
        ("no, no, no, no!", "no, no, no, no!"),
        ("ha ha ha ha ha ha ha ha ha end", "ha end"),
        ("I see you. I see you. I see you. I see you. Yes.", "I see you. Yes."),
        ("thank you thank you thank you very much", "thank you thank you thank you very much"),
        ("go on and on and on and on and on now", "go on and on now"),
        ("", ""),
    ],
)
def test_loops_are_said_once(text: str, kept: str) -> None:
    words = said(text)
    assert " ".join(word.text for word in without_loops(words)) == kept
    assert bool(loops(words)) == (text != kept)


def test_words_where_nobody_speaks_are_dropped() -> None:
    words = said("one two three four")  # 0-0.4, 0.5-0.9, 1.0-1.4, 1.5-1.9
    kept = within_speech(words, [(0.0, 0.3), (1.7, 3.0)], slack=0.15)
    assert [word.text for word in kept] == ["one", "four"]


@pytest.mark.parametrize(
    ("speech", "holes"),
    [
        ([(0.0, 2.0)], []),
        ([(0.0, 4.0)], [(2.3, 4.0)]),
        ([(5.0, 7.0)], [(5.0, 7.0)]),
        ([(0.0, 2.0), (5.0, 5.5)], []),
    ],
)
def test_missed(speech: list[tuple[float, float]], holes: list[tuple[float, float]]) -> None:
    found = missed(said("one two three four"), speech)  # the last word ends at 1.9
    np.testing.assert_allclose(found, holes)


def mask(*spans: tuple[float, float], seconds: float = 5) -> np.ndarray:
    active = np.zeros(round(seconds * 100), bool)
    for start, end in spans:
        active[round(start * 100) : round(end * 100)] = True
    return active


@pytest.mark.parametrize(
    ("word", "active", "edges"),
    [
        # Starts in silence before the sound, ends inside it: both move to the sound's edges.
        ((1.0, 2.0), [(1.5, 2.6)], (1.5, 2.6)),
        ((1.6, 3.0), [(1.5, 2.6)], (1.5, 2.6)),
        # The sound goes on for long: an edge moves by 0.3 s back or 0.8 s on at most.
        ((2.0, 2.4), [(0.5, 4.5)], (1.7, 3.2)),
        # No sound at all inside: nothing is known, nothing moves.
        ((1.0, 2.0), [(3.0, 4.0)], (1.0, 2.0)),
        ((1.0, 2.0), [(1.0, 2.0)], (1.0, 2.0)),
    ],
)
def test_snap(
    word: tuple[float, float], active: list[tuple[float, float]], edges: tuple[float, float]
) -> None:
    (out,) = snap([Word(text="x", start=word[0], end=word[1])], mask(*active))
    assert (out.start, out.end) == pytest.approx(edges, abs=0.015)


def test_snap_keeps_neighbours_apart() -> None:
    words = [Word(text="a", start=1.0, end=1.4), Word(text="b", start=1.6, end=2.0)]
    a, b = snap(words, mask((0.9, 2.2)))
    assert (a.start, b.end) == pytest.approx((0.9, 2.2), abs=0.015)
    assert a.end <= b.start + 1e-9


def test_snap_leaves_a_start_inside_the_word_before_where_it_is() -> None:
    active = np.ones(300, dtype=np.bool_)
    words = [Word(text="a", start=1.0, end=1.52), Word(text="b", start=1.5, end=2.0)]
    assert snap(words, active)[1].start == pytest.approx(1.5, abs=0.02)


def test_snap_respects_the_offset() -> None:
    (out,) = snap([Word(text="a", start=101.0, end=102.0)], mask((1.5, 1.8)), offset=100.0)
    assert (out.start, out.end) == pytest.approx((101.5, 101.8), abs=0.015)


def test_ordered_makes_any_times_monotone_and_inside() -> None:
    words = [
        Word(text="a", start=-0.2, end=0.5, joined=True),
        Word(text="b", start=0.3, end=0.3),
        Word(text="c", start=0.2, end=0.1),
        Word(text="d", start=1.9, end=2.7),
    ]
    out = ordered(words, 2.0)
    assert [word.text for word in out] == list("abcd")
    assert not out[0].joined
    clock = 0.0
    for word in out:
        assert clock <= word.start < word.end <= 2.0
        clock = word.end
    assert ordered([], 2.0) == ()
