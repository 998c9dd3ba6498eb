"""Tell a file that was cut short by its outer structure alone, without decoding it.

MP4 and MOV are boxes (ISO/IEC 14496-12), Matroska and WebM are EBML elements (RFC 8794), WAV and
AVI are RIFF chunks; each states its length, so one that reaches past the end of the file was cut.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"styp", b"sidx", b"pnot"}
_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """``kind`` of file, whether it ends before it should, and (MP4) whether an index is there."""

    kind: Literal["boxes", "ebml", "riff", "other"]
    truncated: bool = False
    indexed: bool = True
    doctype: str = ""
    """EBML only: ``matroska`` or ``webm``."""


def inspect(path: Path) -> Structure:
    """Read the few bytes that tell; OSError is the caller's to translate."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(64)
        if head[4:8] in _BOXES:
            return _boxes(file, size)
        if head[:4] == _EBML:
            return _ebml(head, size)
        if head[:4] in (b"RIFF", b"RF64") and head[8:12] in (b"WAVE", b"AVI "):
            return _riff(file, head, size)
    return Structure(kind="other")


def _boxes(file: BinaryIO, size: int) -> Structure:
    names, end = [], 0
    for name, _start, end in _walk_boxes(file, size):  # noqa: B007 (the last end is the point)
        names.append(name)
    return Structure(kind="boxes", truncated=end > size, indexed=b"moov" in names)


def _walk_boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    start = 0
    while start + 8 <= size:
        file.seek(start)
        header = file.read(16)
        length, name = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        elif length == 0:
            length = size - start
        if length < 8:
            return
        yield name, start, start + length
        start += length


def _ebml(head: bytes, size: int) -> Structure:
    length, at = _vint(head, 4)
    doctype = "webm" if b"webm" in head else "matroska"
    start = at + length
    segment = head[start : start + 12]
    if segment[:4] != _SEGMENT:
        return Structure(kind="ebml", doctype=doctype)
    length, at = _vint(segment, 4)
    # All ones means "until it ends": a live recording, which may end anywhere.
    unknown = length == (1 << 7 * (at - 4)) - 1
    cut = not unknown and start + at + length > size
    return Structure(kind="ebml", doctype=doctype, truncated=cut)


def _vint(data: bytes, at: int) -> tuple[int, int]:
    """An EBML variable-size integer: its value, and where the next byte lies."""
    if at >= len(data) or not data[at]:
        return 0, at + 1
    width = 9 - data[at].bit_length()
    marked = int.from_bytes(data[at : at + width], "big")
    return marked & ((1 << 7 * width) - 1), at + width


def _riff(file: BinaryIO, head: bytes, size: int) -> Structure:
    length = int.from_bytes(head[4:8], "little")
    if head[:4] == b"RF64":
        length = int.from_bytes(head[20:28], "little")
    # Zero and all ones are what a writer leaves that could not go back to its header.
    if length in (0, 0xFFFFFFFF):
        return Structure(kind="riff")
    if head[8:12] == b"WAVE":
        return Structure(kind="riff", truncated=_wave_data_end(file, size) > size)
    return Structure(kind="riff", truncated=8 + length > size)


def _wave_data_end(file: BinaryIO, size: int) -> int:
    at, long = 12, 0
    while at + 8 <= size:
        file.seek(at)
        chunk = file.read(24)
        name, length = chunk[:4], int.from_bytes(chunk[4:8], "little")
        if name == b"ds64":
            long = int.from_bytes(chunk[16:24], "little")
        if name == b"data":
            if length == 0xFFFFFFFF:
                length = long
            return at + 8 + length
        at += 8 + length + length % 2
    return 0
