"""What the profiles of a server can do: the languages they speak, and their voices."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import Any

from onevoice import languages as tags
from onevoice.config import load_settings
from onevoice.engines import registry
from onevoice.engines.base import Voice
from onevoice.errors import OneVoiceError
from onevoice.pipeline.engines import runtime_for


@lru_cache(maxsize=64)
def spoken(profile: str) -> frozenset[str]:
    """Languages of a profile's synthesizers; none where one of them speaks any."""
    settings = load_settings(profile=profile)
    runtime = runtime_for(settings)
    found: set[str] = set()
    for name in settings.synthesis.engines:
        try:
            info = registry.load("synthesis", name).info
        except OneVoiceError:
            continue  # a plug-in that is not installed here
        if not info.languages:
            return frozenset()
        said = info.languages
        if not info.hosted:
            with suppress(OneVoiceError):  # it works on other machines: what it says has to do
                options = settings.synthesis.options(name)
                speaker = registry.create("synthesis", name, options, runtime)
                said = frozenset(tag for tag in said if _has_voices(speaker, tag))
        found |= said
    return frozenset(found)


@lru_cache(maxsize=1024)
def voices(profile: str, language: str) -> tuple[tuple[str, Voice], ...]:
    settings = load_settings(profile=profile)
    runtime = runtime_for(settings)
    found: list[tuple[str, Voice]] = []
    for name in settings.synthesis.engines:
        try:
            if registry.load("synthesis", name).info.hosted:
                continue
            speaker = registry.create("synthesis", name, settings.synthesis.options(name), runtime)
            found += [(name, voice) for voice in speaker.voices(language)]
        except OneVoiceError:
            continue  # it speaks other languages, or is not installed here
    return tuple(found)


@lru_cache(maxsize=1024)
def known_voices(profile: str, language: str) -> frozenset[str] | None:
    """Names of all voices that a profile has for a language; None where they are not known here.

    Those of a vendor are the account's, and an engine may be installed on other machines only.
    """
    settings = load_settings(profile=profile)
    runtime = runtime_for(settings)
    names: set[str] = set()
    for name in settings.synthesis.engines:
        try:
            info = registry.load("synthesis", name).info
            if info.languages and not _among(language, info.languages):
                continue
            if info.hosted:
                return None
            speaker = registry.create("synthesis", name, settings.synthesis.options(name), runtime)
            theirs = {voice.name for voice in speaker.voices(language)}
        except OneVoiceError:
            return None
        if not theirs:
            return None  # what it needs for the language is not here
        names |= theirs
    return frozenset(names)


def speaks(profile: str, language: str) -> bool:
    """Whether a profile has an engine for a language, as far as is known before it is asked."""
    known = spoken(profile)
    return not known or _among(language, known)


def _among(language: str, known: frozenset[str]) -> bool:
    return language in known or tags.base(language) in known


def _has_voices(speaker: Any, language: str) -> bool:
    """Some languages need more than the engine itself: it has no voices where that is missing."""
    try:
        return bool(speaker.voices(language))
    except OneVoiceError:
        return False
