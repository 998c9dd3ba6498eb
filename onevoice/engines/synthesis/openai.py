"""Speech by OpenAI's API, or by a server that speaks its protocol (there are many).

gpt-4o-mini-tts takes instructions in words; tts-1 and tts-1-hd only a speed. gpt-audio-1.5, which
outlives them, is a chat model that is made to read aloud. What the voices' speakers are like is
not published, so nothing is claimed of it here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import Field

from onevoice import languages
from onevoice.audio import time_stretch
from onevoice.engines import boundary, openai_api
from onevoice.engines.base import (
    EngineInfo,
    Params,
    Runtime,
    Speech,
    SpeechRequest,
    Voice,
)
from onevoice.engines.boundary import Garbled
from onevoice.engines.synthesis import asking, line, openai_chat
from onevoice.engines.synthesis.decoding import decode
from onevoice.engines.synthesis.openai_models import SEX, VOICES, Model, free, model_of
from onevoice.types import Usage

ENGINE = "synthesis.openai"
_OWN_VOICE = "voice_"
"""What the ids of an account's own voices begin with."""

_PCM_RATE = 24_000
_SLOWEST, _FASTEST = 0.25, 4.0
_STRETCH = (0.5, 2.0)
"""Speech of a model without a speed is stretched, and no further than this."""
_PAUSE_S = 0.35
"""Between the sentences that a long text is cut at."""
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])")


class OpenAISynthesisParams(openai_api.OpenAIApiParams):
    """Settings under ``synthesis.openai``."""

    model: str = "gpt-4o-mini-tts"
    """gpt-4o-mini-tts, tts-1 or tts-1-hd, which end on 2027-01-06; gpt-audio-1.5, a chat
    model, which is dearer; or what another server calls its own."""
    voices: tuple[str, ...] = ()
    """In place of OpenAI's: another server's names, or ids of your own voices (voice_…)."""
    instructions: str = "Speak natural {language}, like an actor who dubs a film."
    """How to speak, in words; {language} becomes its English name. tts-1 takes none."""
    speed: float = Field(default=1.0, ge=0.25, le=4.0)
    """Every line this much faster than the voice's natural rate."""
    response_format: Literal["wav", "pcm"] = "wav"
    """What to ask for; pcm must be 24 kHz. gpt-audio answers with wav."""
    usd_per_million_characters: float | None = Field(default=None, ge=0)
    """Price to reckon with in place of the list price; another server is free without one."""


class OpenAISynthesis(openai_api.OpenAIEngine):
    """Every voice speaks every language of the model."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="synthesis",
        name="openai",
        summary="OpenAI's voices: gpt-4o-mini-tts (takes instructions), tts-1, tts-1-hd, "
        "gpt-audio-1.5",
        licence=openai_api.LICENCE,
        languages=openai_api.LANGUAGES,
        extra="cloud",
        key=openai_api.KEY,
        hosted=True,
        price="gpt-4o-mini-tts about $0.015 a minute; tts-1 $15, tts-1-hd $30 a million "
        "characters; gpt-audio-1.5 about $0.085 a minute (list prices, November 2026)",
        limits="4096 characters a request (2000 for gpt-4o-mini-tts, 1000 for gpt-audio): longer "
        "lines go in sentences. OpenAI shuts down tts-1, tts-1-hd and gpt-4o-mini-tts on "
        "2027-01-06 and names no other model for this endpoint; gpt-audio-1.5, by chat, has no "
        "announced end (gpt-audio and gpt-audio-mini end on 2027-01-20). gpt-audio takes no speed: "
        "its speech is stretched; and it may not keep to the words: a line it alters is asked for "
        "again",
        voices=f"{', '.join(VOICES)}; the voices setting names others",
    )
    Params: ClassVar[type[Params]] = OpenAISynthesisParams
    params: OpenAISynthesisParams

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)

    @property
    def lines_at_once(self) -> int:
        return self.runtime.requests_at_once

    def identity(self) -> dict[str, Any]:
        params = self.params.model_dump(
            mode="json", exclude={"key_variable", "usd_per_million_characters"}
        )
        return {"engine": "openai", "version": 1, "params": params}

    def quote(self, amount: float) -> float:
        return self._priced.quote(amount)

    def voices(self, language: str) -> tuple[Voice, ...]:
        tag = languages.base(language)
        if self._spoken and tag not in self._spoken:
            return ()
        return tuple(
            Voice(
                name=name,
                language=tag,
                sex=SEX.get(name, "unknown"),
                licence=openai_api.LICENCE,
            )
            for name in self._names()
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
        pieces = [self._say(part, request) for part in split(text, self._model.longest)]
        return line.join(pieces, [_PAUSE_S] * (len(pieces) - 1))

    def _say(self, text: str, request: SpeechRequest) -> Speech:
        """One request; what it used is recorded."""
        speak = self._by_chat if self._model.chats else self._by_speech
        speech, usages = boundary.request(
            openai_api.service(self.params),
            lambda: speak(text, request),
            runtime=self.runtime,
            what=f"the line {text[:60]!r}",
            usd=self.quote(len(text)),
        )
        self._record(usages)
        return line.finish(speech.samples, speech.sample_rate)

    def _by_speech(self, text: str, request: SpeechRequest) -> tuple[Speech, list[Usage]]:
        form = self.params.response_format
        options: dict[str, Any] = {
            "model": self.params.model,
            "input": text,
            "voice": _voice(request.voice),
            "response_format": form,
        }
        if self.params.instructions and self._model.instructed:
            options["instructions"] = self._instructions(request)
        speed = round(min(max(request.rate * self.params.speed, _SLOWEST), _FASTEST), 3)
        if speed != 1.0:
            options["speed"] = speed
        content = self._client().audio.speech.create(**options).content
        speech = Speech(*decode(content, pcm_rate=_PCM_RATE if form == "pcm" else None))
        return speech, [self._used(text, speech)]

    def _by_chat(self, text: str, request: SpeechRequest) -> tuple[Speech, list[Usage]]:
        create = self._client().chat.completions.with_raw_response.create
        options = openai_chat.options(
            text,
            model=self.params.model,
            voice=_voice(request.voice),
            instructions=self._instructions(request),
        )
        answer = openai_chat.read(create(**options).content)
        tokens = self._priced.usd_per_million_tokens
        usages = answer.usages(ENGINE, self.params.model, tokens) if tokens is not None else []
        try:
            samples, rate = decode(answer.sound(text))
        except Garbled:
            self._record(usages)  # an answer that is of no use is billed like any other
            raise
        if tokens is None:
            usages = [self._used(text, Speech(samples, rate))]
        speed = min(max(request.rate * self.params.speed, _STRETCH[0]), _STRETCH[1])
        if abs(speed - 1) > 0.001:
            samples = time_stretch(samples, rate, speed)
        return Speech(samples, rate), usages

    def _record(self, usages: list[Usage]) -> None:
        for used in usages:
            self.runtime.meter.record(used)

    def _instructions(self, request: SpeechRequest) -> str:
        return self.params.instructions.replace("{language}", languages.name(request.language))

    def _used(self, text: str, speech: Speech) -> Usage:
        """What is not counted in tokens: characters, or seconds of speech."""
        model, priced = self.params.model, self._priced
        if priced.usd_per_million_characters is not None:
            n = len(text)
            usd = n * priced.usd_per_million_characters / 1e6
            return Usage(engine=ENGINE, model=model, unit="characters", quantity=n, usd=usd)
        seconds = round(speech.duration, 3)
        usd = seconds / 60 * priced.usd_per_minute
        return Usage(engine=ENGINE, model=model, unit="seconds", quantity=seconds, usd=usd)

    @property
    def _spoken(self) -> frozenset[str]:
        """The languages of the voices; nobody knows those of another server's: empty, any."""
        return frozenset() if self.params.voices else openai_api.LANGUAGES

    def _names(self) -> tuple[str, ...]:
        if self.params.voices:
            return self.params.voices
        return self._model.voices

    @property
    def _model(self) -> Model:
        return model_of(self.params.model)

    @property
    def _priced(self) -> Model:
        """The model with the price to reckon with: the settings', another server's, the list's."""
        own = self.params.usd_per_million_characters
        if own is not None:
            return replace(self._model, usd_per_million_characters=own, usd_per_million_tokens=None)
        return free(self._model) if self.params.base_url else self._model


def _voice(name: str) -> str | dict[str, str]:
    return {"id": name} if name.startswith(_OWN_VOICE) else name


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
