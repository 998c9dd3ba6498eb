"""The requests, the sound and the bill of the OpenAI synthesizer, against the simulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openai")

from onevoice.engines.base import CLONE, Runtime, SpeechRequest
from onevoice.engines.metering import Meter, collecting
from onevoice.engines.synthesis.openai import OpenAISynthesis, OpenAISynthesisParams, split
from onevoice.engines.synthesis.openai_models import VOICES
from onevoice.errors import (
    BudgetExceeded,
    EngineFailed,
    EngineRateLimited,
    EngineRefused,
    EngineUnavailable,
    OneVoiceError,
)
from tests.simulators.base import KEY
from tests.simulators.openai import OpenAISimulator
from tests.simulators.sound import SECONDS_PER_CHARACTER

TEXT = "Buenos días, ¿cómo están ustedes?"


@pytest.fixture
def sim(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAISimulator]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with OpenAISimulator() as sim:
        yield sim


def build(
    sim: OpenAISimulator,
    *,
    limit: float | None = None,
    offline: bool = False,
    timeout: float = 10.0,
    **params: Any,
) -> OpenAISynthesis:
    settings = OpenAISynthesisParams(
        **{"base_url": f"{sim.url}/v1", "key_variable": "OPENAI_API_KEY", **params}
    )
    runtime = Runtime(
        models_dir=Path(), backoff=0.01, timeout=timeout, meter=Meter(limit), offline=offline
    )
    return OpenAISynthesis(settings, runtime)


def at_openai(model: str) -> OpenAISynthesis:
    return OpenAISynthesis(OpenAISynthesisParams(model=model), Runtime(models_dir=Path()))


def request(text: str = TEXT, **more: Any) -> SpeechRequest:
    return SpeechRequest(**{"text": text, "language": "es", "voice": "coral"} | more)


def test_the_request_of_gpt_4o_mini_tts(sim: OpenAISimulator) -> None:
    with build(sim, instructions="As a {language} pirate. {x}") as engine:
        speech = engine.speak(request(rate=1.25, language="pt-BR"))
    (entry,) = sim.log
    assert (entry.method, entry.path, entry.key_right) == ("POST", "/v1/audio/speech", True)
    assert entry.headers["x-stainless-retry-count"] == "0"
    assert entry.body == {
        "model": "gpt-4o-mini-tts",
        "input": TEXT,
        "voice": "coral",
        "response_format": "wav",
        "instructions": "As a Brazilian Portuguese pirate. {x}",
        "speed": 1.25,
    }
    # The silence at both ends is gone but for 20 ms.
    assert speech.sample_rate == 24_000
    assert speech.duration == pytest.approx(len(TEXT) * SECONDS_PER_CHARACTER / 1.25, abs=0.06)


def test_the_request_of_tts_1(sim: OpenAISimulator) -> None:
    with build(sim, model="tts-1", response_format="pcm") as engine:
        pcm = engine.speak(request())
    assert sim.log[0].body == {
        "model": "tts-1",
        "input": TEXT,
        "voice": "coral",
        "response_format": "pcm",
    }
    with build(sim, model="tts-1") as engine:
        wav = engine.speak(request())
    assert len(pcm.samples) == len(wav.samples)


@pytest.mark.parametrize(
    ("rate", "speed", "sent"),
    [(1.0, 1.0, None), (1.3, 1.0, 1.3), (1.2, 1.5, 1.8), (9.0, 1.0, 4.0), (0.01, 1.0, 0.25)],
)
def test_rate_becomes_speed_within_what_the_service_takes(
    sim: OpenAISimulator, rate: float, speed: float, sent: float | None
) -> None:
    with build(sim, speed=speed) as engine:
        engine.speak(request(rate=rate))
    assert sim.log[0].body.get("speed") == sent


def test_voices_of_each_model_and_ones_own(sim: OpenAISimulator) -> None:
    mini, old = build(sim), build(sim, model="tts-1-hd")
    assert [v.name for v in mini.voices("ko")] == list(VOICES)
    assert {"marin", "verse"}.isdisjoint(v.name for v in old.voices("ko"))
    # Casting by pitch finds a voice of each sex near the top.
    assert {v.sex for v in mini.voices("ko")[:2]} == {"female", "male"}
    assert {v.name for v in mini.voices("ko") if v.sex == "unknown"} == {"alloy", "fable"}
    assert mini.voices("tlh") == ()
    with pytest.raises(EngineRefused, match="no voice 'marin'"):
        old.speak(request(voice="marin"))
    with pytest.raises(EngineRefused, match="no voice"):
        mini.speak(request(voice=CLONE))
    assert sim.log == []
    with build(sim, voices=("voice_123",)) as own:
        assert [v.name for v in own.voices("tlh")] == ["voice_123"]
        own.speak(request(voice="voice_123", language="tlh"))
    assert sim.log[0].body["voice"] == {"id": "voice_123"}


@pytest.mark.parametrize(
    ("model", "units"),
    [
        ("gpt-4o-mini-tts", {"seconds"}),
        ("tts-1", {"characters"}),
        ("gpt-audio-1.5", {"input tokens", "output tokens", "audio tokens"}),
    ],
)
def test_what_is_recorded_is_what_is_billed_and_another_server_is_free(
    sim: OpenAISimulator, model: str, units: set[str]
) -> None:
    with collecting() as used, build(sim, model=model, limit=0.0) as engine:
        assert engine.quote(1000) == 0.0
        for text in ("Uno.", "Dos y tres."):
            engine.speak(request(text))
    assert {(u.engine, u.model) for u in used} == {("synthesis.openai", model)}
    for unit in units:
        quantity = sum(u.quantity for u in used if u.unit == unit)
        assert quantity == pytest.approx(sim.bill.total(unit, model=model)) and quantity > 0
    assert {u.unit for u in used} == units
    assert {u.usd for u in used} == {0.0}


@pytest.mark.parametrize("model", ["gpt-4o-mini-tts", "tts-1", "gpt-audio-1.5", "kokoro"])
def test_a_price_of_ones_own_is_by_character(sim: OpenAISimulator, model: str) -> None:
    engine = build(sim, model=model, usd_per_million_characters=1e4)
    assert engine.quote(100) == pytest.approx(1.0)
    if model == "kokoro":
        return
    with collecting() as used, engine:
        engine.speak(request())
    assert [(u.unit, u.quantity) for u in used] == [("characters", len(TEXT))]
    assert engine.runtime.meter.spent == pytest.approx(len(TEXT) / 100)


def test_list_prices() -> None:
    assert at_openai("tts-1").quote(1_000_000) == pytest.approx(15.0)
    assert at_openai("tts-1-hd").quote(1_000_000) == pytest.approx(30.0)
    assert at_openai("gpt-4o-mini-tts-2025-12-15").quote(1000) == pytest.approx(65 / 60 * 0.015)
    assert at_openai("gpt-audio-1.5").quote(1000) == pytest.approx(65 / 60 * 0.085)
    assert at_openai("kokoro").quote(1000) == 0.0


def test_the_request_of_gpt_audio(sim: OpenAISimulator) -> None:
    with build(sim, model="gpt-audio-1.5", instructions="Speak {language}.") as engine:
        natural = engine.speak(request())
        fast = engine.speak(request(rate=1.25))
    entry = sim.log[0]
    assert (entry.method, entry.path, entry.key_right) == ("POST", "/v1/chat/completions", True)
    system, user = entry.body.pop("messages")
    assert entry.body == {
        "model": "gpt-audio-1.5",
        "modalities": ["text", "audio"],
        "audio": {"voice": "coral", "format": "wav"},
    }
    # The line stands alone: nothing of it is among the orders.
    assert user == {"role": "user", "content": TEXT}
    assert system["role"] == "system" and system["content"].endswith("Speak Spanish.")
    assert TEXT not in system["content"]
    assert natural.duration == pytest.approx(len(TEXT) * SECONDS_PER_CHARACTER, abs=0.06)
    assert fast.duration == pytest.approx(natural.duration / 1.25, rel=0.03)


@pytest.mark.parametrize("quirk", ["chatty", "answers", "mute"])
def test_a_line_that_was_altered_is_asked_for_again(sim: OpenAISimulator, quirk: str) -> None:
    sim.quirks = [quirk]
    with collecting() as used, build(sim, model="gpt-audio-1.5") as engine:
        speech = engine.speak(request())
    assert speech.duration == pytest.approx(len(TEXT) * SECONDS_PER_CHARACTER, abs=0.06)
    assert len(sim.log) == 2
    for unit in ("input tokens", "output tokens", "audio tokens"):
        assert sum(u.quantity for u in used if u.unit == unit) == sim.bill.total(unit)


def test_a_model_that_never_keeps_to_the_words_fails(sim: OpenAISimulator) -> None:
    sim.quirks = ["answers"] * 50
    with (
        pytest.raises(EngineFailed, match="other words"),
        build(sim, model="gpt-audio-1.5") as engine,
    ):
        engine.speak(request())
    assert len(sim.log) == engine.runtime.attempts


def test_long_text_goes_in_whole_sentences(sim: OpenAISimulator) -> None:
    sentence = "El tren sale a las nueve de la mañana y llega por la tarde."
    with build(sim) as engine:
        speech = engine.speak(request(" ".join([sentence] * 70)))
    sent = [entry.body["input"] for entry in sim.log]
    assert [len(text) <= 2000 and text.endswith("tarde.") for text in sent] == [True] * 3
    assert " ".join(sent) == " ".join([sentence] * 70)
    spoken = sum(map(len, sent)) * SECONDS_PER_CHARACTER
    assert speech.duration == pytest.approx(spoken + 2 * 0.35, abs=0.2)


@pytest.mark.parametrize(
    ("text", "longest", "wanted"),
    [
        ("One. Two! Three?", 9, ["One. Two!", "Three?"]),
        ("One. Two! Three?", 99, ["One. Two! Three?"]),
        ("今日は。いい天気。", 5, ["今日は。", "いい天気。"]),
        ("a few words too many", 9, ["a few", "words too", "many"]),
        ("unbreakable", 4, ["unbr", "eaka", "ble"]),
        ("", 4, []),
    ],
)
def test_split(text: str, longest: int, wanted: list[str]) -> None:
    assert split(text, longest) == wanted


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 429, "retry_after": 0.05},
        {"kind": "status", "status": 500, "times": 2},
        {"kind": "slow", "seconds": 1.3},
        {"kind": "cut"},
        {"kind": "body", "body": '{"error": "oops"}'},
        {"kind": "body", "body": ""},
    ],
)
def test_troubles_that_pass_are_waited_out(sim: OpenAISimulator, fault: dict[str, Any]) -> None:
    sim.faults.plan(**fault)
    with collecting() as used, build(sim, timeout=1.0) as engine:
        assert engine.speak(request()).duration > 1
    assert sim.faults.left == 0
    assert sum(u.quantity for u in used) == sim.bill.total("seconds")


@pytest.mark.parametrize(
    ("fault", "error", "hint"),
    [
        ({"status": 401}, EngineUnavailable, "OPENAI_API_KEY"),
        ({"status": 429, "code": "insufficient_quota"}, EngineUnavailable, "credit"),
        ({"status": 402}, EngineUnavailable, "credit"),
        ({"status": 400, "code": "content_policy_violation"}, EngineRefused, "change"),
        ({"status": 422}, EngineRefused, "change"),
    ],
)
def test_troubles_that_stay_are_not_tried_again(
    sim: OpenAISimulator, fault: dict[str, Any], error: type[OneVoiceError], hint: str
) -> None:
    sim.faults.plan("status", **fault)
    with pytest.raises(error) as caught, build(sim) as engine:
        engine.speak(request())
    assert hint in caught.value.hint
    assert TEXT in caught.value.message
    assert (len(sim.log), sim.bill.count) == (1, 0)


@pytest.mark.parametrize(("status", "error"), [(429, EngineRateLimited), (500, EngineFailed)])
def test_attempts_end(sim: OpenAISimulator, status: int, error: type[OneVoiceError]) -> None:
    sim.faults.plan("status", status=status, times=50)
    with pytest.raises(error), build(sim) as engine:
        engine.speak(request())
    assert len(sim.log) == engine.runtime.attempts


def test_no_request_beyond_the_budget_or_offline(sim: OpenAISimulator) -> None:
    with (
        pytest.raises(BudgetExceeded),
        build(sim, limit=1e-6, usd_per_million_characters=15.0) as engine,
    ):
        engine.speak(request())
    with pytest.raises(EngineUnavailable, match="offline"), build(sim, offline=True) as engine:
        engine.speak(request())
    assert sim.log == []


def test_lines_go_side_by_side_up_to_the_limit(sim: OpenAISimulator) -> None:
    sim.faults.plan("slow", seconds=0.1, times=12)
    with build(sim) as engine:
        assert engine.lines_at_once == engine.runtime.requests_at_once == 4
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(engine.speak, [request(f"Línea {i}.") for i in range(12)]))
    assert sim.most_at_once == 4


def test_the_key_stays_secret(sim: OpenAISimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = "sk-planted-9876543210fedcba"
    monkeypatch.setenv("OPENAI_API_KEY", wrong)
    with pytest.raises(EngineUnavailable) as caught, build(sim) as engine:
        engine.speak(request())
    assert [entry.key_right for entry in sim.log] == [False]
    shown = f"{caught.value!r} {caught.value.hint} {caught.value.__cause__!r} {engine.identity()}"
    assert wrong not in shown and wrong not in str(sim.log)


def test_a_server_of_ones_own_needs_no_key(
    sim: OpenAISimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    # OpenAI's key is there, and is not for anybody else.
    # The SDK would read these; an address and an account are never taken from elsewhere.
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/")
    sim.key = "none"
    with build(sim, key_variable="") as engine:
        engine.ready()
        assert engine.speak(request()).duration > 1
    monkeypatch.delenv("OPENAI_API_KEY")
    ours = OpenAISynthesis(OpenAISynthesisParams(), engine.runtime)
    ours.check(ours.runtime)
    for ask in (ours.ready, lambda: ours.speak(request())):
        with pytest.raises(EngineUnavailable) as caught:
            ask()
        assert "OPENAI_API_KEY" in caught.value.message


def test_identity_tells_settings_apart_and_no_prices(sim: OpenAISimulator) -> None:
    engine = build(sim)
    assert json.loads(json.dumps(engine.identity())) == engine.identity()
    assert build(sim, usd_per_million_characters=1.0).identity() == engine.identity()
    assert build(sim, instructions="Whisper.").identity() != engine.identity()
