"""Consent to clone a voice: who agreed, when, and the paper, kept with the project.

::

    talk.onevoice/
      consent.yaml        the records, by speaker
      consent/            copies of the documents, named by speaker and digest

A voice is cloned only for a speaker with a record whose document is still what was recorded.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from onevoice.errors import ConfigError, ConsentMissing, ProjectInvalid
from onevoice.media import whole_file

FILE = "consent.yaml"
FOLDER = "consent"
_SPEAKER = re.compile(r"[\w.-]{1,64}")
_LARGEST = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One record. ``document`` is a path inside the project folder."""

    speaker: str
    document: str
    sha256: str
    recorded: str
    """When it was added, in UTC."""
    by: str = ""
    """Who agreed, in the words of whoever added it."""


def read(project: Path) -> dict[str, Consent]:
    """The records of a project by speaker. Raises ProjectInvalid for a file that is none."""
    path = project / FILE
    if not path.is_file():
        return {}
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        rows: list[dict[str, Any]] = (data or {})["consents"]
        return {row["speaker"]: Consent(**row) for row in rows}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as exc:
        raise ProjectInvalid(
            f"{path} holds no records of consent: {exc}",
            hint="mend it, or delete it and add them again with onevoice consent add",
        ) from exc


def add(project: Path, speaker: str, document: Path, *, by: str = "") -> Consent:
    """Record that a speaker agreed; the document is copied into the project.

    Raises
    ------
    ConfigError
        The speaker's name or the document cannot be used.
    """
    if not _SPEAKER.fullmatch(speaker):
        raise ConfigError(
            f"{speaker!r} is no speaker of a project", hint="they are called S1, S2, …"
        )
    if not document.is_file():
        raise ConfigError(f"there is no file {document}", hint="name the signed paper or recording")
    size = document.stat().st_size
    if not 0 < size <= _LARGEST:
        raise ConfigError(
            f"{document} cannot be a record of consent: it has {size} bytes",
            hint=f"give a document or recording of up to {_LARGEST >> 20} MB",
        )
    digest = _digest(document)
    suffix = document.suffix if re.fullmatch(r"\.\w{1,8}", document.suffix) else ""
    name = f"{FOLDER}/{speaker}-{digest[:16]}{suffix}"
    (project / FOLDER).mkdir(parents=True, exist_ok=True)
    with whole_file(project / name) as new:
        shutil.copyfile(document, new)
    record = Consent(
        speaker=speaker,
        document=name,
        sha256=digest,
        recorded=datetime.now(UTC).isoformat(timespec="seconds"),
        by=by,
    )
    _write(project, {**read(project), speaker: record})
    return record


def remove(project: Path, speaker: str) -> bool:
    """Withdraw a speaker's consent; the document goes, too. False when there was none."""
    records = read(project)
    record = records.pop(speaker, None)
    if record is None:
        return False
    _write(project, records)
    (project / FOLDER / Path(record.document).name).unlink(missing_ok=True)
    return True


def require(project: Path, speakers: Iterable[str]) -> None:
    """Raise ConsentMissing for the first speaker whose consent is not on record."""
    records = read(project)
    for speaker in speakers:
        record = records.get(speaker)
        command = f"onevoice consent add {speaker} --file PAPER --project {project}"
        if record is None:
            raise ConsentMissing(
                f"the voice of {speaker} may not be cloned: no consent is on record",
                hint=f"{command}, or give {speaker} another voice",
            )
        document = project / FOLDER / Path(record.document).name
        if not document.is_file() or _digest(document) != record.sha256:
            raise ConsentMissing(
                f"the voice of {speaker} may not be cloned: {document} is not (or no longer) what "
                "was recorded",
                hint=command,
            )


def _write(project: Path, records: dict[str, Consent]) -> None:
    rows = [asdict(record) for _, record in sorted(records.items())]
    text = yaml.safe_dump(
        {"version": 1, "consents": rows}, allow_unicode=True, sort_keys=False, width=96
    )
    with whole_file(project / FILE) as new:
        new.write_text(text, encoding="utf-8")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
