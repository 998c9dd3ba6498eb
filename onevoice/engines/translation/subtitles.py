"""Bring your own translation: subtitles that somebody made, as an engine."""

from __future__ import annotations

import glob
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from onevoice import languages, subtitles
from onevoice.engines.base import (
    EngineBase,
    EngineInfo,
    Params,
    TranslationRequest,
    TranslationResult,
)
from onevoice.errors import EngineRefused, MediaNotFound, MediaUnreadable, UnknownLanguage
from onevoice.subtitles import Cue
from onevoice.types import Summary

BELONGS = 0.4
"""A cue and a sentence belong together when they share this much of the shorter one."""
_SAME_S = 0.001
_SENTENCE_END = re.compile(r"(?<=[.?!…])\s+|(?<=[。！？])\s*(?=\S)")
_PLACE = "{language}"

Numbers = NDArray[Any]


class SubtitlesParams(Params):
    """Which file holds which language: SRT, VTT or ASS."""

    files: dict[str, str] = Field(default_factory=dict)
    """By language: ``{es: talk.es.srt, ko: korean.vtt}``."""
    path: str = ""
    """For languages that ``files`` does not name: ``talk.{language}.srt``."""

    @field_validator("files", mode="before")
    @classmethod
    def _tags(cls, files: Any) -> Any:
        if not isinstance(files, Mapping):
            return files
        # YAML reads the key "no" as false.
        return {_tag("no" if key is False else str(key)): path for key, path in files.items()}

    @field_validator("path")
    @classmethod
    def _template(cls, path: str) -> str:
        rest = path.replace(_PLACE, "", 1)
        if path and (rest == path or "{" in rest or "}" in rest):
            raise ValueError(f"{path!r} must hold {_PLACE} once, and nothing else in braces")
        return path


class Subtitles(EngineBase):
    """Takes each sentence's translation from the cues shown while it is said."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="translation",
        name="subtitles",
        summary="your own translated subtitles (SRT, VTT, ASS), matched by time",
        licence="that of your files",
        limits="one file a language; its cues must follow the film's own times",
    )
    Params: ClassVar[type[Params]] = SubtitlesParams
    uses_times: ClassVar[bool] = True

    def identity(self) -> dict[str, Any]:
        """What the files hold; where they lie makes no difference. Raises MediaError."""
        digests = {tag: _digest(path) for tag, path in sorted(self._files.items())}
        return {"engine": self.info.name, "files": digests}

    def supports(self, source: str, target: str) -> bool:
        return not languages.same(source, target) and self._file(target) is not None

    def translate(
        self,
        requests: Sequence[TranslationRequest],
        *,
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        """One result per request, in order; an empty one where no cue is shown.

        Raises
        ------
        EngineRefused
            There is no file for the target language, or a request has no times.
        MediaNotFound, MediaUnreadable
            The file does not hold subtitles.
        """
        path = self._file(target)
        if path is None or languages.same(source, target):
            raise EngineRefused(
                f"there are no subtitles in {languages.name(target)} to translate with",
                hint=f"--set translation.subtitles.files.{target}=FILE, or choose another engine",
            )
        return self._translate(requests, path)

    def _translate(
        self, requests: Sequence[TranslationRequest], path: Path
    ) -> Iterator[TranslationResult]:
        if not requests:
            return
        self.runtime.cancel.check()
        for request, text in zip(requests, _match(requests, subtitles.read(path)), strict=True):
            self.runtime.cancel.check()
            yield TranslationResult(
                id=request.id, text=text, problems=() if text else ("no_subtitle",)
            )

    def _file(self, target: str) -> Path | None:
        """The file for a language: that of its region, of no region, of another region."""
        exact = [tag for tag in (target, languages.base(target)) if tag in self._files]
        others = [tag for tag in self._files if languages.same(tag, target)]
        return next((self._files[tag] for tag in (*exact, *others)), None)

    @cached_property
    def _files(self) -> dict[str, Path]:
        named = {tag: Path(path).expanduser() for tag, path in self.params.files.items()}
        return {**_expand(self.params.path), **named}


def _match(requests: Sequence[TranslationRequest], cues: Sequence[Cue]) -> list[str]:
    """The text shown during each request: a cue belongs to the one it shares most time with.

    Where two people talk at once, both may share all of it: then the shorter line has it. A cue
    of several sentences over several requests is taken apart. One that hangs over two requests,
    most of it in neither, is theirs, too.
    """
    starts, ends = _times(requests)
    shown: list[list[str]] = [[] for _ in requests]
    for cue in cues:
        shared = np.minimum(ends, cue.end) - np.maximum(starts, cue.start)
        shorter = np.minimum(ends - starts, cue.end - cue.start)
        under = np.flatnonzero((shared > 0) & (shared >= BELONGS * shorter))
        if not len(under) and np.clip(shared, 0, None).sum() >= BELONGS * (cue.end - cue.start):
            under = np.flatnonzero(shared > 0)
        for part in _sentences(cue) if len(under) > 1 else [cue]:
            if len(under):
                shown[_most(part, under, starts, ends)].append(part.text)
    return [" ".join(" ".join(texts).split()) for texts in shown]


def _most(cue: Cue, under: Numbers, starts: Numbers, ends: Numbers) -> int:
    """Which of the requests ``under`` a cue shares most time with."""
    shared = np.minimum(ends[under], cue.end) - np.maximum(starts[under], cue.start)
    equal = under[shared > shared.max() - _SAME_S]
    return int(equal[np.argmin((ends - starts)[equal])])


def _sentences(cue: Cue) -> list[Cue]:
    """A cue's sentences, each with a share of its time by the number of its characters."""
    texts = _SENTENCE_END.split(cue.text)
    edges = np.cumsum([0, *map(len, texts)]) / sum(map(len, texts))
    times = cue.start + edges * (cue.end - cue.start)
    return [
        Cue(float(start), float(end), text)
        for text, start, end in zip(texts, times, times[1:], strict=False)
    ]


def _times(requests: Sequence[TranslationRequest]) -> Numbers:
    """Starts and ends, shape (2, n), in seconds."""
    times = []
    for request in requests:
        if request.start is None or request.end is None:
            raise EngineRefused(
                f"subtitles need to know when {request.text[:60]!r} is said",
                hint="choose another engine for text without times",
            )
        times.append((request.start, request.end))
    return np.array(times, np.float64).T


def _expand(template: str) -> dict[str, Path]:
    """The files that are there for a template, by language."""
    if not template:
        return {}
    whole = Path(template).expanduser()
    folder = Path(str(whole).partition(_PLACE)[0] + "x").parent
    before, _, after = str(whole.relative_to(folder)).partition(_PLACE)
    found: dict[str, Path] = {}
    for path in sorted(folder.glob(f"{glob.escape(before)}*{glob.escape(after)}")):
        name = str(path.relative_to(folder))
        written = name[len(before) : len(name) - len(after)]
        if re.fullmatch(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]+)*", written):
            try:
                found.setdefault(languages.normalize(written), path)
            except UnknownLanguage:
                continue  # talk.old.srt is somebody's, not a language's
    return found


def _tag(name: str) -> str:
    try:
        return languages.normalize(name)
    except UnknownLanguage as exc:
        raise ValueError(f"{exc.message}; {exc.hint}") from exc


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError as exc:
        raise MediaNotFound(f"there is no file {path}", hint="check the name and folder") from exc
    except OSError as exc:
        raise MediaUnreadable(f"cannot open {path}: {exc.strerror}") from exc
