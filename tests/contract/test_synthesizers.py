"""What every synthesizer promises, held against each one that needs no key."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onevoice.engines import registry
from onevoice.engines.base import CancelToken, Runtime, SpeechRequest, Synthesizer
from onevoice.errors import Cancelled, EngineRefused

pytestmark = pytest.mark.models

TEXTS = {
    "de": "Guten Morgen, wie geht es Ihnen?",
    "en": "Good morning, how are you today?",
    "es": "Buenos días, ¿cómo están ustedes?",
    "fr": "Bonjour, comment allez-vous ?",
    "hi": "नमस्ते, आप कैसे हैं?",
    "it": "Buongiorno, come state oggi?",
    "ja": "おはようございます。",
    "ko": "안녕하세요, 오늘 날씨가 좋네요.",
    "pt": "Bom dia, como vocês estão?",
}
ENGINES = ("kokoro", "pico")
RATE_TOLERANCE = {"kokoro": 0.05, "pico": 0.15}
"""Kokoro is a 25 ms frame off here and there; Pico's pauses between clauses never shrink."""
_built: dict[str, Any] = {}


@pytest.fixture(scope="module", autouse=True)
def closing() -> Iterator[None]:
    yield
    for engine in _built.values():
        engine.close()
    _built.clear()


def build(name: str, **runtime: Any) -> Any:
    folder = Path(os.environ["ONEVOICE_CACHE_DIR"]) / "models"
    return registry.create("synthesis", name, {}, Runtime(models_dir=folder, threads=2, **runtime))


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Any:
    name = request.param
    if name not in _built:
        _built[name] = build(name)
    return _built[name]


def ask(engine: Any, text: str = TEXTS["es"], language: str = "es", **more: Any) -> SpeechRequest:
    voice = more.pop("voice", None) or engine.voices(language)[0].name
    return SpeechRequest(text=text, language=language, voice=voice, **more)


def test_is_a_synthesizer_that_can_run_here(engine: Any) -> None:
    assert isinstance(engine, Synthesizer)
    engine.check(engine.runtime)


def test_every_voice_speaks_every_language_it_is_listed_for(engine: Any) -> None:
    for language in sorted(engine.info.languages):
        for voice in engine.voices(language):
            assert voice.language == language
            speech = engine.speak(ask(engine, TEXTS[language], language, voice=voice.name))
            rms = float(np.sqrt(np.mean(speech.samples.astype(np.float64) ** 2)))
            assert speech.samples.dtype == np.float32 and speech.samples.ndim == 1
            assert np.all(np.isfinite(speech.samples))
            assert np.abs(speech.samples).max() <= 1.0
            assert rms > 0.005, f"{voice.name} is almost silent"
            assert voice.rate is not None
            expected = len(TEXTS[language]) / voice.rate
            assert expected / 2 < speech.duration < expected * 2, (voice.name, speech.duration)


def test_length_follows_the_rate(engine: Any) -> None:
    text = TEXTS["es"] + " " + TEXTS["es"]
    natural = engine.speak(ask(engine, text)).duration
    for rate in (0.9, 1.15, 1.35):
        length = engine.speak(ask(engine, text, rate=rate)).duration
        assert length * rate == pytest.approx(natural, rel=RATE_TOLERANCE[engine.info.name]), rate


def test_the_same_request_gives_the_same_samples(engine: Any) -> None:
    first = engine.speak(ask(engine))
    engine.speak(ask(engine, "Otra frase muy distinta, mientras tanto.", rate=1.2))
    again = engine.speak(ask(engine))
    assert np.array_equal(first.samples, again.samples)


def test_lines_spoken_side_by_side_are_those_spoken_alone(engine: Any) -> None:
    requests = [ask(engine, text) for text in ("Uno y dos.", "Tres y cuatro.", "Cinco y seis.")]
    alone = [engine.speak(request) for request in requests]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(engine.speak, requests))
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one.samples, other.samples)


@pytest.mark.parametrize(
    "text",
    [
        "Sí.",
        "Hay 3 gatos, 1.5 kg y 20 %",
        "Dijo: «OK» — (tal vez) 😀 … 안녕 hola",
        "<speed level='20'>hola</speed> & $(echo no) `ls` ; | \\",
        "hola\x00mundo\x07\u200b\ud800",
        "una\nlínea\r\n y otra\t más",
        "$#!" * 5 + " hola",
    ],
)
def test_odd_text_is_spoken(engine: Any, text: str) -> None:
    speech = engine.speak(ask(engine, text))
    assert 0.1 < speech.duration < 20
    assert np.abs(speech.samples).max() > 0.01


@pytest.mark.parametrize("text", ["", "   ", "...", "¿?", "😀", "—\n…"])
def test_text_with_nothing_to_say_is_refused(engine: Any, text: str) -> None:
    with pytest.raises(EngineRefused, match="nothing to say") as caught:
        engine.speak(ask(engine, text))
    assert "keep" in caught.value.hint


def test_very_long_text_is_spoken_whole(engine: Any) -> None:
    sentence = "El tren sale a las nueve de la mañana y llega por la tarde, si no hay nieve"
    once = engine.speak(ask(engine, sentence)).duration
    length = engine.speak(ask(engine, ". ".join([sentence] * 7))).duration
    assert 6 * once < length < 9 * once


def test_refusals_name_what_there_is(engine: Any) -> None:
    voice = engine.voices("es")[0].name
    with pytest.raises(EngineRefused, match="no voice") as caught:
        engine.speak(ask(engine, voice=voice[:-1] + "x"))
    assert f"did you mean '{voice}'" in caught.value.hint
    with pytest.raises(EngineRefused, match="does not speak 'xx'") as caught:
        engine.speak(ask(engine, language="xx", voice=voice))
    assert "es" in caught.value.hint
    with pytest.raises(EngineRefused, match="does not speak 'it'"):
        engine.speak(ask(engine, language="it", voice=voice))
    for rate in (0.0, -1.0, float("nan")):
        with pytest.raises(EngineRefused, match="no rate"):
            engine.speak(ask(engine, rate=rate))
    assert engine.voices("xx") == ()


def test_region_of_a_tag_is_no_obstacle(engine: Any) -> None:
    assert engine.voices("es-419") == engine.voices("es")
    assert engine.speak(ask(engine, language="es-419")).duration > 0.5


def test_stops_when_asked_to(engine: Any) -> None:
    token = CancelToken()
    stopped = build(engine.info.name, cancel=token)
    token.cancel()
    try:
        with pytest.raises(Cancelled):
            stopped.speak(ask(engine))
    finally:
        stopped.close()


def test_speaks_again_after_close(engine: Any) -> None:
    before = engine.speak(ask(engine))
    engine.close()
    assert np.array_equal(engine.speak(ask(engine)).samples, before.samples)


def test_identity_is_json_and_tells_settings_apart(engine: Any) -> None:
    other = registry.create("synthesis", engine.info.name, {"speed": 1.2}, engine.runtime)
    assert json.loads(json.dumps(engine.identity())) == engine.identity()
    assert other.identity() != engine.identity()
    assert build(engine.info.name).identity() == engine.identity()
