"""What clients send and get about jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from onevoice.config.tree import MOST_SPEAKERS
from onevoice.server.jobs.models import Job, JobLanguage
from onevoice.server.schemas import Failure, Strict

Tag = Annotated[str, StringConstraints(min_length=2, max_length=20, pattern=r"^[A-Za-z0-9-]+$")]
Short = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Text = Annotated[str, StringConstraints(max_length=2000)]
Deliverable = Literal["video", "srt", "vtt", "report"]


class Term(Strict):
    """One entry of a glossary."""

    term: Short = Field(examples=["OneVoice"])
    keep: bool = False
    translations: dict[Tag, Short] = Field(default_factory=dict, examples=[{"es": "doblaje"}])
    pronunciation: dict[Tag, Short] = Field(default_factory=dict, examples=[{"ko": "원보이스"}])
    case_sensitive: bool = False
    note: Annotated[str, StringConstraints(max_length=200)] = ""


class JobOptions(Strict):
    """How it is to be dubbed; everything may be left out."""

    source_language: Tag | Literal["auto"] = Field(default="auto", examples=["en"])
    speakers: Annotated[int, Field(ge=1, le=MOST_SPEAKERS)] | Literal["auto"] = 1
    voices: dict[Short, Short | dict[Tag, Short]] = Field(
        default_factory=dict,
        max_length=MOST_SPEAKERS + 1,
        description="Voice by speaker (`*`: all others), or by speaker and language. "
        "GET /v1/voices lists them.",
        examples=[{"S1": {"es": "ef_dora"}}],
    )
    glossary: list[Term] = Field(default_factory=list, max_length=500)
    quality: Literal["standard", "reflect"] = "standard"
    keep_original_audio: bool = False
    deliverables: list[Deliverable] = Field(
        default=["video", "srt", "vtt"], min_length=1, max_length=4
    )


class NewJob(Strict):
    """A job to quote, and to begin where ``confirm`` says so."""

    video_id: Annotated[str, StringConstraints(max_length=40)] = Field(examples=["vid_01k3…"])
    languages: list[Tag] = Field(min_length=1, max_length=40, examples=[["es", "ko"]])
    profile: Short | None = Field(default=None, examples=["embedded"])
    options: JobOptions = JobOptions()
    confirm: bool = Field(default=False, description="Begin at once instead of only quoting.")


class LineChange(Strict):
    """What a person changes in a line; what is left out stays."""

    text: Annotated[str, StringConstraints(max_length=2000)] | None = None
    voice: Short | None = None
    keep: bool | None = Field(default=None, description="Keep the original sound here.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.text is None and self.voice is None and self.keep is None:
            raise ValueError("nothing is changed: give text, voice or keep")
        return self


class LineChangeOf(LineChange):
    id: Annotated[str, StringConstraints(min_length=1, max_length=40)]


class LineChanges(Strict):
    lines: list[LineChangeOf] = Field(min_length=1, max_length=1000)


class Redub(Strict):
    """Speak edited lines anew."""

    languages: list[Tag] | None = Field(
        default=None, max_length=40, description="All with edits when left out."
    )
    confirm: bool = Field(default=False, description="Begin at once instead of only quoting.")


class Confirm(Strict):
    """Nothing needs to be said: the quote stands."""


# --- answers --------------------------------------------------------------------------------


class Quote(BaseModel):
    """What it would take from the credit, at most."""

    seconds: int = Field(description="Of credit: of video times languages.", examples=[120])
    minutes: float = Field(examples=[2.0])
    by_language: dict[str, int] = Field(examples=[{"es": 60, "ko": 60}])
    expires_at: datetime | None = None


class LanguageFailure(Failure):
    retryable: bool = Field(default=False, description="Whether trying again may help.")


class LanguageOut(BaseModel):
    language: str = Field(examples=["es"])
    status: str = Field(examples=["running"])
    stage: str = Field(examples=["synthesize"])
    progress: float = Field(description="0 to 1.", examples=[0.4])
    charged_seconds: int
    warnings: list[Any] = []
    measures: dict[str, Any] | None = None
    error: LanguageFailure | None = None

    @classmethod
    def of(cls, row: JobLanguage) -> Self:
        return cls(
            language=row.language,
            status=row.status,
            stage=row.stage,
            progress=round(row.progress, 3),
            charged_seconds=row.charged_s,
            warnings=row.warnings or [],
            measures=row.measures,
            error=None if row.error is None else LanguageFailure.model_validate(row.error),
        )


class JobOut(BaseModel):
    id: str = Field(examples=["job_01k3…"])
    video_id: str
    status: str = Field(examples=["running"])
    profile: str
    options: dict[str, Any]
    round: int = Field(description="Grows with each retry and each re-dub.")
    quote: Quote
    languages: list[LanguageOut]
    cancel_requested: bool
    created_at: datetime
    confirmed_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, job: Job, languages: list[JobLanguage]) -> Self:
        return cls(
            id=job.id,
            video_id=job.video_id,
            status=job.status,
            profile=job.profile,
            options=job.settings,
            round=job.round,
            quote=Quote.model_validate(job.quote),
            languages=[LanguageOut.of(row) for row in languages],
            cancel_requested=job.cancel_requested_at is not None,
            created_at=job.created_at,
            confirmed_at=job.confirmed_at,
            started_at=job.started_at,
            ended_at=job.ended_at,
        )


class RedubOut(BaseModel):
    """The quote, and the job where it was begun."""

    quote: Quote
    job: JobOut | None = None


class LineOut(BaseModel):
    """A line as it is spoken, with what is changed and not spoken yet."""

    id: str
    speaker: str
    start: float
    end: float
    source_text: str
    text: str
    voice: str
    keep: bool
    edited: dict[str, Any] = Field(
        default_factory=dict, description="Changes that the next re-dub will speak."
    )


class LinesOut(BaseModel):
    language: str
    lines: list[LineOut]


class ResultFile(BaseModel):
    language: str
    kind: str = Field(examples=["video"])
    name: str = Field(examples=["talk.es.mp4"])
    size: int
    media_type: str = Field(examples=["video/mp4"])
    url: str = Field(description="Needs no login; valid for a while.")


class Results(BaseModel):
    files: list[ResultFile]
    expires_at: datetime


class EventOut(BaseModel):
    """An event of a job, as the stream and webhooks tell it."""

    seq: int
    kind: str
    at: datetime
    data: dict[str, Any]
