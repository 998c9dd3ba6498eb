"""Under which keys of the storage a user's things lie."""

from __future__ import annotations


def account_prefix(user_id: str) -> str:
    """All there is of a user."""
    return f"accounts/{user_id}/"
