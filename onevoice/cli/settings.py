"""From the options of a command to settings and to what engines run on."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from onevoice.errors import ConfigError, EngineUnavailable, UnknownSetting

if TYPE_CHECKING:
    from onevoice.config import EngineSection, Override, Settings
    from onevoice.engines.base import Kind


def settings_from(
    *,
    config: Path | None,
    profile: str | None,
    sets: Sequence[str],
    flags: Sequence[Override] = (),
) -> Settings:
    """Merge every source of settings; ``flags`` are the options that stand for a setting.

    Raises ConfigError and UnknownSetting, also for an engine that does not exist and for a
    setting that an engine does not have: before any work, not in the middle of it.
    """
    from onevoice.config import load_settings, parse_set

    settings = load_settings(
        profile=profile, config=config, overrides=[*map(parse_set, sets), *flags]
    )
    check_engine_settings(settings)
    return settings


def check_engine_settings(settings: Settings) -> None:
    """Every engine named in the settings exists, and has the settings given for it."""
    from onevoice.engines.base import KINDS

    for kind in KINDS:
        section: EngineSection = getattr(settings, kind)
        if not section.engines:
            raise ConfigError(
                f"{kind}.engine names no engine", hint=f"onevoice engines lists the {kind} engines"
            )
        for name in section.engines:
            _check_name(kind, name, ConfigError(f"no {kind} engine is called {name!r}"))
        for name in section.model_extra or {}:
            _check_name(kind, name, UnknownSetting(f"unknown setting {kind}.{name}"))
            _check_options(kind, name, section)


def _check_name(kind: Kind, name: str, error: ConfigError) -> None:
    from onevoice.engines import registry

    known = registry.names(kind)
    if name not in known:
        near = get_close_matches(name, known, n=1)
        error.hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
        raise error


def _check_options(kind: Kind, name: str, section: EngineSection) -> None:
    from onevoice.engines import registry

    options = section.options(name)
    if options:
        try:
            engine = registry.load(kind, name)
        except EngineUnavailable:
            return  # told, with what mends it, when the engine is needed
        registry.parse_params(kind, name, engine, options)


def voice_flags(given: Sequence[str]) -> list[Override]:
    """``--voice S1=ef_dora`` and ``--voice S1.es=ef_dora`` as settings."""
    from onevoice.config import Override
    from onevoice.languages import normalize

    flags = []
    for text in given:
        speaker, equals, voice = (part.strip() for part in text.partition("="))
        name, dot, language = speaker.partition(".")
        if not (name and equals and voice) or (dot and not language):
            raise ConfigError(
                f"--voice needs SPEAKER=VOICE, got {text!r}",
                hint="for example --voice S1=ef_dora, or --voice S1.es=ef_dora for one language",
            )
        key = f"voices.{name}.{normalize(language)}" if dot else f"voices.{name}"
        flags.append(Override(key, voice, "--voice"))
    return flags
