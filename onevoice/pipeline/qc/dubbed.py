"""The material of a dub that OneVoice made: from what its project remembers, and the store.

The project knows what the key of every stage was made of when the dub was made, and so where in
the store the results lie. Nothing is run again; the settings of today do not matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from onevoice import media
from onevoice.audio import Gate
from onevoice.errors import CacheError, ProjectInvalid
from onevoice.pipeline import delivery
from onevoice.pipeline.fingerprint import fingerprint
from onevoice.pipeline.fitting import Dub, PlacedPhrase
from onevoice.pipeline.loudness import PRESETS
from onevoice.pipeline.project import Project
from onevoice.pipeline.qc.material import Material, Side
from onevoice.pipeline.qc.measures import ScriptLine
from onevoice.pipeline.qc.model import ChangeReport, Costs, SettingsReport, WarningReport
from onevoice.pipeline.qc.sound import Sound, dub_track
from onevoice.pipeline.stages import STAGE_NAMES
from onevoice.pipeline.stages import retime as retiming
from onevoice.pipeline.store import Artifact, ArtifactStore, Entry
from onevoice.types import Line, Warning_, load_json

_SECTION = "dubbed"
_ROUNDING = 1e-3
"""Seconds by which a recording may pass its place: what stretching by whole samples leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What the end of a dub knew and its stages do not."""

    original: str
    output: str
    track: int
    profile: str
    warnings: tuple[Warning_, ...]
    retime: float = 1.0


def note(project: Project, language: str, made: Made) -> None:
    """Remember it for later looks at the dub."""
    project.remember(_SECTION, language, asdict(made))


def made_of(project: Project, language: str) -> Made:
    """Raises ProjectInvalid where this language was never finished."""
    known = project.recall(_SECTION, language)
    if not isinstance(known, dict):
        raise ProjectInvalid(
            f"{project.folder} has no finished dub in {language}",
            hint=f"run onevoice dub VIDEO --to {language} first",
        )
    warnings = tuple(Warning_(**row) for row in known["warnings"])
    return Made(**{**known, "warnings": warnings})


def finished(project: Project) -> tuple[str, ...]:
    """Languages of a project whose dubs were finished."""
    return tuple(tag for tag in project.languages() if project.recall(_SECTION, tag))


def gather(
    project: Project,
    language: str,
    store: ArtifactStore,
    folder: Path,
    *,
    output: Path | None = None,
    cancel: media.Cancellable | None = None,
) -> Material:
    """The material of one language of a project; sounds are decoded into ``folder``.

    ``output`` is the dub, where it is not the file that the run wrote.

    Raises
    ------
    ProjectInvalid
        The language was never finished.
    CacheError
        Results of the run are no longer in the store.
    MediaNotFound
        The original or the dub is gone.
    """
    made = made_of(project, language)
    source = media.probe(_found(made.original, project))
    source = replace(source, duration=source.duration * made.retime)
    info = media.probe(output or _found(made.output, project))
    entries = dict(_entries(project, language, store))
    dub = load_json(Dub, store.path(_output(entries, "fit", "dub")).read_bytes())
    mixed = json.loads(store.path(_output(entries, "mix", "report")).read_bytes())
    track = dub_track(info, language)
    return Material(
        language=language,
        source_language=_keys(project, language, "fit")["languages"][0],
        original=Side(
            info=source,
            track=made.track,
            sound=Sound.kept(_original(entries, made.retime, "audio"), store),
            retimed=made.retime != 1.0,
        ),
        dub=Side(
            info=info,
            track=track,
            sound=Sound.track(info.path, track, store, folder, cancel),
        ),
        speech=Sound.kept(_original(entries, made.retime, "speech"), store),
        lines=script(dub, source.duration),
        settings=SettingsReport(
            profile=made.profile,
            engines=dict(_engines(project, language, entries)),
            retime=made.retime,
        ),
        target_lufs=mixed.get("target_lufs"),
        gate=_gate(_keys(project, language, "mix")["params"]["loudness"]),
        cues=delivery.line_cues(dub),
        changes=tuple(ChangeReport(**asdict(change)) for change in dub.changes),
        costs=_costs(entries),
        warnings=tuple(WarningReport(**asdict(w)) for w in made.warnings),
    )


def script(dub: Dub, seconds: float) -> tuple[ScriptLine, ...]:
    """The lines of a fitted dub with their places; ``seconds`` is how long the programme is."""
    phrases: dict[str, list[PlacedPhrase]] = {}
    for phrase in dub.phrases:
        phrases.setdefault(phrase.spoken.line, []).append(phrase)
    return tuple(
        _script_line(line, phrases.get(line.id, ()), seconds, line.id in dub.shortened)
        for line in dub.lines
    )


def _script_line(
    line: Line, phrases: Sequence[PlacedPhrase], seconds: float, shortened: bool
) -> ScriptLine:
    placed = [phrase.placement for phrase in phrases]
    length = sum(p.length for p in placed)
    return ScriptLine(
        id=line.id,
        window=(line.start, line.end),
        placements=tuple((p.start, p.end) for p in placed),
        speaker=line.speaker,
        source_text=line.source,
        text=line.text,
        said=" ".join(phrase.spoken.said for phrase in phrases) or None,
        kept=line.keep,
        rate=sum(p.natural for p in placed) / length if length else None,
        stretch=sum(p.stretch * p.length for p in placed) / length if length else None,
        trimmed=sum(_trimmed(phrase, seconds) for phrase in phrases) if placed else None,
        on_screen=getattr(line, "on_screen", None),
        marks=("shortened",) if shortened else (),
    )


def _trimmed(phrase: PlacedPhrase, seconds: float) -> float:
    """What of a recording, as it is played, has no room in its place or in the programme."""
    placed = phrase.placement
    played = phrase.spoken.seconds / placed.stretch
    end = placed.start + max(played, placed.length)
    over = max(played - placed.length, end - seconds, 0.0)
    return over if over > _ROUNDING else 0.0


def _found(path: str, project: Project) -> Path:
    """A file where the run had it, or, when the folder was moved, beside the project."""
    there = Path(path)
    moved = project.folder.parent / there.name
    return moved if not there.exists() and moved.exists() else there


def _keys(project: Project, language: str, stage: str) -> Mapping[str, Any]:
    """What the key of a stage was made of; stages of the analysis belong to no language."""
    found = project.recall("keys", f"{language}/{stage}") or project.recall("keys", f"/{stage}")
    return found or {}


def _entries(
    project: Project, language: str, store: ArtifactStore
) -> Iterator[tuple[str, Entry | None]]:
    for stage in STAGE_NAMES:
        parts = _keys(project, language, stage)
        if parts:
            yield stage, store.get(fingerprint(parts))


def _output(entries: Mapping[str, Entry | None], stage: str, name: str) -> Artifact:
    entry = entries.get(stage)
    if entry is None:
        raise CacheError(
            f"what {stage} made for this dub is no longer in the cache",
            hint="run the same dub command again, or compare the files: "
            "onevoice qc DUB --original VIDEO",
        )
    return entry.outputs[name]


def _original(entries: Mapping[str, Entry | None], retime: float, name: str) -> Artifact:
    """A sound of the source, on the clock of the dub."""
    stage = retiming.SOUNDS[name].partition(".")[0] if retime == 1.0 else retiming.STAGE.name
    return _output(entries, stage, name)


def _engines(
    project: Project, language: str, entries: Mapping[str, Entry | None]
) -> Iterator[tuple[str, str]]:
    for stage in entries:
        for kind, identity in _keys(project, language, stage).get("engines", {}).items():
            yield kind, str(identity.get("engine", "?"))


def _costs(entries: Mapping[str, Entry | None]) -> Costs:
    costs: dict[str, tuple[str, float]] = {}
    for entry in entries.values():
        if entry is not None:
            costs.update({k: (v[0], v[1]) for k, v in entry.meta.get("costs", {}).items()})
    by_line: dict[str, float] = {}
    for line, usd in costs.values():
        by_line[line] = by_line.get(line, 0.0) + usd
    return Costs(
        lines={line: round(usd, 6) for line, usd in sorted(by_line.items())},
        total=round(sum(by_line.values()), 6),
    )


def _gate(loudness: object) -> Gate:
    preset = PRESETS.get(str(loudness))
    return preset.gate if preset else "programme"
