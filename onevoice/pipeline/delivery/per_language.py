"""The files of one language: film, sound, stems, subtitles."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from onevoice import languages, media
from onevoice.pipeline.delivery.cues import write_cues
from onevoice.pipeline.delivery.sound import encoded
from onevoice.pipeline.delivery.targets import STEMS, Targets
from onevoice.pipeline.delivery.written import is_current, put_in_place
from onevoice.pipeline.events import StageFinished, StageProgress, StageStarted
from onevoice.pipeline.fitting import Dub
from onevoice.pipeline.project import Project
from onevoice.pipeline.results import StageRecord
from onevoice.pipeline.runner import Job, Scope
from onevoice.types import load_json

NAME = "mux"
VERSION = 3
_READ = {
    "per-language": ("source", "mix.audio", "fit.dub"),
    "audio": ("source", "mix.audio"),
    "stems": ("mix.audio", "mix.dialogue", "mix.bed"),
    "subtitles": ("source", "fit.dub"),
}
_STEMS = dict(zip(STEMS, ("mix.dialogue", "mix.bed", "mix.audio"), strict=True))


def key_parts(job: Job, scope: Scope, wanted: Targets) -> dict[str, Any]:
    """What the files depend on; each kind of file on its own part of it."""
    return {
        "stage": NAME,
        "version": VERSION,
        "languages": [scope.source_language, scope.language],
        "files": {
            kind: {
                "version": VERSION,
                "inputs": {name: scope.artifacts[name].digest for name in _READ[kind]},
                "params": _params(job, kind, wanted),
                "names": [path.name for path in wanted.of(kind)],
            }
            for kind in wanted.kinds
        },
    }


def _params(job: Job, kind: str, wanted: Targets) -> dict[str, Any]:
    output, source = job.settings.output, job.settings.source
    common = {"salvage": source.salvage}
    if kind == "per-language":
        fields = {
            "audio_bitrate",
            "burn_subtitles",
            "keep_original_audio",
            "retime",
            "subtitle_track",
        }
        if output.burn_subtitles:
            fields |= {"subtitle_style", "video_crf"}
        picked = output.model_dump(mode="json", include=fields)
        return {**common, **picked, "codec": wanted.codec, "audio_track": source.audio_track}
    if kind == "audio":
        return {**common, "audio_bitrate": output.audio_bitrate}
    if kind == "subtitles" and "ass" in output.subtitles:
        return {**common, **output.model_dump(mode="json", include={"subtitle_style"})}
    return common


def is_delivered(project: Project, parts: Mapping[str, Any], wanted: Targets) -> bool:
    """Whether the files of this key are all there, as they were written."""
    return not any(_undone(project, parts, wanted))


def _undone(project: Project, parts: Mapping[str, Any], wanted: Targets) -> Iterator[str]:
    for kind in wanted.kinds:
        if not is_current(project, parts["files"][kind], wanted.of(kind)):
            yield kind


def deliver(job: Job, scope: Scope, project: Project, wanted: Targets) -> None:
    """Encode, mux and write everything that is not there already."""
    job.cancel.check()
    language = scope.language or ""
    began = time.monotonic()
    parts = key_parts(job, scope, wanted)
    kinds = [*_undone(project, parts, wanted)]
    if kinds:
        job.observer.on_event(StageStarted(stage=NAME, language=language))
        with project.work_folder(language) as folder:
            maker = _Maker(job=job, scope=scope, wanted=wanted, folder=folder, kinds=kinds)
            made = {kind: maker.make(kind) for kind in kinds}
            for kind in kinds:
                put_in_place(project, parts["files"][kind], made[kind])
    seconds = time.monotonic() - began
    cached = not kinds
    scope.parts[NAME] = parts
    scope.records.append(StageRecord(name=NAME, cached=cached, seconds=round(seconds, 3)))
    job.observer.on_event(
        StageFinished(stage=NAME, language=language, cached=cached, seconds=seconds)
    )


@dataclass(kw_only=True)
class _Maker:
    """Makes one kind of files after another, in the project's work folder."""

    job: Job
    scope: Scope
    wanted: Targets
    folder: Path
    kinds: list[str]

    def make(self, kind: str) -> dict[Path, Path]:
        """The files of a kind, by the places they are for."""
        ways: dict[str, Callable[[Mapping[Path, Path]], None]] = {
            "per-language": self._film,
            "audio": self._sound,
            "stems": self._stems,
            "subtitles": self._subtitles,
        }
        # Not the final names: those may be as long as names can be.
        made = {
            path: self.folder / f"{kind}-{number}{path.suffix}"
            for number, path in enumerate(self.wanted.of(kind))
        }
        ways[kind](made)
        return made

    def _progress(self, kind: str, begin: float = 0.0, end: float = 1.0) -> Callable[[float], None]:
        """Shares of a part of one kind's work, told as shares of all of it."""

        def tell(share: float) -> None:
            done = (self.kinds.index(kind) + begin + (end - begin) * share) / len(self.kinds)
            self.job.observer.on_event(
                StageProgress(stage=NAME, language=self._language, done=done, total=1.0)
            )

        return tell

    @property
    def _language(self) -> str:
        return self.scope.language or ""

    @property
    def _title(self) -> str:
        return languages.name(self._language)

    @cached_property
    def _info(self) -> media.MediaInfo:
        return media.probe(self.job.source)

    @cached_property
    def _dub(self) -> Dub:
        return load_json(Dub, self.job.store.path(self.scope.artifacts["fit.dub"]).read_bytes())

    def _film(self, made: Mapping[Path, Path]) -> None:
        ((path, new),) = made.items()
        settings, info = self.job.settings, self._info
        text = self.folder / ("track.ass" if settings.output.burn_subtitles else "track.srt")
        shown = settings.output.burn_subtitles or (
            settings.output.subtitle_track and bool(media.container_of(path).subtitles)
        )
        shown = shown and write_cues(text, self._dub, self._language, info, settings)
        burn = shown and settings.output.burn_subtitles
        track = media.SubtitleTrack(path=text, language=self._language, title=self._title)
        kept = (settings.source.audio_track,) if settings.output.keep_original_audio else ()
        self._mux(
            "per-language",
            path,
            new,
            audio=tuple(
                original_track(info, number, self.scope.source_language) for number in kept
            ),
            subtitles=(track,) if shown and not burn else (),
            burn=media.Burn(subtitles=text, crf=settings.output.video_crf) if burn else None,
        )

    def _sound(self, made: Mapping[Path, Path]) -> None:
        ((path, new),) = made.items()
        self._mux("audio", path, new, picture=False)

    def _mux(
        self,
        kind: str,
        path: Path,
        new: Path,
        *,
        audio: tuple[media.SourceTrack, ...] = (),
        **more: Any,
    ) -> None:
        """Put the language's sound, encoded once, into a file for ``path``."""
        job = self.job
        codec = self.wanted.codec if kind == "per-language" else media.container_of(path).codecs[0]
        sound = encoded(
            job, self.scope.artifacts["mix.audio"], codec, progress=self._progress(kind, 0.0, 0.7)
        )
        dubbed = media.AudioTrack(
            path=sound, language=self._language, title=self._title, default=True, encoded=True
        )
        spec = media.MuxSpec(
            source=job.source,
            output=new,
            audio=(dubbed, *audio),
            audio_codec=codec,
            bitrate=job.settings.output.audio_bitrate,
            synthetic_voice=f"{self._title} speech made by OneVoice",
            salvage=job.settings.source.salvage,
            retime=job.settings.output.retime,
            **more,
        )
        media.mux(spec, progress=self._progress(kind, 0.7, 1.0), cancel=job.cancel)

    def _stems(self, made: Mapping[Path, Path]) -> None:
        for number, (path, new) in enumerate(made.items()):
            media.encode_wav(
                self.job.store.path(self.scope.artifacts[_STEMS[path.stem]]),
                new,
                tags={
                    "description": f"{self._title} {path.stem}, speech made by OneVoice",
                    "originator": "OneVoice",
                    "time_reference": "0",
                },
                seconds=self.job.seconds,
                progress=self._progress("stems", number / len(made), (number + 1) / len(made)),
                cancel=self.job.cancel,
            )

    def _subtitles(self, made: Mapping[Path, Path]) -> None:
        for new in made.values():
            write_cues(new, self._dub, self._language, self._info, self.job.settings)


def original_track(info: media.MediaInfo, number: int, spoken: str) -> media.SourceTrack:
    """The sound that was dubbed, as a track that says what it is."""
    stream = info.audio[number]
    return media.SourceTrack(
        number=number,
        language="" if stream.language else spoken,
        title=f"{languages.name(spoken)} (original)",
    )
