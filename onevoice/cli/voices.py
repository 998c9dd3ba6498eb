"""``onevoice voices``: what a line can be spoken with."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onevoice.cli import options, output
from onevoice.cli.output import Column
from onevoice.errors import EngineRefused, EngineUnavailable, OneVoiceError

if TYPE_CHECKING:
    from onevoice.config import Settings
    from onevoice.engines.base import Voice

SCHEMA = "onevoice.voices/1"


def voices(
    lang: Annotated[
        list[str] | None,
        typer.Option("--lang", "--to", metavar="LANGS", help="Only these languages: ko,es."),
    ] = None,
    engine: Annotated[
        str | None, typer.Option("--engine", metavar="NAME", help="Only this engine's voices.")
    ] = None,
    config: options.Config = None,
    profile: options.Profile = None,
    sets: options.Sets = None,
    json: options.Json = False,
) -> None:
    """List the voices a line can be spoken with, the preferred first."""
    from onevoice.cli.settings import settings_from
    from onevoice.config import Override
    from onevoice.languages import parse_list

    languages = parse_list(",".join(lang)) if lang else ()
    flags = [Override("synthesis.engine", engine, "--engine")] if engine else []
    settings = settings_from(config=config, profile=profile, sets=sets or (), flags=flags)
    with output.stdout_kept_clean():
        found = find_voices(settings, languages)
    if json:
        output.as_json({"schema": SCHEMA, "voices": [_voice(name, v) for name, v in found]})
        return
    show(found)


def find_voices(settings: Settings, languages: tuple[str, ...]) -> list[tuple[str, Voice]]:
    """Voices with the engine they belong to; all languages where none is given.

    Raises EngineUnavailable when no engine of the settings is here, EngineRefused when none of
    them speaks a language that was asked for.
    """
    from onevoice.engines import registry
    from onevoice.pipeline.engines import runtime_for

    runtime = runtime_for(settings)
    found: list[tuple[str, Voice]] = []
    spoken: set[str] = set()
    problems: list[OneVoiceError] = []
    for name in settings.synthesis.engines:
        try:
            kind = registry.load("synthesis", name)
            speaker = registry.create("synthesis", name, settings.synthesis.options(name), runtime)
            speaker.ready()
            # A hosted engine asks its service which voices the account has.
            theirs = {
                language: speaker.voices(language)
                for language in languages or sorted(kind.info.languages)
            }
        except OneVoiceError as exc:
            problems.append(exc)
            continue
        found += [(name, voice) for voices in theirs.values() for voice in voices]
        spoken |= {language for language, voices in theirs.items() if voices}
    if len(problems) == len(settings.synthesis.engines):
        raise EngineUnavailable(
            "; ".join(p.message for p in problems), hint=problems[0].hint
        ) from problems[0]
    for language in languages:
        if language not in spoken:
            raise _nobody_speaks(language, settings)
    return found


def _nobody_speaks(language: str, settings: Settings) -> EngineRefused:
    from onevoice.languages import name

    engines = ", ".join(settings.synthesis.engines)
    return EngineRefused(
        f"no voice speaks {name(language)} ({language}) with the engine {engines}",
        hint="onevoice engines lists others; --engine NAME shows the voices of one",
    )


def _voice(engine: str, voice: Voice) -> dict[str, Any]:
    return {
        "engine": engine,
        "name": voice.name,
        "language": voice.language,
        "sex": voice.sex,
        "pitch_hz": voice.pitch_hz,
        "rate": voice.rate,
        "licence": voice.licence,
        "note": voice.note,
    }


def show(found: list[tuple[str, Voice]]) -> None:
    columns = [
        Column("Voice"),
        Column("Lang"),
        Column("Sex"),
        Column("Pitch", "right"),
        Column("Letters/s", "right"),
        Column("Engine"),
        Column("Licence and notes", fold=True),
    ]
    rows = [
        (
            voice.name,
            voice.language,
            "" if voice.sex == "unknown" else voice.sex,
            f"{voice.pitch_hz:.0f} Hz" if voice.pitch_hz else "",
            f"{voice.rate:.1f}" if voice.rate else "",
            engine,
            "; ".join(filter(None, (voice.licence, voice.note))),
        )
        for engine, voice in found
    ]
    output.table(columns, rows)
    if found:
        example = shlex.quote(f"S1={found[0][1].name}")
        output.line()
        output.line(f"To use one: onevoice dub … --voice {example}")
