"""The files of a project that people edit: YAML sheets of segments and lines, checked when read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from onevoice.errors import ProjectInvalid
from onevoice.media import whole_file
from onevoice.pipeline.edits import Record
from onevoice.types import Line, Segment

_MEND = "mend it, or delete it to have it written anew"


class _Record(BaseModel):
    """What the entries of all sheets share."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    id: str = Field(min_length=1, max_length=40)
    start: float = Field(ge=0)
    end: float
    speaker: str = Field(min_length=1, max_length=40)
    text: str = ""
    keep: bool = False
    on_screen: bool | None = None
    """None where the file does not say: the machine's mark then counts."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"it ends ({self.end}) before it starts ({self.start})")
        return self


class SegmentRecord(_Record):
    """One entry of ``transcript.yaml``."""

    language: str = ""
    reason: Literal["", "language", "song", "sound", "voice"] = ""


class LineRecord(_Record):
    """One entry of ``lines.<lang>.yaml``."""

    keep: bool = Field(default=False, alias="keep_original")
    voice: str = ""
    source: str = ""
    lock: bool = False
    full_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A kind of file: the list it holds, its entries, the fields people edit, its first lines."""

    key: str
    record: type[_Record]
    fields: tuple[str, ...]
    comment: str

    def read(self, path: Path) -> tuple[dict[str, Any], list[Record]]:
        """The head of the file and its entries. Raises ProjectInvalid that names the place."""
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except FileNotFoundError as exc:
            raise ProjectInvalid(
                f"there is no {path.name} in {path.parent}",
                hint="run onevoice dub for that language first",
            ) from exc
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
            raise ProjectInvalid(f"{path} cannot be read: {exc}", hint=_MEND) from exc
        if not isinstance(data, dict) or not isinstance(data.get(self.key), list):
            raise ProjectInvalid(f"{path} has no list called {self.key}", hint=_MEND)
        records = [self.check(record, path) for record in data.pop(self.key)]
        seen: set[str] = set()
        for record in records:
            if record["id"] in seen:
                raise ProjectInvalid(
                    f"{path} has {record['id']!r} twice", hint="give every entry an id of its own"
                )
            seen.add(record["id"])
        return data, records

    def check(self, record: Any, path: Path) -> Record:
        """Validate one entry of a file a person may have edited."""
        name = record.get("id", "?") if isinstance(record, dict) else "?"
        try:
            checked = self.record.model_validate(record)
            return checked.model_dump(by_alias=True, exclude_none=True)
        except ValidationError as exc:
            first = exc.errors()[0]
            field = ".".join(map(str, first["loc"])) or "entry"
            raise ProjectInvalid(
                f"{path}, {name}: {field}: {first['msg']}",
                hint="mend that entry, then run it again",
            ) from exc

    def write(self, path: Path, head: dict[str, Any], records: Sequence[Record]) -> None:
        """Write the file whole; one that would not change is left alone."""
        tree = {**head, self.key: list(records)}
        body = yaml.safe_dump(tree, allow_unicode=True, sort_keys=False, width=96)
        data = (self.comment + body).encode()
        if not path.is_file() or path.read_bytes() != data:
            with whole_file(path) as new:
                new.write_bytes(data)


SEGMENTS = Sheet(
    key="segments",
    record=SegmentRecord,
    fields=("start", "end", "speaker", "text", "keep", "on_screen"),
    comment="""\
# What was heard. Edit text, speaker, start and end (seconds); on_screen tells whether one sees
# the speaker, whose line is then kept more strictly in time; keep: true leaves the original
# sound there. Entries with a reason were kept by rule; keep: false undoes that, and one without
# a text is then silent. Then run the same dub command again: only what depends on the edit is
# redone.
""",
)
LINES = Sheet(
    key="lines",
    record=LineRecord,
    fields=("start", "end", "speaker", "voice", "text", "keep_original", "on_screen", "lock"),
    comment="""\
# What will be said. Edit text, voice, start and end (seconds); keep_original: true leaves the
# original sound; on_screen tells whether one sees the speaker; lock: true keeps the text whatever
# changes before it. `voices` gives every speaker a voice (onevoice voices --lang LANGUAGE lists
# them). Then run dub again.
""",
)


def segment_record(segment: Segment) -> Record:
    """A segment as an entry; times in milliseconds' precision."""
    seldom = {"language": segment.language, "reason": segment.reason}
    return {
        "id": segment.id,
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "speaker": segment.speaker,
        "text": segment.text,
        "keep": segment.keep,
        "on_screen": segment.on_screen,
        **{name: value for name, value in seldom.items() if value},
    }


def line_record(line: Line) -> Record:
    """A line as an entry."""
    return {
        "id": line.id,
        "start": round(line.start, 3),
        "end": round(line.end, 3),
        "speaker": line.speaker,
        "text": line.text,
        "keep_original": line.keep,
        "on_screen": line.on_screen,
        "voice": line.voice,
        "source": line.source,
        "lock": line.lock,
        "full_text": line.full_text,
    }


def line_of(record: Record) -> Line:
    """An entry as a line."""
    fields = {k: v for k, v in record.items() if k != "keep_original"}
    return Line(**fields, keep=record["keep_original"])
