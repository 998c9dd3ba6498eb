"""Subtitle files, laid out for reading: SRT, VTT and ASS.

What a line of the film says is text in all of them: shown as it is, never obeyed. VTT and
:mod:`ass` can escape. SRT cannot, and there are players that obey HTML and ASS in it: an invisible
word joiner breaks up what they would take for a tag, a code or times, and braces, which they hide
with what is in them, are full-width ones. :mod:`reading` undoes that.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from onevoice.errors import ConfigError
from onevoice.languages import scripts
from onevoice.subtitles import bidi
from onevoice.subtitles.cue import Cue
from onevoice.subtitles.layout import layout
from onevoice.subtitles.style import SubtitleStyle

FORMATS = ("srt", "vtt", "ass")

_JOINER = "\u2060"
_SRT_OBEYED = re.compile(r"<(?=[/!A-Za-z])|--(?=>)|\\(?=[Nnh])|[{}]")
_FULL_WIDTH = {"{": "｛", "}": "｝"}
_RTL_SCRIPTS = frozenset({"Arabic", "Hebrew"})
_SIZE = (1920, 1080)


def write(
    path: Path,
    cues: Iterable[Cue],
    *,
    language: str,
    style: SubtitleStyle | None = None,
    size: tuple[int, int] | None = None,
    until: float | None = None,
    punctual: bool = False,
) -> None:
    """Write an ``.srt``, ``.vtt`` or ``.ass`` file, laid out for reading (:func:`layout`).

    ``style`` and ``size``, the picture's width and height in pixels, matter to ASS alone. No cue
    stays beyond ``until``, the end of the film in seconds. ``punctual`` is for files that people
    edit and give back. The file appears whole or not at all.

    Raises
    ------
    ConfigError
        ``path`` ends in none of these.
    OutputUnwritable, DiskFull
        It cannot be written.
    """
    from onevoice.media.files import whole_file

    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise ConfigError(
            f"subtitles are written as {', '.join(FORMATS)}, not as {path.name}",
            hint="give the file one of these endings",
        )
    shown = layout(cues, language=language, until=until, punctual=punctual)
    if set(scripts(language)) & _RTL_SCRIPTS:
        shown = tuple(Cue(cue.start, cue.end, bidi.embed(cue.text)) for cue in shown)
    if kind == "ass":
        from onevoice.subtitles import ass  # pysubs2 is not needed before

        text = ass.dumps(
            shown, language=language, style=style or SubtitleStyle(), size=size or _SIZE
        )
    else:
        text = _vtt(shown) if kind == "vtt" else _srt(shown)
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def _srt(cues: Sequence[Cue]) -> str:
    return "\n".join(
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n"
        f"{_SRT_OBEYED.sub(_broken_up, cue.text)}\n"
        for number, cue in enumerate(cues, start=1)
    )


def _broken_up(found: re.Match[str]) -> str:
    return _FULL_WIDTH.get(found[0], found[0]) + _JOINER


def _vtt(cues: Sequence[Cue]) -> str:
    blocks = (
        f"{number}\n{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n"
        f"{html.escape(cue.text, quote=False)}\n"
        for number, cue in enumerate(cues, start=1)
    )
    return "\n".join(("WEBVTT\n", *blocks))


def _clock(seconds: float, point: str) -> str:
    whole, ms = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{ms:03}"
