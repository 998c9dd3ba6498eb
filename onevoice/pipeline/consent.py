"""Consent to clone a voice: who agreed, when, and the paper, kept with the project.

::

    talk.onevoice/
      consent.yaml        the records, by speaker
      consent/            copies of the documents, named by speaker and digest

A voice is cloned only for a speaker with a record whose document is still what was recorded.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from onevoice.errors import ConfigError, ConsentMissing, ProjectInvalid
from onevoice.media import whole_file
from onevoice.pipeline.fingerprint import file_digest
from onevoice.types import adapter

FILE = "consent.yaml"
FOLDER = "consent"
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
        rows: list[Consent] = adapter(list[Consent]).validate_python((data or {})["consents"])
        return {row.speaker: row for row in rows}
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError) as exc:
        raise ProjectInvalid(
            f"{path} holds no records of consent: {exc}",
            hint="mend it, or delete it and add them again with onevoice consent add",
        ) from exc


def add(project: Path, speaker: str, document: Path, *, by: str = "") -> Consent:
    """Record that a speaker agreed; the document is copied into the project.

    Raises
    ------
    ConfigError
        The document cannot be used.
    """
    digest = _usable(document)
    records = read(project)
    suffix = document.suffix if re.fullmatch(r"\.\w{1,8}", document.suffix) else ""
    # A speaker's name is text that somebody wrote into a file, not a path.
    stem = re.sub(r"[^\w-]+", "_", speaker)
    name = f"{FOLDER}/{stem}-{digest[:16]}{suffix}"
    (project / FOLDER).mkdir(parents=True, exist_ok=True)
    with whole_file(project / name) as new:
        shutil.copyfile(document, new)
    before = records.get(speaker)
    record = Consent(
        speaker=speaker,
        document=name,
        sha256=digest,
        recorded=datetime.now(UTC).isoformat(timespec="seconds"),
        by=by,
    )
    records[speaker] = record
    _write(project, records)
    if before is not None:
        _drop(project, before, records)
    return record


def remove(project: Path, speaker: str) -> bool:
    """Withdraw a speaker's consent; the document goes, too. False when there was none."""
    records = read(project)
    record = records.pop(speaker, None)
    if record is None:
        return False
    # The document first: a kill in between leaves a record of nothing, which permits nothing.
    _drop(project, record, records)
    _write(project, records)
    return True


def require(project: Path, speakers: Iterable[str]) -> None:
    """Raise ConsentMissing for the first speaker whose consent is not on record."""
    records = read(project)
    for speaker in speakers:
        record = records.get(speaker)
        words = [speaker, "--file", "PAPER", "--project", str(project)]
        command = f"onevoice consent add {shlex.join(words)}"
        if record is None:
            raise ConsentMissing(
                f"the voice of {speaker} may not be cloned: no consent is on record",
                hint=f"{command}, or give {speaker} another voice",
            )
        document = _document(project, record)
        if not document.is_file() or file_digest(document) != record.sha256:
            raise ConsentMissing(
                f"the voice of {speaker} may not be cloned: {document} is not (or no longer) what "
                "was recorded",
                hint=command,
            )


def _usable(document: Path) -> str:
    """The digest of a document that can be kept. Raises ConfigError."""
    if not document.is_file():
        raise ConfigError(f"there is no file {document}", hint="name the signed paper or recording")
    try:
        size = document.stat().st_size
        if not 0 < size <= _LARGEST:
            raise ConfigError(
                f"{document} cannot be a record of consent: it has {size} bytes",
                hint=f"give a document or recording of up to {_LARGEST >> 20} MB",
            )
        return file_digest(document)
    except OSError as exc:
        raise ConfigError(
            f"{document} cannot be read: {exc.strerror or exc}", hint="check who owns it"
        ) from exc


def _document(project: Path, record: Consent) -> Path:
    return project / FOLDER / Path(record.document).name


def _drop(project: Path, record: Consent, others: dict[str, Consent]) -> None:
    """Delete a record's document, unless another record is about the same."""
    document = _document(project, record)
    if document.is_file() and all(_document(project, o) != document for o in others.values()):
        document.unlink()


def _write(project: Path, records: dict[str, Consent]) -> None:
    rows = [asdict(record) for _, record in sorted(records.items())]
    text = yaml.safe_dump(
        {"version": 1, "consents": rows}, allow_unicode=True, sort_keys=False, width=96
    )
    with whole_file(project / FILE) as new:
        new.write_text(text, encoding="utf-8")
