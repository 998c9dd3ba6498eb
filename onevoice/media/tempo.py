"""Slow sound down and leave its pitch: for a picture that is shown a little slower."""

from __future__ import annotations


def slowing(factor: float) -> str:
    """ffmpeg's filter, with arguments, that makes a sound ``factor`` times as long.

    WSOLA, which moves all channels alike. By so little it is nearer to the original than Rubber
    Band: docs/decisions/0055.
    """
    return f"atempo={1 / factor:.9f}"
