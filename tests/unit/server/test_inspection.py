"""Hostile and broken files: each is rejected with a reason, in time, and reaches nothing."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import stat
import struct
import subprocess
import sys
import time
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from onevoice.errors import (
    EngineUnavailable,
    MediaError,
    MediaTruncated,
    MediaUnreadable,
    NoAudio,
)
from onevoice.media import ffmpeg_path
from onevoice.server.videos import inspection
from onevoice.server.videos.inspection import (
    Confines,
    Inspection,
    MediaTooLong,
    inspect,
)
from onevoice.server.videos.inspector import MediaUnusual
from tests.conftest import SAMPLE


def look(path: Path, *, max_seconds: float = 600, confines: Confines | None = None) -> Inspection:
    return asyncio.run(inspect(path, max_seconds=max_seconds, confines=confines))


def test_an_ordinary_film() -> None:
    found = look(SAMPLE)
    assert found.duration_ms == 54_000
    assert found.details["container"] == "mp4" and found.details["has_video"]
    assert found.details["video"][0]["width"] > 0
    assert found.details["audio"][0]["sample_rate"] > 0
    assert str(SAMPLE.parent) not in json.dumps(found.details)


def test_longer_than_allowed() -> None:
    with pytest.raises(MediaTooLong, match=r"54\.0 s long, and 50\.0 s are allowed"):
        look(SAMPLE, max_seconds=50)


# -- hostile files -------------------------------------------------------------------------------


def box(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + name + data


def nested(depth: int) -> bytes:
    """``moov`` in ``moov`` in ``moov`` …, each with an honest length."""
    head = b"".join(struct.pack(">I", 8 * (depth - n)) + b"moov" for n in range(depth))
    return box(b"ftyp", b"isom\0\0\2\0isommp42") + head


def zip_bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("film.mp4", bytes(50_000_000))


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000000020001e221bc330000000049454e44ae426082"
)
HOSTILE: dict[str, bytes | Callable[[Path], None]] = {
    "empty": b"",
    "text": b"hello, I am a film\n" * 1000,
    "zeros": bytes(1_000_000),
    "m3u8": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "m3u8 of tcp": b"#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:1/a.ts\n#EXT-X-ENDLIST\n",
    "ffconcat": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "concat of this": f"ffconcat version 1.0\nfile '{SAMPLE}'\n".encode(),
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    "dash": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
    b"<Period><AdaptationSet><Representation><BaseURL>file:///etc/passwd</BaseURL>"
    b"</Representation></AdaptationSet></Period></MPD>",
    "svg": b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    b'<svg xmlns="http://www.w3.org/2000/svg"><text>&x;</text></svg>',
    "billion laughs": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaa">'
    b'<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><a>&b;</a>',
    "gzip bomb": gzip.compress(bytes(20_000_000)),
    "zip bomb": zip_bomb,
    "png": PNG,
    "nested boxes": nested(200_000),
    "box of 16 EB": box(b"ftyp", b"isom\0\0\2\0isom") + b"\0\0\0\1moov" + b"\xff" * 8 + bytes(64),
    "boxes of nothing": box(b"ftyp", b"isom\0\0\2\0isom") + box(b"moov", b"") * 100_000,
    "ebml of lies": b"\x1a\x45\xdf\xa3\x01" + b"\xff" * 400,
    "wav of no rate": b"RIFF\xff\xff\xff\xffWAVEfmt "
    + struct.pack("<IHHIIHH", 16, 1, 65535, 0, 0, 0, 0)
    + b"data\xff\xff\xff\xff",
    "elf": b"\x7fELF" + bytes(range(256)) * 100,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_rejected(name: str, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    content = HOSTILE[name]
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)
    began = time.monotonic()
    with pytest.raises(MediaError) as caught:
        look(path)
    assert time.monotonic() - began < 20
    assert caught.value.hint and str(tmp_path) not in caught.value.message
    assert "root:" not in caught.value.message


def test_a_playlist_beside_good_files_plays_none_of_them(tmp_path: Path) -> None:
    piece = tmp_path / "piece.ts"
    ffmpeg("-i", str(SAMPLE), "-t", "2", "-c", "copy", str(piece))
    playlist = tmp_path / "film.m3u8"
    playlist.write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{piece.name}\n#EXT-X-ENDLIST\n"
    )
    assert look(piece).duration_ms > 1000
    with pytest.raises(MediaUnreadable):
        look(playlist)


def test_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    data = SAMPLE.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises((MediaTruncated, MediaUnreadable)) as caught:
        look(path)
    assert "--salvage" not in caught.value.hint, "there is no command line here"


def test_no_sound(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    ffmpeg("-i", str(SAMPLE), "-t", "2", "-an", "-c:v", "copy", str(path))
    with pytest.raises(NoAudio):
        look(path)


def test_sound_that_is_none(tmp_path: Path) -> None:
    """A whole container whose sound is noise to its codec."""
    path = tmp_path / "film.mp4"
    ffmpeg("-i", str(SAMPLE), "-t", "5", "-vn", "-c:a", "aac", str(path))
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start : start + 40_000] = b"\xff" * len(data[start : start + 40_000])
    path.write_bytes(data)
    with pytest.raises(MediaUnreadable, match="sound"):
        look(path)


def test_a_declared_length_of_centuries(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    ffmpeg("-i", str(SAMPLE), "-t", "2", "-c", "copy", str(path))
    data = bytearray(path.read_bytes())
    at = data.index(b"\x44\x89\x88") + 3  # Segment\Info\Duration, a double
    data[at : at + 8] = struct.pack(">d", 1e13)
    path.write_bytes(data)
    with pytest.raises(MediaTooLong, match=r"16666666\d\.\d minutes"):
        look(path)


@pytest.mark.parametrize("side", [10_000, 100_000, 0x7FFFFFFF])
def test_a_declared_picture_of_miles(side: int, tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    ffmpeg("-i", str(SAMPLE), "-t", "0.2", "-s", "64x64", "-c:v", "rawvideo", str(path))
    data = bytearray(path.read_bytes())
    at = data.index(b"strf") + 8
    data[at + 4 : at + 12] = struct.pack("<II", side, side)
    path.write_bytes(data)
    with pytest.raises(MediaUnusual, match="pixels wide"):
        look(path)


@pytest.mark.parametrize(("rate", "channels"), [(1_000, 1), (48_000, 60)])
def test_sound_of_sizes_nobody_has(rate: int, channels: int, tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(2 * channels * 1000))
    with pytest.raises(MediaUnusual, match=r"samples per second|channels"):
        look(path)


def test_what_a_file_says_of_itself_is_one_short_line(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    title = "<script>alert(1)</script>\r\nSet-Cookie: a\x1b[31m" + "x" * 5000
    tag = f"title={title}"
    ffmpeg("-i", str(SAMPLE), "-t", "1", "-c", "copy", "-metadata:s:a:0", tag, str(path))
    said = look(path).details["audio"][0]["title"]
    assert said.startswith("<script>") and len(said) <= 200 and said.isprintable()


# -- the child -----------------------------------------------------------------------------------


def test_time_is_up() -> None:
    began = time.monotonic()
    with pytest.raises(MediaUnreadable, match="too long"):
        look(SAMPLE, confines=Confines(wall=0.05))
    assert time.monotonic() - began < 5


def test_memory_runs_out() -> None:
    with pytest.raises(MediaUnreadable):
        look(SAMPLE, confines=Confines(memory=1 << 20))


def pretend(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Another program in place of the child."""
    program = folder / "child"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(inspection.sys, "executable", str(program))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("kill -SEGV $$", "decoder fail"),
        ("kill -KILL $$", "decoder fail"),
        ("kill -XCPU $$", "too long"),
        ("exit 1", "decoder fail"),
        ("echo '{}'", "decoder fail"),
        ("echo '[]'", "decoder fail"),
        ('echo \'{"duration_ms": "x", "details": {}}\'', "decoder fail"),
        ('echo \'{"error": "x"}\'', "decoder fail"),
        ('echo \'{"duration_ms": Infinity, "details": {}}\'', "decoder fail"),
        ('echo \'{"error": {"code": "a\\u0000", "message": "", "hint": ""}}\'', "decoder fail"),
        ("printf '[%.0s' $(seq 100000)", "decoder fail"),
        ("cat /dev/zero", "too long"),
    ],
)
def test_a_child_that_fails(
    body: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, monkeypatch, body)
    with pytest.raises(MediaUnreadable, match=says):
        look(SAMPLE)


def test_a_child_that_cannot_start_is_not_the_files_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, monkeypatch, "exit 70")
    with pytest.raises(EngineUnavailable):
        look(SAMPLE)


def test_children_of_the_child_are_killed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, monkeypatch, f"sleep 60 & echo $! > {tmp_path}/pid; wait")
    with pytest.raises(MediaUnreadable, match="too long"):
        look(SAMPLE, confines=Confines(wall=1))
    assert gone(int((tmp_path / "pid").read_text()))


def test_cancelling_ends_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/pid; sleep 60")

    async def go() -> None:
        task = asyncio.create_task(inspect(SAMPLE, max_seconds=60))
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(go())
    assert gone(int((tmp_path / "pid").read_text()))


def test_the_child_gets_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEVOICE_SERVER_PADDLE_API_KEY", "pdl_secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws_secret")
    pretend(tmp_path, monkeypatch, f"env > {tmp_path}/env")
    with pytest.raises(MediaUnreadable):
        look(SAMPLE)
    assert "secret" not in (tmp_path / "env").read_text()


def test_the_child_writes_no_files_and_opens_few(tmp_path: Path) -> None:
    code = (
        "import sys; from onevoice.server.videos.inspector import confine\n"
        "confine(1 << 30, 10, 16)\n"
        "import os\n"
        "try:\n    os.write(os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY), b'x'); print('wrote')\n"
        "except OSError: print('refused')\n"
        "try:\n    kept = [open('/dev/null') for _ in range(20)]; print('opened')\n"
        "except OSError: print('refused')\n"
        "try:\n    bytes(2 << 30); print('had')\n"
        "except MemoryError: print('refused')\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["refused", "refused", "refused"]


def gone(pid: int) -> bool:
    for _ in range(100):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return True
        if state == "Z":
            return True  # dead, and not yet buried by its new parent
        time.sleep(0.05)
    return False


def ffmpeg(*arguments: str) -> None:
    subprocess.run(
        [ffmpeg_path(), "-v", "error", "-nostdin", "-y", *arguments],
        check=True,
        capture_output=True,
    )
