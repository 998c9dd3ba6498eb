"""ASS and SSA through pysubs2, with text that is text.

The format has no escapes that all players know. As libass shows it (mpv, VLC, FFmpeg), ``\\{`` is a
brace, and a backslash is one when a word joiner follows it; a player that does not know the first
still obeys nothing, for no code has a joiner in it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pysubs2
from pysubs2.formats.substation import SubstationFormat

from onevoice.errors import MediaUnreadable
from onevoice.subtitles.cue import Cue
from onevoice.subtitles.house import house
from onevoice.subtitles.style import SubtitleStyle

_JOINER = "\u2060"
_CODE = re.compile(r"\\\u2060|\\[{}Nnh]|\{[^}]*\}")
_MEANING = {"\\\u2060": "\\", r"\{": "{", r"\}": "}", r"\N": "\n", r"\n": "\n", r"\h": " "}
_COLUMN = 0.52
"""Mean width of a column of text, as a share of its height."""
_WIDEST_LINE = 0.92
"""How much of the picture's width a full line may take."""
_THINNEST_BOX = 0.1


class _AnyLength(SubstationFormat):
    """pysubs2 stops its clock at ten hours; players do not."""

    @staticmethod
    def ms_to_timestamp(requested_ms: int) -> str:
        hundredths = round(requested_ms / 10)
        seconds = hundredths // 100
        clock = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return f"{clock}.{hundredths % 100:02}"


def loads(text: str, path: Path) -> list[tuple[float, float, str]]:
    """Start, end and text of what is said in an ASS or SSA file, without overrides and drawings.

    Raises
    ------
    MediaUnreadable
        It does not parse; ``path`` is named.
    """
    try:
        with warnings.catch_warnings():
            # It warns of every field that it replaces by its default.
            warnings.simplefilter("ignore")
            file = pysubs2.SSAFile.from_string(text, format_="ass")
    except (pysubs2.Pysubs2Error, ValueError, KeyError, IndexError) as exc:
        raise MediaUnreadable(
            f"{path} does not parse as ASS subtitles: {exc}",
            hint="save it again with a subtitle editor, as ASS or SRT",
        ) from exc
    spoken = (e for e in file if not e.is_comment and not e.is_drawing)
    return [(e.start / 1000, e.end / 1000, unescape(e.text)) for e in spoken]


def dumps(
    cues: Sequence[Cue], *, language: str, style: SubtitleStyle, size: tuple[int, int]
) -> str:
    """An ASS file of cues as they are, for a picture of ``size`` (width, height) pixels."""
    file = pysubs2.SSAFile()
    file.info.update(
        {
            "PlayResX": str(size[0]),
            "PlayResY": str(size[1]),
            # Without it players guess a colour matrix, and white text is no longer white.
            "YCbCr Matrix": "None",
        }
    )
    file.styles["Default"] = _style(style, size, line=house(language).columns)
    file.events = [
        pysubs2.SSAEvent(
            start=round(cue.start * 1000), end=round(cue.end * 1000), text=escape(cue.text)
        )
        for cue in cues
    ]
    out = StringIO()
    _AnyLength.to_file(file, out, "ass", header_notice="")
    return out.getvalue()


def escape(text: str) -> str:
    """Text that is shown as it is; its line breaks are breaks."""
    text = text.replace("\\", f"\\{_JOINER}")
    return text.replace("{", r"\{").replace("}", r"\}").replace("\n", r"\N")


def unescape(text: str) -> str:
    """The text that libass shows; overrides show nothing."""
    return _CODE.sub(lambda code: _MEANING.get(code[0], ""), text)


def _style(style: SubtitleStyle, size: tuple[int, int], *, line: int) -> pysubs2.SSAStyle:
    width, height = size
    # In an upright picture a full line has to be smaller to fit.
    text = min(style.size * height, _WIDEST_LINE * width / (line * _COLUMN))
    side = round((1 - _WIDEST_LINE) / 2 * width)
    outline = max(_THINNEST_BOX, style.outline) if style.box else style.outline
    top = style.position == "top"
    return pysubs2.SSAStyle(
        fontname=style.font,
        fontsize=round(text, 1),
        borderstyle=3 if style.box else 1,
        outline=round(outline * text, 1),
        shadow=0.0,
        alignment=pysubs2.Alignment.TOP_CENTER if top else pysubs2.Alignment.BOTTOM_CENTER,
        marginl=side,
        marginr=side,
        marginv=round(style.margin * height),
    )
