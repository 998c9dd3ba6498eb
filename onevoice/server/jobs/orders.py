"""What goes over between a worker and the process of a dub: one order in, events out.

Both ends are of one package, so there is no version; every message is a line of JSON.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from onevoice.errors import OneVoiceError
from onevoice.server.errors import facts_of

PROJECT = "video.onevoice"
"""Name of the project folder inside an order's ``out``: it does not depend on the user's names."""


class Message(BaseModel):
    """Frozen, and nothing unknown in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def encoded(self) -> bytes:
        """The message as it goes over."""
        return self.model_dump_json().encode() + b"\n"


# --- the order ------------------------------------------------------------------------------


class SpokenLine(Message):
    """A line as it was delivered; what re-dubs are charged by."""

    id: str
    speaker: str
    start: float
    end: float
    source_text: str = ""
    text: str
    voice: str
    keep: bool = False


class Edit(Message):
    """What a person changed in a line; None leaves it as it is."""

    text: str | None = None
    voice: str | None = None
    keep: bool | None = None

    @property
    def changes(self) -> dict[str, str | bool]:
        return self.model_dump(exclude_none=True)


class Remote(Message):
    """Artifacts also go to, and come from, the server's storage, under this prefix."""

    prefix: str


class Artifacts(Message):
    """Where stages keep their results: a folder of the machine, backed by storage or not."""

    local: Path
    remote: Remote | None = None


class Limits(Message):
    """What the process of a dub may take."""

    nice: int = Field(default=5, ge=0, le=19)
    """The worker's own heartbeat comes first."""
    memory: int | None = Field(default=None, gt=0)
    """Bytes of address space; models map files, so this is no measure of real memory."""


class Order(Message):
    """One video into some languages that share a project folder."""

    source: Path
    name: str
    """As the user calls the video: names downloads, never a path."""
    languages: tuple[str, ...] = Field(min_length=1)
    profile: str
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings laid over the profile's, as a tree; ``glossary`` holds the entries themselves."""
    out: Path
    """Results and the project folder; nobody else's."""
    edits: dict[str, dict[str, Edit]] = Field(default_factory=dict)
    """By language and line."""
    previous_lines: dict[str, tuple[SpokenLine, ...]] = Field(default_factory=dict)
    """What was delivered last, by language."""
    max_usd: float | None = Field(default=None, ge=0)
    artifacts: Artifacts
    limits: Limits = Limits()

    @property
    def project(self) -> Path:
        """The project folder: all that another worker needs to go on, beside the artifacts."""
        return self.out / PROJECT


# --- events ---------------------------------------------------------------------------------


class ErrorFacts(Message):
    code: str
    message: str
    hint: str = ""
    retryable: bool = False

    @classmethod
    def of(cls, error: OneVoiceError) -> ErrorFacts:
        return cls.model_validate(facts_of(error))


class Started(Message):
    kind: Literal["started"] = "started"
    duration: float
    languages: tuple[str, ...]
    """The order's, normalised."""


class StageStarted(Message):
    kind: Literal["stage_started"] = "stage_started"
    stage: str
    language: str | None
    """None for the analysis all languages share."""


class StageProgress(Message):
    kind: Literal["stage_progress"] = "stage_progress"
    stage: str
    language: str | None
    done: float
    total: float


class StageFinished(Message):
    kind: Literal["stage_finished"] = "stage_finished"
    stage: str
    language: str | None
    cached: bool
    seconds: float


class Warned(Message):
    kind: Literal["warned"] = "warned"
    language: str | None
    code: str
    message: str
    line: str | None = None


class AnalysisFinished(Message):
    """Whoever shares these artifacts finds the analysis done."""

    kind: Literal["analysis_finished"] = "analysis_finished"


class ResultFile(Message):
    kind: Literal["video", "audio", "subtitles", "report"]
    name: str
    """For the download: made from the user's name of the video."""
    path: Path
    media_type: str


class StageRecord(Message):
    name: str
    cached: bool
    seconds: float
    usd: float = 0.0


class WarningFacts(Message):
    code: str
    message: str
    line: str | None = None


class LanguageDone(Message):
    """A language with its files, which are whole and stay; others of the order may go on."""

    kind: Literal["language_done"] = "language_done"
    language: str
    files: tuple[ResultFile, ...]
    lines: tuple[SpokenLine, ...]
    measures: dict[str, Any]
    warnings: tuple[WarningFacts, ...]
    stages: tuple[StageRecord, ...]
    changed_seconds: int | None
    """Seconds of video whose lines differ from the order's previous ones; None without those."""


class LanguageFailed(Message):
    kind: Literal["language_failed"] = "language_failed"
    language: str
    error: ErrorFacts


class Finished(Message):
    """The last event of a run that reached its end, with whatever languages failed."""

    kind: Literal["finished"] = "finished"
    usd: float


class Failed(Message):
    """The last event of a run that did not; no language is done beyond those told of."""

    kind: Literal["failed"] = "failed"
    error: ErrorFacts
    usd: float = 0.0


Event = (
    Started
    | StageStarted
    | StageProgress
    | StageFinished
    | Warned
    | AnalysisFinished
    | LanguageDone
    | LanguageFailed
    | Finished
    | Failed
)
_EVENTS: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def read_event(line: bytes) -> Event:
    """An event from its line. Raises ValueError."""
    return _EVENTS.validate_json(line)
