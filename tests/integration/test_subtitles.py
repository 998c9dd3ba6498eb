"""Subtitle files as FFmpeg, and with it most players, understands them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from onevoice.media.process import ffmpeg_path
from onevoice.subtitles import FORMATS, Cue, read, write

SAID = [
    "<i>tags</i> & <b>more</b>, a<b and </font>",
    r"{\an8}{\b1}braces{\r} {y:i} { and } \{ \}",
    r"C:\new\h\Names\n \N \ and \\",
    "00:00:01,000 --> 00:00:02,000",
    "<!-- a --> b ->",
    "&amp; &lt;i&gt; &nbsp;",
    "1984",
    "NOTE this, [Events]",
    "שלום {מ-Tel Aviv}.",
]


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_said_is_what_a_player_shows(tmp_path: Path, kind: str) -> None:
    cues = [Cue(10.0 * n, 10.0 * n + 6, text) for n, text in enumerate(SAID)]
    path, decoded = tmp_path / f"a.{kind}", tmp_path / "decoded.ass"
    write(path, cues, language="en")
    command = [ffmpeg_path(), "-v", "error", "-i", str(path), "-f", "ass", str(decoded)]
    subprocess.run(command, check=True, timeout=60)
    shown = [" ".join(cue.text.replace("\u2060", "").split()) for cue in read(decoded)]
    # SRT has no braces that every player shows.
    assert [text.replace("｛", "{").replace("｝", "}") for text in shown] == SAID
    assert [cue.start for cue in read(decoded)] == [cue.start for cue in cues]
