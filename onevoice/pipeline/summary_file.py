"""``summary.yaml``: what a film is about, as a model read it and as people corrected it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from onevoice.errors import ProjectInvalid
from onevoice.media import whole_file
from onevoice.pipeline.edits import Record, baseline_of, merge
from onevoice.pipeline.memory import Memory
from onevoice.types import Summary

_HEAD = """\
# What the film is about: edit it, and run the same command again.
# Translators that read it (summary.use_as_context) keep to its terms and its register.
"""
_ID = "summary"


class _Fields(BaseModel):
    """What the file holds. A field that is not there is written anew."""

    model_config = ConfigDict(extra="forbid")

    synopsis: str = ""
    register_: str = Field(default="", alias="register")  # a method of classes has that name
    terms: list[str] = []
    speakers: dict[str, str] = {}


_FIELDS = ("synopsis", "register", "terms", "speakers")


class SummaryFile:
    """The file of one project. Edits are told from what machines wrote as in the sheets."""

    def __init__(self, path: Path, memory: Memory) -> None:
        self.path = path
        self._memory = memory

    def sync(self, generated: Summary) -> Summary:
        """Lay people's edits over what a model made of the film, and write the file."""
        summary = self.preview(generated)
        self._memory.remember_baseline(_ID, baseline_of([_record(generated)], _FIELDS))
        fields = {k: v for k, v in _record(summary).items() if k in _FIELDS}
        text = yaml.safe_dump(fields, allow_unicode=True, sort_keys=False, width=96)
        with whole_file(self.path) as new:
            new.write_text(_HEAD + text, encoding="utf-8")
        return summary

    def preview(self, generated: Summary) -> Summary:
        """What :meth:`sync` would return; nothing is written. Raises ProjectInvalid."""
        merged = merge(
            [_record(generated)],
            self._read(),
            self._memory.baselines(_ID),
            fields=_FIELDS,
            removed={},
        )
        fields: dict[str, Any] = {k: v for k, v in merged.records[0].items() if k in _FIELDS}
        return Summary(**{**fields, "terms": tuple(fields["terms"])})

    def _read(self) -> list[Record] | None:
        if not self.path.is_file():
            return None
        try:
            data = yaml.safe_load(self.path.read_text(encoding="utf-8"))
            fields = _Fields.model_validate(data).model_dump(by_alias=True, exclude_unset=True)
        except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as exc:
            raise ProjectInvalid(
                f"{self.path} is no summary: {_reason(exc)}",
                hint="mend it, or delete it to have it written anew",
            ) from exc
        return [{"id": _ID, "start": 0.0, **fields}]


def _record(summary: Summary) -> Record:
    return {
        "id": _ID,
        "start": 0.0,
        "synopsis": summary.synopsis,
        "register": summary.register,
        "terms": list(summary.terms),
        "speakers": dict(summary.speakers),
    }


def _reason(exc: Exception) -> str:
    if not isinstance(exc, ValidationError):
        return str(exc)
    first = exc.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'file'}: {first['msg']}"
