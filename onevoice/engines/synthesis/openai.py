"""Speech by OpenAI's API, or by a server that speaks its protocol (there are many).

gpt-4o-mini-tts takes instructions in words; tts-1 and tts-1-hd only a speed. What the voices'
speakers are like is not published, so nothing is claimed of it here.
"""

from __future__ import annotations

import re
from threading import Lock
from typing import Any, ClassVar, Literal

from pydantic import Field

from onevoice import languages
from onevoice.engines import boundary, openai_api
from onevoice.engines.base import (
    EngineBase,
    EngineInfo,
    Params,
    Runtime,
    Speech,
    SpeechRequest,
    Voice,
)
from onevoice.engines.synthesis import asking, line
from onevoice.engines.synthesis.decoding import decode
from onevoice.types import Usage

ENGINE = "synthesis.openai"
VOICES = (
    "marin",
    "cedar",
    "coral",
    "ash",
    "nova",
    "onyx",
    "sage",
    "echo",
    "shimmer",
    "fable",
    "alloy",
    "ballad",
    "verse",
)
"""Of gpt-4o-mini-tts; the first two are those the vendor recommends."""
_NOT_OF_TTS_1 = frozenset({"marin", "cedar", "ballad", "verse"})
_OWN_VOICE = "voice_"
"""What the ids of an account's own voices begin with."""

# List prices as last published (2026).
_USD_PER_MILLION_CHARACTERS = {"tts-1-hd": 30.0, "tts-1": 15.0}
_USD_PER_MINUTE = {"gpt-4o-mini-tts": 0.015}
"""The vendor's estimate of its token prices: the answer does not tell the tokens."""
_SECONDS_PER_CHARACTER = 0.065
"""Of European languages, to quote what is priced by the minute."""

_PCM_RATE = 24_000
_LONGEST = {"gpt-4o-mini-tts": 2000}
"""It takes 2000 tokens, and few scripts need more than one for a character."""
_LONGEST_OF_ALL = 4096
_SLOWEST, _FASTEST = 0.25, 4.0
_PAUSE_S = 0.35
"""Between the sentences that a long text is cut at."""
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])")


class OpenAISynthesisParams(openai_api.OpenAIApiParams):
    """Settings under ``synthesis.openai``."""

    model: str = "gpt-4o-mini-tts"
    """gpt-4o-mini-tts, tts-1, tts-1-hd, or what another server calls its own."""
    voices: tuple[str, ...] = ()
    """In place of OpenAI's: another server's names, or ids of your own voices (voice_…)."""
    instructions: str = "Speak natural {language}, like an actor who dubs a film."
    """How to speak, in words; {language} becomes its English name. tts-1 takes none."""
    speed: float = Field(default=1.0, ge=0.25, le=4.0)
    """Every line this much faster than the voice's natural rate."""
    response_format: Literal["wav", "pcm"] = "wav"
    """What to ask for; pcm must be 24 kHz."""
    usd_per_million_characters: float | None = Field(default=None, ge=0)
    """Price to reckon with in place of the list price."""


class OpenAISynthesis(EngineBase):
    """Every voice speaks every language of the model."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="synthesis",
        name="openai",
        summary="OpenAI's voices: gpt-4o-mini-tts with instructions, tts-1, tts-1-hd",
        licence=openai_api.LICENCE,
        languages=openai_api.LANGUAGES,
        extra="cloud",
        key=openai_api.KEY,
        hosted=True,
        price="gpt-4o-mini-tts about $0.015 a minute; tts-1 $15, tts-1-hd $30 a million "
        "characters (list prices, 2026)",
        limits="4096 characters a request (2000 for gpt-4o-mini-tts): longer lines go in "
        "sentences; OpenAI shuts all three models down on 2027-01-06",
        voices=f"{', '.join(VOICES)}; the voices setting names others",
    )
    Params: ClassVar[type[Params]] = OpenAISynthesisParams
    params: OpenAISynthesisParams

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        self._sdk: Any = None
        self._lock = Lock()

    @property
    def lines_at_once(self) -> int:
        return self.runtime.requests_at_once

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        """The package is there. Whether a key is needed hangs on ``base_url``: see ready."""
        openai_api.installed()

    def ready(self) -> None:
        """Raise EngineUnavailable unless the package is there and, for OpenAI itself, the key."""
        openai_api.installed()
        openai_api.key_for(self.params)

    def identity(self) -> dict[str, Any]:
        params = self.params.model_dump(
            mode="json", exclude={"key_variable", "usd_per_million_characters"}
        )
        return {"engine": "openai", "version": 1, "params": params}

    def quote(self, amount: float) -> float:
        per_character = self._per_character()
        if per_character is not None:
            return amount * per_character
        return amount * _SECONDS_PER_CHARACTER / 60 * self._per_minute()

    def close(self) -> None:
        with self._lock:
            if self._sdk is not None:
                self._sdk.close()
            self._sdk = None

    def voices(self, language: str) -> tuple[Voice, ...]:
        tag = languages.base(language)
        if self._spoken and tag not in self._spoken:
            return ()
        return tuple(
            Voice(name=name, language=tag, licence=openai_api.LICENCE) for name in self._names()
        )

    def speak(self, request: SpeechRequest) -> Speech:
        """See :class:`~onevoice.engines.base.Synthesizer`.

        Raises
        ------
        EngineRefused
            Nothing to say, no such voice or language, no rate; or the service will not say it.
        EngineUnavailable, EngineRateLimited, EngineFailed, BudgetExceeded, Cancelled
            See :func:`onevoice.engines.boundary.request`.
        """
        asking.check_language("openai", request.language, self._spoken)
        asking.check_rate(request.rate)
        names = self._names()
        if request.voice not in names and not request.voice.startswith(_OWN_VOICE):
            raise asking.no_voice("openai", request.voice, names)
        text = asking.sayable(request)
        longest = self._of_model(_LONGEST) or _LONGEST_OF_ALL
        pieces = [self._say(part, request) for part in split(text, round(longest))]
        return line.join(pieces, [_PAUSE_S] * (len(pieces) - 1))

    def _say(self, text: str, request: SpeechRequest) -> Speech:
        """One request; what it used is recorded."""
        form = self.params.response_format
        create = self._client().audio.speech.create
        options = self._options(text, request)

        def send() -> Speech:
            samples, rate = decode(
                create(**options).content, pcm_rate=_PCM_RATE if form == "pcm" else None
            )
            return Speech(samples, rate)

        answer = boundary.request(
            openai_api.service(ENGINE, self.params),
            send,
            runtime=self.runtime,
            what=f"the line {text[:60]!r}",
            usd=self.quote(len(text)),
        )
        self.runtime.meter.record(self._used(text, answer))
        return line.finish(answer.samples, answer.sample_rate)

    def _options(self, text: str, request: SpeechRequest) -> dict[str, Any]:
        voice = request.voice
        options: dict[str, Any] = {
            "model": self.params.model,
            "input": text,
            "voice": {"id": voice} if voice.startswith(_OWN_VOICE) else voice,
            "response_format": self.params.response_format,
        }
        if self.params.instructions and not self.params.model.startswith("tts-1"):
            named = languages.name(request.language)
            options["instructions"] = self.params.instructions.replace("{language}", named)
        speed = round(min(max(request.rate * self.params.speed, _SLOWEST), _FASTEST), 3)
        if speed != 1.0:
            options["speed"] = speed
        return options

    def _used(self, text: str, speech: Speech) -> Usage:
        model = self.params.model
        per_character = self._per_character()
        if per_character is not None:
            n = len(text)
            return Usage(
                engine=ENGINE, model=model, unit="characters", quantity=n, usd=n * per_character
            )
        seconds = round(speech.duration, 3)
        usd = seconds / 60 * self._per_minute()
        return Usage(engine=ENGINE, model=model, unit="seconds", quantity=seconds, usd=usd)

    @property
    def _spoken(self) -> frozenset[str]:
        """The languages of the voices; nobody knows those of another server's: empty, any."""
        return frozenset() if self.params.voices else openai_api.LANGUAGES

    def _names(self) -> tuple[str, ...]:
        if self.params.voices:
            return self.params.voices
        left_out = _NOT_OF_TTS_1 if self.params.model.startswith("tts-1") else frozenset()
        return tuple(name for name in VOICES if name not in left_out)

    def _per_character(self) -> float | None:
        """None for what is priced by the minute."""
        own = self.params.usd_per_million_characters
        price = self._of_model(_USD_PER_MILLION_CHARACTERS) if own is None else own
        return None if price is None else price / 1e6

    def _per_minute(self) -> float:
        return self._of_model(_USD_PER_MINUTE) or 0.0

    def _of_model(self, table: dict[str, Any]) -> float | None:
        """A model's entry; its dated snapshots share it."""
        found = (value for name, value in table.items() if self.params.model.startswith(name))
        return next(found, None)

    def _client(self) -> Any:
        with self._lock:
            if self._sdk is None:
                self._sdk = openai_api.client(self.params, self.runtime)
            return self._sdk


def split(text: str, longest: int) -> list[str]:
    """Pieces of up to ``longest`` characters: whole sentences, else whole words, else what fits."""
    pieces: list[str] = []
    for sentence in _SENTENCE.split(text):
        for part in _fitting(sentence, longest):
            if pieces and len(pieces[-1]) + 1 + len(part) <= longest:
                pieces[-1] = f"{pieces[-1]} {part}"
            else:
                pieces.append(part)
    return pieces


def _fitting(sentence: str, longest: int) -> list[str]:
    parts: list[str] = []
    rest = sentence.strip()
    while len(rest) > longest:
        at = rest.rfind(" ", 1, longest + 1)
        at = longest if at < 0 else at
        parts.append(rest[:at].strip())
        rest = rest[at:].strip()
    return [*parts, rest] if rest else parts
