"""What OpenAI's transcription API answers, checked, and as words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, ValidationError

from onevoice.engines.boundary import Garbled
from onevoice.engines.recognition.alignment import spelled, spread
from onevoice.engines.recognition.listening import FRAME_S
from onevoice.engines.recognition.uploads import Upload
from onevoice.engines.recognition.wording import loops, make_word
from onevoice.errors import UnknownLanguage
from onevoice.languages import normalize
from onevoice.types import Word

_REPETITIVE, _UNSURE, _NO_SPEECH = 2.4, -1.0, 0.6
"""Whisper's own rules for segments that are a loop, and for those that are silence."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Segment(_Part):
    """A phrase; seconds from the upload's start. Only whisper-1 says how sure it is."""

    start: float
    end: float
    text: str
    speaker: str | None = None
    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    compression_ratio: float | None = None

    @property
    def silent(self) -> bool:
        """It thinks nobody spoke, and is not sure of what it heard."""
        return (self.no_speech_prob or 0.0) > _NO_SPEECH and (self.avg_logprob or 0.0) < _UNSURE

    @property
    def repetitive(self) -> bool:
        """It compresses too well for anything a person says."""
        return (self.compression_ratio or 0.0) > _REPETITIVE

    @property
    def probability(self) -> float:
        """Geometric mean probability of its tokens; 1 where nothing is known."""
        return 1.0 if self.avg_logprob is None else math.exp(min(self.avg_logprob, 0.0))


class Timed(_Part):
    word: str
    start: float
    end: float


class Used(_Part):
    """What is billed: ``duration`` in whole seconds, or ``tokens``."""

    type: str | None = None
    seconds: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0


class Language(_Part):
    code: str


class Answer(_Part):
    """``verbose_json`` (it alone has ``words``), ``diarized_json``, or ``json`` with a bare text.

    gpt-transcribe names the ``languages`` it heard, none where it can't tell.
    """

    text: str
    language: str | None = None
    languages: tuple[Language, ...] | None = None
    segments: tuple[Segment, ...] | None = None
    words: tuple[Timed, ...] | None = None
    usage: Used | None = None

    @property
    def spoken(self) -> str:
        """The language heard as a tag; ``und`` where none is named. whisper-1 gives its name."""
        named = self.languages[0].code if self.languages else self.language
        try:
            return normalize(named or "und")
        except UnknownLanguage:
            return "und"

    @property
    def timed(self) -> bool:
        """Whether it says when its text is said; nothing needs no times."""
        return bool(self.words or self.segments or not self.text.strip())

    @property
    def audible(self) -> tuple[Segment, ...]:
        return tuple(segment for segment in self.segments or () if not segment.silent)

    @property
    def sure(self) -> float:
        """How sure the language is, 0 to 1: what several named ones leave to the first, else the
        mean probability of the tokens heard, by the length of the segments.
        """
        if self.languages is not None:
            return 1 / len(self.languages) if self.languages else 0.0
        weights = [max(s.end - s.start, 0.01) for s in self.audible]
        if not weights:
            return 0.0
        rated = zip(self.audible, weights, strict=True)
        return sum(s.probability * w for s, w in rated) / sum(weights)


def read(body: bytes) -> Answer:
    """Raises Garbled for what is no such answer."""
    try:
        return Answer.model_validate_json(body)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Garbled(f"{where}: {first['msg']}" if where else first["msg"]) from exc


def words_of(answer: Answer, upload: Upload) -> list[Word]:
    """The words of an answer, timed from the upload's start; those of silent segments not.

    A text without times is spread over all of the sound.
    """
    if not answer.timed:
        return spread(answer.text, 0.0, len(upload.active) * FRAME_S, upload.active)
    if not answer.words:
        return [
            word
            for s in answer.audible
            for word in spread(
                s.text,
                s.start,
                s.end,
                upload.active,
                probability=s.probability,
                speaker=s.speaker or "",
            )
        ]
    if answer.segments is None:
        found = [make_word(f" {w.word.strip()}", w.start, w.end, 1.0) for w in answer.words]
        return spelled([word for word in found if word is not None], answer.text)
    words: list[Word] = []
    for timed in answer.words:
        segment = _segment_of(timed, answer.segments)
        if segment.silent:
            continue
        word = make_word(f" {timed.word.strip()}", timed.start, timed.end, segment.probability)
        if word is not None:
            words.append(word)
    return spelled(words, "".join(segment.text for segment in answer.audible))


def is_stuck(answer: Answer, words: Sequence[Word]) -> bool:
    """Whether the recogniser repeats itself instead of listening."""
    return bool(loops(words)) or any(s.repetitive for s in answer.audible)


def _segment_of(timed: Timed, segments: Sequence[Segment]) -> Segment:
    """The segment a word's middle lies in, or the nearest."""
    middle = (timed.start + timed.end) / 2
    return min(segments, key=lambda s: max(s.start - middle, middle - s.end, 0.0))
