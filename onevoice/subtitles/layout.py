"""Cues as they are to be shown: divided, timed for reading, in order, in lines.

Times are whole hundredths of a second in here.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from onevoice.subtitles.breaking import Passage, ends_sentence, passage
from onevoice.subtitles.cue import Cue, columns, one_line
from onevoice.subtitles.house import GAP, LONGEST, SHORTEST, House, house

_SHORTEST, _LONGEST, _GAP = round(SHORTEST * 100), round(LONGEST * 100), round(GAP * 100)
_LATE = 100
"""A crowded cue may come this much after its sound, so that the one before it can be read."""
_FLASH = 20
"""Where even that does not help, none is shown shorter than this."""
_BLINK = 41
"""A pause of less than half a second between cues looks like a mistake: the gap takes its place."""
_APART = 50
"""Neighbours further apart than this are not joined."""
_DASH = "- "


@dataclass(frozen=True, slots=True)
class _Piece:
    """A text with its times. ``lines`` are set where they are not to be broken anew."""

    start: int
    end: int
    text: str
    speaker: str = ""
    lines: tuple[str, ...] = ()


def layout(
    cues: Iterable[Cue], *, language: str, until: float | None = None, punctual: bool = False
) -> tuple[Cue, ...]:
    """The cues as they are to be shown, by the house style of their language.

    What two speakers say at once becomes one cue with a dash a line. A cue too short to be read is
    joined to the rest of its sentence. What is too long for two lines or seven seconds is divided
    at sentences, clauses or words. Each stays for as long as it takes to read, where the next (and
    ``until``, the end of the film) leaves the time, and begins when it is heard, or up to a second
    later where cues are crowded. None of the text is lost.

    ``punctual`` is for files that people edit and give back, where a cue belongs to the line at
    its time: none is joined, paired or late, even where it is too short to be read.
    """
    style = house(language)
    given = (
        _Piece(
            max(0, round(cue.start * 100)),
            round(cue.end * 100),
            # Letters spelled out as several (Hangul from macOS) are no wider, nor torn apart.
            one_line(unicodedata.normalize("NFC", cue.text)),
            cue.speaker,
        )
        for cue in cues
    )
    pieces = sorted((p for p in given if p.text), key=lambda p: (p.start, p.end))
    if not punctual:
        pieces = _join_short(_pair_speakers(pieces, style), language)
    parts = [part for piece in pieces for part in _divide(piece, language)]
    end = None if until is None else round(until * 100)
    return tuple(_schedule(parts, style, end, late=0 if punctual else _LATE))


def _pair_speakers(pieces: Iterable[_Piece], style: House) -> list[_Piece]:
    """Two speakers at once: one cue, a dash before what each says, if both fit a line."""
    kept: list[_Piece] = []
    for piece in pieces:
        last = kept[-1] if kept else None
        if last is not None and _at_once(last, piece):
            lines = f"{_DASH}{last.text}", f"{_DASH}{piece.text}"
            end = max(last.end, piece.end)
            if max(map(columns, lines)) <= style.columns and end - last.start <= _LONGEST:
                kept[-1] = _Piece(last.start, end, "\n".join(lines), lines=lines)
                continue
        kept.append(piece)
    return kept


def _at_once(first: _Piece, second: _Piece) -> bool:
    """Whether two people speak into each other for half of what one of them says."""
    if not first.speaker or not second.speaker or first.speaker == second.speaker:
        return False
    shared = min(first.end, second.end) - second.start
    return shared > 0 and 2 * shared >= min(first.end - first.start, second.end - second.start)


def _join_short(pieces: Sequence[_Piece], language: str) -> list[_Piece]:
    """Parts of one sentence as one cue, where one alone is too short to be read."""
    kept: list[_Piece] = []
    for piece in pieces:
        last = kept[-1] if kept else None
        if last is not None and _one_sentence(last, piece):
            joint = f"{last.text} {piece.text}"
            if passage(joint, language).fits(0, len(joint)):
                kept[-1] = _Piece(last.start, max(last.end, piece.end), joint, piece.speaker)
                continue
        kept.append(piece)
    return kept


def _one_sentence(first: _Piece, second: _Piece) -> bool:
    short = min(first.end - first.start, second.end - second.start) < _SHORTEST
    near = 0 <= second.start - first.end <= _APART
    alike = first.speaker == second.speaker and not first.lines and not second.lines
    whole = second.end - first.start <= _LONGEST
    return short and near and alike and whole and not ends_sentence(first.text)


def _divide(piece: _Piece, language: str) -> Iterator[_Piece]:
    """Parts that fit two lines and seven seconds, each shown in proportion to its width."""
    if piece.lines:
        yield piece
        return
    whole = passage(piece.text, language)
    size = len(piece.text)
    total, length = max(1, whole.width(0, size)), max(0, piece.end - piece.start)

    def moment(at: int) -> int:
        return piece.start + round(length * whole.width(0, at) / total)

    start = 0
    while start < size:
        end, following = _cut(whole, start, length / total)
        lines = whole.wrap(start, end)
        yield _Piece(moment(start), moment(end), "\n".join(lines), piece.speaker, lines)
        start = following


def _cut(whole: Passage, start: int, pace: float) -> tuple[int, int]:
    """Where the part from ``start`` should end, and the next one begin.

    ``pace`` is the time of a column. One line that is said slowly stays whole.
    """
    size = len(whole.text)
    width, room = whole.width(start, size), 2 * whole.limit
    slow = width > whole.limit and width * pace > _LONGEST
    if not slow and whole.fits(start, size):
        return size, size
    target = width / max(
        2 if slow else 1, math.ceil(width / room), math.ceil(width * pace / _LONGEST)
    )
    best: tuple[float, int, int] | None = None
    for place in whole.after(start):
        if best is not None and not whole.fits(start, place.end):
            break
        off = abs(whole.width(start, place.end) - target)
        cost = off + room * place.roughness
        if best is None or cost < best[0]:
            best = (cost, place.end, place.start)
    return best[1:] if best else (size, size)


def _schedule(
    parts: Sequence[_Piece], style: House, until: int | None, *, late: int
) -> Iterator[Cue]:
    free = 0
    for part, follow in zip_longest(parts, parts[1:]):
        start = max(part.start, free)
        read = start + _reading_time(part, style)
        end = min(max(part.end, read), start + _LONGEST)
        if until is not None:
            end = max(min(end, until), start + _FLASH)
        if follow is not None:
            room = follow.start - _GAP
            if end < room < min(end + _BLINK, start + _LONGEST):
                end = room
            if follow.start < part.end:
                room = max(room, min(read, _turn(part, follow, start)) - _GAP)
            latest = max(start + _FLASH, follow.start + late - _GAP)
            end = min(end, max(room, min(start + _SHORTEST, latest)))
        free = end + _GAP
        yield Cue(start / 100, end / 100, part.text, part.speaker)


def _turn(part: _Piece, follow: _Piece, start: int) -> int:
    """When two cues that are heard at once change, each having its share of their time."""
    mine, theirs = columns(part.text), columns(follow.text)
    whole = max(part.end, follow.end) - start
    return start + round(whole * mine / max(1, mine + theirs))


def _reading_time(part: _Piece, style: House) -> int:
    characters = columns(part.text) / (2 if style.full_width else 1)
    return min(_LONGEST, max(_SHORTEST, math.ceil(100 * characters / style.speed)))
