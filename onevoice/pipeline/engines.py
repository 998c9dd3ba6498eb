"""The engines of one run: built once, chosen by what they can do, closed when done."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Lock
from typing import Any

from onevoice.config import EngineSection, Settings, cache_dir
from onevoice.engines import registry
from onevoice.engines.base import CancelToken, Kind, Runtime, Voice
from onevoice.engines.metering import Meter
from onevoice.errors import EngineError, EngineRefused, EngineUnavailable
from onevoice.pipeline.voice_lists import voices_of


def runtime_for(
    settings: Settings, cancel: CancelToken | None = None, meter: Meter | None = None
) -> Runtime:
    """What the settings say of threads, device and network, with the folder of the models."""
    return Runtime(
        models_dir=cache_dir() / "models",
        threads=settings.run.threads or os.cpu_count() or 1,
        device=settings.run.device,
        offline=settings.run.offline,
        cancel=cancel or CancelToken(),
        requests_at_once=settings.run.requests_at_once,
        attempts=settings.run.attempts,
        timeout=settings.run.request_timeout,
        meter=meter or Meter(settings.run.max_cost),
    )


class EnginePool:
    """Builds engines from settings and keeps them, so that a model is loaded once a run."""

    def __init__(self, settings: Settings, runtime: Runtime) -> None:
        self.settings = settings
        self.runtime = runtime
        self._engines: dict[tuple[str, str], Any] = {}
        self._out: dict[tuple[str, str], EngineError] = {}
        self._refused: dict[tuple[str, str, str], EngineRefused] = {}
        self._kept: dict[tuple[str, str], str] = {}
        self._voices: dict[tuple[str, str], tuple[Voice, ...]] = {}
        self._lock = Lock()

    def get(self, kind: Kind, name: str) -> Any:
        """One engine by name, checked to be able to run here."""
        with self._lock:
            if (kind, name) not in self._engines:
                section: EngineSection = getattr(self.settings, kind)
                engine = registry.create(kind, name, section.options(name), self.runtime)
                engine.ready()
                self._engines[kind, name] = engine
            return self._engines[kind, name]

    def choose(
        self, kind: Kind, fits: Callable[[Any], str | None], *, language: str = ""
    ) -> tuple[str, Any]:
        """The first engine of the settings' chain that is here and fits.

        ``fits`` returns None, or why the engine will not do. ``language`` is what is asked for:
        one that :meth:`keep` was told to keep an engine for gets that one.

        Raises
        ------
        EngineUnavailable, EngineRefused
            None of the chain will do; the message says why of each.
        """
        kept = self._kept.get((kind, language))
        if kept is not None:
            return kept, self.get(kind, kept)
        section: EngineSection = getattr(self.settings, kind)
        reasons: list[str] = []
        hints: list[str] = []
        refused = False
        for name in section.engines:
            try:
                known = self._trouble(kind, name, language)
                if known is not None:
                    raise known
                engine = self.get(kind, name)
                why_not = fits(engine)
            except EngineError as exc:
                if isinstance(exc, EngineRefused):  # another language may suit it
                    self._refused[kind, name, language] = exc
                else:
                    self._out[kind, name] = exc  # a service that is down is not asked again
                reasons.append(f"{name}: {exc.message}")
                hints.append(exc.hint)
                continue
            if why_not is None:
                return name, engine
            refused = True
            reasons.append(f"{name}: {why_not}")
        error = EngineRefused if refused and not any(hints) else EngineUnavailable
        hint = next((h for h in hints if h), f"choose another with --set {kind}.engine=NAME")
        raise error(f"no {kind} engine can do this: {'; '.join(reasons)}", hint=hint)

    def voices(self, engine: Any, language: str) -> tuple[Voice, ...]:
        """A synthesizer's voices for a language; it is asked once a run. Raises EngineError."""
        key = (engine.info.name, language)
        if key not in self._voices:
            self._voices[key] = voices_of(engine, language)
        return self._voices[key]

    def keep(self, kind: Kind, language: str, name: str) -> None:
        """Stay with an engine for a language until this language itself gives it up.

        Its lines are cast with the voices of that engine: that another language lost it must
        not change it under them.
        """
        self._kept[kind, language] = name

    def give_up(self, error: EngineError, *, language: str = "") -> bool:
        """Use the engine an error came from no more; False when no other of its chain is left.

        One that refused what a language asked of it is lost to that language alone.
        """
        if error.engine is None:
            return False
        kind, name = error.engine
        section: EngineSection = getattr(self.settings, kind)
        if name not in section.engines:
            return False
        with self._lock:
            if isinstance(error, EngineRefused) and language:
                self._refused[kind, name, language] = error
            else:
                self._out[kind, name] = error
            self._kept.pop((kind, language), None)
        return any(self._trouble(kind, other, language) is None for other in section.engines)

    def passed_over(self, kind: Kind, name: str, language: str = "") -> dict[str, EngineError]:
        """Engines that stand before ``name`` in its chain and cannot be used, with the reason."""
        section: EngineSection = getattr(self.settings, kind)
        missing: dict[str, EngineError] = {}
        for other in section.engines:
            if other == name:
                break
            known = self._trouble(kind, other, language)
            try:
                if known is not None:
                    raise known
                self.get(kind, other)
            except EngineError as exc:
                missing[other] = exc
        return missing

    def _trouble(self, kind: str, name: str, language: str) -> EngineError | None:
        """Why an engine is not asked any more, at least not for this language."""
        return self._out.get((kind, name)) or self._refused.get((kind, name, language))

    def release(self, kind: Kind) -> None:
        """Free the models of one kind that later stages will not need."""
        with self._lock:
            for (k, _), engine in self._engines.items():
                if k == kind:
                    engine.close()

    def close(self) -> None:
        with self._lock:
            for engine in self._engines.values():
                engine.close()
            self._engines.clear()
