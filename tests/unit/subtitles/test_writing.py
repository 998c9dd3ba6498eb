"""Writing files that players show as they are meant, whatever is said in them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from onevoice.errors import ConfigError, OutputUnwritable
from onevoice.subtitles import FORMATS, Cue, SubtitleStyle, read, write

NASTY = [
    "<i>tags</i> & <b>more</b>, a<b and </font>",
    r"{\an8}{\b1}braces{\r} {y:i} { and } \{ \}",
    r"C:\new\h\Names\n \N \ and \\",
    "00:00:01,000 --> 00:00:02,000",
    "<!-- a --> b ->",
    "&amp; &lt;i&gt; &nbsp;",
    "1984",
    "WEBVTT",
    "NOTE this",
    "Dialogue: 0,0:00:01.50,0:00:02.00,Default,,0,0,0,,x, [Events]",
    "one\n\ntwo\n \n2\n\nthree",
    "Où ça\u00a0? «\u202foui\u202f»",
    "👩‍👩‍👧 🇰🇷🇧🇷 👍🏽 e\u0301",
]
RTL = [
    ("ar", "هل قلتَ إن النسخة API 2.0 جاهزة؟ نعم (9:30)."),
    ("he", "שלום, קוראים לי דנה {מ-Tel Aviv}."),
    ("fa", "«نمی‌دانم»، گفت."),
    ("ur", "کیا آپ آئیں گے؟"),
]


def words(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def written(folder: Path, kind: str, text: str, language: str = "en") -> tuple[str, str]:
    """What is in the file, and what is read from it."""
    path = folder / f"a.{kind}"
    write(path, [Cue(0.0, 6.0, text)], language=language)
    return path.read_text(encoding="utf-8"), words(" ".join(cue.text for cue in read(path)))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("text", NASTY)
def test_what_is_said_is_read_back(tmp_path: Path, kind: str, text: str) -> None:
    assert written(tmp_path, kind, text)[1] == words(text)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(("language", "text"), RTL)
def test_right_to_left_is_read_back_in_the_order_it_is_said(
    tmp_path: Path, kind: str, language: str, text: str
) -> None:
    raw, back = written(tmp_path, kind, text, language)
    assert back == words(text)
    assert raw.count("\u202b") == raw.count("\u202c") > 0


@given(
    text=st.text(
        st.one_of(
            st.sampled_from("<>{}\\&-/ibNnhan81:;,.!?'\" \n"),
            st.characters(exclude_categories=["Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"]),
        ),
        max_size=120,
    ),
    kind=st.sampled_from(FORMATS),
)
def test_any_text_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, text: str, kind: str
) -> None:
    if not words(text):
        return
    back = written(tmp_path_factory.mktemp("any"), kind, text)[1]
    assert "".join(back.split()) == "".join(words(text).split())


def test_vtt_has_no_markup_in_its_text(tmp_path: Path) -> None:
    text = "if a<b & b>c: <script>x --> y</script> &amp;"
    raw, back = written(tmp_path, "vtt", text)
    assert "<script>" not in raw and raw.count("-->") == 1 and back == text


def test_srt_has_nothing_that_players_obey(tmp_path: Path) -> None:
    raw, _ = written(tmp_path, "srt", r"<i>a</i> {\an8} {y:i} 1 --> 2 \N")
    assert raw.count("-->") == 1
    assert not any(found in raw for found in ("<i>", "</i>", "{", "}", r"\N"))
    assert written(tmp_path, "srt", "1 < 2 -> <3 \\x")[0].endswith("1 < 2 -> <3 \\x\n")


def test_ass_has_nothing_that_players_obey(tmp_path: Path) -> None:
    raw, _ = written(tmp_path, "ass", r"{\pos(1,1)}a\Nb{\p1}c}")
    event = pysubs2.SSAFile.from_string(raw, format_="ass").events[0]
    # Nowhere does a code follow a backslash; the braces are escaped for libass.
    assert event.text == "\\{\\\u2060pos(1,1)\\}a\\\u2060Nb\\{\\\u2060p1\\}c\\}"
    assert not event.is_drawing


@pytest.mark.parametrize("suffix", [".srt", ".vtt"])
def test_written_file_as_players_expect(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write(path, [Cue(3661.5, 3662.5, "끝."), Cue(-1.0, 0.9999, "처음.")], language="ko")
    point = "," if suffix == ".srt" else "."
    body = (
        f"1\n00:00:00{point}000 --> 00:00:01{point}000\n처음.\n\n"
        f"2\n01:01:01{point}500 --> 01:01:02{point}500\n끝.\n"
    )
    assert path.read_text(encoding="utf-8") == ("WEBVTT\n\n" if suffix == ".vtt" else "") + body
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_ass_has_the_style_in_pixels_of_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.ass"
    style = SubtitleStyle(font="Noto Sans KR", size=0.05, outline=0.1, position="top", margin=0.1)
    write(path, [Cue(1.234, 4.0, "안녕")], language="ko", style=style, size=(1280, 720))
    file = pysubs2.load(str(path))
    assert (file.info["PlayResX"], file.info["PlayResY"]) == ("1280", "720")
    shown = file.styles["Default"]
    assert (shown.fontname, shown.fontsize, shown.outline, shown.marginv) == (
        "Noto Sans KR",
        36.0,
        3.6,
        72,
    )
    assert shown.alignment == pysubs2.Alignment.TOP_CENTER and shown.borderstyle == 1
    assert [(event.start, event.end) for event in file] == [(1230, 4000)]

    write(path, [Cue(1, 4, "안녕")], language="ko", style=SubtitleStyle(box=True, outline=0))
    boxed = pysubs2.load(str(path)).styles["Default"]
    assert boxed.borderstyle == 3 and boxed.outline > 0
    assert boxed.alignment == pysubs2.Alignment.BOTTOM_CENTER


def test_a_full_line_fits_an_upright_picture(tmp_path: Path) -> None:
    sizes = {}
    for size in ((1080, 1920), (1920, 1080)):
        path = tmp_path / "a.ass"
        write(path, [Cue(0, 3, "x")], language="en", size=size)
        sizes[size] = pysubs2.load(str(path)).styles["Default"].fontsize
    assert sizes[1080, 1920] * 42 / 2 < 1080
    assert sizes[1920, 1080] == pytest.approx(0.06 * 1080, abs=0.1)


def test_ass_beyond_ten_hours(tmp_path: Path) -> None:
    path = tmp_path / "a.ass"
    write(path, [Cue(37230.5, 37232.0, "late")], language="en")
    assert ",10:20:30.50,10:20:32.00," in path.read_text()
    assert read(path) == (Cue(37230.5, 37232.0, "late"),)


def test_a_font_is_a_name_and_no_more() -> None:
    for font in ("", "Arial,72", "a\nDialogue: x", "{\\b1}", "a:b"):
        with pytest.raises(ValidationError):
            SubtitleStyle(font=font)
    assert SubtitleStyle(font="나눔고딕 Bold-2.0").font


def test_no_cue_outlasts_the_film(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    write(path, [Cue(1, 2, "one"), Cue(8.5, 9, "two words")], language="en", until=9.1)
    assert max(cue.end for cue in read(path)) == 9.1


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        write(tmp_path / "a.txt", [], language="en")
    with pytest.raises(OutputUnwritable):
        write(tmp_path / "no" / "a.srt", [], language="en")


def test_full_stops_stand_at_the_left_whatever_the_player_assumes(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    write(path, [Cue(0, 5, "API جاهزة. OK.")], language="ar")
    line = path.read_text(encoding="utf-8").split("\n")[2]
    assert line == "\u202bAPI جاهزة. OK.\u202c"
    assert unicodedata.bidirectional(line[0]) == "RLE"
    write(path, [Cue(0, 5, "OK.")], language="ar")
    assert path.read_text(encoding="utf-8").split("\n")[2] == "OK."
