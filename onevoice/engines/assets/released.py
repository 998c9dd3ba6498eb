"""Which of a catalogue's records make up the model of a pair: pure choice, no network."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

MAJOR = 3
"""Major version of the models that fxtranslate 0.5 reads."""

NAMES = {
    "model": "model.bin",
    "lex": "lex.bin",
    "vocab": "vocab.spm",
    "srcvocab": "source.spm",
    "trgvocab": "target.spm",
}
"""What the files are called here, by the catalogue's type: its names never become paths."""
SETS = (("model", "lex", "vocab"), ("model", "lex", "srcvocab", "trgvocab"))
_ARCHITECTURES = ("base", "base-memory", "tiny")
"""The best first."""
_DESKTOP = re.compile(r"""\s*|\s*env\.appinfo\.OS\s*!=\s*["']Android["']\s*""")
"""Filters under which a record is for released desktop software; no other is evaluated."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LARGEST = 1 << 30
_LONGEST_NUMBER = 10


def choose(records: Iterable[Any], source: str, target: str) -> list[dict[str, Any]]:
    """The records of a pair's best complete model: its best architecture, its newest version.

    Records without a digest, for other software or of another major version do not count.
    """
    kits: dict[tuple[int, tuple[int, ...]], dict[str, dict[str, Any]]] = {}
    for record in records:
        if not isinstance(record, dict) or not _usable(record, source, target):
            continue
        rank = _ARCHITECTURES[::-1].index(record["architecture"])
        kit = kits.setdefault((rank, _version(record["version"])), {})
        kit[record["fileType"]] = record
    for _, kit in sorted(kits.items(), reverse=True):
        for types in SETS:
            if all(kind in kit for kind in types):
                return [kit[kind] for kind in types]
    return []


def _usable(record: dict[str, Any], source: str, target: str) -> bool:
    attachment = record.get("attachment")
    return (
        record.get("sourceLanguage") == source
        and record.get("targetLanguage") == target
        and str(record.get("fileType")) in NAMES
        and str(record.get("architecture")) in _ARCHITECTURES
        and _version(record.get("version"))[:1] == (MAJOR,)
        and bool(_DESKTOP.fullmatch(str(record.get("filter_expression") or "")))
        and bool(_DIGEST.fullmatch(str(record.get("decompressedHash"))))
        and isinstance(record.get("decompressedSize"), int)
        and 0 < record["decompressedSize"] <= _LARGEST
        and isinstance(attachment, dict)
        and isinstance(attachment.get("location"), str)
        and isinstance(attachment.get("size"), int)
        and 0 < attachment["size"] <= _LARGEST
        and bool(_DIGEST.fullmatch(str(attachment.get("hash"))))
    )


def _version(text: Any) -> tuple[int, ...]:
    """``3.1`` as numbers; nothing for a pre-release or what is no version."""
    parts = str(text).split(".")
    numbers = all(part.isdecimal() and len(part) < _LONGEST_NUMBER for part in parts)
    return tuple(map(int, parts)) if numbers else ()
