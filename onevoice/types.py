"""The values that travel through the pipeline.

All of them are frozen; times are seconds from the start of the media, as floats.
They become JSON through :mod:`pydantic`'s ``TypeAdapter`` (see :func:`dump_json`),
so what a stage writes is what the next one reads, checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One recognised word. ``text`` carries its punctuation and no surrounding space."""

    text: str
    start: float
    end: float
    probability: float = 1.0
    joined: bool = False
    """True when no space stands before the word (Japanese, Chinese, clitics)."""
    speaker: str = ""
    """The recogniser's own label of who spoke, where it tells speakers apart."""
    language: str = ""
    """Where it is not the recording's, and the recogniser was asked to listen for others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """What a recogniser heard: the language, how sure it is (0 to 1), and the words in order."""

    language: str
    language_probability: float
    words: tuple[Word, ...]
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A stretch of one speaker's voice."""

    speaker: str
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """One person of the film. ``pitch_hz`` is the median fundamental, None when unmeasured."""

    id: str
    pitch_hz: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Diarization:
    """Who speaks when; speakers are named S1, S2, … in order of appearance."""

    speakers: tuple[Speaker, ...]
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A silence inside a segment: where it lies, and the character of ``text`` it follows."""

    start: float
    end: float
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A sentence of one speaker, in the source language."""

    id: str
    start: float
    end: float
    speaker: str
    text: str
    pauses: tuple[Pause, ...] = ()
    keep: bool = False
    """Keep the original sound here: no translation, no dub."""
    language: str = ""
    """Where it is not the film's, and that was listened for."""
    reason: Literal["", "language", "song", "sound", "voice"] = ""
    """Why it was kept, where no person said so; ``voice`` is a stretch without words."""
    on_screen: bool = True
    """Whether a face is seen while it is spoken; where nobody looked, it counts as seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """One look at the picture: the height of the largest face as a share of the picture's."""

    time: float
    face: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What the picture shows: the times of its cuts, and glances in order of time."""

    cuts: tuple[float, ...] = ()
    glances: tuple[Glance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """The segments in order of time, and who speaks them."""

    language: str
    duration: float
    speakers: tuple[Speaker, ...]
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the film is about: context for translation, and a deliverable of its own."""

    synopsis: str = ""
    register: str = ""
    terms: tuple[str, ...] = ()
    speakers: dict[str, str] = field(default_factory=dict)
    """By speaker: who it seems to be and how they talk, in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One segment's text in one target language, and the window it has to fill."""

    id: str
    start: float
    end: float
    speaker: str
    source: str
    text: str
    voice: str = ""
    keep: bool = False
    lock: bool = False
    """The text was written by a person: no engine may change it."""
    full_text: str = ""
    """The translation before it was shortened to fit; empty when it was not."""
    on_screen: bool = True
    """As :attr:`Segment.on_screen`: its window is then kept more strictly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a line is spoken, and how fast.

    ``natural`` is the line's length at the voice's natural rate, ``length`` the placed length;
    ``rate`` = natural / length. ``stretch`` is the part of it done on the samples (1 = none),
    the rest was done by speaking faster.
    """

    line: str
    start: float
    length: float
    natural: float
    stretch: float = 1.0

    @property
    def end(self) -> float:
        return self.start + self.length

    @property
    def rate(self) -> float:
        return self.natural / self.length if self.length > 0 else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Warning_:
    """Something the user should know about a result that was nevertheless made."""

    code: str
    message: str
    line: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one request to a paid service used, and what that costs at its list price."""

    engine: str
    """Kind and name: ``synthesis.elevenlabs``."""
    model: str
    unit: str
    """What is counted: characters, seconds, input tokens, output tokens, bytes."""
    quantity: float
    usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioSpec:
    """Shape of an audio stream: samples per second, channels, frames (None when unknown)."""

    sample_rate: int
    channels: int
    frames: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loudness:
    """ITU-R BS.1770-4 figures: LUFS, LU and dBTP."""

    integrated: float
    range: float = 0.0
    true_peak: float = field(default=float("-inf"))


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """The JSON codec for one of the types above."""
    return TypeAdapter(kind)


def dump_json(value: Any) -> bytes:
    """Serialise a value to indented UTF-8 JSON."""
    return dump_json_as(type(value), value)


def dump_json_as(kind: Any, value: Any) -> bytes:
    """The same for a type that the value does not carry itself (``tuple[Line, ...]``)."""
    return adapter(kind).dump_json(value, indent=1)


def load_json(kind: type[T], data: bytes) -> T:
    """Read back what :func:`dump_json` wrote, checked against the type."""
    codec: Any = kind  # for mypy a generic class is not hashable
    value: T = adapter(codec).validate_json(data)
    return value
