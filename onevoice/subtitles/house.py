"""What broadcasters and streaming services ask of subtitles, by language.

Durations, the gap and two lines are those of Netflix' Timed Text Style Guide (TTSG), General
Requirements: five sixths of a second to seven seconds, two frames apart. They are in hundredths
of a second, the grid of ASS, here rounded so that no format falls short of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from onevoice.languages import base, is_cjk

LINES = 2
SHORTEST = 0.84
"""5/6 s."""
LONGEST = 7.0
GAP = 0.09
"""Two frames of 24 in a second are 0.083 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The house style of a language.

    ``columns`` is the widest line; a full-width character has two. ``speed`` is how many
    characters a second are comfortable (subtitles that translate), ``fastest`` how many are
    accepted in subtitles that say word for word what is heard (SDH), as those of a dub do. Where
    letters are full-width, two narrow ones count as one character.
    """

    columns: int
    speed: float
    fastest: float
    full_width: bool
    source: str


# tag | columns of a line | characters a second | the most, word for word | source
# Spaces and punctuation count. A language without a row has the first.
_TABLE = """
*|42|17|20|TTSG of most languages; EBU and BBC differ little (37 columns of teletext, 160-180 wpm)
ar|42|20|20|TTSG Arabic
hi|42|22|22|TTSG Hindi
ja|26|4|7|TTSG Japanese, I and II (SDH): 13 full-width characters, half-width ones count half
ko|32|12|14|TTSG Korean, I and II (SDH): 16 characters, Latin, spaces and punctuation count half
ru|39|17|20|TTSG Russian
th|35|17|20|TTSG Thai: marks above and below do not count
yue|32|9|11|as Chinese
zh|32|9|11|TTSG Chinese (Simplified) and (Traditional), I and II (SDH): 16 full-width characters
"""


@cache
def house(language: str) -> House:
    """The house style of a language (canonical tag)."""
    rows = dict(line.split("|", 1) for line in _TABLE.strip().splitlines())
    columns, speed, fastest, source = rows.get(base(language), rows["*"]).split("|")
    return House(
        columns=int(columns),
        speed=float(speed),
        fastest=float(fastest),
        full_width=is_cjk(language),
        source=source,
    )
