"""What the pipeline tells while it works. Whoever starts it hands in an observer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from onevoice.pipeline.results import DubFailure, DubResult
from onevoice.types import Warning_


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted:
    """A stage begins; ``language`` is None for the analysis shared by all languages."""

    stage: str
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageProgress:
    """``done`` of ``total`` units (lines where the stage has lines, else a share of 1.0)."""

    stage: str
    language: str | None
    done: float
    total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFinished:
    stage: str
    language: str | None
    cached: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    language: str | None
    warning: Warning_


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageFinished:
    """A language is done and its files are whole; others go on. It stays done, whatever becomes
    of the run.
    """

    result: DubResult


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageFailed:
    """Nothing more is done for a language. Not told of those that a cancelled run leaves undone."""

    failure: DubFailure


Event = StageStarted | StageProgress | StageFinished | Warned | LanguageFinished | LanguageFailed


class Observer(Protocol):
    """Receives events, from several threads at once; must return quickly and never raise."""

    def on_event(self, event: Event) -> None: ...


class SilentObserver:
    """Listens to nothing."""

    def on_event(self, event: Event) -> None:
        return None
