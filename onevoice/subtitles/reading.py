"""Subtitle files as people have them: SRT, VTT, ASS and SSA, in any usual encoding.

SRT and VTT are read here rather than with pysubs2, which takes a VTT cue's name for a part of the
sentence before it and loses a last line that is a number. It reads ASS and SSA (:mod:`ass`).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

from onevoice.errors import MediaNotFound, MediaUnreadable
from onevoice.subtitles import bidi
from onevoice.subtitles.cue import Cue, one_line

_CLOCK = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMES = re.compile(rf"\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s.*)?$")
_SRT_TAG = re.compile(r"</?(?:[ibus]|font|span|ruby|rt)(?:\s[^>]*)?>|\{\\[^}]*\}", re.IGNORECASE)
_SRT_BROKEN_UP = re.compile(r"(<|--|\\|｛|｝)\u2060")
_SRT_MEANT = {"｛": "{", "｝": "}"}
_VTT_TAG = re.compile(r"<[^<>]*>")


def read(path: Path) -> tuple[Cue, ...]:
    """Cues of a subtitle file in order of time, without their formatting.

    The encoding is found out: UTF-8, UTF-16 with a byte-order mark, Korean (CP949) or Western.

    Raises
    ------
    MediaNotFound
        No such file.
    MediaUnreadable
        It does not parse, or has no cue in it.
    """
    text = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    if text.startswith("WEBVTT"):
        cues = list(_parse_vtt(text))
    elif path.suffix.lower() in {".ass", ".ssa"} or "[Script Info]" in text[:1000]:
        from onevoice.subtitles import ass  # pysubs2 is not needed before

        cues = [_cue(*parsed) for parsed in ass.loads(text, path)]
    else:
        cues = list(_parse_srt(text))
    cues = [cue for cue in cues if cue.text]
    if not cues:
        raise MediaUnreadable(
            f"there are no subtitles in {path}", hint="give an SRT, VTT or ASS file"
        )
    return tuple(sorted(cues, key=lambda cue: cue.start))


def read_text(path: Path) -> str:
    """A file of text in any usual encoding. Raises MediaNotFound, MediaUnreadable."""
    try:
        return decode(path.read_bytes())
    except FileNotFoundError as exc:
        raise MediaNotFound(f"there is no file {path}", hint="check the name and folder") from exc
    except OSError as exc:
        raise MediaUnreadable(f"cannot open {path}: {exc.strerror}") from exc


def decode(data: bytes) -> str:
    """Text of unknown encoding; never fails, for every byte is some Western letter."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        text = data.decode("cp949")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
    foreign = [c for c in text if ord(c) > 127]
    # Western letters in pairs can pass for rare syllables; Korean text is in common ones.
    common = sum("가" <= c <= "힣" and len(c.encode("euc_kr", "ignore")) == 2 for c in foreign)
    return text if common >= 0.7 * len(foreign) else data.decode("cp1252", errors="replace")


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return whole + int(fraction.ljust(3, "0")) / 1000


def _blocks(text: str) -> Iterator[tuple[tuple[float, float] | None, str]]:
    """Groups of lines between blank ones: their times, if any, and the lines after those."""
    for block in re.split(r"\n[^\S\n]*\n", text):
        lines = block.strip("\n").split("\n")
        for number, line in enumerate(lines[:2]):
            if found := _TIMES.match(line):
                times = _seconds(*found.groups()[:4]), _seconds(*found.groups()[4:])
                yield times, "\n".join(lines[number + 1 :])
                break
        else:
            yield None, block


def _parse_vtt(text: str) -> Iterator[Cue]:
    for times, body in _blocks(text):
        if times is not None:
            yield _cue(*times, html.unescape(_VTT_TAG.sub("", body)))


def _parse_srt(text: str) -> Iterator[Cue]:
    last: Cue | None = None
    for times, body in _blocks(text):
        body = _SRT_BROKEN_UP.sub(_as_meant, _SRT_TAG.sub("", body))
        if times is not None:
            if last is not None:
                yield last
            last = _cue(*times, body)
        elif last is not None:
            # A blank line inside a subtitle; not the number of one whose times are missing.
            last = (
                last
                if body.strip().isdigit()
                else _cue(last.start, last.end, f"{last.text}\n{body}")
            )
    if last is not None:
        yield last


def _as_meant(found: re.Match[str]) -> str:
    return _SRT_MEANT.get(found[1], found[1])


def _cue(start: float, end: float, text: str) -> Cue:
    lines = (one_line(bidi.strip(line.strip())) for line in text.split("\n"))
    return Cue(start, max(start, end), "\n".join(line for line in lines if line))
