"""Split a line at the pauses of its source, for timing only.

The sentence is translated whole. When its speaker paused inside it, the translation is cut at
about the same place, rather at a comma or full stop than between two words, and the parts are
spoken each in its own time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from onevoice.pipeline.segmentation import abbreviated
from onevoice.types import Line, Pause, Segment

MIN_PAUSE = 0.3
"""Seconds: a shorter silence is not heard as a pause."""
WORD_PAUSE = 0.6
"""Seconds: a cut between two words breaks the melody of the sentence, so that only a pause during
which the mouth is seen to rest is worth one."""
TOLERANCE = 0.2
"""How far, as a share of the text, a boundary may lie from where the pause would."""
WORD_TOLERANCE = 0.1
"""The same for the space between two words, of which there is always one near."""

BOUNDARY = re.compile(
    r"""(?: [,;:.?!…،؛؟]+ ["'”’»)\]]* \s+      # a mark and a space: not in 3,500 or 3.5
          | \s [—–-]+ \s+                       # a dash between spaces
          | —+ \s*                              # or a long one without
          | [、，。；：？！．]+ [」』）】》”’]* \s*   # full-width marks need no space
        )""",
    re.VERBOSE,
)
SPACE = re.compile(r"(?<=\w)\s+(?=\w)")
WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A stretch of a line that is spoken in one go, and the time it replaces.

    ``id`` is the line's, with "/1", "/2", … where the line was split. ``text`` keeps the space
    that follows it, so that the texts of a line's phrases, joined, are the line's text.
    """

    id: str
    start: float
    end: float
    text: str


def phrases(
    line: Line, segment: Segment | None, *, min_pause: float = MIN_PAUSE
) -> tuple[Phrase, ...]:
    """The phrases of a line, at least one; ``segment`` is its source, if it has one.

    A pause splits the line when it lasts ``min_pause`` seconds, a punctuation mark of the text
    lies within a fifth of the text's length of the proportional position, and both parts are
    at least two syllables or four letters. From ``WORD_PAUSE`` on, the space between two words
    will do, within a tenth. Should the line's window have been edited, the pauses move with it.
    """
    cuts = _cuts(line.text, segment, min_pause) if segment is not None and not line.keep else []
    if not cuts or segment is None:
        return (Phrase(id=line.id, start=line.start, end=line.end, text=line.text),)
    scale = (line.end - line.start) / (segment.end - segment.start)

    def moved(time: float) -> float:
        return line.start + (time - segment.start) * scale

    starts = [line.start, *(moved(pause.end) for pause, _ in cuts)]
    ends = [*(moved(pause.start) for pause, _ in cuts), line.end]
    edges = [0, *(at for _, at in cuts), len(line.text)]
    return tuple(
        Phrase(id=f"{line.id}/{i + 1}", start=starts[i], end=ends[i], text=line.text[a:b])
        for i, (a, b) in enumerate(pairwise(edges))
    )


def _cuts(text: str, segment: Segment, min_pause: float) -> list[tuple[Pause, int]]:
    """Pauses and where they cut the text, in order; the longest pauses choose first."""
    pauses = [
        pause
        for pause in segment.pauses
        if pause.end - pause.start >= min_pause
        and segment.start < pause.start < pause.end < segment.end
        and 0 < pause.offset < len(segment.text)
    ]
    marks = [
        match.end()
        for match in BOUNDARY.finditer(text)
        if not abbreviated(text[: match.end()].split()[-1])
    ]
    spaces = [match.end() for match in SPACE.finditer(text)]
    chosen: list[tuple[Pause, int]] = []
    for pause in sorted(pauses, key=lambda pause: (pause.start - pause.end, pause.start)):
        wanted = len(text) * pause.offset / len(segment.text)
        near = _nearest(marks, wanted, TOLERANCE * len(text))
        if pause.end - pause.start >= WORD_PAUSE:
            near += _nearest(spaces, wanted, WORD_TOLERANCE * len(text))
        at = next((at for at in near if _fits(text, chosen, pause, at)), None)
        if at is not None:
            chosen.append((pause, at))
    return sorted(chosen, key=lambda cut: cut[1])


def _nearest(places: list[int], wanted: float, most: float) -> list[int]:
    """The places within ``most`` of the wanted one, the nearest first."""
    near = [at for at in places if abs(at - wanted) <= most]
    return sorted(near, key=lambda at: abs(at - wanted))


def _fits(text: str, chosen: list[tuple[Pause, int]], pause: Pause, at: int) -> bool:
    """Whether a further cut keeps pauses and positions in the same order and no part tiny."""
    earlier = [position for other, position in chosen if other.end < pause.start]
    later = [position for other, position in chosen if other.start > pause.end]
    if len(earlier) + len(later) < len(chosen):
        return False  # it touches a pause already taken
    before, after = max(earlier, default=0), min(later, default=len(text))
    return before < at < after and _sayable(text[before:at]) and _sayable(text[at:after])


def _sayable(text: str) -> bool:
    """At least two syllables (a Korean, Chinese or kana character is one) or four letters."""
    syllables = len(WIDE.findall(text))
    letters = sum(character.isalnum() for character in text) - syllables
    return 2 * syllables + letters >= 4
