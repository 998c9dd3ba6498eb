"""Under which keys of the storage a video lies."""

from __future__ import annotations

from onevoice.server.users.keys import account_prefix


def video_prefix(user_id: str, video_id: str) -> str:
    """All there is of a video: its source, and what stages made of it."""
    return f"{account_prefix(user_id)}videos/{video_id}"


def source_key(user_id: str, video_id: str) -> str:
    return f"{video_prefix(user_id, video_id)}/source"
