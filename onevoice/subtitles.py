"""Read and write subtitles: SRT and VTT both ways, ASS and SSA in.

SRT and VTT are read here rather than with pysubs2, which takes a VTT cue's name for a part of the
sentence before it and loses a last line that is a number. ASS and SSA are read with pysubs2.
"""

from __future__ import annotations

import html
import math
import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest
from pathlib import Path

from onevoice.errors import ConfigError, MediaNotFound, MediaUnreadable
from onevoice.languages import base, is_cjk

LINE_COLUMNS = 42
"""A line of subtitles in Latin letters; the usual limit of broadcasters."""
LINE_COLUMNS_CJK = 36
"""Eighteen full-width characters."""
SHORTEST = 0.2
"""No cue is cut shorter than this, in seconds, to keep it from overlapping the next."""

_CLOCK = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMES = re.compile(rf"\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s.*)?$")
_SRT_TAG = re.compile(r"</?(?:[ibus]|font|span|ruby|rt)(?:\s[^>]*)?>|\{\\[^}]*\}", re.IGNORECASE)
_VTT_TAG = re.compile(r"<[^<>]*>")
_SENTENCE_END = ".?!…。！？"
_CLAUSE_END = ",;:—–、，；：)」』）"
_NEVER_FIRST = set(
    ",.;:?!…)]}»”’、。，．；：？！）」』】〉》ーぁぃぅぇぉっゃゅょァィゥェォッャュョ%"
)
_NEVER_LAST = set("([{«“‘（「『【〈《¿¡")
_SPACELESS = {"ja", "zh"}


@dataclass(frozen=True, slots=True)
class Cue:
    """A text and when it is shown, in seconds. Line breaks in the text are the writer's own."""

    start: float
    end: float
    text: str


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
    try:
        text = decode(path.read_bytes())
    except FileNotFoundError as exc:
        raise MediaNotFound(f"there is no file {path}", hint="check the name and folder") from exc
    except OSError as exc:
        raise MediaUnreadable(f"cannot open {path}: {exc.strerror}") from exc
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.startswith("WEBVTT"):
        cues = list(_parse_vtt(text))
    elif path.suffix.lower() in {".ass", ".ssa"} or "[Script Info]" in text[:1000]:
        cues = _parse_ass(path, text)
    else:
        cues = list(_parse_srt(text))
    cues = [cue for cue in cues if cue.text]
    if not cues:
        raise MediaUnreadable(
            f"there are no subtitles in {path}", hint="give an SRT, VTT or ASS file"
        )
    return tuple(sorted(cues, key=lambda cue: cue.start))


def write(path: Path, cues: Iterable[Cue], *, language: str) -> None:
    """Write an ``.srt`` or ``.vtt`` file, laid out for reading.

    Long cues are divided in time at sentences and clauses, each is broken into at most two
    balanced lines, and none overlaps the next. The file appears whole or not at all.

    Raises
    ------
    ConfigError
        ``path`` ends in neither .srt nor .vtt.
    OutputUnwritable, DiskFull
        It cannot be written.
    """
    from onevoice.media.files import whole_file

    suffix = path.suffix.lower()
    if suffix not in {".srt", ".vtt"}:
        raise ConfigError(f"subtitles are written as .srt or .vtt, not {path.name}")
    blocks = []
    for number, cue in enumerate(layout(cues, language=language), start=1):
        start, end = _clock(cue.start, suffix), _clock(cue.end, suffix)
        # "&", "<" and ">" mean something in VTT; SRT has no way to escape them.
        text = html.escape(cue.text, quote=False) if suffix == ".vtt" else cue.text
        blocks.append(f"{number}\n{start} --> {end}\n{text}\n")
    if suffix == ".vtt":
        blocks.insert(0, "WEBVTT\n")
    with whole_file(path) as part:
        part.write_text("\n".join(blocks), encoding="utf-8", newline="\n")


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


def layout(cues: Iterable[Cue], *, language: str) -> tuple[Cue, ...]:
    """The cues as they are to be shown: divided, broken into lines, in order, not overlapping."""
    limit = LINE_COLUMNS_CJK if is_cjk(language) else LINE_COLUMNS
    anywhere = base(language) in _SPACELESS
    plain = (replace(cue, text=" ".join(cue.text.split())) for cue in cues)
    apart = _apart([cue for cue in plain if cue.text])
    parts = (part for cue in apart for part in _divide(cue, limit, anywhere=anywhere))
    return tuple(replace(part, text=_wrap(part.text, limit, anywhere=anywhere)) for part in parts)


def columns(text: str) -> int:
    """Width of a text; a full-width character takes two columns, a combining mark none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _apart(cues: list[Cue]) -> list[Cue]:
    """Cues in order of time, in whole milliseconds, none beginning before the last has ended."""
    kept: list[Cue] = []
    for cue in sorted(cues, key=lambda cue: (cue.start, cue.end)):
        start, end = round(max(0.0, cue.start), 3), round(cue.end, 3)
        if kept and kept[-1].end > start:
            last = kept[-1]
            if start - last.start < SHORTEST:
                # Two at once: each gets half of the time that they have together.
                start = round((last.start + max(end, last.end, last.start + 2 * SHORTEST)) / 2, 3)
            kept[-1] = replace(last, end=min(last.end, start))
        kept.append(Cue(start, max(end, round(start + SHORTEST, 3)), cue.text))
    # A cue that was given its least length may reach into the next again.
    return [
        replace(cue, end=min(cue.end, follow)) if follow is not None else cue
        for cue, follow in zip_longest(kept, [cue.start for cue in kept[1:]])
    ]


def _divide(cue: Cue, limit: int, *, anywhere: bool) -> Iterator[Cue]:
    """Parts of a cue that fit two lines, each shown in proportion to its width."""
    texts, rest = [], cue.text
    while (cut := _cut(rest, limit, anywhere=anywhere)) is not None:
        texts.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    texts.append(rest)
    widths = [max(1, columns(text)) for text in texts]
    total, done, edges = sum(widths), 0, [cue.start]
    for width in widths:
        done += width
        edges.append(round(cue.start + (cue.end - cue.start) * done / total, 3))
    for text, (start, end) in zip(texts, pairwise(edges), strict=True):
        yield Cue(start, end, text)


def _cut(text: str, limit: int, *, anywhere: bool) -> int | None:
    """Where the first part of a text too long for two lines should end; None when it fits."""
    if _fits(text, limit, anywhere=anywhere):
        return None
    room = 2 * limit
    target = columns(text) / math.ceil(columns(text) / room)
    best: tuple[float, int] | None = None
    for at in _breaks(text, anywhere=anywhere):
        left = text[:at].rstrip()
        if not _fits(left, limit, anywhere=anywhere):
            break
        cost = abs(columns(left) - target) + room * _roughness(left)
        if best is None or cost < best[0]:
            best = (cost, at)
    return best[1] if best else next(iter(_breaks(text, anywhere=anywhere)), None)


def _roughness(left: str) -> float:
    """How hard it is on the reader to stop here, as a share of a full cue."""
    if left[-1] in _SENTENCE_END:
        return 0.0
    return 0.15 if left[-1] in _CLAUSE_END else 0.4


def _fits(text: str, limit: int, *, anywhere: bool) -> bool:
    return all(columns(line) <= limit for line in _wrap(text, limit, anywhere=anywhere).split("\n"))


def _wrap(text: str, limit: int, *, anywhere: bool) -> str:
    """One line where it fits, else two as equal as can be, rather broken after punctuation."""
    if columns(text) <= limit:
        return text

    def cost(at: int) -> float:
        left, right = text[:at].rstrip(), text[at:].lstrip()
        longer = max(columns(left), columns(right))
        over = max(0, longer - limit) * 1000
        return over + longer + limit * 0.25 * _roughness(left)

    at = min(_breaks(text, anywhere=anywhere), key=cost, default=None)
    return text if at is None else f"{text[:at].rstrip()}\n{text[at:].lstrip()}"


def _breaks(text: str, *, anywhere: bool) -> Iterator[int]:
    """Where a line may end: at spaces, and between the letters of scripts that have none."""
    for at in range(1, len(text)):
        before, after = text[at - 1], text[at]
        if before == " ":
            yield at
            continue
        wide = columns(before) + columns(after) > 2 and after != " "
        if anywhere and wide and after not in _NEVER_FIRST and before not in _NEVER_LAST:
            yield at


def _clock(seconds: float, suffix: str) -> str:
    whole, ms = divmod(round(seconds * 1000), 1000)
    point = "," if suffix == ".srt" else "."
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{ms:03}"


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
        body = _SRT_TAG.sub("", body)
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


def _parse_ass(path: Path, text: str) -> list[Cue]:
    import pysubs2

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
    return [_cue(e.start / 1000, e.end / 1000, e.plaintext) for e in spoken]


def _cue(start: float, end: float, text: str) -> Cue:
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return Cue(start, max(start, end), "\n".join(line for line in lines if line))
