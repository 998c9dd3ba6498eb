"""Engines for tests of the pipeline: small, fast, and with the habits of real ones.

They hear what a :class:`Scene` says, translate by a visible mark, and speak tones whose length
follows the text, so that a test can tell from a result who made what. Each call is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from onevoice.engines.base import (
    EngineBase,
    EngineInfo,
    Params,
    Progress,
    Speech,
    SpeechRequest,
    TranslationRequest,
    TranslationResult,
    Voice,
)
from onevoice.errors import EngineFailed, EngineRefused
from onevoice.types import Recognition, Segment, Summary, Turn, Usage, Word


@dataclass
class Scene:
    """What the fake engines do, and what they were asked."""

    sentences: list[tuple[float, float, str]] = field(default_factory=list)
    language: str = "en"
    probability: float = 0.98
    calls: Counter[str] = field(default_factory=Counter)
    spoken: list[SpeechRequest] = field(default_factory=list)
    seconds_per_character: float = 0.045
    fail_on: str = ""
    """A text that the synthesizer breaks on."""
    down: str = ""
    """Name of a paid engine that is out of order."""
    usd: float = 0.01
    """What a paid engine charges for a line, a sentence, or a film."""
    asked: list[TranslationRequest] = field(default_factory=list)
    hints: tuple[str, ...] = ()
    copies: set[str] = field(default_factory=set)
    """Voices the paid synthesizer's service has a copy of, by digest."""


SCENE = Scene()


class FakeSeparator(EngineBase):
    info = EngineInfo(kind="separation", name="fake", summary="halves", licence="test")
    separates = True

    def separate(self, mix: Path, *, speech: Path, bed: Path, progress: Progress) -> None:
        SCENE.calls["separate"] += 1
        samples, rate = sf.read(mix, dtype="float32", always_2d=True)
        for path, part in ((speech, samples * 0.75), (bed, samples * 0.25)):
            sf.write(path, part, rate, subtype="FLOAT", format="WAV")
        progress(1.0)


class FakeRecognizer(EngineBase):
    info = EngineInfo(kind="recognition", name="fake", summary="knows the scene", licence="test")

    def transcribe(
        self, audio: Path, *, language: str | None, hints: Sequence[str], progress: Progress
    ) -> Recognition:
        SCENE.calls["transcribe"] += 1
        SCENE.hints = tuple(hints)
        words: list[Word] = []
        for start, end, text in SCENE.sentences:
            parts = text.split()
            step = (end - start) / max(1, len(parts))
            for i, part in enumerate(parts):
                words.append(Word(text=part, start=start + i * step, end=start + (i + 0.9) * step))
        progress(1.0)
        return Recognition(
            language=language or SCENE.language,
            language_probability=1.0 if language else SCENE.probability,
            words=tuple(words),
            duration=sf.info(audio).duration,
        )


class FakePolyglot(FakeRecognizer):
    """Hears every sentence in its own language, which stands in front of it: ``<es> Hola.``"""

    info = EngineInfo(kind="recognition", name="polyglot", summary="several", licence="test")

    def transcribe_each(
        self, audio: Path, *, language: str | None, hints: Sequence[str], progress: Progress
    ) -> Recognition:
        heard = self.transcribe(audio, language=language, hints=hints, progress=progress)
        words: list[Word] = []
        foreign = ""
        for word in heard.words:
            if word.text.startswith("<"):
                foreign = word.text.strip("<>")
                continue
            words.append(replace(word, language="" if foreign == heard.language else foreign))
        return replace(heard, words=tuple(words))


class FakeDiarizer(EngineBase):
    info = EngineInfo(kind="diarization", name="fake", summary="in turn", licence="test")

    def diarize(
        self, audio: Path, words: Sequence[Word], *, speakers: int | None, progress: Progress
    ) -> tuple[Turn, ...]:
        SCENE.calls["diarize"] += 1
        turns = []
        for i, (start, end, _) in enumerate(SCENE.sentences):
            turns.append(Turn(speaker=f"S{i % (speakers or 1) + 1}", start=start, end=end))
        return tuple(turns)


class FakeTranslator(EngineBase):
    """Not a language model: it cannot shorten."""

    info = EngineInfo(kind="translation", name="fake", summary="marks", licence="test")

    def supports(self, source: str, target: str) -> bool:
        return target != "fr"

    def translate(
        self,
        requests: Sequence[TranslationRequest],
        *,
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        for request in requests:
            SCENE.calls["translate"] += 1
            self.runtime.cancel.check()
            yield TranslationResult(id=request.id, text=f"{target}: {request.text}")


class FakeModelParams(Params):
    wordy: int = 1


class FakeModel(FakeTranslator):
    """A language model that pads its translations and can shorten them to a budget."""

    info = EngineInfo(
        kind="translation",
        name="fakemodel",
        summary="pads",
        licence="test",
        quality="draft",
        advice="use a real one",
    )
    Params = FakeModelParams

    def translate(
        self,
        requests: Sequence[TranslationRequest],
        *,
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        for request in requests:
            SCENE.calls["translate"] += 1
            text = " ".join([request.text.rstrip(".")] * self.params.wordy) + "."
            yield TranslationResult(id=request.id, text=text)

    def shorten(
        self,
        requests: Sequence[TranslationRequest],
        *,
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        for request in requests:
            SCENE.calls["shorten"] += 1
            assert request.budget is not None
            words: list[str] = []
            for word in request.previous.rstrip(".").split():
                if len(" ".join([*words, word])) + 1 > request.budget:
                    break
                words.append(word)
            yield TranslationResult(id=request.id, text=" ".join(words) + ".")

    def summarize(self, segments: Sequence[Segment], *, language: str) -> Summary:
        SCENE.calls["summarize"] += 1
        return Summary(synopsis=f"{len(segments)} sentences", register="formal")


class FakeSynthesizer(EngineBase):
    info = EngineInfo(kind="synthesis", name="fake", summary="tones", licence="test")
    lines_at_once = 1

    def voices(self, language: str) -> tuple[Voice, ...]:
        if language not in {"en", "es", "ko", "pt"}:
            return ()
        return (
            Voice(name="low", language=language, sex="male", pitch_hz=110.0),
            Voice(name="high", language=language, sex="female", pitch_hz=210.0),
        )

    def speak(self, request: SpeechRequest) -> Speech:
        if request.voice not in {"low", "high"}:
            raise EngineRefused(f"no voice {request.voice!r}", hint="try low")
        SCENE.calls["speak"] += 1
        if SCENE.fail_on and SCENE.fail_on in request.text:
            raise EngineFailed(f"broke on {request.text!r}", hint="try again")
        SCENE.spoken.append(request)
        rate = 24_000
        seconds = max(0.2, len(request.text) * SCENE.seconds_per_character) / request.rate
        time = np.arange(int(seconds * rate)) / rate
        pitch = 110.0 if request.voice == "low" else 210.0
        return Speech((0.3 * np.sin(2 * np.pi * pitch * time)).astype(np.float32), rate)


class PaidModel(FakeModel):
    """A hosted language model that reads context, reviews, and charges for each sentence."""

    info = EngineInfo(
        kind="translation", name="paidmodel", summary="charges", licence="test", hosted=True
    )
    uses_context = True

    def quote(self, amount: float) -> float:
        return SCENE.usd * amount / 25

    def translate(
        self,
        requests: Sequence[TranslationRequest],
        *,
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        yield from self._charged("translate", requests, lambda r: f"{target}: {r.text}")

    def review(
        self,
        requests: Sequence[TranslationRequest],
        *,
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        yield from self._charged("review", requests, lambda r: r.previous.upper())

    def _charged(
        self, verb: str, requests: Sequence[TranslationRequest], say: Any
    ) -> Iterator[TranslationResult]:
        for request in requests:
            _broken("paidmodel")
            SCENE.calls[verb] += 1
            SCENE.asked.append(request)
            usage = charge(self, len(request.text))
            yield TranslationResult(id=request.id, text=say(request), usage=(usage,))


class PaidSynthesizer(FakeSynthesizer):
    """A hosted synthesizer: it charges, clones, and listens to what stands around a line."""

    info = EngineInfo(
        kind="synthesis", name="paid", summary="charges", licence="test", hosted=True, key="X_KEY"
    )
    lines_at_once = 3
    clones = True
    uses_neighbours = True

    def quote(self, amount: float) -> float:
        return SCENE.usd * amount / 25

    def voices(self, language: str) -> tuple[Voice, ...]:
        return (
            Voice(name="dear", language=language, sex="male", pitch_hz=120.0),
            Voice(name="clone", language=language),
        )

    def speak(self, request: SpeechRequest) -> Speech:
        _broken("paid")
        if SCENE.fail_on and SCENE.fail_on in request.text:
            raise EngineFailed(f"broke on {request.text!r}", hint="try again")
        SCENE.calls["paid"] += 1
        if request.reference is not None:
            SCENE.copies.add(request.reference.digest)
        SCENE.spoken.append(request)
        charge(self, len(request.text))
        time = np.arange(int(len(request.text) * SCENE.seconds_per_character * 24_000)) / 24_000
        return Speech((0.3 * np.sin(2 * np.pi * 150 * time)).astype(np.float32), 24_000)

    def forget(self, digest: str) -> bool:
        _broken("paid")
        there = digest in SCENE.copies
        SCENE.copies.discard(digest)
        return there


def charge(engine: EngineBase, quantity: float) -> Usage:
    """Book what a request of a paid engine costs."""
    usage = Usage(
        engine=f"{engine.info.kind}.{engine.info.name}",
        model="m",
        unit="characters",
        quantity=quantity,
        usd=SCENE.usd,
    )
    engine.runtime.meter.record(usage)
    return usage


def _broken(name: str) -> None:
    if SCENE.down == name:
        raise EngineFailed(f"{name} is out of order", hint="wait")


ENGINES: dict[tuple[str, str], type[Any]] = {
    ("separation", "fake"): FakeSeparator,
    ("recognition", "fake"): FakeRecognizer,
    ("recognition", "polyglot"): FakePolyglot,
    ("diarization", "fake"): FakeDiarizer,
    ("translation", "fake"): FakeTranslator,
    ("translation", "fakemodel"): FakeModel,
    ("translation", "paidmodel"): PaidModel,
    ("synthesis", "fake"): FakeSynthesizer,
    ("synthesis", "paid"): PaidSynthesizer,
}
