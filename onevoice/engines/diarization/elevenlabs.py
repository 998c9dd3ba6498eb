"""Speakers as ElevenLabs Scribe tells them apart, without voice vectors of our own."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from onevoice.engines import elevenlabs
from onevoice.engines.base import EngineInfo, Params, Progress
from onevoice.engines.diarization.turns import stretches_of_words, turns_of
from onevoice.engines.recognition import scribe
from onevoice.engines.recognition.scribe import LANGUAGES, MOST_SPEAKERS, ScribeParams
from onevoice.types import Turn, Word


class ScribeSpeakers(scribe.ScribeEngine):
    """The labels the recogniser gave, where it gave any; else Scribe listens for them."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="diarization",
        name="elevenlabs",
        summary="ElevenLabs Scribe tells up to 32 speakers apart, and counts them",
        licence=elevenlabs.LICENCE,
        languages=LANGUAGES,
        extra="cloud",
        key=elevenlabs.KEY,
        hosted=True,
        price="nothing after recognition.elevenlabs, else $0.22 an hour (list price, June 2026)",
        limits="32 speakers; over 2 hours the speakers of the parts are not matched",
    )
    Params: ClassVar[type[Params]] = ScribeParams
    params: ScribeParams
    counts: ClassVar[bool] = True
    max_speakers: ClassVar[int] = MOST_SPEAKERS

    def diarize(
        self, audio: Path, words: Sequence[Word], *, speakers: int | None, progress: Progress
    ) -> tuple[Turn, ...]:
        """Turns that cover every word, of at most ``speakers`` people; None counts them.

        Words that carry labels keep them, and nothing is asked or paid: where those are of more
        people than there should be, the ones who say least are given to whoever speaks next to
        them.

        Raises
        ------
        EngineUnavailable, EngineRefused, EngineRateLimited, EngineFailed, BudgetExceeded
            As :func:`onevoice.engines.boundary.request`.
        Cancelled
            The runtime's token was set.
        """
        self.runtime.cancel.check()
        pauses = stretches_of_words(words)
        if speakers == 1 or len(words) < 2:
            progress(1.0)
            return turns_of(words, [0] * len(words), pauses)
        known = [word for word in words if word.speaker]
        if not known:
            known = self._ask(audio, speakers, progress)
        labels = at_most(words, nearest_labels(words, known), speakers)
        progress(1.0)
        numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
        return turns_of(words, [numbers[label] for label in labels], pauses)

    def _ask(self, audio: Path, speakers: int | None, progress: Progress) -> list[Word]:
        """Words with speakers, as Scribe hears them."""
        options: dict[str, Any] = {"diarize": True}
        if speakers is not None:
            options["num_speakers"] = min(speakers, MOST_SPEAKERS)
        parts = scribe.listen(
            self._account,
            self.params,
            audio,
            options=options,
            progress=lambda t: progress(0.99 * t),
        )
        heard = [word for word in scribe.joined(parts) if word.speaker]
        return sorted(heard, key=lambda word: word.start)


def nearest_labels(words: Sequence[Word], known: Sequence[Word]) -> list[str]:
    """For each word the speaker of the ``known`` word it overlaps most, or else is nearest to.

    Both in order of time. One label for all where nothing is known.
    """
    if not known:
        return [""] * len(words)
    starts = [word.start for word in known]
    longest = max(word.end - word.start for word in known)
    labels = []
    for word in words:
        # Those that begin before this word ends, and not so early that they end before it.
        first = max(bisect_left(starts, word.start - longest) - 1, 0)
        last = min(bisect_left(starts, word.end) + 1, len(known))
        best = max(known[first:last], key=lambda other: _overlap(word, other))
        labels.append(best.speaker)
    return labels


def _overlap(a: Word, b: Word) -> float:
    """Seconds two words share; below zero the seconds between them."""
    return min(a.end, b.end) - max(a.start, b.start)


def at_most(words: Sequence[Word], labels: Sequence[str], most: int | None) -> list[str]:
    """The labels of the ``most`` who speak longest; any other word goes to the nearest of them."""
    time: defaultdict[str, float] = defaultdict(float)
    for word, label in zip(words, labels, strict=True):
        time[label] += word.end - word.start
    if most is None or len(time) <= most:
        return list(labels)
    kept = set(sorted(time, key=lambda label: -time[label])[:most])
    anchors = [i for i, label in enumerate(labels) if label in kept]
    out = []
    for i, label in enumerate(labels):
        if label in kept:
            out.append(label)
            continue
        place = bisect_left(anchors, i)
        beside = anchors[max(place - 1, 0) : place + 1]
        out.append(labels[max(beside, key=lambda j: _overlap(words[i], words[j]))])
    return out
