"""Table of tasks: what is to be done later, and the outbox of the queue.

A task is written in the transaction that makes it necessary, so the two happen together or not at
all. Its message is sent after the commit; one that was lost is sent again by the sweep. Messages
carry the task's id and nothing else: the row says what is true.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from onevoice.server.db import Base, Id, now

STATES = ("waiting", "queued", "running", "done", "dead")


class Task(Base):
    """``waiting -> queued -> running -> done|dead``; back to queued to be tried again."""

    __tablename__ = "tasks"
    __table_args__ = (
        CheckConstraint(f"state in {STATES}", name="state"),
        Index("ix_tasks_state_due_at", "state", "due_at"),
        Index("ix_tasks_user_id_state", "user_id", "state"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(30))
    queue: Mapped[str] = mapped_column(String(40))
    """tasks, cpu, gpu, cpu-high, gpu-high."""
    user_id: Mapped[str | None] = mapped_column(Id)
    subject: Mapped[str | None] = mapped_column(Id, index=True)
    """What it is about: a job, a video, a delivery."""
    payload: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(8), default="queued")
    attempts: Mapped[int] = mapped_column(default=0)
    fence: Mapped[int] = mapped_column(default=0)
    """Grows with each claim: whoever holds an older number may write nothing more."""
    worker: Mapped[str] = mapped_column(String(80), default="")
    lease_until: Mapped[datetime | None]
    due_at: Mapped[datetime] = mapped_column(default=now)
    """Not before this; for a running task, when its lease is over."""
    sent_at: Mapped[datetime | None]
    error: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    ended_at: Mapped[datetime | None]
