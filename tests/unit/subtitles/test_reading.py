"""Reading what people have."""

from __future__ import annotations

from pathlib import Path

import pytest

from onevoice.errors import MediaNotFound, MediaUnreadable
from onevoice.subtitles import Cue, read

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
        "Dialogue: 0,0:00:01.50,0:00:02.00,Default,,0,0,0,,{\\b1}Hola{\\b0},\\N\\{mundo\\}\n"
        "Dialogue: 0,0:00:01.50,0:00:02.00,Default,,0,0,0,,{\\p1}m 0 0 l 9 9{\\p0}\n"
        "Comment: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,hidden\n"
    )
    assert read(path) == (Cue(1.5, 2.0, "Hola,\n{mundo}"),)


def test_marks_of_direction_around_a_line_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_text(
        "1\n00:00:01,000 --> 00:00:02,000\n\u202bنعم.\u202c\n\u200fלא!\n", encoding="utf-8"
    )
    assert read(path) == (Cue(1.0, 2.0, "نعم.\nלא!"),)


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
