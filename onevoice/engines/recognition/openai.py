"""Speech to words by OpenAI's transcription API, or a server that speaks its protocol.

Two models say when what is said: ``whisper-1``, word by word, and ``gpt-4o-transcribe-diarize``,
sentence by sentence with speakers; the words of a sentence are spread over its sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

from pydantic import Field, field_validator

from onevoice.engines import boundary, openai_audio
from onevoice.engines.base import EngineBase, EngineInfo, Params, Progress, Runtime
from onevoice.engines.recognition import uploads
from onevoice.engines.recognition.known import Known
from onevoice.engines.recognition.openai_answers import Answer, is_stuck, read, words_of
from onevoice.engines.recognition.uploads import Passage, Upload
from onevoice.engines.recognition.wording import ordered, without_loops
from onevoice.engines.speech import duration
from onevoice.errors import EngineRefused
from onevoice.languages import base
from onevoice.types import Recognition, Usage, Word

ENGINE = "recognition.openai"
_TIMED = ("whisper-1", "gpt-4o-transcribe-diarize")
_TIMELESS = ("gpt-transcribe", "gpt-4o-transcribe", "gpt-4o-mini-transcribe")
_DETECTS = "whisper-1"
"""The model that says which language it heard."""

# List prices as last published (2026).
_USD_PER_MINUTE = {"whisper-1": 0.006, "gpt-4o-transcribe-diarize": 0.006}
_USD_PER_TOKEN = {"gpt-4o-transcribe-diarize": (2.5e-6, 10e-6)}
"""For tokens in and out; the price a minute is the vendor's estimate of the sum."""

_LIMIT_BYTES = 25_000_000
_LONGEST_PROMPT = 600
"""Characters: Whisper reads the last 224 tokens of a prompt."""
_WARMER = 0.4
"""Temperature of a second try, where the first got stuck in a loop."""
_TO_DETECT_S = 30.0
_TO_OPENAI = {"fil": "tl", "nb": "no", "nn": "no"}


class OpenAIRecognitionParams(Params):
    """Settings under ``recognition.openai``."""

    model: str = "whisper-1"
    """whisper-1 (word times) or gpt-4o-transcribe-diarize (speakers; takes no hints)."""
    base_url: str = ""
    """Another server with the same protocol, http://localhost:8000/v1; empty is OpenAI."""
    minutes: float = Field(default=uploads.MINUTES, ge=0.1, le=60)
    """Longest piece of a recording that is sent at once."""
    hints: str = ""
    """Names and terms that occur, separated by commas."""
    usd_per_minute: float | None = Field(default=None, ge=0)
    """Price to reckon with in place of the list price."""

    @field_validator("model")
    @classmethod
    def _gives_times(cls, model: str) -> str:
        if model.startswith(_TIMELESS) and not model.startswith(_TIMED):
            raise ValueError(f"{model} gives no times; these do: {', '.join(_TIMED)}")
        return model


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """One passage: its words in the recording's time, the language, and how sure that is."""

    passage: Passage
    words: list[Word]
    language: str
    sure: float


class OpenAIRecognition(EngineBase):
    """Long recordings go in pieces, several at a time; pieces without speech are not sent."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="recognition",
        name="openai",
        summary="OpenAI's transcription: whisper-1, or gpt-4o-transcribe-diarize with speakers",
        licence=openai_audio.LICENCE,
        languages=openai_audio.LANGUAGES,
        extra="cloud",
        key=openai_audio.KEY,
        hosted=True,
        price="$0.006 a minute (list price, 2026)",
        limits="25 MB a request, so long recordings go in pieces; models that give no times are "
        "refused; OpenAI shuts both models down on 2027-02-26",
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
        openai_audio.installed()

    def ready(self) -> None:
        """Raise EngineUnavailable unless the package is there and, for OpenAI itself, the key."""
        openai_audio.installed()
        openai_audio.key_for(self.params.base_url)

    def identity(self) -> dict[str, Any]:
        return {
            "engine": "openai",
            "version": 1,
            "params": self.params.model_dump(mode="json", exclude={"usd_per_minute"}),
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
            A language tag; None detects it. The API gives no probability for its guess, so
            ``language_probability`` is the mean probability of the first piece's words, which
            falls where the guess is wrong; 1 for a language that was given.
        hints
            Names and terms for the prompt, beside those of the settings. The diarizing model
            takes none.

        Raises
        ------
        EngineRefused
            OpenAI does not list the language; the server gives no times.
        EngineUnavailable, EngineRateLimited, EngineFailed, BudgetExceeded, Cancelled
            See :func:`onevoice.engines.boundary.request`.
        """
        if language is not None:
            _check_language(language)
        prompt = _prompt([*self.params.hints.split(","), *hints])
        total = duration(audio)
        self.runtime.cancel.check()
        pieces = uploads.passages(audio, minutes=self.params.minutes, limit_bytes=_LIMIT_BYTES)
        first = next(pieces, None)
        if first is None:
            progress(1.0)
            return Recognition(
                language=language or "und",
                language_probability=1.0 if language else 0.0,
                words=(),
                duration=total,
            )
        opening = self._hear(audio, first, language, prompt, Known())
        progress(min(first.end / total, 1.0))
        known = Known.of(audio, opening.words) if self._diarizes else Known()
        words = list(opening.words)
        for heard in boundary.each(
            pieces,
            lambda passage: self._hear(audio, passage, opening.language, prompt, known),
            at_once=self.runtime.requests_at_once,
            runtime=self.runtime,
        ):
            words += heard.words
            progress(min(heard.passage.end / total, 1.0))
        progress(1.0)
        return Recognition(
            language=opening.language,
            language_probability=1.0 if language else round(opening.sure, 4),
            words=ordered(words, total),
            duration=total,
        )

    # --- hearing ----------------------------------------------------------------------------

    @property
    def _diarizes(self) -> bool:
        return "diarize" in self.params.model

    def _hear(
        self, audio: Path, passage: Passage, language: str | None, prompt: str, known: Known
    ) -> _Heard:
        """One passage, heard again where the recogniser got stuck."""
        sure = 1.0
        if language is None and self._diarizes:
            language, sure = self._guess(audio, passage)
        upload = uploads.encode(audio, passage)
        options = self._options(language, prompt, known)
        answer = self._ask(upload, self.params.model, options)
        words = words_of(answer, upload)
        if is_stuck(answer, words):
            answer = self._ask(upload, self.params.model, {**options, "temperature": _WARMER})
            words = without_loops(words_of(answer, upload))
        if language is None:
            language, sure = answer.spoken, answer.sure
        placed = uploads.in_place(upload, words)
        return _Heard(passage, [known.named(w, passage) for w in placed], language, sure)

    def _guess(self, audio: Path, passage: Passage) -> tuple[str, float]:
        """The language of a passage's beginning, from the one model that says it."""
        upload = uploads.encode(audio, uploads.shortened(passage, _TO_DETECT_S))
        answer = self._ask(upload, _DETECTS, {"response_format": "verbose_json"})
        return answer.spoken, answer.sure

    def _options(self, language: str | None, prompt: str, known: Known) -> dict[str, Any]:
        options: dict[str, Any]
        if self._diarizes:
            options = {"response_format": "diarized_json", "chunking_strategy": "auto"}
            if known.names:
                options["known_speaker_names"] = list(known.names)
                options["known_speaker_references"] = list(known.samples)
        else:
            options = {
                "response_format": "verbose_json",
                "timestamp_granularities": ["word", "segment"],
            }
            if prompt:
                options["prompt"] = prompt
        if language is not None and base(language) in openai_audio.LANGUAGES:
            options["language"] = _TO_OPENAI.get(base(language), base(language))
        return options

    def _ask(self, upload: Upload, model: str, options: dict[str, Any]) -> Answer:
        """One request; what it used is recorded."""
        passage = upload.passage
        create = self._client().audio.transcriptions.with_raw_response.create
        file = ("speech.flac", upload.flac, "audio/flac")

        def send() -> Answer:
            return read(create(file=file, model=model, **options).content)

        answer = boundary.request(
            openai_audio.service(ENGINE, self.params.base_url),
            send,
            runtime=self.runtime,
            what=f"the speech from {passage.start:.0f} to {passage.end:.0f} s",
            usd=passage.duration / 60 * self._per_minute(model),
        )
        for used in self._used(answer, model, passage.duration):
            self.runtime.meter.record(used)
        if not answer.timed:
            raise EngineRefused(
                f"{model} says what is spoken, and not when",
                hint=f"recognition.openai.model: {' or '.join(_TIMED)}",
            )
        return answer

    # --- the service ------------------------------------------------------------------------

    def _client(self) -> Any:
        with self._lock:
            if self._sdk is None:
                self._sdk = openai_audio.client(self.params.base_url, self.runtime)
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
    if base(language) not in openai_audio.LANGUAGES:
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
