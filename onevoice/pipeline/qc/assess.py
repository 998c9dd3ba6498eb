"""From the material of a dub to its report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from onevoice import __version__, subtitles
from onevoice.media import MediaInfo
from onevoice.pipeline.loudness import measure_programme
from onevoice.pipeline.qc import measures, wording
from onevoice.pipeline.qc.judge import judged, line_flags
from onevoice.pipeline.qc.material import Material, Side
from onevoice.pipeline.qc.measures import ScriptLine
from onevoice.pipeline.qc.model import (
    Hole,
    Limit,
    LineReport,
    MediaReport,
    Report,
    StreamReport,
)
from onevoice.pipeline.qc.sound import same_language
from onevoice.pipeline.qc.spans import Span, iou, union
from onevoice.pipeline.qc.thresholds import Thresholds
from onevoice.pipeline.qc.wording import Errors, Expected
from onevoice.types import Recognition

_UNTAGGED = frozenset({"wav", "mp3", "flac", "aac"})
"""Containers whose streams carry no language."""


def assess(
    material: Material, thresholds: Thresholds, *, heard: Recognition | None = None
) -> Report:
    """Measure everything; ``heard`` is what a recogniser hears in the dub, where one listened."""
    lines = material.lines
    voice = material.speech.voice()
    said, wrong = _round_trip(material, heard)
    loudness = _loudness(material)
    total = sum(wrong.values(), Errors())
    values: dict[str, float | None] = {
        **measures.time_measures(lines, voice),
        "overlapped_seconds": measures.overlapped_seconds(lines) if material.placed else None,
        "cer": total.cer,
        "wer": total.wer,
        "lufs": loudness["programme"],
        "lufs_deviation": _difference(loudness[material.gate], material.target_lufs),
        "lra": loudness["range"],
        "true_peak": loudness["true_peak"],
        "duration_delta": material.dub.info.duration - material.original.info.duration,
        "untagged_tracks": untagged(material.dub, material.language),
        "subtitle_problems": subtitle_problems(material),
    }
    programme, verdict = judged(values, thresholds.programme)
    return Report(
        version=__version__,
        verdict=verdict,
        source_language=material.source_language,
        language=material.language,
        original=_media(material.original),
        dub=_media(material.dub),
        settings=material.settings.model_copy(update={"thresholds": thresholds.name}),
        programme=programme,
        line_limits=thresholds.lines,
        lines=_lines(material, voice, said, wrong, thresholds.lines),
        holes=tuple(Hole(start=a, end=b) for a, b in measures.holes(lines, voice)),
        changes=material.changes,
        streams=streams(material.dub.info),
        costs=material.costs,
        warnings=material.warnings,
    )


def _loudness(material: Material) -> dict[str, float | None]:
    """The encoded track's figures (BS.1770-4); None for silence."""
    dub = material.dub
    lines = material.lines
    speech = measures.dubbed_spans(lines) + measures.kept_spans(lines)
    spans = [(round(start, 3), round(end, 3)) for start, end in union(speech)]

    def measure() -> dict[str, float | None]:
        found = measure_programme(dub.info.path, dub.track, dialogue=spans)
        return {
            "programme": _finite(found.integrated),
            "dialogue": _finite(found.by("dialogue")),
            "range": _finite(found.range),
            "true_peak": _finite(found.true_peak),
        }

    return dict(dub.sound.figure("loudness", {"dialogue": spans}, measure))


def subtitle_problems(material: Material) -> int | None:
    """Cues that break the house style of the language, as they are laid out; None without any."""
    if material.cues is None:
        return None
    language = material.language
    shown = subtitles.layout(
        material.cues, language=language, until=material.original.info.duration
    )
    return len({finding.cue for finding in subtitles.check(shown, language)})


def _round_trip(
    material: Material, heard: Recognition | None
) -> tuple[dict[str, str], dict[str, Errors]]:
    """By line: what is heard in it, and how far that is from what was to be said."""
    if heard is None:
        return {line.id: line.heard for line in material.lines if line.heard is not None}, {}
    language = material.language
    expected = [
        Expected(id=line.id, places=line.placements, texts=_texts(line))
        for line in material.lines
        if line.placements or (line.text and not line.kept)
    ]
    # The words of what was kept go to it, and not to the lines beside it.
    kept = [Expected(id=x.id, places=(x.window,), texts=()) for x in material.lines if x.kept]
    words = wording.share_out([*expected, *kept], heard.words, language)
    said = {line.id: wording.text_of(words[line.id]) for line in expected}
    wrong = {
        line.id: wording.fewest_errors(line.texts, said[line.id], language) for line in expected
    }
    return said, wrong


def _texts(line: ScriptLine) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in (line.text, line.said) if text))


def _lines(
    material: Material,
    voice: Sequence[Span],
    said: Mapping[str, str],
    wrong: Mapping[str, Errors],
    limits: Mapping[str, Limit],
) -> tuple[LineReport, ...]:
    ordered = sorted(material.lines, key=lambda line: line.window)
    voices = measures.voices_of(ordered, voice)
    gaps = measures.gaps(ordered)
    before = material.original.sound.levels([[line.window] for line in ordered])
    after = material.dub.sound.levels([line.placements or [] for line in ordered])
    warned: dict[str, list[str]] = {}
    for warning in material.warnings:
        warned.setdefault(warning.line or "", []).append(warning.code)
    found = []
    for i, line in enumerate(ordered):
        errors = wrong.get(line.id, Errors())
        active = voices[line.id]
        report = LineReport(
            id=line.id,
            speaker=line.speaker,
            source_text=line.source_text,
            text=line.text,
            said=line.said,
            heard=said.get(line.id),
            kept=line.kept,
            window=line.window,
            placements=line.placements,
            start_offset=measures.start_offset(line),
            end_offset=measures.end_offset(line),
            overlap=iou(line.placements, active) if line.placements and active else None,
            rate=line.rate,
            stretch=line.stretch,
            gap=gaps.get(line.id),
            cer=errors.cer,
            wer=errors.wer,
            source_loudness=before[i],
            dub_loudness=after[i] if line.placements else None,
            on_screen=line.on_screen,
        )
        marks = [*line_flags(report, limits), *warned.get(line.id, ()), *line.marks]
        found.append(report.model_copy(update={"flags": tuple(dict.fromkeys(marks))}))
    return tuple(found)


def streams(info: MediaInfo) -> tuple[StreamReport, ...]:
    """What a player sees in a file, in the file's order."""
    video = [
        StreamReport(index=s.index, kind="video", codec=s.codec, duration=s.duration)
        for s in info.video
    ]
    sound = [
        StreamReport(
            index=s.index,
            kind="audio",
            codec=s.codec,
            language=s.language,
            title=s.title,
            default=s.default,
            duration=s.duration,
            channels=s.channels,
            sample_rate=s.sample_rate,
        )
        for s in info.audio
    ]
    text = [
        StreamReport(index=s.index, kind="subtitle", codec=s.codec, language=s.language,
                     title=s.title)
        for s in info.subtitles
    ]  # fmt: skip
    return tuple(sorted([*video, *sound, *text], key=lambda stream: stream.index))


def untagged(dub: Side, language: str) -> int | None:
    """Tracks without a language, and the dub's own where it has another; None where none can."""
    if dub.info.container in _UNTAGGED:
        return None
    tags = [s.language for s in dub.info.audio] + [s.language for s in dub.info.subtitles]
    own = dub.info.audio[dub.track].language
    return tags.count("") + bool(own and not same_language(own, language))


def _media(side: Side) -> MediaReport:
    return MediaReport(name=side.info.path.name, duration=side.info.duration, track=side.track)


def _finite(level: float) -> float | None:
    return level if math.isfinite(level) else None


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
