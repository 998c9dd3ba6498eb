"""Speech to words by OpenAI's transcription API, or a server that speaks its protocol.

Some models say when what is said: ``whisper-1`` word by word, ``gpt-4o-transcribe-diarize``
sentence by sentence with speakers. ``gpt-transcribe`` and its like give a text and nothing else.
These hear the recording phrase by phrase, cut at its pauses; so their times are right to a
phrase, and inside it the words are spread over the sound by their letters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

from pydantic import Field

from onevoice.engines import boundary, openai_api
from onevoice.engines.base import EngineBase, EngineInfo, Params, Progress, Runtime
from onevoice.engines.recognition import uploads
from onevoice.engines.recognition.known import Known
from onevoice.engines.recognition.openai_answers import Answer, is_stuck, read, words_of
from onevoice.engines.recognition.openai_models import LANGUAGE_TELLER, Model, model_of
from onevoice.engines.recognition.uploads import Passage, Upload
from onevoice.engines.recognition.wording import ordered, without_loops
from onevoice.engines.speech import duration
from onevoice.errors import EngineRefused
from onevoice.languages import base
from onevoice.types import Recognition, Usage, Word

ENGINE = "recognition.openai"

_LIMIT_BYTES = 25_000_000
_LONGEST_HINTS = 600
"""Characters: Whisper reads the last 224 tokens of a prompt."""
_WARMER = 0.4
"""Temperature of a second try, where the first got stuck in a loop."""
_TO_DETECT_S = 30.0
_TO_OPENAI = {"fil": "tl", "nb": "no", "nn": "no"}


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
    timed: bool


@dataclass(frozen=True, slots=True)
class _Asked:
    """What every passage of a recording is asked with."""

    audio: Path
    language: str | None
    terms: tuple[str, ...]
    known: Known = Known()


class OpenAIRecognition(EngineBase):
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
        "down whisper-1 and all gpt-4o transcription models on 2027-02-26; gpt-transcribe stays",
    )
    Params: ClassVar[type[Params]] = OpenAIRecognitionParams
    params: OpenAIRecognitionParams

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        self._sdk: Any = None
        self._lock = Lock()

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        """The package is there. Whether a key is needed hangs on ``base_url``: see ready."""
        openai_api.installed()

    def ready(self) -> None:
        """Raise EngineUnavailable unless the package is there and, for OpenAI itself, the key."""
        openai_api.installed()
        openai_api.key_for(self.params)

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
        return amount / 60 * self._per_minute(self.params.model)

    def close(self) -> None:
        with self._lock:
            if self._sdk is not None:
                self._sdk.close()
            self._sdk = None

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
        pieces = chain([first], passages)
        asked = _Asked(audio, language, _terms([*self.params.hints.split(","), *hints]))
        sure = 1.0
        if language is None and self._model.gives != "words":
            guessed, sure = self._guess(audio, first)
            asked = replace(asked, language=guessed)
        if self._model.gives == "text":
            pieces = self._phrases(audio, pieces)
        opening = self._hear(next(pieces), asked)
        if not opening.timed and self._model.gives == "words":  # another server may give no times
            pieces = self._phrases(audio, chain([first], pieces))
            asked = replace(asked, language=opening.language)
            sure = opening.sure
            opening = self._hear(next(pieces), asked)
        progress(min(opening.passage.end / total, 1.0))

    # --- the service ------------------------------------------------------------------------

    def _client(self) -> Any:
        with self._lock:
            if self._sdk is None:
                self._sdk = openai_api.client(self.params, self.runtime)
            return self._sdk

    def _per_minute(self, model: str) -> float:
        if self.params.usd_per_minute is not None:
            return self.params.usd_per_minute
        return _USD_PER_MINUTE.get(model, 0.0)

    def _used(self, answer: Answer, model: str, seconds: float) -> list[Usage]:
        """What the answer says is billed; the sound's length where it says nothing."""
        used = answer.usage
        if used is None or used.type != "tokens":
            counted = used.seconds if used is not None and used.seconds else seconds
            usd = counted / 60 * self._per_minute(model)
            return [Usage(engine=ENGINE, model=model, unit="seconds", quantity=counted, usd=usd)]
        prices = _USD_PER_TOKEN.get(model, (0.0, 0.0))
        counts = (used.input_tokens, used.output_tokens)
        dollars = [n * price for n, price in zip(counts, prices, strict=True)]
        if self.params.usd_per_minute is not None:
            dollars = [seconds / 60 * self.params.usd_per_minute, 0.0]
        return [
            Usage(engine=ENGINE, model=model, unit=unit, quantity=n, usd=usd)
            for unit, n, usd in zip(("input tokens", "output tokens"), counts, dollars, strict=True)
        ]


def _check_language(language: str) -> None:
    if base(language) not in openai_api.LANGUAGES:
        raise EngineRefused(
            f"OpenAI does not list the language {language!r}",
            hint="leave the source language to be detected, or choose another recogniser",
        )


def _prompt(hints: Sequence[str]) -> str:
    """Names and terms as one line: as many as Whisper reads, the first ones first."""
    terms = list(dict.fromkeys(" ".join(hint.split()) for hint in hints if hint.strip()))
    while terms and len(", ".join(terms)) > _LONGEST_PROMPT:
        terms.pop()
    return ", ".join(terms)
