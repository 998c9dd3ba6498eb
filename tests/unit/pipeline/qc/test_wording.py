"""Pairs of texts made by hand, and whose words are whose."""

from __future__ import annotations

import pytest

from onevoice.pipeline.qc.wording import (
    Errors,
    Expected,
    comparable,
    errors,
    fewest_errors,
    has_words,
    share_out,
    text_of,
)
from onevoice.types import Word


@pytest.mark.parametrize(
    ("language", "said", "heard", "cer"),
    [
        ("en", "Good morning.", "good morning", 0.0),
        ("en", "She is twenty-one.", "She is 21.", 0.0),
        ("en", "It's 5 %", "Its five percent", 0.0),
        ("en", "abcd", "abxd", 0.25),
        ("en", "abcd", "", 1.0),
        ("en", "ab", "abcd", 1.0),
        ("es", "Tengo veintiún años", "tengo 21 años", 0.0),
        ("es", "Él habló ayer.", "el habló ayer", 1 / 11),
        ("pt", "open-source", "open source", 0.0),
        ("ko", "오늘은 스물한 살입니다", "오늘은 21살입니다.", 0.0),
        ("ko", "안녕히 가세요.", "안량히 가세요.", 1 / 6),
        ("ja", "今日は、いい天気。", "今日はいい天気", 0.0),
        ("zh", "你好世界", "你好视界", 0.25),
    ],
)
def test_character_error_rates(language: str, said: str, heard: str, cer: float) -> None:
    assert errors(said, heard, language).cer == pytest.approx(cer)


@pytest.mark.parametrize(
    ("said", "heard", "wer"),
    [
        ("one two three four", "one two three four", 0.0),
        ("one two three four", "one three four", 0.25),
        ("one two three four", "one too three for", 0.5),
        ("one two", "one one two two", 1.0),
        ("It is 21", "it is twenty one", 0.0),
    ],
)
def test_word_error_rates(said: str, heard: str, wer: float) -> None:
    assert errors(said, heard, "en").wer == pytest.approx(wer)


def test_words_are_not_counted_where_blanks_do_not_part_them() -> None:
    assert [has_words(tag) for tag in ("en", "ko", "ja", "zh-Hant", "th", "vi")] == [
        True, False, False, False, False, True,
    ]  # fmt: skip
    assert errors("你好", "你好", "zh").wer is None


def test_nothing_to_say_has_no_error_rate() -> None:
    assert Errors().cer is None
    assert errors("…", "hello", "en").cer is None


def test_errors_add_up_over_lines() -> None:
    total = errors("abcd", "abcd", "en") + errors("abcd", "xxcd", "en")
    assert total.cer == pytest.approx(0.25)
    assert total.wer == pytest.approx(0.5)


def test_the_right_form_that_is_nearest_counts() -> None:
    forms = ("OpenAI", "open ay eye")
    assert fewest_errors(forms, "open ay eye", "en").cer == 0
    assert fewest_errors(forms, "OpenAI", "en").cer == 0
    assert fewest_errors((), "anything", "en").cer is None


def test_case_marks_and_width_do_not_count() -> None:
    assert comparable("“Olá,  MUNDO!” — disse", "pt") == ["olá", "mundo", "disse"]
    assert comparable("ｇｏｏｄ", "en") == ["good"]


# --- whose words ----------------------------------------------------------------------------


def said(*words: tuple[str, float, float]) -> list[Word]:
    return [Word(text=text, start=start, end=end) for text, start, end in words]


def expected(name: str, start: float, end: float, text: str) -> Expected:
    return Expected(id=name, places=((start, end),), texts=(text,))


def test_words_go_to_the_line_they_are_heard_in() -> None:
    lines = [expected("a", 1, 2, "hello"), expected("b", 5, 6, "goodbye now")]
    found = share_out(
        lines, said(("goodbye", 5.0, 5.5), ("hello", 1.1, 2.2), ("now", 5.5, 6)), "en"
    )
    assert {name: text_of(words) for name, words in found.items()} == {
        "a": "hello",
        "b": "goodbye now",
    }


def test_words_far_from_every_line_belong_to_none() -> None:
    found = share_out([expected("a", 1, 2, "hello")], said(("tune", 9, 10)), "en")
    assert found == {"a": []}


def test_between_lines_that_touch_the_text_decides() -> None:
    lines = [expected("a", 1, 2, "come here"), expected("b", 2.05, 3, "now then")]
    late = said(("come", 1, 1.5), ("here", 2.1, 2.3), ("now", 2.3, 2.5), ("then", 2.5, 3))
    found = share_out(lines, late, "en")
    assert text_of(found["a"]) == "come here"
    assert text_of(found["b"]) == "now then"


def test_text_decides_only_near_the_border() -> None:
    lines = [expected("a", 1, 4, "yes"), expected("b", 4.05, 6, "yes yes")]
    heard = said(("yes", 1, 1.5), ("yes", 1.5, 2), ("yes", 5, 5.5))
    assert len(share_out(lines, heard, "en")["a"]) == 2


def test_kept_lines_take_their_own_words() -> None:
    lines = [
        expected("a", 1, 2, "hola"),
        Expected(id="song", places=((2.1, 5),), texts=()),
    ]
    found = share_out(lines, said(("hola", 1, 2), ("la", 2.2, 2.5), ("la", 2.6, 3)), "es")
    assert text_of(found["a"]) == "hola"
    assert len(found["song"]) == 2


def test_joined_words_have_no_blank_between_them() -> None:
    words = [
        Word(text="今日", start=0, end=1, joined=True),
        Word(text="は", start=1, end=2, joined=True),
    ]
    assert text_of(words) == "今日は"
