"""From what a recogniser says it heard to words that can be trusted: clean, in order, in time."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from onevoice.engines.recognition.listening import FRAME_S, Span
from onevoice.types import Word

LOOP = 4
"""A phrase said this often in a row is the recogniser stuck in a loop, not a person."""

_SHORTEST = 0.02
_EARLIER, _LATER = 0.3, 0.8
_MISSED_S = 0.7
_LONGEST_PHRASE = 8


def make_word(text: str, start: float, end: float, probability: float) -> Word | None:
    """A word as recognised (a leading space means a new word); None where nothing is left."""
    stripped = text.strip()
    if not stripped or not any(unicodedata.category(c)[0] in "LN" for c in stripped):
        return None
    return Word(
        text=stripped,
        start=float(start),
        end=float(end),
        probability=float(np.clip(probability, 0, 1)),
        joined=not text[:1].isspace(),
    )


def key(word: Word) -> str:
    """A word without case and punctuation, for comparing."""
    return "".join(c for c in word.text.casefold() if c.isalnum())


def loops(words: Sequence[Word]) -> list[tuple[int, int]]:
    """Where a phrase of up to eight words is said LOOP times or more in a row.

    Returns
    -------
    list
        ``(begin, end)`` of the repetitions, as indices: what stands before ``begin`` is the
        phrase said once. A single short word needs twice as many ("no, no, no, no").
    """
    keys = [key(word) for word in words]
    found: list[tuple[int, int]] = []
    i = 0
    while i < len(keys):
        for size in range(1, _LONGEST_PHRASE + 1):
            times = 1
            while keys[i + times * size : i + (times + 1) * size] == keys[i : i + size]:
                times += 1
            if times >= (2 * LOOP if size == 1 else LOOP) and i + size <= len(keys):
                found.append((i + size, i + times * size))
                i += times * size - 1
                break
        i += 1
    return found


def without_loops(words: Sequence[Word]) -> list[Word]:
    """The words with each looping phrase said once."""
    drop = {i for begin, end in loops(words) for i in range(begin, end)}
    return [word for i, word in enumerate(words) if i not in drop]


def within_speech(words: Sequence[Word], speech: Sequence[Span], slack: float = 0.3) -> list[Word]:
    """Drop words in places where nobody speaks: hallucinations."""
    return [
        word
        for word in words
        if any(word.start < end + slack and word.end > start - slack for start, end in speech)
    ]


def missed(words: Sequence[Word], speech: Sequence[Span], margin: float = 0.4) -> list[Span]:
    """Where somebody speaks and no word was recognised: holes of 0.7 s and more."""
    holes: list[Span] = []
    for start, end in speech:
        clock = start
        inside = [w for w in words if w.end + margin > start and w.start - margin < end]
        for low, high in [*((w.start - margin, w.end + margin) for w in inside), (end, end)]:
            if low - clock >= _MISSED_S:
                holes.append((clock, low))
            clock = max(clock, high)
    return holes


def snap(words: Sequence[Word], active: NDArray[np.bool_], offset: float = 0.0) -> list[Word]:
    """Move word edges to where the sound begins and ends.

    A recogniser's alignment puts the edges at pauses off by some tenths of a second. An edge that
    lies in silence moves to the nearest sound inside the word; one that lies in sound with room
    before the neighbour moves outwards to where the sound stops.

    Parameters
    ----------
    words
        In order.
    active
        Which frames of FRAME_S sound, from ``offset`` on.
    offset
        Time of the first frame, in seconds.
    """
    out: list[Word] = []
    for i, word in enumerate(words):
        first = _frame(word.start - offset, len(active))
        last = max(_frame(word.end - offset, len(active)), first + 1)
        inside = np.flatnonzero(active[first:last])
        if not len(inside):
            out.append(word)
            continue
        floor = _frame((out[-1].end if out else 0.0) - offset, len(active))
        roof = len(active)
        if i + 1 < len(words):
            roof = max(_frame(words[i + 1].start - offset, len(active)), last)
        earlier, later = round(_EARLIER / FRAME_S), round(_LATER / FRAME_S)
        begin = first + int(inside[0])
        if inside[0] == 0:
            # A word may begin before the one before it ends: then it stays where it is.
            begin = _run_edge(active, first, min(first, max(floor, first - earlier)), -1)
        stop = first + int(inside[-1]) + 1
        if stop == last:
            stop = _run_edge(active, last - 1, min(roof, last + later) - 1, 1) + 1
        start, end = offset + begin * FRAME_S, offset + stop * FRAME_S
        # Whatever moved by less than a frame was right already.
        out.append(
            replace(
                word,
                start=word.start if abs(start - word.start) <= FRAME_S else start,
                end=word.end if abs(end - word.end) <= FRAME_S else end,
            )
        )
    return out


def ordered(words: Sequence[Word], duration: float) -> tuple[Word, ...]:
    """Words one after the other inside the recording, none shorter than 20 ms."""
    out: list[Word] = []
    clock = 0.0
    for word in words:
        start = min(max(word.start, clock, 0.0), max(duration - _SHORTEST, 0.0))
        end = max(min(word.end, duration), start + _SHORTEST)
        out.append(replace(word, start=round(start, 3), end=round(end, 3)))
        clock = out[-1].end
    if out:
        out[0] = replace(out[0], joined=False)
    return tuple(out)


def _frame(seconds: float, count: int) -> int:
    return int(min(max(round(seconds / FRAME_S), 0), max(count - 1, 0)))


def _run_edge(active: NDArray[np.bool_], index: int, limit: int, step: int) -> int:
    """The last frame in the direction of ``step``, up to ``limit``, that still sounds."""
    while index != limit and 0 <= index + step < len(active) and active[index + step]:
        index += step
    return index
