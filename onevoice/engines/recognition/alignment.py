"""Words with times from what services say: bare words beside a text, or a text with two times."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from onevoice.engines.recognition.listening import FRAME_S
from onevoice.languages import unspaced
from onevoice.types import Word

_FAR = 60
"""A word is looked for this many characters on: text and words may each leave something out."""
_PAUSE_S = 0.25
"""No word has a pause of this length inside."""
_CLOSURES_S = {".!?…。！？": 0.8, ",;:—–-、，；：": 0.4}
"""How much farther off a word may be, in seconds of speech, to be the one that ends at a pause."""
_FARTHEST_S = 2.0
Span = tuple[int, int]


def spelled(words: Sequence[Word], text: str) -> list[Word]:
    """Bare words as the text writes them: with its punctuation, and joined where it has no space.

    Each word takes the stretch of text from its own first letter up to the next word's. A word
    that the text does not have stays as it is.

    Parameters
    ----------
    words
        In order, without punctuation.
    text
        The same words as running text.
    """
    folded = _folded(text)
    cursor = 0
    places: list[Span | None] = []
    for word in words:
        places.append(_find(folded, _bare(_folded(word.text)), cursor))
        cursor = places[-1][1] if places[-1] else cursor
    begins = [_opening(text, place[0]) if place else None for place in places]
    out: list[Word] = []
    for word, place, begin, following in zip(
        words, places, begins, [*begins, len(text)][1:], strict=True
    ):
        if place is None or begin is None:
            out.append(word)
            continue
        end = _closing(text, place[1]) if following is None else following
        joined = begin > 0 and not text[begin - 1].isspace()
        out.append(replace(word, text=text[begin:end].strip(), joined=joined))
    return out


def spread(
    text: str,
    start: float,
    end: float,
    active: NDArray[np.bool_],
    *,
    probability: float = 1.0,
    speaker: str = "",
) -> list[Word]:
    """The words of a text over the time it is said in, by their letters, leaving out silence.

    No word goes over a pause: there one ends that is near, one with punctuation before others.

    Parameters
    ----------
    text
        Running text; in scripts without spaces each character becomes a word.
    start, end
        Seconds from the first frame of ``active``.
    active
        Which frames of FRAME_S sound.
    """
    pieces = _pieces(text)
    if not pieces:
        return []
    first = round(start / FRAME_S)
    frames = active[first : max(round(end / FRAME_S), first + 1)]
    if not frames.any():
        frames = np.ones(max(round((end - start) / FRAME_S), 1), np.bool_)
    edges = (start + np.arange(len(frames) + 1) * (end - start) / len(frames)).tolist()
    said = np.concatenate([[0.0], np.cumsum(frames)])
    weights = np.cumsum([0.0, *(len(piece) + 1 for piece, _ in pieces)])
    goals = weights / weights[-1] * said[-1]
    goals = _anchored(goals, [_closure(piece) for piece, _ in pieces], _pauses(frames))
    # A word begins where sound goes on after its share, and ends where its share is reached.
    begins = [edges[int(np.searchsorted(said, goal + 1e-9, "right")) - 1] for goal in goals[:-1]]
    ends = [edges[int(np.searchsorted(said, goal - 1e-9, "left"))] for goal in goals[1:]]
    out: list[Word] = []
    clock = 0.0
    for (piece, joined), begin, stop in zip(pieces, begins, ends, strict=True):
        # Two words may share a frame: it is the first one's.
        first, clock = max(begin, clock), max(stop, begin, clock)
        out.append(
            Word(
                text=piece,
                start=first,
                end=clock,
                probability=probability,
                joined=joined,
                speaker=speaker,
            )
        )
    return out


def _anchored(
    goals: NDArray[np.float64], closures: Sequence[float], pauses: Sequence[Span]
) -> NDArray[np.float64]:
    """The edges of words moved so that every pause falls on one; the longest pause chooses first.

    Parameters
    ----------
    goals
        Where each word begins, and the last one ends, in frames of sound; shape ``(n + 1,)``.
    closures
        By how many seconds the end of each word is preferred.
    pauses
        Length in frames, and how many frames of sound stand before.
    """
    fixed = {0: 0.0, len(goals) - 1: float(goals[-1])}
    moved = goals
    for _, place in sorted(pauses, reverse=True):
        first = max(i for i, at in fixed.items() if at < place) + 1
        last = min(i for i, at in fixed.items() if at > place)
        off = {i: abs(moved[i] - place) * FRAME_S for i in range(first, last)}
        best = min(off, key=lambda i: off[i] - closures[i - 1], default=None)
        if best is not None and off[best] <= _FARTHEST_S:
            fixed[best] = float(place)
            kept = sorted(fixed)
            moved = np.interp(goals, goals[kept], [fixed[i] for i in kept])
    return moved


def _pauses(frames: NDArray[np.bool_]) -> list[Span]:
    """Pauses between sounds: how long, and after how many frames of sound."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], frames.astype(np.int8), [0]])))
    begins, ends = edges[::2], edges[1::2]
    said = np.cumsum(ends - begins)
    gaps = zip((begins[1:] - ends[:-1]).tolist(), said[:-1].tolist(), strict=True)
    return [(gap, before) for gap, before in gaps if gap * FRAME_S >= _PAUSE_S]


def _closure(word: str) -> float:
    mark = word.rstrip("\"'”’»)]")[-1:]
    return next((seconds for marks, seconds in _CLOSURES_S.items() if mark and mark in marks), 0.0)


def _pieces(text: str) -> list[tuple[str, bool]]:
    """Words with their punctuation, and whether each is joined to what stands before."""
    out: list[tuple[str, bool]] = []
    for chunk in text.split():
        first = 0
        last = ""  # letter or digit of the current piece
        for i, char in enumerate(chunk):
            if not char.isalnum():
                continue
            if last and (unspaced(char) or unspaced(last)):
                out.append((chunk[first:i], first > 0))
                first = i
            last = char
        if last:
            out.append((chunk[first:], first > 0))
        elif out:  # punctuation that stands alone
            out[-1] = (out[-1][0] + chunk, out[-1][1])
    return out


def _folded(text: str) -> str:
    """Caseless, one character for one, so that places in it are places in the text."""
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def _bare(word: str) -> str:
    """Without the punctuation at both ends; empty where there is nothing else."""
    letters = [i for i, char in enumerate(word) if char.isalnum()]
    return word[letters[0] : letters[-1] + 1] if letters else ""


def _find(text: str, word: str, start: int) -> Span | None:
    """Where a word stands next, not far on and not inside another word."""
    limit = start + _FAR + len(word)
    at = text.find(word, start, limit) if word else -1
    while at > start and text[at - 1].isalnum() and not unspaced(text[at]):
        at = text.find(word, at + 1, limit)
    return (at, at + len(word)) if at >= 0 else None


def _opening(text: str, start: int) -> int:
    """Where the brackets and quotes before a word begin."""
    while start > 0 and _opens(text, start - 1):
        start -= 1
    return start


def _opens(text: str, at: int) -> bool:
    if unicodedata.category(text[at]) in ("Ps", "Pi") or text[at] in "¿¡":
        return True
    return text[at] in "\"'" and (at == 0 or text[at - 1].isspace())


def _closing(text: str, end: int) -> int:
    """Where the punctuation behind a word ends."""
    while end < len(text) and not (text[end].isspace() or text[end].isalnum()):
        end += 1
    return end
