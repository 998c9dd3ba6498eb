"""The parts of media that need no ffmpeg."""

from __future__ import annotations

import errno
import struct
from pathlib import Path

import pytest

from onevoice.errors import ConfigError, DiskFull, OutputError, OutputUnwritable
from onevoice.media import is_media
from onevoice.media.containers import container_of, extension_for
from onevoice.media.files import whole_file
from onevoice.media.integrity import inspect
from onevoice.media.mark import append_xmp, comment
from onevoice.media.matroska import state_duration
from onevoice.media.process import last_error_line


def box(name: bytes, body: bytes = b"", *, stated: int | None = None) -> bytes:
    return struct.pack(">I4s", len(body) + 8 if stated is None else stated, name) + body


def long_box(name: bytes, body: bytes, *, stated: int | None = None) -> bytes:
    length = len(body) + 16 if stated is None else stated
    return struct.pack(">I4sQ", 1, name, length) + body


def riff(kind: bytes, *chunks: bytes, stated: int | None = None) -> bytes:
    body = kind + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if stated is None else stated) + body


def chunk(name: bytes, body: bytes, *, stated: int | None = None) -> bytes:
    return name + struct.pack("<I", len(body) if stated is None else stated) + body


EBML = b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm"
SEGMENT = b"\x18\x53\x80\x67"
FTYP, MOOV = box(b"ftyp", b"isom"), box(b"moov", bytes(20))


@pytest.mark.parametrize(
    ("content", "truncated", "indexed"),
    [
        pytest.param(FTYP + MOOV + box(b"mdat", bytes(50)), False, True, id="whole"),
        pytest.param(FTYP + MOOV + box(b"mdat", bytes(50), stated=99), True, True, id="cut"),
        pytest.param(FTYP + box(b"mdat", bytes(50), stated=99), True, False, id="no-index"),
        pytest.param(FTYP + box(b"mdat", bytes(50)), False, False, id="index-missing"),
        pytest.param(FTYP + MOOV + box(b"mdat", bytes(50), stated=0), False, True, id="to-the-end"),
        pytest.param(FTYP + MOOV + long_box(b"mdat", bytes(50)), False, True, id="64-bit"),
        pytest.param(
            FTYP + MOOV + long_box(b"mdat", bytes(50), stated=1 << 33), True, True, id="64-bit-cut"
        ),
        pytest.param(FTYP + MOOV + box(b"junk", stated=3), False, True, id="nonsense-length"),
        pytest.param(EBML + SEGMENT + b"\x84abcd", False, True, id="mkv"),
        pytest.param(EBML + SEGMENT + b"\x88abcd", True, True, id="mkv-cut"),
        pytest.param(EBML + SEGMENT + b"\x01" + b"\xff" * 7 + b"ab", False, True, id="mkv-live"),
        pytest.param(riff(b"WAVE", chunk(b"data", bytes(8))), False, True, id="wav"),
        pytest.param(riff(b"WAVE", chunk(b"data", bytes(8), stated=80)), True, True, id="wav-cut"),
        pytest.param(
            riff(b"WAVE", chunk(b"data", bytes(8), stated=80), stated=0xFFFFFFFF),
            False,
            True,
            id="wav-from-a-pipe",
        ),
        pytest.param(riff(b"AVI ", bytes(40)), False, True, id="avi"),
        pytest.param(riff(b"AVI ", bytes(40), stated=400), True, True, id="avi-cut"),
        pytest.param(b"ID3 whatever", False, True, id="other"),
        pytest.param(b"", False, True, id="nothing"),
        pytest.param(b"\x1a\x45\xdf\xa3", False, True, id="mkv-magic-alone"),
    ],
)
def test_structure(tmp_path: Path, content: bytes, truncated: bool, indexed: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    found = inspect(path)
    assert (found.truncated, found.indexed) == (truncated, indexed)


def test_rf64_data_length_is_read_from_its_own_chunk(tmp_path: Path) -> None:
    sizes = b"ds64" + struct.pack("<IQQQI", 28, 1 << 33, 1 << 33, 0, 0)
    path = tmp_path / "a.wav"
    path.write_bytes(
        b"RF64\xff\xff\xff\xffWAVE" + sizes + chunk(b"data", bytes(8), stated=0xFFFFFFFF)
    )
    assert inspect(path).truncated


@pytest.mark.parametrize(
    ("container", "suffix", "video", "extension"),
    [
        ("mp4", ".m4v", True, ".m4v"),
        ("mp4", ".MP4", True, ".mp4"),
        ("mkv", ".mp4", True, ".mkv"),
        ("avi", ".avi", True, ".mkv"),
        ("webm", ".webm", True, ".webm"),
        ("mov", ".qt", True, ".mov"),
        ("mp4", ".mp4", False, ".m4a"),
        ("wav", ".wav", False, ".wav"),
        ("mp3", ".mp3", False, ".mp3"),
        ("ogg", ".opus", False, ".opus"),
        ("ogg", ".oga", False, ".ogg"),
        ("aac", ".aac", False, ".m4a"),
    ],
)
def test_extension_of_a_result(container: str, suffix: str, video: bool, extension: str) -> None:
    assert extension_for(container, suffix=suffix, video=video) == extension
    container_of(Path("talk" + extension))


def test_unknown_kind_of_output() -> None:
    with pytest.raises(ConfigError) as error:
        container_of(Path("talk.doc"))
    assert ".mp4" in error.value.hint


@pytest.mark.parametrize(
    ("name", "yes"), [("a.MP4", True), ("b.mts", True), ("c.srt", False), ("d", False)]
)
def test_is_media(name: str, yes: bool) -> None:
    assert is_media(Path(name)) is yes


@pytest.mark.parametrize(
    ("stderr", "line"),
    [
        ("", ""),
        ("Conversion failed!", "Conversion failed!"),
        (
            "[in#0 @ 0x55ef] Error opening input: Invalid data found when processing input\n"
            "Error opening input file a.mp4.\nError opening input files: Invalid data found\n",
            "Error opening input: Invalid data found when processing input",
        ),
        (
            "[aac @ 0x55ef] [dec:aac @ 0x1f] Input buffer exhausted\nConversion failed!\n",
            "Input buffer exhausted",
        ),
    ],
)
def test_last_error_line(stderr: str, line: str) -> None:
    assert last_error_line(stderr) == line


def test_whole_file_appears_at_the_end_only(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with whole_file(path) as part:
        part.write_bytes(b"new")
        assert not path.exists() and part.parent == tmp_path
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"] and path.read_bytes() == b"new"


def test_whole_file_that_failed_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), whole_file(path) as part:
        part.write_bytes(b"new")
        raise KeyError
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"] and path.read_bytes() == b"old"


def test_whole_file_takes_a_name_of_the_greatest_length(tmp_path: Path) -> None:
    path = tmp_path / ("가" * 83 + ".mp4")
    with whole_file(path) as part:
        part.write_bytes(b"x")
    assert path.exists()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EACCES, OutputUnwritable),
        (errno.EROFS, OutputUnwritable),
        (errno.EIO, OutputError),
    ],
)
def test_whole_file_names_what_the_system_refused(
    tmp_path: Path, code: int, kind: type[OutputError]
) -> None:
    with pytest.raises(OutputError) as error, whole_file(tmp_path / "a.bin"):
        raise OSError(code, "refused")
    assert type(error.value) is kind
    assert list(tmp_path.iterdir()) == []


def test_comment_carries_one_mark() -> None:
    assert comment("", "a") == "synthetic_voice=a"
    assert comment("By hand\nsynthetic_voice=old", "new") == "By hand\nsynthetic_voice=new"


def test_xmp_box_is_whole_and_escaped(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(FTYP + MOOV)
    append_xmp(path, "</x> & \x00")
    data = path.read_bytes()
    assert not inspect(path).truncated
    assert b"&lt;/x&gt; &amp; " in data and b"\x00 <" not in data[len(FTYP + MOOV) + 24 :]
    assert b"compositeWithTrainedAlgorithmicMedia" in data


def test_duration_is_stated_in_the_file_s_own_ticks(tmp_path: Path) -> None:
    body = b"\x2a\xd7\xb1\x83" + (100_000).to_bytes(3, "big") + b"\x44\x89\x88" + bytes(8)
    path = tmp_path / "a.mkv"
    path.write_bytes(EBML + SEGMENT + b"\xff\x15\x49\xa9\x66\x92" + body + b"rest")
    state_duration(path, 2.5)
    assert struct.unpack(">d", path.read_bytes()[-12:-4])[0] == 25_000.0


def test_duration_is_left_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    path.write_bytes(EBML + SEGMENT + b"\xff")
    state_duration(path, 2.5)
    assert path.read_bytes() == EBML + SEGMENT + b"\xff"
