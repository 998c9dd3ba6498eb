"""What every synthesizer promises, as functions: each engine's contract test calls them.

``engine`` is one that can run here and speaks Spanish; hosted ones are pointed at their simulator.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from onevoice.engines.base import CLONE, CancelToken, Reference, SpeechRequest, Synthesizer
from onevoice.errors import Cancelled, EngineRefused

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
ODD_TEXTS = (
    "Sí.",
    "Hay 3 gatos, 1.5 kg y 20 %",
    "Dijo: «OK» — (tal vez) 😀 … 안녕 hola",
    "<speed level='20'>hola</speed> & $(echo no) `ls` ; | \\",
    "hola\x00mundo\x07\u200b\ud800",
    "una\nlínea\r\n y otra\t más",
    "$#!" * 5 + " hola",
)
EMPTY_TEXTS = ("", "   ", "...", "¿?", "😀", "—\n…")


def ask(engine: Any, text: str = TEXTS["es"], language: str = "es", **more: Any) -> SpeechRequest:
    """A request in the engine's first voice for the language."""
    voice = more.pop("voice", None) or engine.voices(language)[0].name
    return SpeechRequest(text=text, language=language, voice=voice, **more)


def check_is_a_synthesizer(engine: Any) -> None:
    assert isinstance(engine, Synthesizer)
    assert engine.info.kind == "synthesis"
    assert engine.lines_at_once >= 1
    engine.check(engine.runtime)


def check_voices_speak(engine: Any, languages: Iterable[str], *, rated: bool) -> None:
    """Every voice speaks every language it is listed for.

    ``rated``: its natural rate is known, and right within a factor of two.
    """
    heard = 0
    for language in languages:
        for voice in engine.voices(language):
            heard += 1
            assert voice.language == language
            speech = engine.speak(ask(engine, TEXTS[language], language, voice=voice.name))
            rms = float(np.sqrt(np.mean(speech.samples.astype(np.float64) ** 2)))
            assert speech.samples.dtype == np.float32 and speech.samples.ndim == 1
            assert np.all(np.isfinite(speech.samples))
            assert np.abs(speech.samples).max() <= 1.0
            assert rms > 0.005, f"{voice.name} is almost silent"
            if rated:
                assert voice.rate is not None
                expected = len(TEXTS[language]) / voice.rate
                assert expected / 2 < speech.duration < expected * 2, (voice.name, speech.duration)
    assert heard, "it has no voice at all"


def check_length_follows_rate(engine: Any, tolerance: float) -> None:
    text = TEXTS["es"] + " " + TEXTS["es"]
    natural = engine.speak(ask(engine, text)).duration
    for rate in (0.9, 1.15, 1.35):
        length = engine.speak(ask(engine, text, rate=rate)).duration
        assert length * rate == pytest.approx(natural, rel=tolerance), rate


def check_same_request_same_samples(engine: Any) -> None:
    first = engine.speak(ask(engine))
    engine.speak(ask(engine, "Otra frase muy distinta, mientras tanto.", rate=1.2))
    again = engine.speak(ask(engine))
    assert np.array_equal(first.samples, again.samples)


def check_side_by_side(engine: Any) -> None:
    requests = [ask(engine, text) for text in ("Uno y dos.", "Tres y cuatro.", "Cinco y seis.")]
    alone = [engine.speak(request) for request in requests]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(engine.speak, requests))
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one.samples, other.samples)


def check_odd_text(engine: Any, text: str) -> None:
    speech = engine.speak(ask(engine, text))
    assert 0.1 < speech.duration < 20
    assert np.abs(speech.samples).max() > 0.01


def check_nothing_to_say(engine: Any, text: str) -> None:
    with pytest.raises(EngineRefused, match="nothing to say") as caught:
        engine.speak(ask(engine, text))
    assert "keep" in caught.value.hint


def check_long_text(engine: Any) -> None:
    sentence = "El tren sale a las nueve de la mañana y llega por la tarde, si no hay nieve"
    once = engine.speak(ask(engine, sentence)).duration
    length = engine.speak(ask(engine, ". ".join([sentence] * 7))).duration
    assert 6 * once < length < 9 * once


def check_unknown_voice(engine: Any, hint: str = "") -> None:
    """``hint`` is what must be said about it, beside the nearest name where ``{voice}`` stands."""
    voice = engine.voices("es")[0].name
    with pytest.raises(EngineRefused, match="no voice") as caught:
        engine.speak(ask(engine, voice=voice[:-1] + "x"))
    assert (hint or "did you mean '{voice}'").format(voice=voice) in caught.value.hint


def check_unknown_language(engine: Any) -> None:
    voice = engine.voices("es")[0].name
    with pytest.raises(EngineRefused, match="does not speak 'xx'") as caught:
        engine.speak(ask(engine, language="xx", voice=voice))
    assert "es" in caught.value.hint
    assert engine.voices("xx") == ()


def check_bad_rates(engine: Any) -> None:
    for rate in (0.0, -1.0, float("nan")):
        with pytest.raises(EngineRefused, match="no rate"):
            engine.speak(ask(engine, rate=rate))


def check_region_is_no_obstacle(engine: Any) -> None:
    assert engine.voices("es-419") == engine.voices("es")
    assert engine.speak(ask(engine, language="es-419")).duration > 0.5


def check_stops_when_asked(build: Callable[..., Any]) -> None:
    """``build(cancel=token)`` makes the engine; its voices may be asked for before."""
    token = CancelToken()
    engine = build(cancel=token)
    request = ask(engine)
    token.cancel()
    try:
        with pytest.raises(Cancelled):
            engine.speak(request)
    finally:
        engine.close()


def check_speaks_again_after_close(engine: Any) -> None:
    before = engine.speak(ask(engine))
    engine.close()
    assert np.array_equal(engine.speak(ask(engine)).samples, before.samples)


def check_identity(engine: Any, same: Any, other: Any) -> None:
    """``same`` is built alike; ``other`` with a setting that alters the sound."""
    assert json.loads(json.dumps(engine.identity())) == engine.identity()
    assert same.identity() == engine.identity()
    assert other.identity() != engine.identity()


def check_clones(engine: Any, reference: Reference) -> None:
    """A cloning engine takes a reference with the voice ``clone``, and asks for it."""
    assert engine.clones
    cloned = engine.speak(ask(engine, voice=CLONE, reference=reference))
    own = engine.speak(ask(engine))
    assert cloned.duration > 0.5
    assert not np.array_equal(cloned.samples, own.samples)
    with pytest.raises(EngineRefused, match="clone"):
        engine.speak(ask(engine, voice=CLONE))
