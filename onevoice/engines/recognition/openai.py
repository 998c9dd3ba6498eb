"""Speech to words by OpenAI's transcription API, or a server that speaks its protocol.

Some models say when what is said: ``whisper-1`` word by word, ``gpt-4o-transcribe-diarize``
sentence by sentence with speakers. ``gpt-transcribe`` and its like give a text and nothing else.
These hear the recording phrase by phrase, cut at its pauses; so their times are right to a
phrase, and inside it the words are spread over the sound by their letters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from onevoice.engines import boundary, openai_api
from onevoice.engines.base import EngineInfo, Params, Progress, Runtime
from onevoice.engines.recognition import openai_models, uploads
from onevoice.engines.recognition.known import NOBODY, Known
from onevoice.engines.recognition.openai_answers import Answer, is_stuck, read, words_of
from onevoice.engines.recognition.openai_models import LANGUAGE_TELLER, Model, Price, model_of
from onevoice.engines.recognition.uploads import Passage, Upload
from onevoice.engines.recognition.wording import ordered, without_loops
from onevoice.engines.speech import duration
from onevoice.errors import EngineRefused
from onevoice.languages import base
from onevoice.types import Recognition, Usage, Word

ENGINE = "recognition.openai"

_LIMIT_BYTES = 25_000_000
_WARMER = 0.4
"""Temperature of a second try, where the first got stuck in a loop."""
_TO_DETECT_S = 30.0


class OpenAIRecognitionParams(openai_api.OpenAIApiParams):
    """Settings under ``recognition.openai``."""

    model: str = Field(default="whisper-1", min_length=1)
    """whisper-1 (word times), gpt-4o-transcribe-diarize (speakers; takes no hints), or
    gpt-transcribe (no times: those of words are estimated); all but the last end on 2027-02-26."""
    minutes: float = Field(default=uploads.MINUTES, ge=0.1, le=60)
    """Longest piece of a recording that is sent at once to a model that gives times."""
    phrase: float = Field(default=8.0, ge=2, le=28)
    """Longest piece, in seconds, for a model that gives none: a short one is truer to the times,
    a long one to the words."""
    hints: str = ""
    """Names and terms that occur, separated by commas."""
    usd_per_minute: float | None = Field(default=None, ge=0)
    """Price to reckon with in place of the list price; another server is free without one."""


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """One passage: its words in the recording's time, the language, and how sure that is.

    ``timed`` is False where the answer gave no times and those of the words are estimated.
    """

    passage: Passage
    words: list[Word]
    language: str
    sure: float
    timed: bool = True


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the passages of a recording are heard with."""

    audio: Path
    terms: tuple[str, ...]
    language: str | None
    sure: float = 1.0
    known: Known = NOBODY

    def after(self, opening: _Heard) -> _Asked:
        return replace(self, language=opening.language, sure=opening.sure)


class OpenAIRecognition(openai_api.OpenAIEngine):
    """Long recordings go in pieces, several at a time; pieces without speech are not sent."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="recognition",
        name="openai",
        summary="OpenAI's transcription: whisper-1, gpt-transcribe, or with speakers "
        "gpt-4o-transcribe-diarize",
        licence=openai_api.LICENCE,
        languages=openai_api.LANGUAGES,
        extra="cloud",
        key=openai_api.KEY,
        hosted=True,
        price="a minute: whisper-1 $0.006, gpt-transcribe $0.0045, gpt-4o-transcribe-diarize about "
        "$0.006 (list prices, November 2026)",
        limits="25 MB a request, so long recordings go in pieces. gpt-transcribe (and "
        "gpt-4o-transcribe, -mini) gives no times: they are right to a phrase of some seconds, "
        "estimated for its words, and every word counts as certain (probability 1). OpenAI shuts "
        "down whisper-1 and all gpt-4o transcription models on 2027-02-26; gpt-transcribe "
        "has no announced end",
    )
    Params: ClassVar[type[Params]] = OpenAIRecognitionParams
    params: OpenAIRecognitionParams

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        self._untimed = False

    def identity(self) -> dict[str, Any]:
        return {
            "engine": "openai",
            "version": 1,
            "params": self.params.model_dump(
                mode="json", exclude={"key_variable", "usd_per_minute"}
            ),
            "speech": uploads.detector(),
        }

    def quote(self, amount: float) -> float:
        return self._price(self.params.model).quote(amount)

    @property
    def tells_speakers(self) -> bool:
        return self._model.gives == "speakers"

    def transcribe(
        self, audio: Path, *, language: str | None, hints: Sequence[str], progress: Progress
    ) -> Recognition:
        """Words with times, in order; none where nobody speaks.

        The first piece of a recording is heard alone: what language it is in, and what its
        speakers sound like, is told with the other pieces.

        Parameters
        ----------
        audio
            A WAV of any rate, mono or not; separated speech is best.
        language
            A language tag; None detects it. ``language_probability`` is 1 for one that was given.
            The API gives no probability for its guess, so that of whisper-1 is the mean
            probability of the words it heard, which falls where the guess is wrong; that of
            gpt-transcribe is shared by the languages it names, and 0 where it names none.
        hints
            Names and terms, beside those of the settings. The diarizing model takes none.

        Raises
        ------
        EngineRefused
            OpenAI does not list the language.
        EngineUnavailable, EngineRateLimited, EngineFailed, BudgetExceeded, Cancelled
            See :func:`onevoice.engines.boundary.request`.
        """
        if language is not None:
            _check_language(language)
        total = duration(audio)
        self.runtime.cancel.check()
        passages = uploads.passages(audio, minutes=self.params.minutes, limit_bytes=_LIMIT_BYTES)
        first = next(passages, None)
        if first is None:
            progress(1.0)
            return Recognition(
                language=language or "und",
                language_probability=1.0 if language else 0.0,
                words=(),
                duration=total,
            )
        terms = openai_models.terms([*self.params.hints.split(","), *hints])
        asked = _Asked(audio, terms, language)
        if language is None and self._model.gives != "words":
            guessed, sure = self._guess(audio, first)
            asked = replace(asked, language=guessed, sure=sure)
        pieces = chain([first], passages)
        if self._model.gives == "text":
            pieces = chain.from_iterable(self._phrases(audio, piece) for piece in pieces)
        opening = self._hear(next(pieces), asked)
        progress(min(opening.passage.end / total, 1.0))
        known = Known.of(audio, opening.words) if self._model.gives == "speakers" else NOBODY
        asked = replace(asked.after(opening), known=known)
        words = list(opening.words)
        for heard in self._each(pieces, lambda piece: self._hear(piece, asked)):
            words += heard.words
            progress(min(heard.passage.end / total, 1.0))
        progress(1.0)
        return Recognition(
            language=opening.language,
            language_probability=round(opening.sure, 4),
            words=ordered(words, total),
            duration=total,
        )

    # --- hearing ----------------------------------------------------------------------------

    @property
    def _model(self) -> Model:
        return model_of(self.params.model)

    def _phrases(self, audio: Path, passage: Passage) -> Iterator[Passage]:
        return uploads.phrases(audio, passage, seconds=self.params.phrase)

    def _each(
        self, passages: Iterator[Passage], hear: Callable[[Passage], _Heard]
    ) -> Iterator[_Heard]:
        at_once = self.runtime.requests_at_once
        return boundary.each(passages, hear, at_once=at_once, runtime=self.runtime)

    def _hear(self, passage: Passage, asked: _Asked) -> _Heard:
        """One passage; phrase by phrase where another server turns out to give no times."""
        if not self._untimed:
            heard = self._listen(passage, asked)
            if heard.timed or self._model.gives == "text":
                return heard
            self._untimed, asked = True, asked.after(heard)
        phrases = self._phrases(asked.audio, passage)
        parts = list(self._each(phrases, lambda phrase: self._listen(phrase, asked)))
        words = [word for part in parts for word in part.words]
        return _Heard(passage, words, parts[0].language, parts[0].sure, timed=False)

    def _listen(self, passage: Passage, asked: _Asked) -> _Heard:
        """One upload, heard again where the recogniser got stuck."""
        upload = uploads.encode(asked.audio, passage)
        options = openai_models.options(
            self._model, language=asked.language, terms=asked.terms, known=asked.known
        )
        answer = self._ask(upload, self.params.model, options)
        words = words_of(answer, upload)
        if is_stuck(answer, words):
            if self._model.warms:
                warmer = {**options, "temperature": _WARMER}
                answer = self._ask(upload, self.params.model, warmer)
            words = without_loops(words_of(answer, upload))
        placed = [asked.known.named(w, passage) for w in uploads.in_place(upload, words)]
        language, sure = asked.language, asked.sure
        if language is None:
            language, sure = answer.spoken, answer.sure
        return _Heard(passage, placed, language, sure, answer.timed)

    def _guess(self, audio: Path, passage: Passage) -> tuple[str, float]:
        """The language of a passage's beginning, from a model that says it."""
        upload = uploads.encode(audio, uploads.shortened(passage, _TO_DETECT_S))
        teller = self.params.model if self._model.tells_language else LANGUAGE_TELLER
        form = "verbose_json" if model_of(teller).gives == "words" else "json"
        answer = self._ask(upload, teller, {"response_format": form})
        return answer.spoken, answer.sure

    def _ask(self, upload: Upload, model: str, options: dict[str, Any]) -> Answer:
        """One request; what it used is recorded."""
        passage = upload.passage
        create = self._client().audio.transcriptions.with_raw_response.create
        file = ("speech.flac", upload.flac, "audio/flac")

        def send() -> Answer:
            return read(create(file=file, model=model, **options).content)

        answer = boundary.request(
            openai_api.service(self.params),
            send,
            runtime=self.runtime,
            what=f"the speech from {passage.start:.0f} to {passage.end:.0f} s",
            usd=self._price(model).quote(passage.duration),
        )
        for unit, quantity, usd in self._price(model).of(answer.usage, passage.duration):
            self.runtime.meter.record(
                Usage(engine=ENGINE, model=model, unit=unit, quantity=quantity, usd=usd)
            )
        return answer

    # --- the service ------------------------------------------------------------------------

    def _price(self, model: str) -> Price:
        """What to reckon with: the settings' price, nothing on another server, or the list's."""
        if self.params.usd_per_minute is not None:
            return Price(self.params.usd_per_minute)
        return Price(0.0) if self.params.base_url else model_of(model).price


def _check_language(language: str) -> None:
    if base(language) not in openai_api.LANGUAGES:
        raise EngineRefused(
            f"OpenAI does not list the language {language!r}",
            hint="leave the source language to be detected, or choose another recogniser",
        )
