"""The lines of one language: translated or brought, cast with voices, edited by people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from onevoice import languages, subtitles
from onevoice.engines.base import CLONE, Voice
from onevoice.errors import EngineRefused
from onevoice.pipeline import consent
from onevoice.pipeline.bring import lines_from_cues
from onevoice.pipeline.casting import cast
from onevoice.pipeline.edits import Merged
from onevoice.pipeline.fitting import Dub
from onevoice.pipeline.keeping import silenced
from onevoice.pipeline.project import Project
from onevoice.pipeline.runner import Job, Scope, warn
from onevoice.pipeline.stage import Chosen
from onevoice.pipeline.stages import synthesize
from onevoice.types import Line, Transcript, dump_json_as, load_json


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSheet:
    """The lines as the project's file shows them; ``by_hand`` are voices a person gave there."""

    lines: tuple[Line, ...]
    edited: Merged
    voices: dict[str, str]
    by_hand: dict[str, str]

    def write(self, project: Project, language: str) -> None:
        project.write_lines(
            language, self.lines, self.edited, voices=self.voices, by_hand=self.by_hand
        )


def make_lines(
    job: Job, project: Project, scope: Scope, transcript: Transcript, *, brought: Path | None
) -> LineSheet:
    """Make the lines to speak, write them into the project, put them into the scope.

    A voice comes from the settings, else from the head of the project's file where a person
    changed it, else from the speaker's pitch.
    """
    sheet = preview_lines(job, project, scope, transcript, brought=brought)
    for id_ in sheet.edited.lost:
        warn(job, scope, "edit_lost", "an edit belongs to a line that is gone", id_)
    sheet.write(project, scope.language or "")
    return sheet


def preview_lines(
    job: Job, project: Project, scope: Scope, transcript: Transcript, *, brought: Path | None
) -> LineSheet:
    """The same without writing: the scope gets the artifact ``lines``."""
    language = scope.language or ""
    (chosen,) = synthesize.choose(job.pool, scope.source_language, language)
    job.pool.keep("synthesis", language, chosen.name)
    available = [v for v in job.pool.voices(chosen.engine, language) if v.name != CLONE]
    by_hand = project.edited_voices(language)
    by_setting = {
        speaker.id: voice
        for speaker in transcript.speakers
        if (voice := job.settings.voice_for(speaker.id, language))
    }
    fixed = {**by_hand, **by_setting}
    known = {voice.name for voice in available}
    # The voices were chosen for the first of the chain: who stands in for it has others.
    stands_in = chosen.name != job.settings.synthesis.engines[0]
    if stands_in:
        fixed = {speaker: voice for speaker, voice in fixed.items() if voice in {*known, CLONE}}
    voices = _cast(transcript, available, fixed, chosen, language)
    made = (
        _brought(job, scope, transcript, brought)
        if brought
        else _translated(job, scope, transcript)
    )
    made = tuple(
        replace(line, voice=voices.get(line.speaker) or _first(available)) for line in made
    )
    # In the file a line keeps the voice a person gave it, until its engine is back.
    lines, edited = project.sync_lines(language, made)
    spoken = tuple(replace(line, lock=True) for line in lines) if brought else lines
    if stands_in:
        voiced = {line.id: line.voice for line in made}
        spoken = tuple(
            line
            if line.voice in {*known, CLONE}
            else replace(
                line,
                voice=voiced.get(line.id) or voices.get(line.speaker) or _first(available),
            )
            for line in spoken
        )
    if any(line.voice == CLONE for line in lines) and not getattr(chosen.engine, "clones", False):
        raise EngineRefused(
            f"{chosen.name} does not clone voices",
            hint="choose an engine that does (onevoice engines), or another voice",
        )
    scope.artifacts["lines"] = job.store.add(dump_json_as(tuple[Line, ...], spoken))
    return LineSheet(
        lines=tuple(_as_written(line, edited) for line in lines),
        edited=edited,
        voices=voices,
        by_hand=by_hand,
    )


def wants_clones(job: Job, project: Project, scope: Scope, sheet: LineSheet) -> bool:
    """Whether lines ask for speakers' own voices; who they are is then in the scope.

    Raises ConsentMissing when one of them did not agree.
    """
    scope.artifacts["references"] = job.store.add(b"[]")
    cloned = sorted({line.speaker for line in sheet.lines if line.voice == CLONE and not line.keep})
    if not cloned:
        return False
    consent.require(project.folder, cloned)
    scope.artifacts["cloned"] = job.store.add(json.dumps(cloned).encode())
    return True


def _cast(
    transcript: Transcript,
    available: Sequence[Voice],
    fixed: dict[str, str],
    chosen: Chosen,
    language: str,
) -> dict[str, str]:
    """A voice for every speaker; an engine that only clones has none to give."""
    if available:
        return cast(transcript.speakers, available, fixed=fixed)
    without = [speaker.id for speaker in transcript.speakers if speaker.id not in fixed]
    if without:
        raise EngineRefused(
            f"{chosen.name} has no voice of its own in {languages.name(language)} for {without[0]}",
            hint=f"clone the speaker's: --voice {without[0]}={CLONE}, or choose another engine",
        )
    return fixed


def _first(available: Sequence[Voice]) -> str:
    """For a line whose speaker is not in the transcript: somebody made them up in the file."""
    return available[0].name if available else CLONE


def spoken_sheet(job: Job, scope: Scope, sheet: LineSheet) -> LineSheet:
    """The sheet with the texts that are really spoken, after the fit shortened some."""
    dub = load_json(Dub, job.store.path(scope.artifacts["fit.dub"]).read_bytes())
    spoken = {line.id: line for line in dub.lines}
    return replace(
        sheet,
        lines=tuple(
            replace(line, text=spoken[line.id].text, full_text=spoken[line.id].full_text)
            for line in sheet.lines
        ),
    )


def _as_written(line: Line, edited: Merged) -> Line:
    """A line a person rewrote is locked for the run only: they did not say ``lock``."""
    touched = edited.edited.get(line.id, frozenset())
    return replace(line, lock=False) if "text" in touched and "lock" not in touched else line


def _translated(job: Job, scope: Scope, transcript: Transcript) -> tuple[Line, ...]:
    texts = json.loads(job.store.path(scope.artifacts["translate.texts"]).read_bytes())
    return tuple(
        Line(
            id=segment.id,
            start=segment.start,
            end=segment.end,
            speaker=segment.speaker,
            source=segment.text,
            text=texts.get(segment.id, ""),
            on_screen=segment.on_screen,
            # Without a text the original stays: a hole would be worse.
            keep=segment.keep or not (texts.get(segment.id, "").strip() or silenced(segment)),
        )
        for segment in transcript.segments
    )


def _brought(job: Job, scope: Scope, transcript: Transcript, path: Path) -> tuple[Line, ...]:
    # Somebody wrote it while they watched the source.
    retime = job.settings.output.retime
    cues = [
        replace(cue, start=cue.start * retime, end=cue.end * retime) for cue in subtitles.read(path)
    ]
    brought = lines_from_cues(transcript.segments, cues)
    for id_ in brought.silent:
        message = f"{path.name} has no text here: the original stays"
        warn(job, scope, "line_missing", message, id_)
    return brought.lines
