"""What the pipeline is asked for, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from onevoice.config import Settings
from onevoice.errors import OneVoiceError
from onevoice.pipeline.qc.model import Report
from onevoice.types import Warning_

DeliverableKind = Literal["per-language", "multitrack", "audio", "stems", "subtitles"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DubRequest:
    """One input, and the languages wanted."""

    input: Path
    languages: tuple[str, ...]
    settings: Settings = field(default_factory=Settings)
    out: Path | None = None
    """Folder for the results; None: beside the input."""
    lines: Mapping[str, Path] = field(default_factory=dict)
    """Translated subtitle files by language: they replace the translator."""
    stop_after: str | None = None
    """Name of the last stage to run; None runs them all."""
    force: bool = False
    """Overwrite results that this project did not make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliverable:
    """A file that was made, and for which language; None where it holds several."""

    kind: DeliverableKind
    language: str | None
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    name: str
    cached: bool
    seconds: float
    usd: float = 0.0
    """What hosted engines charged for it in this run, at list price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DubResult:
    """One language of one input.

    ``output`` is the main file, None when the run was told to stop before it; ``outputs`` are all
    the files of this language, subtitles included.
    """

    input: Path
    language: str
    output: Path | None
    subtitles: tuple[Path, ...]
    project: Path
    duration: float
    lines: int
    stages: tuple[StageRecord, ...]
    warnings: tuple[Warning_, ...]
    outputs: tuple[Deliverable, ...] = ()
    report: Report | None = None
    """How it measures; None where the run was told to stop before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DubFailure:
    """What could not be done for one input (and one language, where the others went on)."""

    input: Path
    language: str | None
    error: OneVoiceError


@dataclass(frozen=True, slots=True, kw_only=True)
class DubOutcome:
    results: tuple[DubResult, ...]
    failures: tuple[DubFailure, ...]
    outputs: tuple[Deliverable, ...] = ()
    """Files that hold several languages."""
    usd: float = 0.0
    """What hosted engines charged in this run, at list price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStage:
    """One row of a plan. ``why`` says why it runs; empty when cached."""

    name: str
    language: str | None
    cached: bool
    why: str
    expected_seconds: float | None = None
    expected_usd: float | None = None
    """What hosted engines would charge; None where that is not known yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    input: Path
    duration: float
    speech_seconds: float | None
    """Seconds of source speech, where the analysis is known already."""
    stages: tuple[PlannedStage, ...]
    expected_seconds: float
    expected_usd: float | None = None
    """None where a part of it is not known yet."""
    warnings: tuple[str, ...] = ()
    """Engines that cannot be used, and who stands in for them."""
