"""Checking what a job asks for, before anything is kept or held."""

from __future__ import annotations

import asyncio
import json
import math
import tempfile
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from onevoice import languages
from onevoice.config import Override, load_settings
from onevoice.errors import ConfigError
from onevoice.glossary import Glossary
from onevoice.server.billing.plans import Plan
from onevoice.server.errors import Invalid, PaymentRequired
from onevoice.server.jobs import offers
from onevoice.server.jobs.schemas import JobOptions
from onevoice.server.settings import ServerSettings

OWN_VOICE = "clone"
_SOME_VOICES = 5
"""How many a refusal names, the nearest first."""

_MOST_ACCEPTED = 1000
_accepted: set[tuple[str, tuple[str, ...], str]] = set()
"""What was found to be sound. Profiles do not change while a server runs."""


def wanted_languages(tags: Sequence[str], source: str, plan: Plan) -> list[str]:
    """The languages as we write them, each once.

    Raises
    ------
    Invalid, UnknownLanguage, PaymentRequired
        One is none, or the one already spoken; there are more than the plan allows.
    """
    found = list(dict.fromkeys(languages.normalize(tag) for tag in tags))
    if source != "auto":
        same = next((tag for tag in found if languages.same(tag, source)), None)
        if same is not None:
            raise Invalid(
                f"the video already speaks {languages.name(same)}",
                hint="leave this language out, or correct options.source_language",
            )
    if len(found) > plan.languages_per_job:
        raise PaymentRequired(
            f"{len(found)} languages are asked for; the plan {plan.name} has "
            f"{plan.languages_per_job} a job",
            hint="ask for fewer, make several jobs, or choose a larger plan",
            code="plan_limit",
        )
    return found


def wanted_profile(profile: str | None, settings: ServerSettings) -> str:
    """The profile to use. Raises Invalid for one that is not offered."""
    if profile is None:
        return settings.profiles[0]
    if profile not in settings.profiles:
        raise Invalid(
            f"this server offers no profile {profile!r}",
            hint=f"there are: {', '.join(settings.profiles)}",
        )
    return profile


def settings_of(options: JobOptions) -> dict[str, Any]:
    """The options as settings of the engine; the glossary travels beside them."""
    source = options.source_language
    subtitles = [kind for kind in ("srt", "vtt") if kind in options.deliverables]
    return {
        "source.language": source if source == "auto" else languages.normalize(source),
        "diarization.speakers": options.speakers,
        "voices": options.voices,
        "translation.quality": options.quality,
        "output.keep_original_audio": options.keep_original_audio,
        "output.subtitles": subtitles,
    }


async def accept(profile: str, wanted: Sequence[str], options: JobOptions) -> None:
    """:func:`check_settings` in a thread, once for what many jobs ask for alike."""
    asked = (profile, tuple(wanted), options.model_dump_json())
    if asked in _accepted:
        return
    await asyncio.to_thread(check_settings, profile, wanted, options)
    if len(_accepted) >= _MOST_ACCEPTED:
        _accepted.clear()
    _accepted.add(asked)


def check_settings(profile: str, wanted: Sequence[str], options: JobOptions) -> None:
    """Read profile, options and glossary as the engine will. Raises ConfigError, Invalid."""
    silent = next((tag for tag in wanted if not offers.speaks(profile, tag)), None)
    if silent is not None:
        raise Invalid(
            f"nobody speaks {languages.name(silent)} in the profile {profile}",
            hint="GET /v1/profiles lists the languages of each",
            code="language_unspoken",
        )
    if any(OWN_VOICE in _voices(choice) for choice in options.voices.values()):
        raise _no_consent()
    overrides = [
        Override(key, value, f"options ({key})") for key, value in settings_of(options).items()
    ]
    chosen = load_settings(profile=profile, overrides=overrides)
    for language in wanted:
        for speaker in options.voices:
            _check_voice(profile, language, chosen.voice_for(speaker, language))
    if options.glossary:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "glossary.yaml"
            path.write_text(glossary_text(options), encoding="utf-8")
            try:
                Glossary.read(path)
            except ConfigError as exc:  # it speaks of lines of a file that the user never saw
                what = exc.message.replace(str(path), "options.glossary")
                raise Invalid(what, hint=exc.hint, code="glossary") from exc


async def accept_voices(profile: str, language: str, voices: Collection[str]) -> None:
    """The same for voices of single lines. Raises Invalid."""
    if OWN_VOICE in voices:
        raise _no_consent()
    for voice in voices:
        await asyncio.to_thread(_check_voice, profile, language, voice)


def _no_consent() -> Invalid:
    return Invalid(
        "voices are not cloned by this server: nobody recorded the speakers' consent",
        hint="choose a voice by its name",
        code="consent_missing",
    )


def _check_voice(profile: str, language: str, voice: str | None) -> None:
    """Raises Invalid for a voice that nobody has, where all voices are known before the dub."""
    names = offers.known_voices(profile, language) if voice is not None else None
    if voice is None or names is None or voice in names:
        return
    near = get_close_matches(voice, sorted(names), n=_SOME_VOICES, cutoff=0.4)
    some = [*near, *(name for name in sorted(names) if name not in near)][:_SOME_VOICES]
    more = "" if len(names) <= len(some) else f" and {len(names) - len(some)} more"
    raise Invalid(
        f"no voice {voice!r} speaks {languages.name(language)} in the profile {profile}",
        hint=f"there are {', '.join(some)}{more}: GET /v1/voices?language={language} lists them",
        code="voice_unknown",
    )


def glossary_text(options: JobOptions) -> str:
    """The glossary as a file of the engine, an entry a line (JSON is YAML)."""
    entries = [_entry(term.model_dump()) for term in options.glossary]
    return "[" + ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries) + "]"


def seconds_of(duration_ms: int) -> int:
    """What one language of a video costs: its length in whole seconds, begun ones included."""
    return max(1, math.ceil(duration_ms / 1000))


def minutes(seconds: int) -> float:
    """Seconds of credit as people are told them."""
    return round(seconds / 60, 2)


def groups(wanted: Sequence[str], size: int) -> dict[str, int]:
    """Which message each language travels in."""
    return {tag: place // size for place, tag in enumerate(wanted)}


def _voices(choice: str | dict[str, str]) -> set[str]:
    return {choice} if isinstance(choice, str) else set(choice.values())


def _entry(term: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in term.items() if value not in ("", {}, False)}
