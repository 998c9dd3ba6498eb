"""Who speaks in a film: those who were heard, and those a person named in the transcript."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from onevoice.types import Segment, Speaker, Transcript


def everybody(heard: Transcript, segments: Sequence[Segment]) -> tuple[Speaker, ...]:
    """The speakers of ``segments``, which are those of ``heard`` as a person edited them.

    Somebody new has the pitch of whoever most of their sentences were heard from; somebody
    heard who has lost all sentences is left out.
    """
    before = {segment.id: segment.speaker for segment in heard.segments}
    pitch = {speaker.id: speaker.pitch_hz for speaker in heard.speakers}
    seconds: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for segment in segments:
        seconds[segment.speaker][before.get(segment.id, "")] += segment.end - segment.start
    silenced = set(before.values()) - set(seconds)
    stayed = tuple(speaker for speaker in heard.speakers if speaker.id not in silenced)
    named = tuple(
        Speaker(
            id=name,
            pitch_hz=pitch.get(max(parts, key=lambda part: parts[part])),
            seconds=sum(parts.values()),
        )
        for name, parts in seconds.items()
        if name not in pitch
    )
    return stayed + named
