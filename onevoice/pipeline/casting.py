"""Who speaks with which voice: by pitch, one voice per speaker, the same at every run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from onevoice.engines.base import Voice
from onevoice.types import Speaker

_MALE_BELOW_HZ = 160.0
"""Between the usual medians of men's (about 120 Hz) and women's voices (about 210 Hz)."""


def cast(
    speakers: Sequence[Speaker], voices: Sequence[Voice], *, fixed: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Give every speaker a voice.

    The one who speaks most chooses first. A voice of the speaker's sex (told by the pitch) and
    near the speaker's pitch is preferred; two speakers share a voice only when all are taken.
    Equally good voices are given in the engine's order.

    Parameters
    ----------
    speakers, voices:
        ``voices`` in the engine's order of preference, never empty.
    fixed:
        Voices somebody chose already; they are given as they are.
    """
    chosen: dict[str, str] = dict(fixed or {})
    taken = list(chosen.values())
    for speaker in sorted(speakers, key=lambda s: (-round(s.seconds, 1), s.id)):
        if speaker.id in chosen:
            continue
        best = min(
            range(len(voices)),
            key=lambda i: (
                taken.count(voices[i].name),
                _distance(speaker, voices[i]),
                i,
            ),
        )
        chosen[speaker.id] = voices[best].name
        taken.append(voices[best].name)
    return chosen


def _distance(speaker: Speaker, voice: Voice) -> float:
    """Octaves between the pitches, and a large step between the sexes; 0 when unknown."""
    if speaker.pitch_hz is None:
        return 0.0
    sex = "male" if speaker.pitch_hz < _MALE_BELOW_HZ else "female"
    other_sex = voice.sex not in (sex, "unknown")
    octaves = abs(math.log2(speaker.pitch_hz / voice.pitch_hz)) if voice.pitch_hz else 0.0
    # Within half an octave the engine's order of preference decides: it knows who speaks well.
    return (2.0 if other_sex else 0.0) + math.floor(octaves * 2) / 2
