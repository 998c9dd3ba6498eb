"""The files a person gets: video or audio, and subtitles, under their final names.

Unlike other stages its result is not kept in the cache a second time: the project remembers the
key it was made under and how the file looked, and a file that still looks so is not made again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onevoice import languages, media, subtitles
from onevoice.config import Settings
from onevoice.errors import OutputExists
from onevoice.pipeline.events import StageFinished, StageProgress, StageStarted
from onevoice.pipeline.fingerprint import fingerprint
from onevoice.pipeline.fitting import Dub
from onevoice.pipeline.project import Project
from onevoice.pipeline.results import StageRecord
from onevoice.pipeline.runner import Job, Scope
from onevoice.types import load_json

NAME = "mux"
VERSION = 1
_OUTPUTS = "outputs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Where the results of one language go."""

    video: Path
    subtitles: tuple[Path, ...]

    @property
    def all(self) -> tuple[Path, ...]:
        return (self.video, *self.subtitles)


def targets(
    source: Path, out: Path | None, language: str, info: media.MediaInfo, settings: Settings
) -> Targets:
    """``talk.es.mp4``, ``talk.es.srt`` … beside the input or in ``out``."""
    folder = out or source.parent
    stem = f"{source.stem}.{language}"
    return Targets(
        video=folder / f"{stem}{info.extension}",
        subtitles=tuple(folder / f"{stem}.{kind}" for kind in settings.output.subtitles),
    )


def refuse_foreign(project: Project, wanted: Targets) -> None:
    """Raise OutputExists for a file at a result's place that this project did not write."""
    for path in wanted.all:
        if path.exists() and project.recall(_OUTPUTS, path.name) != _looks(path):
            raise OutputExists(
                f"{path} exists, and is not (or no longer) what this project wrote",
                hint="move it away, give another folder with --out, or overwrite it with --force",
            )


def key_parts(job: Job, scope: Scope, wanted: Targets) -> dict[str, Any]:
    """What the files depend on."""
    return {
        "stage": NAME,
        "version": VERSION,
        "inputs": {n: scope.artifacts[n].digest for n in ("source", "mix.audio", "fit.dub")},
        "params": {
            **job.settings.output.model_dump(mode="json"),
            "salvage": job.settings.source.salvage,
            "audio_track": job.settings.source.audio_track,
        },
        "names": [path.name for path in wanted.all],
        "languages": [scope.source_language, scope.language],
    }


def is_delivered(project: Project, parts: dict[str, Any], wanted: Targets) -> bool:
    """Whether the files of this key are all there, as they were written."""
    known = project.recall("delivered", wanted.video.name)
    return known == fingerprint(parts) and all(
        path.exists() and project.recall(_OUTPUTS, path.name) == _looks(path) for path in wanted.all
    )


def deliver(job: Job, scope: Scope, project: Project, wanted: Targets) -> None:
    """Encode, mux and write everything, unless it is there already."""
    job.cancel.check()
    language = scope.language or ""
    began = time.monotonic()
    parts = key_parts(job, scope, wanted)
    cached = is_delivered(project, parts, wanted)
    if not cached:
        job.observer.on_event(StageStarted(stage=NAME, language=language))
        _make(job, scope, project, wanted)
        project.remember("delivered", wanted.video.name, fingerprint(parts))
    seconds = time.monotonic() - began
    scope.parts[NAME] = parts
    scope.records.append(StageRecord(name=NAME, cached=cached, seconds=round(seconds, 3)))
    job.observer.on_event(
        StageFinished(stage=NAME, language=language, cached=cached, seconds=seconds)
    )


def _make(job: Job, scope: Scope, project: Project, wanted: Targets) -> None:
    """Write everything into the project's work folder, then give each file its name."""
    language = scope.language or ""
    title = languages.name(language)
    settings = job.settings.output
    dub = load_json(Dub, job.store.path(scope.artifacts["fit.dub"]).read_bytes())
    cues = line_cues(dub)

    def progress(share: float) -> None:
        job.observer.on_event(StageProgress(stage=NAME, language=language, done=share, total=1.0))

    with project.work_folder(language) as folder:
        made = {path: folder / f"result{path.suffix}" for path in wanted.all}
        for path in wanted.subtitles:
            subtitles.write(made[path], cues, language=language)
        track = folder / "track.srt"
        if settings.subtitle_track and cues:
            subtitles.write(track, cues, language=language)
        sound = job.store.path(scope.artifacts["mix.audio"])
        spec = media.MuxSpec(
            source=job.source,
            output=made[wanted.video],
            audio=(media.AudioTrack(path=sound, language=language, title=title, default=True),),
            keep_audio=(job.settings.source.audio_track,) if settings.keep_original_audio else (),
            subtitles=(media.SubtitleTrack(path=track, language=language, title=title),)
            if track.exists() and holds_subtitles(wanted.video)
            else (),
            audio_codec=settings.audio_codec,
            bitrate=settings.audio_bitrate,
            synthetic_voice=f"{title} speech made by OneVoice",
            salvage=job.settings.source.salvage,
        )
        media.mux(spec, progress=progress, cancel=job.cancel)
        for path in wanted.all:
            # Known as the project's own before it has its name: a kill in between does no harm.
            project.remember(_OUTPUTS, path.name, _looks(made[path]))
            made[path].replace(path)


def holds_subtitles(path: Path) -> bool:
    """Whether a file of that name can have a subtitle track."""
    return bool(media.container_of(path).subtitles)


def line_cues(dub: Dub) -> tuple[subtitles.Cue, ...]:
    """A subtitle cue for every spoken line, at the time it is heard."""
    cues = []
    placed: dict[str, list[tuple[float, float]]] = {}
    for phrase in dub.phrases:
        span = (phrase.placement.start, phrase.placement.end)
        placed.setdefault(phrase.spoken.line, []).append(span)
    for line in dub.lines:
        spans = placed.get(line.id)
        if spans:
            cues.append(
                subtitles.Cue(
                    start=min(start for start, _ in spans),
                    end=max(end for _, end in spans),
                    text=line.text,
                )
            )
    return tuple(sorted(cues, key=lambda cue: (cue.start, cue.end)))


def _looks(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]
