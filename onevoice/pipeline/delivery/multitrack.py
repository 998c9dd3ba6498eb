"""One file with every language in it, the original as well.

It holds the languages of the run, in their order, and after them those that earlier runs made of
the same input, as they were last delivered.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onevoice import languages, media
from onevoice.errors import CacheError
from onevoice.pipeline.delivery.cues import write_cues
from onevoice.pipeline.delivery.per_language import original_track
from onevoice.pipeline.delivery.sound import encoded
from onevoice.pipeline.delivery.targets import Targets
from onevoice.pipeline.delivery.written import is_current, put_in_place
from onevoice.pipeline.events import StageFinished, StageProgress, StageStarted
from onevoice.pipeline.fitting import Dub
from onevoice.pipeline.project import Project
from onevoice.pipeline.results import Deliverable
from onevoice.pipeline.runner import Job, Scope
from onevoice.pipeline.store import Artifact
from onevoice.types import load_json

NAME = "multitrack"
VERSION = 2
_MADE = "languages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Voiced:
    """What a run made in one language."""

    language: str
    mix: Artifact
    dub: Artifact


def note_language(job: Job, project: Project, scope: Scope) -> None:
    """Remember a finished language for the file that holds all of them."""
    mix, dub = scope.artifacts["mix.audio"], scope.artifacts["fit.dub"]
    fact = {
        "source": scope.artifacts["source"].digest,
        "retime": job.settings.output.retime,
        "mix": [mix.digest, mix.size],
        "dub": [dub.digest, dub.size],
    }
    if project.recall(_MADE, scope.language or "") != fact:
        project.remember(_MADE, scope.language or "", fact)


def languages_made(
    job: Job, project: Project, source: Artifact, first: Sequence[str]
) -> tuple[Voiced, ...]:
    """The languages made of this input: ``first`` those of the run, then the others by name.

    Those that were made for a picture of another speed do not count.
    """
    retime = job.settings.output.retime
    found = []
    for language in dict.fromkeys((*first, *project.languages())):
        fact = project.recall(_MADE, language)
        if fact and (fact["source"], fact.get("retime", 1.0)) == (source.digest, retime):
            mix, dub = Artifact(*fact["mix"]), Artifact(*fact["dub"])
            found.append(Voiced(language=language, mix=mix, dub=dub))
    return tuple(found)


def together_parts(
    job: Job, project: Project, scope: Scope, wanted: Targets, first: Sequence[str]
) -> dict[str, Any]:
    """What the file depends on."""
    source = scope.artifacts["source"]
    made = languages_made(job, project, source, first)
    fields = {"default_track", "subtitle_track", "audio_bitrate", "retime"}
    (path,) = wanted.all
    return {
        "stage": NAME,
        "version": VERSION,
        "inputs": {"source": source.digest},
        "languages": [
            scope.source_language,
            *([v.language, v.mix.digest, v.dub.digest] for v in made),
        ],
        "params": {
            **job.settings.output.model_dump(mode="json", include=fields),
            "codec": wanted.codec,
            "salvage": job.settings.source.salvage,
            "audio_track": job.settings.source.audio_track,
        },
        "names": [path.name],
    }


def deliver_together(
    job: Job,
    project: Project,
    scope: Scope,
    wanted: Targets,
    first: Sequence[str],
) -> tuple[Deliverable, ...]:
    """Write the file unless it is there already; nothing where none is wanted.

    Raises
    ------
    CacheError
        What an earlier run made of a language is no longer there.
    """
    made = languages_made(job, project, scope.artifacts["source"], first)
    if not wanted.files or not made:
        return ()
    job.cancel.check()
    began = time.monotonic()
    parts = together_parts(job, project, scope, wanted, first)
    cached = is_current(project, parts, wanted.all)
    if not cached:
        job.observer.on_event(StageStarted(stage=NAME))
        (path,) = wanted.all
        with project.work_folder(NAME) as folder:
            new = folder / f"all{path.suffix}"
            _make(job, made, scope.source_language, wanted, new)
            put_in_place(project, parts, {path: new})
        project.remember_keys(None, {NAME: parts})
    seconds = time.monotonic() - began
    job.observer.on_event(StageFinished(stage=NAME, language=None, cached=cached, seconds=seconds))
    return wanted.files


def _make(job: Job, made: Sequence[Voiced], spoken: str, wanted: Targets, new: Path) -> None:
    info = media.probe(job.source)
    output, container = job.settings.output, media.container_of(new)
    tracks: list[media.AudioTrack | media.SourceTrack] = []
    texts: list[media.SubtitleTrack] = []
    for number, each in enumerate(made):
        title = languages.name(each.language)
        tracks.append(
            media.AudioTrack(
                path=_sound(job, each, wanted),
                language=each.language,
                title=title,
                default=number == 0 and output.default_track == "first",
                encoded=True,
            )
        )
        text = new.with_name(f"{number}.srt")
        dub = load_json(Dub, job.store.path(each.dub).read_bytes())
        shown = output.subtitle_track and container.subtitles
        if shown and write_cues(text, dub, each.language, info, job.settings):
            texts.append(media.SubtitleTrack(path=text, language=each.language, title=title))
    spec = media.MuxSpec(
        source=job.source,
        output=new,
        audio=(*tracks, *_originals(job, info, spoken)),
        subtitles=tuple(texts),
        audio_codec=wanted.codec,
        bitrate=output.audio_bitrate,
        synthetic_voice=f"{_listed([t.title for t in tracks])} speech made by OneVoice",
        salvage=job.settings.source.salvage,
        retime=output.retime,
    )

    def progress(share: float) -> None:
        job.observer.on_event(StageProgress(stage=NAME, language=None, done=share, total=1.0))

    media.mux(spec, progress=progress, cancel=job.cancel)


def sound_of(job: Job, scope: Scope, wanted: Targets) -> Path:
    """The track that a language will have in the file, which is made after all of them."""
    return encoded(job, scope.artifacts["mix.audio"], wanted.codec)


def _sound(job: Job, each: Voiced, wanted: Targets) -> Path:
    try:
        return encoded(job, each.mix, wanted.codec)
    except CacheError as exc:
        raise CacheError(
            f"the {languages.name(each.language)} sound that {wanted.all[0].name} is to hold is no "
            "longer in the cache",
            hint=f"dub that language again as well: --to {each.language},…",
        ) from exc


def _originals(job: Job, info: media.MediaInfo, spoken: str) -> list[media.SourceTrack]:
    """Every track of the source, the one that was dubbed before the others."""
    dubbed = job.settings.source.audio_track
    first = replace(
        original_track(info, dubbed, spoken),
        default=job.settings.output.default_track == "original",
    )
    others = [n for n in range(len(info.audio)) if n != dubbed]
    return [first, *(media.SourceTrack(number=n, original=False) for n in others)]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
