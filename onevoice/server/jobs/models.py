"""Tables of dubbing: a job, its languages, people's edits, and the events clients follow."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Float, ForeignKey, Index, Numeric, String
from sqlalchemy.orm import Mapped, mapped_column

from onevoice.server.db import Base, Id, now

JOB_STATUSES = ("quoted", "queued", "running", "done", "partial", "failed", "cancelled", "expired")
LANGUAGE_STATUSES = ("queued", "running", "done", "failed", "cancelled")
ENDED = frozenset({"done", "partial", "failed", "cancelled", "expired"})


class Job(Base):
    """One video into some languages. ``partial``: some languages failed, the others are done."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(f"status in {JOB_STATUSES}", name="status"),
        Index("ix_jobs_user_id_id", "user_id", "id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    video_id: Mapped[str] = mapped_column(ForeignKey("videos.id"), index=True)
    status: Mapped[str] = mapped_column(String(10))
    profile: Mapped[str] = mapped_column(String(40))
    route: Mapped[str] = mapped_column(String(10))
    """Which workers take it: cpu or gpu."""
    priority: Mapped[str] = mapped_column(String(10), default="normal")
    settings: Mapped[dict[str, Any]]
    """What the user chose: source language, speakers, voices, glossary, deliverables."""
    round: Mapped[int] = mapped_column(default=1)
    """1, and one more with each re-dub of edited lines or retry of what failed."""
    quote: Mapped[dict[str, Any]]
    event_seq: Mapped[int] = mapped_column(default=0)
    """Number of its newest event: events of one job have no gaps and no disorder."""
    cancel_requested_at: Mapped[datetime | None]
    usd: Mapped[float] = mapped_column(Numeric(12, 6, asdecimal=False), default=0.0)
    """What hosted engines charged for it: the operator's cost, never shown to users."""
    created_at: Mapped[datetime] = mapped_column(default=now)
    confirmed_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class JobLanguage(Base):
    """One language of a job."""

    __tablename__ = "job_languages"
    __table_args__ = (CheckConstraint(f"status in {LANGUAGE_STATUSES}", name="status"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    language: Mapped[str] = mapped_column(String(20), primary_key=True)
    status: Mapped[str] = mapped_column(String(10), default="queued")
    group: Mapped[int] = mapped_column("message_group", default=0)
    """Languages of one group travel in one message and share one project folder."""
    stage: Mapped[str] = mapped_column(String(20), default="")
    progress: Mapped[float] = mapped_column(Float, default=0.0)
    held_s: Mapped[int] = mapped_column(BigInteger, default=0)
    """Seconds of credit held for the round under way."""
    charged_s: Mapped[int] = mapped_column(BigInteger, default=0)
    """Seconds charged in all rounds."""
    outputs: Mapped[list[Any] | None]
    """What can be downloaded: ``{kind, name, key, size, media_type}`` each."""
    lines: Mapped[list[Any] | None]
    """The lines as spoken: ``{id, speaker, start, end, source_text, text, voice, keep}`` each."""
    measures: Mapped[dict[str, Any] | None]
    warnings: Mapped[list[Any] | None]
    error: Mapped[dict[str, Any] | None]
    ended_at: Mapped[datetime | None]


class LineEdit(Base):
    """What a person changed in a line; the newest of each line and field counts."""

    __tablename__ = "line_edits"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    language: Mapped[str] = mapped_column(String(20), primary_key=True)
    line_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    changes: Mapped[dict[str, Any]]
    applied_round: Mapped[int | None]
    """The round that spoke it; empty while nobody has."""
    updated_at: Mapped[datetime] = mapped_column(default=now)


class JobEvent(Base):
    """What happened to a job, in order; what clients follow and webhooks tell."""

    __tablename__ = "job_events"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(30))
    data: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column(default=now)
