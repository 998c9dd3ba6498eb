"""Reading what people have, writing what people can read."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onevoice.errors import ConfigError, MediaNotFound, MediaUnreadable, OutputUnwritable
from onevoice.subtitles import LINE_COLUMNS, LINE_COLUMNS_CJK, Cue, columns, layout, read, write

SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Hello</i>, {\\an8}world.

2
00:01:00,000 --> 01:00:00,250 X1:10 Y1:20
in
1984
"""
SRT_CUES = (Cue(1.0, 2.5, "Hello, world."), Cue(60.0, 3600.25, "in\n1984"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
def test_korean_in_any_usual_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "자막.srt"
    path.write_bytes(
        "1\r\n00:00:01,000 --> 00:00:02,000\r\n안녕하세요, 여러분.\r\n".encode(encoding)
    )
    assert read(path) == (Cue(1.0, 2.0, "안녕하세요, 여러분."),)


@pytest.mark.parametrize(
    "text", ["¿Qué tal, señor Ibáñez?", "Olá, não há ação.", "Où êtes-vous ? À côté.", "ÄÖÜ ß"]
)
def test_western_text_is_not_taken_for_korean(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n".encode("cp1252"))
    assert read(path)[0].text == text


def test_srt_keeps_a_last_line_that_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_text(SRT)
    assert read(path) == SRT_CUES


def test_srt_with_a_blank_line_inside_and_cues_out_of_order(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_text(
        "2\n00:00:05,000 --> 00:00:06,000\nlater\n\n1\n00:00:01,000 --> 00:00:02,000\none\n\ntwo\n"
    )
    assert read(path) == (Cue(1.0, 2.0, "one\ntwo"), Cue(5.0, 6.0, "later"))


def test_vtt_names_notes_styles_and_entities(tmp_path: Path) -> None:
    path = tmp_path / "a.vtt"
    path.write_text(
        "WEBVTT - title\n\nNOTE not shown\n\nSTYLE\n::cue { color: red }\n\nintro\n"
        "00:01.000 --> 00:02.000 align:start\n<v Ann>A &lt; B &amp; <c.x>C</c></v>\n\n"
        "1\n00:00:03.000 --> 00:00:04.000\nend\n"
    )
    assert read(path) == (Cue(1.0, 2.0, "A < B & C"), Cue(3.0, 4.0, "end"))


def test_ass_without_comments_drawings_and_overrides(tmp_path: Path) -> None:
    path = tmp_path / "a.ass"
    path.write_text(
        "[Script Info]\nScriptType: v4.00+\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        "Dialogue: 0,0:00:01.50,0:00:02.00,Default,,0,0,0,,{\\b1}Hola{\\b0},\\Nmundo\n"
        "Comment: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,hidden\n"
    )
    assert read(path) == (Cue(1.5, 2.0, "Hola,\nmundo"),)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.srt", b""),
        ("prose.srt", b"just some words\n\nand more"),
        ("binary.srt", bytes(range(256)) * 4),
        ("header.vtt", b"WEBVTT\n\nNOTE nothing\n"),
        ("broken.ass", b"[Events]\nFormat: Start, End\nDialogue: x,y\n"),
    ],
)
def test_what_is_no_subtitle_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MediaUnreadable) as error:
        read(path)
    assert name in str(error.value) and error.value.hint


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFound):
        read(tmp_path / "none.srt")
    with pytest.raises(MediaUnreadable):
        read(tmp_path)


def test_vtt_writes_markup_as_text(tmp_path: Path) -> None:
    text = "if a<b & b>c: <script>x --> y</script> &amp;"
    path = tmp_path / "a.vtt"
    write(path, [Cue(0.0, 4.0, text)], language="en")
    raw = path.read_text(encoding="utf-8")
    assert "<script>" not in raw and raw.count("-->") == 1
    assert " ".join(read(path)[0].text.split()) == text


@pytest.mark.parametrize("suffix", [".srt", ".vtt"])
def test_written_file_as_players_expect(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write(path, [Cue(3661.5, 3662.25, "끝."), Cue(-1.0, 0.9999, "처음.")], language="ko")
    point = "," if suffix == ".srt" else "."
    body = (
        f"1\n00:00:00{point}000 --> 00:00:01{point}000\n처음.\n\n"
        f"2\n01:01:01{point}500 --> 01:01:02{point}250\n끝.\n"
    )
    assert path.read_text(encoding="utf-8") == ("WEBVTT\n\n" if suffix == ".vtt" else "") + body
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        write(tmp_path / "a.txt", [], language="en")
    with pytest.raises(OutputUnwritable):
        write(tmp_path / "no" / "a.srt", [], language="en")


@pytest.mark.parametrize(
    ("language", "text", "shown"),
    [
        (
            "en",
            "The first railway in the country was built here in 1837, by hand.",
            ["The first railway in the country\nwas built here in 1837, by hand."],
        ),
        (
            "ko",
            "오늘은 우리 회사가 지난 십 년 동안 배운 것을 말씀드리겠습니다.",
            ["오늘은 우리 회사가 지난 십 년\n동안 배운 것을 말씀드리겠습니다."],
        ),
        (
            "ja",
            "今日は私たちの会社がこの十年間に学んだことについて、お話しします。",
            ["今日は私たちの会社がこの十年間に\n学んだことについて、お話しします。"],
        ),
    ],
)
def test_two_balanced_lines(language: str, text: str, shown: list[str]) -> None:
    assert [cue.text for cue in layout([Cue(0, 5, text)], language=language)] == shown


def test_long_cue_is_divided_at_the_sentence_in_proportion() -> None:
    first = "We had never been to that city before, and nobody had told us about it."
    second = "So we went, and we stayed there for the whole of the following summer."
    cues = layout([Cue(10.0, 20.0, f"{first} {second}")], language="en")
    assert [" ".join(cue.text.split()) for cue in cues] == [first, second]
    share = len(first) / (len(first) + len(second))
    assert cues[0].end == cues[1].start == pytest.approx(10 + 10 * share, abs=0.001)
    assert cues[-1].end == 20.0


def test_overlapping_cues_take_turns() -> None:
    cues = layout(
        [Cue(0, 5, "a"), Cue(3, 6, "b"), Cue(3, 6, "c"), Cue(5.9, 7, "d"), Cue(8, 8, "e")],
        language="en",
    )
    assert [cue.text for cue in cues] == list("abcde")
    assert all(a.end <= b.start for a, b in pairwise(cues))
    assert all(cue.end - cue.start > 0.1 for cue in cues)


def test_a_word_longer_than_a_line_is_left_whole() -> None:
    word = "x" * 300
    assert [c.text for c in layout([Cue(0, 1, word)], language="en")] == [word]


TEXTS = st.text(st.sampled_from("abcdé ,.!?가나다라 日本語、。 <&>\n"), min_size=1, max_size=400)


@given(
    texts=st.lists(TEXTS, min_size=1, max_size=4),
    language=st.sampled_from(["en", "ko", "ja"]),
)
def test_nothing_is_lost_and_lines_fit(texts: list[str], language: str) -> None:
    given_cues = [Cue(10.0 * n, 10.0 * n + 9, text) for n, text in enumerate(texts)]
    cues = layout(given_cues, language=language)

    def letters(parts: list[str]) -> str:
        return "".join("".join(parts).split())

    assert letters([cue.text for cue in cues]) == letters(texts)
    assert all(a.end <= b.start for a, b in pairwise(cues))
    limit = LINE_COLUMNS if language == "en" else LINE_COLUMNS_CJK
    for cue in cues:
        lines = cue.text.split("\n")
        assert len(lines) <= 2
        if all(columns(word) <= limit // 2 for word in cue.text.split()):
            assert max(map(columns, lines)) <= limit
