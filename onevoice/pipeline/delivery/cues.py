"""Subtitles of a dub, at the times at which its lines are heard."""

from __future__ import annotations

from pathlib import Path

from onevoice import media, subtitles
from onevoice.config import Settings
from onevoice.pipeline.fitting import Dub


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
                    speaker=line.speaker,
                )
            )
    return tuple(sorted(cues, key=lambda cue: (cue.start, cue.end)))


def write_cues(
    path: Path, dub: Dub, language: str, info: media.MediaInfo, settings: Settings
) -> bool:
    """Write a dub's subtitles for this film; False where there is nothing to write as a track."""
    cues = line_cues(dub)
    subtitles.write(
        path,
        cues,
        language=language,
        style=settings.output.subtitle_style,
        size=_shown_size(info),
        until=info.duration,
    )
    return bool(cues)


def _shown_size(info: media.MediaInfo) -> tuple[int, int] | None:
    """Width and height of the picture as it is seen, None where there is only sound."""
    picture = next((stream for stream in info.video if not stream.attached_pic), None)
    if picture is None:
        return None
    size = (picture.width, picture.height)
    return size if picture.rotation % 180 == 0 else size[::-1]
