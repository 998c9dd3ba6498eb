"""An example of an engine: the letters of a line, sung as vowels by adding sines."""

from __future__ import annotations

import unicodedata
from difflib import get_close_matches
from typing import ClassVar

import numpy as np
from pydantic import Field

from onevoice.engines.base import EngineBase, EngineInfo, Params, Speech, SpeechRequest, Voice
from onevoice.engines.synthesis.line import finish, nothing_to_say
from onevoice.errors import EngineRefused
from onevoice.languages import base

SAMPLE_RATE = 16_000
LETTERS_PER_SECOND = 14.0
PITCH_HZ = {"low": 110.0, "high": 210.0}
FORMANT_HZ = {"a": 800.0, "e": 550.0, "i": 300.0, "o": 450.0, "u": 350.0}


class ExampleParams(Params):
    """Settings under ``synthesis.example``."""

    speed: float = Field(default=1.0, ge=0.5, le=2.0)


class Example(EngineBase):
    """A synthesizer: ``onevoice.engines.base.Synthesizer`` says what it must do."""

    info = EngineInfo(
        kind="synthesis",
        name="example",
        summary="an example: sings the letters of a line",
        licence="Apache-2.0",
        languages=frozenset({"en", "es", "pt"}),
        quality="draft",
        advice="synthesis.engine=kokoro speaks",
    )
    Params: ClassVar[type[Params]] = ExampleParams
    lines_at_once = 1

    def voices(self, language: str) -> tuple[Voice, ...]:
        tag = base(language)
        names = PITCH_HZ if tag in self.info.languages else {}
        return tuple(Voice(name=name, language=tag, rate=LETTERS_PER_SECOND) for name in names)

    def speak(self, request: SpeechRequest) -> Speech:
        self.runtime.cancel.check()
        if not self.voices(request.language):
            there = ", ".join(sorted(self.info.languages))
            said = f"example does not speak {request.language!r}"
            raise EngineRefused(said, hint=f"it speaks: {there}")
        if request.voice not in PITCH_HZ:
            near = get_close_matches(request.voice, PITCH_HZ, n=1, cutoff=0.0)
            said = f"example has no voice {request.voice!r}"
            raise EngineRefused(said, hint=f"did you mean {near[0]!r}?")
        if not request.rate > 0:
            raise EngineRefused(f"{request.rate} is no rate", hint="1.0 is the natural rate")
        plain = unicodedata.normalize("NFD", request.text.lower())
        letters = [char for char in plain if "a" <= char <= "z"]
        if not letters:
            raise nothing_to_say(request.text, request.language)
        rate = LETTERS_PER_SECOND * request.rate * self.params.speed
        return finish(sing(letters, PITCH_HZ[request.voice], rate), SAMPLE_RATE)


def sing(letters: list[str], pitch_hz: float, rate: float) -> np.ndarray:
    """Harmonics of the pitch for each letter, strong where the vowel's formant is."""
    harmonics = pitch_hz * np.arange(1, 9)
    length = round(SAMPLE_RATE / rate)
    tones = []
    for number, letter in enumerate(letters):
        time = np.arange(number * length, (number + 1) * length) / SAMPLE_RATE
        gains = np.exp(-(((harmonics - FORMANT_HZ.get(letter, 250.0)) / 150) ** 2))
        tones.append(0.3 * gains @ np.sin(2 * np.pi * np.outer(harmonics, time)))
    return np.concatenate(tones).astype(np.float32)
