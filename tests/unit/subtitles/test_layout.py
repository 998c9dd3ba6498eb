"""Cues as they are to be shown: lines, times, and nothing lost."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onevoice.subtitles import Cue, columns, house, layout
from onevoice.subtitles.house import GAP, LONGEST, SHORTEST

LANGUAGES = ["en", "es", "pt", "fr", "de", "it", "ko", "ja", "zh", "ar", "th", "ru"]


def shown(text: str, language: str, seconds: float = 5) -> list[str]:
    return [cue.text for cue in layout([Cue(0, seconds, text)], language=language)]


@pytest.mark.parametrize(
    ("language", "text", "lines"),
    [
        (
            "en",
            "The first railway in the country was built here in 1837, by hand.",
            "The first railway in the country\nwas built here in 1837, by hand.",
        ),
        (
            "ko",
            "오늘은 우리 회사가 지난 십 년 동안 배운 것을 말씀드리겠습니다.",
            "오늘은 우리 회사가 지난 십 년\n동안 배운 것을 말씀드리겠습니다.",
        ),
        ("ja", "今日は私たちの会社が学んだことです。", "今日は私たちの会社が\n学んだことです。"),
        ("zh", "我小时候，母亲常常带我和弟弟去海边。", "我小时候，\n母亲常常带我和弟弟去海边。"),
        # Not after an article, a preposition, a title, an initial or an ordinal.
        (
            "en",
            "She has never ever once been back to the old house.",
            "She has never ever once\nbeen back to the old house.",
        ),
        (
            "en",
            "I would have liked to meet Mr. Henderson there.",
            "I would have liked to meet\nMr. Henderson there.",
        ),
        (
            "es",
            "No hemos vuelto a hablar nunca más de la casa.",
            "No hemos vuelto a hablar\nnunca más de la casa.",
        ),
        (
            "de",
            "Das Konzert findet am Abend des 3. Oktober in der Halle statt.",
            "Das Konzert findet am Abend\ndes 3. Oktober in der Halle statt.",
        ),
        # Before a conjunction rather than in the middle of what it joins.
        (
            "fr",
            "Il est parti très tôt ce matin parce que sa sœur attend.",
            "Il est parti très tôt ce matin\nparce que sa sœur attend.",
        ),
        # A French question mark stays with its word, with any space before it.
        (
            "fr",
            "Tu les as vraiment tous compris tous les deux ? Moi, non.",
            "Tu les as vraiment tous compris\ntous les deux ? Moi, non.",
        ),
        # A Korean counter stays with its number, an auxiliary with its verb.
        (
            "ko",
            "이 일은 우리 모두가 함께 할 수 있습니다.",
            "이 일은 우리 모두가\n함께 할 수 있습니다.",
        ),
    ],
)
def test_two_lines_broken_where_it_reads_well(language: str, text: str, lines: str) -> None:
    assert shown(text, language) == [lines]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ja", "それは「とても大切なこと」だと、わたしたちは思っています。ね！"),
        ("zh", "他说：“这件事情非常重要，我们必须马上去做。”然后就离开了（没有回来）。"),
    ],
)
def test_kinsoku(language: str, text: str) -> None:
    lines = [line for cue in shown(text, language, 20) for line in cue.split("\n")]
    assert len(lines) > 2
    assert all(line[0] not in "、。，！）」”ー" and line[-1] not in "「“（" for line in lines)


@pytest.mark.parametrize("cluster", ["👩‍👩‍👧", "🇰🇷", "👍🏽", "が"])
def test_what_is_one_character_to_the_reader_is_not_torn_apart(cluster: str) -> None:
    text = f"{cluster}の{cluster}" * 20
    lines = [line for cue in shown(text, "ja", 40) for line in cue.split("\n")]
    cluster = unicodedata.normalize("NFC", cluster)
    assert len(lines) > 2
    assert all(line.replace(cluster, "").strip("の") == "" for line in lines)


def test_hangul_spelled_out_is_as_wide_as_it_looks() -> None:
    spelled = unicodedata.normalize("NFD", "오늘은 우리 회사가 지난 십 년 동안 배운 것을")
    assert shown(spelled, "ko") == ["오늘은 우리 회사가\n지난 십 년 동안 배운 것을"]


def test_thai_vowels_stay_with_their_consonants() -> None:
    lines = [
        line for cue in shown("เราจะไปที่นั่นด้วยกันในวันพรุ่งนี้" * 5, "th", 30) for line in cue.split("\n")
    ]
    assert len(lines) > 2 and max(map(columns, lines)) <= 35
    assert all(line[0] not in "ะาำิีึืุู่้" and line[-1] not in "เแโใไ" for line in lines)


def test_a_long_cue_is_divided_at_the_sentence_in_proportion() -> None:
    first = "We had never been to that city before, and nobody had told us about it."
    second = "So we went, and we stayed there for the whole of the following summer."
    cues = layout([Cue(10.0, 20.0, f"{first} {second}")], language="en")
    assert [" ".join(cue.text.split()) for cue in cues] == [first, second]
    share = len(first) / (len(first) + len(second))
    assert cues[1].start == pytest.approx(10 + 10 * share, abs=0.1)
    assert cues[0].end == pytest.approx(cues[1].start - GAP)
    assert cues[-1].end == 20.0


def test_a_slow_cue_is_divided_and_a_slow_word_cut_at_seven_seconds() -> None:
    slow = "It was the best of times, it was the worst of times."
    cues = layout([Cue(0.0, 12.0, slow), Cue(20.0, 32.0, "Oh, no!")], language="en")
    assert [cue.text for cue in cues] == [
        "It was the best of times,",
        "it was the worst of times.",
        "Oh, no!",
    ]
    assert cues[-1].end - cues[-1].start == LONGEST


def test_a_cue_stays_until_it_is_read_where_there_is_time() -> None:
    text = "Thirty-four letters said at speed."
    alone, followed = Cue(0, 1, text), Cue(20, 21, text)
    cues = layout([alone, followed, Cue(21.5, 23, "Next.")], language="en")
    assert cues[0].end == pytest.approx(len(text) / 17, abs=0.011)
    assert cues[1].end == pytest.approx(21.5 - GAP)
    assert layout([Cue(0, 0.1, "네.")], language="ko")[0].end == SHORTEST


def test_a_pause_too_short_to_be_one_is_closed() -> None:
    cues = layout([Cue(0, 3, "One."), Cue(3.4, 6, "Two."), Cue(6.6, 9, "Three.")], language="en")
    assert [(cue.start, cue.end) for cue in cues] == [(0, 3.31), (3.4, 6), (6.6, 9)]


def test_parts_of_a_sentence_too_short_to_read_are_joined() -> None:
    parts = [Cue(0, 0.5, "Well,"), Cue(0.6, 2.5, "that is how it is.")]
    assert [c.text for c in layout(parts, language="en")] == ["Well, that is how it is."]
    apart = [Cue(0, 0.5, "Well."), Cue(0.6, 2.5, "That is how it is.")]
    assert len(layout(apart, language="en")) == 2
    two = [Cue(0, 0.5, "Well,", "S1"), Cue(0.6, 2.5, "that is how it is.", "S2")]
    assert len(layout(two, language="en")) == 2
    later = [Cue(0, 0.5, "Well,"), Cue(1.6, 2.5, "that is how it is.")]
    assert len(layout(later, language="en")) == 2


def test_two_speakers_at_once_get_a_dash_each() -> None:
    both = [Cue(0, 2, "Are you coming?", "S1"), Cue(0.8, 2.4, "In a minute.", "S2")]
    (cue,) = layout(both, language="en")
    assert cue.text == "- Are you coming?\n- In a minute." and (cue.start, cue.end) == (0, 2.4)
    turns = [both[0], Cue(1.9, 4, "In a minute.", "S2")]
    assert [c.text for c in layout(turns, language="en")] == ["Are you coming?", "In a minute."]
    alike = [Cue(0, 2, "Are you coming?", "S1"), Cue(0.8, 2.4, "I am.", "S1")]
    assert [c.text for c in layout(alike, language="en")] == ["Are you coming?", "I am."]
    nobody = [Cue(0, 2, "Are you coming?"), Cue(0.8, 2.4, "In a minute.")]
    assert len(layout(nobody, language="en")) == 2


def test_overlapping_cues_take_turns() -> None:
    cues = layout(
        [Cue(0, 5, "a"), Cue(3, 6, "b"), Cue(3, 6, "c"), Cue(5.9, 7, "d"), Cue(8, 8, "e")],
        language="en",
    )
    assert [cue.text for cue in cues] == list("abcde")
    assert all(b.start - a.end > GAP - 1e-6 for a, b in pairwise(cues))
    assert all(cue.end - cue.start >= SHORTEST - 1e-6 for cue in cues)


def test_two_long_texts_at_once_share_the_time() -> None:
    text = "This is quite a long sentence that somebody says here, and nobody hears."
    first, second = layout([Cue(0, 6, text), Cue(0.2, 6, text)], language="en")
    assert first.end == pytest.approx(3, abs=0.1) and second.start == pytest.approx(3, abs=0.01)


def test_a_crowd_is_late_by_no_more_than_a_second() -> None:
    crowd = [Cue(n * 0.35, n * 0.35 + 0.3, f"Word {n}.") for n in range(50)]
    cues = layout(crowd, language="en")
    assert len(cues) == 50
    assert max(c.start - g.start for c, g in zip(cues, crowd, strict=True)) <= 1.0 + 1e-6


def test_a_word_longer_than_a_line_is_left_whole() -> None:
    word = "x" * 300
    assert shown(word, "en", 1) == [word]


def test_spaces_that_must_not_break_are_kept_and_not_broken() -> None:
    text = "Combien de fois est-ce que je te l'ai dit\u00a0? Dis-le moi\u202f!"
    joined = "\n".join(shown(text, "fr"))
    assert "dit\u00a0?" in joined and "moi\u202f!" in joined


def test_no_text_no_cue() -> None:
    assert layout([Cue(0, 1, ""), Cue(1, 2, " \n\u0000 ")], language="en") == ()


@given(
    lines=st.lists(
        st.tuples(st.floats(0.3, 8), st.floats(0, 2), st.integers(1, 12)), min_size=1, max_size=8
    )
)
def test_a_punctual_cue_belongs_to_the_line_at_its_time(
    lines: list[tuple[float, float, int]],
) -> None:
    now, cues = 0.0, []
    for number, (length, pause, words) in enumerate(lines):
        sayable = min(words, max(1, int(2 * length)))
        cues.append(Cue(now, now + length, f"{number}, " + "and so on " * sayable, "S1"))
        now += length + pause

    def nearest(cue: Cue) -> int:
        shared = [min(cue.end, line.end) - max(cue.start, line.start) for line in cues]
        return shared.index(max(shared))

    texts: dict[int, list[str]] = {}
    for cue in layout(cues, language="en", punctual=True):
        texts.setdefault(nearest(cue), []).extend(cue.text.split())
    assert {n: " ".join(words) for n, words in texts.items()} == {
        n: cue.text.strip() for n, cue in enumerate(cues)
    }


LETTERS = {
    "ko": "가나다라 마바사 .,!?<",
    "ja": "日本語のカタカナ、。「」！A",
    "zh": "我们公司，。：“”（）A",
    "th": "กขคเแาิ่ ",
    "ar": "ابتث نعم،؟.",
}
MIXED = "abcdé ,.!?가나日本、。 <&>\n{}\\-👍1"


@st.composite
def films(draw: st.DrawFn) -> tuple[str, list[Cue]]:
    """Cues of a language in order of their starts; some overlap, some crowd, some last long."""
    language = draw(st.sampled_from(LANGUAGES))
    letters = st.sampled_from(MIXED + LETTERS.get(language, "abc the of le der .,") * 3)
    start, cues = 0.0, []
    for _ in range(draw(st.integers(1, 6))):
        start += draw(st.floats(0.02, 6))
        text = draw(st.text(letters, min_size=1, max_size=200))
        length = draw(st.floats(0, 15))
        cues.append(Cue(start, start + length, text, draw(st.sampled_from(["", "S1", "S2"]))))
    return language, cues


def letters_of(cues: list[Cue] | tuple[Cue, ...]) -> str:
    return "".join("".join(cue.text.split()) for cue in cues)


@given(film=films())
def test_whatever_is_said(film: tuple[str, list[Cue]]) -> None:
    language, cues = film
    out = layout(cues, language=language)
    dashed = [c for c in out if c.text.startswith("- ") and "\n- " in c.text]
    if dashed:
        assert len({cue.speaker for cue in cues} - {""}) == 2
        assert letters_of(out).replace("-", "") == letters_of(cues).replace("-", "")
    else:
        assert letters_of(out) == letters_of(cues)
    assert all(b.start - a.end > GAP - 1e-6 for a, b in pairwise(out))
    widest = house(language).columns
    for cue in out:
        assert 0 < cue.end - cue.start <= LONGEST + 1e-6
        lines = cue.text.split("\n")
        assert len(lines) <= 2 and all(line == line.strip() != "" for line in lines)
        if all(columns(word) <= widest // 2 for word in cue.text.split()):
            assert max(map(columns, lines)) <= widest


@given(film=films())
def test_spaced_cues_are_long_enough_and_punctual(film: tuple[str, list[Cue]]) -> None:
    language, cues = film
    spaced = [Cue(10.0 * n, 10.0 * n + 5, c.text, c.speaker) for n, c in enumerate(cues)]
    out = layout(spaced, language=language)
    starts = {cue.start for cue in out}
    assert all(cue.start in starts for cue in spaced if cue.text.split())
    short = [cue for cue in out if cue.end - cue.start < SHORTEST - 1e-6]
    # Only a text divided into more parts than its five seconds have room for.
    assert not short or max(len(cue.text) for cue in cues) > 60


@given(film=films())
def test_what_is_laid_out_stays_as_it_is(film: tuple[str, list[Cue]]) -> None:
    language, cues = film
    once = layout([Cue(c.start, c.end, c.text) for c in cues], language=language)
    again = layout(once, language=language)
    assert letters_of(again) == letters_of(once)
    assert len(again) <= len(once)
