"""The material of any original and any dub of it, whoever made it.

Everything is found by listening, to both files in the same way: what the original says and when,
what the dub says and when. Phrases of the dub are matched to sentences of the original by time.
What cannot be heard (the text that was meant, natural rates) stays unknown.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

from onevoice import media
from onevoice.config import SegmentationSettings
from onevoice.engines.base import Progress
from onevoice.errors import NoAudio, NothingToDub
from onevoice.pipeline.qc.material import Material, Side
from onevoice.pipeline.qc.measures import ScriptLine
from onevoice.pipeline.qc.model import SettingsReport
from onevoice.pipeline.qc.roundtrip import Heard, listen
from onevoice.pipeline.qc.scripted import read_text, scripted
from onevoice.pipeline.qc.sound import Sound, dub_track
from onevoice.pipeline.qc.spans import Span, common
from onevoice.pipeline.qc.wording import text_of
from onevoice.pipeline.runner import Job
from onevoice.pipeline.segmentation import CLOSERS, FULL_STOPS, sane_words, segment
from onevoice.types import Diarization, Recognition, Segment, Word

PAUSE = 0.3
"""Seconds of silence that part two phrases."""
FARTHEST = 3.0
"""Seconds: a phrase that overlaps no sentence belongs to the nearest one, up to here."""


def gather_pair(
    job: Job,
    original: Path,
    dub: Path,
    folder: Path,
    *,
    language: str | None = None,
    source_language: str | None = None,
    track: int = 0,
    text: Path | None = None,
    progress: Progress = lambda share: None,
) -> tuple[Material, Heard]:
    """The material of a pair, and what is heard in the dub.

    Languages that are not given are found out. ``text`` is a file of what the dub was to say.

    Raises
    ------
    MediaError
        A file cannot be used, or nobody speaks in it.
    EngineError
        No recogniser can be used for one of the languages.
    """
    written = read_text(text) if text else ""
    source, copy = _side(job, original, track, folder), _side(job, dub, language or "", folder)
    said = listen(
        job,
        source.sound,
        language=source_language,
        seconds=source.info.duration,
        progress=lambda share: progress(share / 2),
    )
    heard = listen(
        job,
        copy.sound,
        language=language,
        seconds=copy.info.duration,
        progress=lambda share: progress((1 + share) / 2),
    )
    sentences = segment(
        said.recognition, Diarization(speakers=(), turns=()), SegmentationSettings()
    )
    if not sentences:
        raise NothingToDub(f"nobody speaks in {original.name}: there is nothing to compare with")
    spoken = language or heard.recognition.language
    lines = matched(sentences, phrases(heard.recognition), copy.sound.voice())
    material = Material(
        language=spoken,
        source_language=said.recognition.language,
        original=source,
        dub=copy,
        speech=source.sound,
        lines=scripted(lines, written, spoken) if written else lines,
        settings=SettingsReport(round_trip=heard.engine),
        placed=False,
    )
    return material, heard


def phrases(heard: Recognition) -> list[list[Word]]:
    """Words parted at pauses and where sentences end."""
    found: list[list[Word]] = []
    for word in sane_words(heard.words, heard.duration):
        before = found[-1][-1] if found else None
        if (
            before is None
            or word.start - before.end >= PAUSE
            or before.text.rstrip(CLOSERS).endswith(FULL_STOPS)
        ):
            found.append([word])
        else:
            found[-1].append(word)
    return found


def matched(
    sentences: Sequence[Segment], spoken: Sequence[Sequence[Word]], voice: Sequence[Span]
) -> tuple[ScriptLine, ...]:
    """The sentences with the phrases of the dub that stand for them.

    A phrase goes to the sentence it overlaps most, or else to the nearest one, and never to one
    before that of the phrase before it. Phrases far from every sentence stand for none. The
    times of words are drawn in to where the dub's ``voice`` is.
    """
    taken: dict[int, list[Sequence[Word]]] = {}
    at = 0
    for phrase in spoken:
        span = (phrase[0].start, phrase[-1].end)
        near = range(at, at + 1 + _until(sentences[at + 1 :], span[1] + FARTHEST))
        best = max(near, key=lambda i: _closeness(sentences[i], span))
        if _closeness(sentences[best], span) >= -FARTHEST:
            taken.setdefault(best, []).append(phrase)
            at = best
    return tuple(
        ScriptLine(
            id=sentence.id,
            window=(sentence.start, sentence.end),
            placements=tuple(_place(phrase, voice) for phrase in taken.get(i, ())),
            source_text=sentence.text,
            heard=text_of([w for p in taken.get(i, ()) for w in p]) if i in taken else None,
        )
        for i, sentence in enumerate(sentences)
    )


def _place(phrase: Sequence[Word], voice: Sequence[Span]) -> Span:
    heard = (phrase[0].start, phrase[-1].end)
    within = common([heard], voice)
    return (within[0][0], within[-1][1]) if within else heard


def _until(sentences: Sequence[Segment], time: float) -> int:
    """How many of the sentences begin before a time."""
    return bisect_left(sentences, time, key=lambda sentence: sentence.start)


def _closeness(sentence: Segment, span: Span) -> float:
    """Seconds shared, or, negative, seconds between."""
    return min(sentence.end, span[1]) - max(sentence.start, span[0])


def _side(job: Job, path: Path, track: int | str, folder: Path) -> Side:
    info = media.probe(path)
    if not info.audio:
        raise NoAudio(f"there is no sound in {path}", hint="nothing can be measured")
    number = dub_track(info, track) if isinstance(track, str) else track
    sound = Sound.track(path, number, job.store, folder, job.cancel)
    return Side(info=info, track=number, sound=sound)
