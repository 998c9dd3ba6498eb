"""How far each language of a dub is, from what its stages tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from onevoice.pipeline.planning import SECONDS_PER_SECOND
from onevoice.server.jobs.orders import Event, StageFinished, StageProgress, StageStarted

STEP = 0.01
"""Progress smaller than this is not worth telling."""
_ORDER = tuple(SECONDS_PER_SECOND)
_ALL_ONE = 0.02
"""Weight that every stage has besides its measured share: none of them is nothing."""


@dataclass(slots=True)
class _Language:
    shares: dict[str, float] = field(default_factory=dict)
    stage: str = ""
    told: tuple[str, float] = ("", 0.0)

    @property
    def progress(self) -> float:
        total = sum(_weight(stage) for stage in SECONDS_PER_SECOND)
        done = sum(_weight(stage) * share for stage, share in self.shares.items())
        return min(0.999, done / total)


class Progress:
    """Takes events of a dub; says what is new about each language."""

    def __init__(self, languages: Iterable[str]) -> None:
        self._languages = {language: _Language() for language in languages}

    def take(self, event: Event) -> None:
        """An event of no language is the analysis: it counts for all of them."""
        if not isinstance(event, StageStarted | StageProgress | StageFinished):
            return
        if event.stage not in SECONDS_PER_SECOND:
            return
        concerned = (
            self._languages.values()
            if event.language is None
            else [self._languages[event.language]]
            if event.language in self._languages
            else []
        )
        for language in concerned:
            language.stage = event.stage
            for earlier in _ORDER[: _ORDER.index(event.stage)]:
                language.shares[earlier] = 1.0  # done, or not needed for this language
            share = 0.0
            if isinstance(event, StageFinished):
                share = 1.0
            elif isinstance(event, StageProgress) and event.total > 0:
                share = min(1.0, event.done / event.total)
            language.shares[event.stage] = max(language.shares.get(event.stage, 0.0), share)

    def news(self) -> dict[str, tuple[str, float]]:
        """Stage and progress of the languages where something changed since the last call."""
        found = {}
        for name, language in self._languages.items():
            now = (language.stage, round(language.progress, 3))
            if now[0] != language.told[0] or now[1] - language.told[1] >= STEP:
                language.told = found[name] = now
        return found

    def end(self, language: str) -> None:
        """It has ended: nothing more to tell of it."""
        self._languages.pop(language, None)


def _weight(stage: str) -> float:
    return SECONDS_PER_SECOND[stage] + _ALL_ONE
