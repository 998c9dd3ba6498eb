"""What is measured of subtitles, against known answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from onevoice.languages import normalize
from onevoice.subtitles import Cue, Finding, check, columns, house, layout, reading_speed


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("abc", 3),
        ("한국", 4),
        ("日本。", 6),
        ("e\u0301", 1),
        ("👍", 2),
        ("ﾊﾟ", 2),
        ("نَعَم", 3),
        ("가\u200b", 2),
    ],
)
def test_columns(text: str, width: int) -> None:
    assert columns(text) == width


def test_full_width_characters_are_counted_as_the_style_guide_counts_them() -> None:
    assert reading_speed(Cue(0, 2, "안녕 하세요."), "ko") == pytest.approx((5 + 2 * 0.5) / 2)
    assert reading_speed(Cue(0, 2, "Hi there."), "en") == pytest.approx(4.5)
    assert reading_speed(Cue(2, 2, "x"), "en") == float("inf")


def test_regions_have_the_style_of_their_language() -> None:
    assert house("pt-BR") == house("en") and house("zh-Hant").columns == 32
    assert (house("ja").columns, house("ja").speed, house("ar").speed) == (26, 4, 20)


@pytest.mark.parametrize(
    ("cues", "codes"),
    [
        ([Cue(0, 2, "Fine."), Cue(2.09, 4, "Fine\ntoo.")], []),
        ([Cue(0, 1, "x" * 21)], ["too_fast"]),
        ([Cue(0, 0.5, "x")], ["too_short"]),
        ([Cue(0, 7.5, "x")], ["too_long"]),
        ([Cue(0, 5, "x" * 43)], ["line_too_wide"]),
        ([Cue(0, 5, "a\nb\nc")], ["too_many_lines"]),
        ([Cue(0, 2, "a"), Cue(1.5, 3, "b")], ["overlap"]),
        ([Cue(0, 2, "a"), Cue(2.04, 4, "b")], ["gap"]),
    ],
)
def test_each_rule(cues: list[Cue], codes: list[str]) -> None:
    assert [finding.code for finding in check(cues, "en")] == codes


def test_a_finding_says_where_and_by_how_much() -> None:
    cues = [Cue(0, 2, "ok"), Cue(3, 5, "안" * 34)]
    assert check(cues, "ko") == [
        Finding(cue=2, start=3, code="too_fast", value=17.0, limit=14.0),
        Finding(cue=2, start=3, code="line_too_wide", value=68, limit=32),
    ]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "We had never been to that city before, and nobody had told us a thing about it."),
        ("ko", "우리는 그 도시에 가 본 적이 없었고, 아무도 우리에게 말해 주지 않았습니다."),
        ("ja", "私たちはその町に行ったことがなく、誰も教えてくれませんでした。"),
        ("ar", "لم نكن قد زرنا تلك المدينة من قبل، ولم يخبرنا أحد عنها شيئا."),
    ],
)
def test_speech_at_an_ordinary_pace_is_laid_out_without_findings(language: str, text: str) -> None:
    cues = [Cue(8.0 * n, 8.0 * n + 6, text) for n in range(5)]
    assert check(layout(cues, language=language), language) == []


def test_the_documentation_has_the_numbers() -> None:
    text = (Path(__file__).parents[3] / "docs/subtitles.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+)[^|]* \| (\d+)[^|]*\| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    told = {"en" if name == "most" else normalize(name): values for name, *values in rows}
    assert len(told) == 8
    for language, (width, speed, fastest) in told.items():
        style = house(language)
        assert (style.columns, style.speed, style.fastest) == tuple(
            map(int, (width, speed, fastest))
        )
