"""A line is split at its source's pauses where its own text allows it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onevoice.pipeline.phrases import phrases
from onevoice.types import Line, Pause, Segment

SOURCE = "When we arrived, nobody was there at all."


def segment(*spans: tuple[float, float], text: str = SOURCE, after: str = "arrived,") -> Segment:
    offset = text.index(after) + len(after)
    return Segment(
        id="s0004",
        start=10.0,
        end=16.0,
        speaker="S1",
        text=text,
        pauses=tuple(Pause(start=a, end=b, offset=offset) for a, b in spans),
    )


def line(text: str, *, start: float = 10.0, end: float = 16.0, keep: bool = False) -> Line:
    return Line(id="s0004", start=start, end=end, speaker="S1", source=SOURCE, text=text, keep=keep)


def split(text: str, source: Segment | None) -> list[str]:
    return [phrase.text for phrase in phrases(line(text), source)]


def test_each_part_gets_its_phrase_of_the_source() -> None:
    first, second = phrases(line("Cuando llegamos, no había nadie."), segment((12.0, 13.0)))
    assert (first.id, first.start, first.end) == ("s0004/1", 10.0, 12.0)
    assert (second.id, second.start, second.end) == ("s0004/2", 13.0, 16.0)
    assert (first.text, second.text) == ("Cuando llegamos, ", "no había nadie.")


def test_an_edited_window_takes_its_pauses_along() -> None:
    edited = line("Cuando llegamos, no había nadie.", start=20.0, end=32.0)
    first, second = phrases(edited, segment((12.0, 13.0)))
    assert (first.start, first.end) == pytest.approx((20.0, 24.0))
    assert (second.start, second.end) == pytest.approx((26.0, 32.0))


def test_otherwise_a_line_is_one_phrase_with_its_own_id() -> None:
    (only,) = phrases(line("Cuando llegamos, no había nadie."), None)
    assert (only.id, only.start, only.end) == ("s0004", 10.0, 16.0)


@pytest.mark.parametrize(
    "text",
    [
        "Cuando llegamos no había nadie allí.",  # no mark
        "Bueno, cuando por fin llegamos allí no quedaba ya absolutamente nadie.",  # too far
        "Unos 3,500 o 3.5 kilos llegaron",  # marks inside numbers
        "Vino el Sr. García con nosotros",  # an abbreviation
        "우리가 도착했을 때 아무도 없었어요",
        "Sí, llegué",  # parts too small
        "네, 갔어요",
        "",
    ],
)
def test_no_split_without_a_fitting_mark(text: str) -> None:
    assert split(text, segment((12.0, 12.59))) == [text]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Cuando llegamos no había nadie allí.", ["Cuando llegamos ", "no había nadie allí."]),
        ("우리가 도착했을 때 아무도 없었어요", ["우리가 도착했을 ", "때 아무도 없었어요"]),
        # a mark within its tolerance goes before a nearer space
        ("Al fin ya, llegamos y no había nadie.", ["Al fin ya, ", "llegamos y no había nadie."]),
        ("着いた時誰もいなかった。", ["着いた時誰もいなかった。"]),  # no space at all
        ("Unos 3,500 o 3.5 kilos llegaron", ["Unos 3,500 o ", "3.5 kilos llegaron"]),
    ],
)
def test_a_long_pause_also_splits_between_words(text: str, parts: list[str]) -> None:
    assert split(text, segment((12.0, 12.61))) == parts


def test_no_split_at_a_short_pause_or_in_a_kept_line() -> None:
    text = "Cuando llegamos, no había nadie."
    assert split(text, segment((12.0, 12.29))) == [text]
    assert split(text, segment((12.0, 12.31))) == ["Cuando llegamos, ", "no había nadie."]
    assert len(phrases(line(text, keep=True), segment((12.0, 13.0)))) == 1


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("우리가 도착했을 때, 아무도 없었어요.", ["우리가 도착했을 때, ", "아무도 없었어요."]),
        ("着いた時、誰もいなかった。", ["着いた時、", "誰もいなかった。"]),
        ("我们到的时候，一个人也没有。", ["我们到的时候，", "一个人也没有。"]),
        ("Ao chegarmos — ninguém estava lá.", ["Ao chegarmos — ", "ninguém estava lá."]),
        ("«Al llegar», dijo, no había nadie.", ["«Al llegar», ", "dijo, no había nadie."]),
    ],
)
def test_marks_of_many_scripts(text: str, parts: list[str]) -> None:
    assert split(text, segment((12.0, 13.0))) == parts


def test_several_pauses_keep_their_order() -> None:
    text = "One two three, four five six, seven eight nine."
    pauses = tuple(
        Pause(start=a, end=b, offset=text.index(after) + len(after))
        for a, b, after in ((12.0, 12.5, "three,"), (14.0, 15.0, "six,"))
    )
    source = Segment(id="s0004", start=10.0, end=16.0, speaker="S1", text=text, pauses=pauses)
    got = phrases(line("Uno dos y tres, cuatro cinco seis, siete ocho nueve."), source)
    assert [p.text for p in got] == ["Uno dos y tres, ", "cuatro cinco seis, ", "siete ocho nueve."]
    assert [(p.start, p.end) for p in got] == [(10.0, 12.0), (12.5, 14.0), (15.0, 16.0)]


@given(
    st.lists(st.sampled_from(["sí,", "3.5", "1,000", "casa.", "너는,", "い、", "—", "Sr.", "a"])),
    st.lists(st.tuples(st.integers(0, 59), st.integers(1, 20), st.integers(0, 41)), max_size=4),
)
def test_the_parts_joined_are_the_text(words: list[str], spans: list[tuple[int, int, int]]) -> None:
    pauses = tuple(
        Pause(start=10 + a / 10, end=10 + (a + n) / 10, offset=offset) for a, n, offset in spans
    )
    source = Segment(id="s0004", start=10.0, end=16.0, speaker="S1", text=SOURCE, pauses=pauses)
    text = " ".join(words)
    parts = phrases(line(text), source)
    assert "".join(p.text for p in parts) == text
    for p in parts:
        assert 10.0 <= p.start <= p.end <= 16.0
        assert not p.text.startswith(" ")
    for a, b in pairwise(parts):
        assert a.end <= b.start
        assert b.start - a.end >= 0.3 - 1e-9
        if a.text.strip()[-1] not in ",.、—":
            assert b.start - a.end >= 0.6 - 1e-9
