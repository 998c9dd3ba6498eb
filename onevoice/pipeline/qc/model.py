"""The report of one dub: what every line and the whole programme measure.

It is written as JSON beside the project and is what the page is made from. Times are seconds on
the clock of the original. What is not known (a dub by another tool has no text to compare with)
is null, never a guess.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

SCHEMA: Literal["onevoice.report/2"] = "onevoice.report/2"

Verdict = Literal["pass", "fail", "none"]
"""``none``: there is no threshold, or nothing to hold against it."""
Unit = Literal["", "s", "x", "LUFS", "LU", "dBTP", "lines", "words", "cues", "tracks", "holes"]
"""Of a measure; empty for a share or an error rate, where 1 is all."""


def _rounded(value: float) -> float:
    """Milliseconds, thousandths and hundredths of a decibel: more is noise. -0 is 0."""
    return round(value, 3) + 0.0


Figure = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_rounded)]
Span = tuple[Figure, Figure]
"""Start and end."""


class Part(BaseModel):
    """A part of the report: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Limit(Part):
    """What a measure may be: at least ``min``, at most ``max``; None leaves a side open."""

    min: float | None = None
    max: float | None = None

    def holds(self, value: float) -> bool:
        """Whether a value keeps within the limit, rounding aside."""
        low = -math.inf if self.min is None else self.min
        high = math.inf if self.max is None else self.max
        return low - 5e-4 <= value <= high + 5e-4

    def __str__(self) -> str:
        if self.min is not None and self.max is not None:
            return f"{self.min:g} to {self.max:g}"
        if self.min is not None:
            return f"at least {self.min:g}"
        return "" if self.max is None else f"at most {self.max:g}"


class Measure(Part):
    """One figure of the programme, and whether it keeps its threshold."""

    value: Figure | None
    unit: Unit = ""
    threshold: Limit | None = None
    verdict: Verdict = "none"


class LineReport(Part):
    """One line of the script.

    ``window`` is when the source says it, ``placements`` when the dub does, phrase by phrase.
    """

    id: str
    speaker: str | None = None
    source_text: str | None = None
    text: str | None = None
    """What was to be said, as written."""
    said: str | None = None
    """The same as the voice got it, with numbers written out."""
    heard: str | None = None
    """What a recogniser hears in the dub."""
    kept: bool = False
    """The original sounds here; there is nothing else to measure."""
    window: Span
    placements: tuple[Span, ...] = ()
    start_offset: Figure | None = None
    """Seconds from the start of the window to the first placement; negative is early."""
    end_offset: Figure | None = None
    overlap: Figure | None = None
    """Intersection over union of the placements and the source's voice activity, 0 to 1."""
    rate: Figure | None = None
    """How fast it is spoken, against the natural rate of its voice."""
    stretch: Figure | None = None
    """The part of that which was done on the samples."""
    gap: Figure | None = None
    """Silence until the next line, in seconds; negative where two sound at once."""
    cer: Figure | None = None
    """Character error rate of the round trip."""
    wer: Figure | None = None
    """Word error rate; None in languages that put no spaces between words."""
    source_loudness: Figure | None = None
    """LUFS of the original programme in the window."""
    dub_loudness: Figure | None = None
    """LUFS of the dubbed programme in the placements."""
    on_screen: bool | None = None
    """Whether a face is seen while the line is spoken."""
    flags: tuple[str, ...] = ()
    """Measures that miss their threshold here, and codes of warnings about the line."""


class Hole(Part):
    """Source speech that nobody dubbed and nobody kept."""

    start: Figure
    end: Figure


class ChangeReport(Part):
    """What a round of fitting changed, so that the dub keeps to its time.

    ``shortened``: the text of the line ``id``; ``before`` and ``after`` are the rates of its
    fastest phrase. ``respoken``: the phrase ``id``, at a higher speed; ``before`` and ``after``
    are the stretch of the samples that was left to do.
    """

    kind: Literal["shortened", "respoken"]
    id: str
    round: int
    before: Figure
    after: Figure


class Costs(Part):
    """What hosted engines charged for the lines when they were made, at list price."""

    currency: Literal["USD"] = "USD"
    lines: dict[str, float] = Field(default_factory=dict)
    total: float = 0.0


class WarningReport(Part):
    """Something the run that made the dub had to say."""

    code: str
    message: str
    line: str | None = None


class StreamReport(Part):
    """A stream of the delivered file, as its container describes it."""

    index: int
    kind: Literal["video", "audio", "subtitle"]
    codec: str
    language: str = ""
    """The tag in the file; empty where there is none."""
    title: str = ""
    default: bool | None = None
    duration: Figure | None = None
    channels: int | None = None
    sample_rate: int | None = None


class MediaReport(Part):
    """The original or the dub: its file name, its length in seconds, and what was measured."""

    name: str
    duration: Figure
    track: int = 0
    """Which of its audio tracks, counted from 0."""


class SettingsReport(Part):
    """By which settings the dub was made, as far as they are known."""

    profile: str | None = None
    engines: dict[str, str] = Field(default_factory=dict)
    """By kind."""
    round_trip: str | None = None
    """The recogniser of the round trip; None where there was none."""
    retime: Figure = 1.0
    """How many times as long the dub shows the picture; the original's times are counted so."""
    thresholds: str = "default"
    """The file of thresholds."""


class Report(Part):
    """How one dub into one language measures."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal["onevoice.report/2"] = Field(default=SCHEMA, alias="schema")
    version: str
    """Of OneVoice."""
    verdict: Verdict
    """``fail`` where any measure of the programme fails."""
    source_language: str | None
    language: str
    original: MediaReport
    dub: MediaReport
    settings: SettingsReport
    programme: dict[str, Measure]
    """By name; :mod:`.measures` says what each is."""
    line_limits: dict[str, Limit]
    """By measure of a line: where its flag goes up."""
    lines: tuple[LineReport, ...]
    """In order of their windows."""
    holes: tuple[Hole, ...] = ()
    changes: tuple[ChangeReport, ...] = ()
    """In order of their rounds."""
    streams: tuple[StreamReport, ...] = ()
    costs: Costs | None = None
    warnings: tuple[WarningReport, ...] = ()

    def to_json(self) -> str:
        """The report as indented JSON."""
        return self.model_dump_json(by_alias=True, indent=1)
