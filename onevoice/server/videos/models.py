"""Table of videos: what users uploaded, or had fetched from an address."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from onevoice.server.db import Base, Id, now

STATUSES = ("uploading", "importing", "inspecting", "ready", "rejected", "deleted")


class Video(Base):
    """``uploading|importing -> inspecting -> ready|rejected``; ``deleted`` once its media go."""

    __tablename__ = "videos"
    __table_args__ = (
        CheckConstraint(f"status in {STATUSES}", name="status"),
        Index("ix_videos_user_id_id", "user_id", "id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(255))
    """As the user calls it; shown, never used as a path."""
    status: Mapped[str] = mapped_column(String(12))
    storage_key: Mapped[str] = mapped_column(String(255))
    upload_id: Mapped[str | None] = mapped_column(String(1024))
    upload_expires_at: Mapped[datetime | None]
    source_url: Mapped[str | None] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    """Bytes: as announced while uploading, as measured afterwards."""
    sha256: Mapped[str | None] = mapped_column(String(64))
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)
    details: Mapped[dict[str, Any] | None]
    """Container, streams, sizes: what the probe found."""
    error: Mapped[dict[str, Any] | None]
    """Why it was rejected: code, message, hint."""
    created_at: Mapped[datetime] = mapped_column(default=now)
    ready_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
