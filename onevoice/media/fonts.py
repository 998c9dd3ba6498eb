"""Whether this machine can draw the letters of a language.

libass asks the system for a font that has a letter and, where there is none, draws a box. Which
fonts there are is asked in other ways on each system; so a letter is drawn, and held against one
that no font has.
"""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache
from pathlib import Path

from onevoice.errors import EngineUnavailable
from onevoice.media.process import ffmpeg_path

_NOBODY_HAS = "\U0010fffd"
"""The last character for private use."""
_NAME = "letters.ass"
_SIZE = 64
_SCRIPT = f"""[Script Info]
ScriptType: v4.00+
PlayResX: {_SIZE}
PlayResY: {_SIZE}

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, Alignment
Style: Default,{{font}},40,&H00FFFFFF,5

[Events]
Format: Layer, Start, End, Style, Text
"""


def require_letters(letters: str, *, font: str, language: str) -> None:
    """Raise EngineUnavailable where some of them would be drawn as boxes.

    ``font`` is the family asked for, of plain characters; others of the system stand in for it.
    """
    lacking = undrawable("".join(sorted({c for c in letters if c.isalpha()})), font)
    if lacking:
        raise EngineUnavailable(
            f"no font on this machine has the letters of {language} ({lacking[:6]})",
            hint="install one (for Korean, Chinese and Japanese: apt install fonts-noto-cjk), or "
            "leave out --burn-subtitles",
        )


@cache
def undrawable(letters: str, font: str) -> str:
    """Those of some letters that come out as boxes; none where nothing can be drawn at all."""
    if not letters:
        return ""
    drawn = _draw([_NOBODY_HAS, *letters], font)
    if len(drawn) <= len(letters):
        return ""
    box = drawn[0]
    return "".join(c for c, picture in zip(letters, drawn[1:], strict=False) if picture == box)


def _draw(letters: list[str], font: str) -> list[bytes]:
    """A picture of each letter, in grey: one frame a second, one letter a frame."""
    events = [
        f"Dialogue: 0,{_clock(k)},{_clock(k + 1)},Default,{letter}\n"
        for k, letter in enumerate(letters)
    ]
    with tempfile.TemporaryDirectory(prefix="onevoice-") as folder:
        (Path(folder) / _NAME).write_text(
            _SCRIPT.format(font=font) + "".join(events), encoding="utf-8"
        )
        picture = f"color=black:size={_SIZE}x{_SIZE}:rate=1:duration={len(letters)}"
        command = [ffmpeg_path(), "-nostdin", "-v", "quiet", "-f", "lavfi", "-i", picture]
        command += ["-vf", f"ass=filename={_NAME}", "-pix_fmt", "gray", "-f", "rawvideo", "-"]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, stdin=subprocess.DEVNULL, check=False
        )
    size = _SIZE * _SIZE
    return [done.stdout[k : k + size] for k in range(0, len(done.stdout), size)]


def _clock(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}.00"
