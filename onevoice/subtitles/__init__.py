"""Subtitles: read what people have, write what people can read.

SRT, VTT and ASS both ways (:mod:`reading`, :mod:`writing`), laid out by the published house styles
(:mod:`house`, :mod:`breaking`, :mod:`layout`), and measured against them (:mod:`readability`).
"""

from onevoice.subtitles.cue import Cue, columns
from onevoice.subtitles.house import House, house
from onevoice.subtitles.layout import layout
from onevoice.subtitles.readability import Finding, check, reading_speed
from onevoice.subtitles.reading import decode, read, read_text
from onevoice.subtitles.style import SubtitleStyle
from onevoice.subtitles.writing import FORMATS, write

__all__ = [
    "FORMATS",
    "Cue",
    "Finding",
    "House",
    "SubtitleStyle",
    "check",
    "columns",
    "decode",
    "house",
    "layout",
    "read",
    "read_text",
    "reading_speed",
    "write",
]
