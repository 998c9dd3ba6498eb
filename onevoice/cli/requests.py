"""From the options of ``dub`` and ``plan`` to what the pipeline is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from onevoice.cli import output
from onevoice.cli.inputs import Rejected, find_inputs
from onevoice.cli.settings import settings_from, voice_flags
from onevoice.cli.text import path as shown
from onevoice.errors import ConfigError, MediaNotFound

if TYPE_CHECKING:
    from onevoice.config import Override
    from onevoice.pipeline.results import DubRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The inputs that can be worked on, and those that cannot."""

    requests: tuple[DubRequest, ...]
    rejected: tuple[Rejected, ...]


def make_batch(
    inputs: Sequence[str],
    *,
    to: Sequence[str] | None,
    source: str | None,
    out: Path | None,
    config: Path | None,
    profile: str | None,
    sets: Sequence[str] | None,
    voices: Sequence[str] | None,
    speakers: str | None,
    keep_languages: Sequence[str] | None,
    glossary: Path | None,
    series: str | None,
    quality: str | None,
    loudness: str | None,
    max_cost: str | None,
    fail_on: Sequence[str] | None,
    lines: Sequence[str] | None,
    deliver: Sequence[str] | None,
    burn_subtitles: bool,
    retime: str | None,
    audio_track: int | None,
    stop_after: str | None,
    force: bool,
    recursive: bool,
    salvage: bool,
) -> Batch:
    """Check everything that was typed and find the inputs.

    Raises ConfigError for what is wrong whatever the input; a bad input is in ``rejected``.
    """
    from onevoice.languages import parse_list
    from onevoice.pipeline.results import DubRequest
    from onevoice.pipeline.stages import STAGE_NAMES

    if not to:
        raise ConfigError("no target language is given", hint="for example --to ko,es,pt")
    languages = parse_list(",".join(to))
    flags = make_flags(
        source=source,
        voices=voices,
        speakers=speakers,
        keep_languages=keep_languages,
        glossary=glossary,
        series=series,
        quality=quality,
        loudness=loudness,
        max_cost=max_cost,
        fail_on=fail_on,
        deliver=deliver,
        burn_subtitles=burn_subtitles or None,
        retime=retime,
        audio_track=audio_track,
        salvage=salvage or None,
    )
    settings = settings_from(config=config, profile=profile, sets=sets or (), flags=flags)
    if stop_after is not None and stop_after not in STAGE_NAMES:
        near = get_close_matches(stop_after, STAGE_NAMES, n=1)
        raise ConfigError(
            f"there is no stage called {stop_after!r}",
            hint=f"did you mean {near[0]}?" if near else f"there are: {', '.join(STAGE_NAMES)}",
        )
    translated = translated_files(lines or (), languages)
    found = find_inputs(inputs, recursive=recursive, out=out)
    if translated and len(found.files) > 1:
        raise ConfigError(
            f"--lines is for one input, and there are {len(found.files)}",
            hint="dub the inputs one by one",
        )
    for path in found.skipped:
        output.note(f"{shown(path)} is a result of an earlier run: not dubbed again")
    requests = tuple(
        DubRequest(
            input=path,
            languages=languages,
            settings=settings,
            out=out,
            lines=translated,
            stop_after=stop_after,
            force=force,
        )
        for path in found.files
    )
    return Batch(requests=requests, rejected=found.rejected)


def make_flags(
    *,
    source: str | None = None,
    voices: Sequence[str] | None = None,
    speakers: str | None = None,
    keep_languages: Sequence[str] | None = None,
    glossary: Path | None = None,
    series: str | None = None,
    quality: str | None = None,
    loudness: str | None = None,
    max_cost: str | None = None,
    fail_on: Sequence[str] | None = None,
    deliver: Sequence[str] | None = None,
    burn_subtitles: bool | None = None,
    retime: str | None = None,
    audio_track: int | None = None,
    salvage: bool | None = None,
) -> list[Override]:
    """The options that stand for a setting, those that were given."""
    from onevoice.config import Override
    from onevoice.languages import normalize

    if glossary is not None and not glossary.is_file():
        raise ConfigError(f"no such glossary: {shown(glossary)}", hint="check the --glossary path")
    if max_cost is not None and not max_cost.strip():
        # An empty variable of a script would lift the limit it was to set.
        raise ConfigError("--max-cost names no sum", hint="for example --max-cost 5usd")
    given = {
        ("source.language", "--from"): normalize(source) if source and source != "auto" else source,
        ("diarization.speakers", "--speakers"): None if speakers is None else _count(speakers),
        ("keep.languages", "--keep-language"): ",".join(keep_languages or ()) or None,
        ("glossary", "--glossary"): None if glossary is None else str(glossary),
        ("series", "--series"): series,
        ("translation.quality", "--quality"): quality,
        ("mix.loudness", "--loudness"): loudness,
        ("run.max_cost", "--max-cost"): max_cost,
        ("quality.fail_on", "--fail-on"): ",".join(fail_on) if fail_on else None,
        ("output.deliver", "--deliver"): ",".join(deliver) if deliver else None,
        ("output.burn_subtitles", "--burn-subtitles"): burn_subtitles,
        ("output.retime", "--retime"): None if retime is None else _factor(retime),
        ("source.audio_track", "--audio-track"): audio_track,
        ("source.salvage", "--salvage"): salvage,
    }
    flags = [
        Override(key, value, option) for (key, option), value in given.items() if value is not None
    ]
    return [*voice_flags(voices or ()), *flags]


def _factor(retime: str) -> str:
    """What ``--retime`` names: only the picture can be slowed down, and all of it."""
    what, _, factor = retime.partition(":")
    if what != "video" or not factor.strip():
        raise ConfigError(
            f"--retime cannot be {retime!r}", hint="only the picture can be: --retime video:1.05"
        )
    return factor


def _count(speakers: str) -> int | str:
    """``2`` or ``auto``."""
    from onevoice.config.tree import MOST_SPEAKERS

    if speakers == "auto":
        return speakers
    if not speakers.isdecimal() or not 1 <= int(speakers) <= MOST_SPEAKERS:
        raise ConfigError(
            f"--speakers needs a number from 1 to {MOST_SPEAKERS}, or auto; got {speakers!r}",
            hint="for example --speakers 2",
        )
    return int(speakers)


def translated_files(given: Sequence[str], languages: Sequence[str]) -> dict[str, Path]:
    """``--lines ko=talk.ko.srt`` by language."""
    from onevoice.languages import normalize

    files: dict[str, Path] = {}
    for text in given:
        tag, equals, name = text.partition("=")
        if not equals or not tag.strip() or not name:
            raise ConfigError(
                f"--lines needs LANG=FILE, got {text!r}", hint="for example --lines ko=talk.ko.srt"
            )
        language = normalize(tag)
        if language not in languages:
            raise ConfigError(
                f"--lines gives {language}, which is not among the target languages",
                hint=f"add it: --to {','.join([*languages, language])}",
            )
        if language in files:
            raise ConfigError(f"--lines gives two files for {language}", hint="give one")
        if not Path(name).is_file():
            raise MediaNotFound(
                f"no such subtitle file: {shown(Path(name))}", hint="check the --lines path"
            )
        files[language] = Path(name)
    return files
