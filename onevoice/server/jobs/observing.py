"""What the pipeline tells while it works, as events for the worker; not more than it can use."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from onevoice.pipeline import events as pipeline
from onevoice.server.jobs.orders import (
    AnalysisFinished,
    Event,
    StageFinished,
    StageProgress,
    StageStarted,
    Warned,
)

PROGRESS_INTERVAL = 0.25
"""Least seconds between two reports of progress in one language."""
_LAST_OF_ANALYSIS = "segment"


class EventObserver:
    """Passes events on; progress at most every quarter of a second and language."""

    def __init__(
        self,
        tell: Callable[[Event], None],
        shown: Callable[[str], str] = str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tell = tell
        self._shown = shown
        self._clock = clock
        self._lock = Lock()
        self._told: dict[str | None, float] = {}
        self._analysed = False

    def on_event(self, event: pipeline.Event) -> None:
        match event:
            case pipeline.StageStarted(stage=stage, language=language):
                self._tell(StageStarted(stage=stage, language=language))
            case pipeline.StageProgress(stage=stage, language=language, done=done, total=total):
                if self._is_due(language):
                    self._tell(
                        StageProgress(stage=stage, language=language, done=done, total=total)
                    )
            case pipeline.StageFinished(stage=stage, language=language):
                self._tell(
                    StageFinished(
                        stage=stage,
                        language=language,
                        cached=event.cached,
                        seconds=round(event.seconds, 3),
                    )
                )
                if stage == _LAST_OF_ANALYSIS and not self._analysed:
                    self._analysed = True
                    self._tell(AnalysisFinished())
            case pipeline.Warned(language=language, warning=warning):
                self._tell(
                    Warned(
                        language=language,
                        code=warning.code,
                        message=self._shown(warning.message),
                        line=warning.line,
                    )
                )
            case pipeline.LanguageFinished() | pipeline.LanguageFailed():
                pass  # whoever carries the order out knows what they come to

    def _is_due(self, language: str | None) -> bool:
        with self._lock:
            now = self._clock()
            if now - self._told.get(language, float("-inf")) < PROGRESS_INTERVAL:
                return False
            self._told[language] = now
            return True
