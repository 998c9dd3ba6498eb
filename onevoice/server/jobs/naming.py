"""Names and messages: what users call things never becomes a path, and no path is shown to them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from onevoice.engines.keys import redact
from onevoice.errors import DiskFull, OneVoiceError
from onevoice.server.jobs.orders import PROJECT, ErrorFacts, Order

STEM = PROJECT.partition(".")[0]
"""What results are called on the disk."""
MEDIA_TYPES = {
    ".mp4": "video/mp4", ".m4v": "video/x-m4v", ".mov": "video/quicktime",
    ".mkv": "video/x-matroska", ".webm": "video/webm", ".m4a": "audio/mp4", ".mp3": "audio/mpeg",
    ".wav": "audio/wav", ".flac": "audio/flac", ".ogg": "audio/ogg", ".opus": "audio/ogg",
    ".srt": "application/x-subrip", ".vtt": "text/vtt", ".json": "application/json",
}  # fmt: skip


def inputs(order: Order) -> Path:
    """Where what the pipeline reads lies under names of ours."""
    folder = order.out / ".order"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def safe_stem(name: str, *, most: int = 100) -> str:
    """The user's name of a video as a file's: letters, digits and a few marks, no suffix.

    >>> safe_stem("../My talk (final).mp4")
    'My talk (final)'
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    if Path(last).suffix.lower() in MEDIA_TYPES:
        last = Path(last).stem
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" or c in " ()_-." else "-" for c in last)
    return " ".join(kept.split())[:most].strip(" .-") or STEM


def for_users(error: OneVoiceError, order: Order) -> ErrorFacts:
    if isinstance(error, DiskFull):
        # Whose disk it is, and how to make room on it, is no business of theirs.
        return ErrorFacts(
            code=error.code,
            message="there was no room for the dub on the machine that made it",
            hint="it is tried again on another one",
            retryable=True,
        )
    facts = ErrorFacts.of(error)
    return facts.model_copy(
        update={"message": shown(facts.message, order), "hint": shown(facts.hint, order)}
    )


def shown(text: str, order: Order) -> str:
    """A message without keys, and with the user's name of the video instead of our paths."""
    text = redact(text)
    name = safe_stem(order.name)
    for path in inputs(order).glob(f"{STEM}*"):
        text = text.replace(str(path), name).replace(path.name, name)
    for folder in (order.out, order.artifacts.local):
        text = text.replace(f"{folder}/", "").replace(str(folder), "the job's folder")
    return text.replace(str(order.source), name)
