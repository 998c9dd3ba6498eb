"""Small helpers for the word tables of the languages."""

from __future__ import annotations


def listed(words: str) -> list[str]:
    """The words of a table written as running text."""
    return words.split()
