"""Correct the stated duration of a Matroska or WebM file.

ffmpeg counts the padding in which an encoder wraps the sound (21 ms of AAC) as part of the film;
at 50 or 60 frames a second that is more than a frame.
"""

from __future__ import annotations

import struct
from pathlib import Path

_INFO = b"\x15\x49\xa9\x66"
_SCALE = b"\x2a\xd7\xb1"
_DURATION = b"\x44\x89\x88"
"""The element's name, and the length of a double."""
_HEAD = 1 << 16


def state_duration(path: Path, seconds: float) -> None:
    """Overwrite the duration in the header; a header without one, or out of reach, is left."""
    with path.open("r+b") as file:
        head = file.read(_HEAD)
        info = head.find(_INFO)
        at = head.find(_DURATION, info)
        if info < 0 or at < 0 or at + 11 > len(head):
            return
        scale = head.find(_SCALE, info, at)
        width = head[scale + 3] & 0x0F if scale >= 0 else 0
        tick = int.from_bytes(head[scale + 4 : scale + 4 + width], "big") or 1_000_000
        file.seek(at + len(_DURATION))
        file.write(struct.pack(">d", seconds * 1e9 / tick))
