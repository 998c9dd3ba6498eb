"""ElevenLabs' speech by its real SDK, against the simulated service."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import soundfile
from pydantic import ValidationError

pytest.importorskip("elevenlabs")

from onevoice.engines import elevenlabs
from onevoice.engines.base import CLONE, Reference, Runtime, SpeechRequest, VoiceKeeper
from onevoice.engines.elevenlabs import said
from onevoice.engines.metering import Meter, collecting
from onevoice.engines.synthesis.decoding import pcm_wav
from onevoice.engines.synthesis.elevenlabs import ElevenLabsVoices
from onevoice.engines.synthesis.elevenlabs_models import ElevenLabsVoiceParams
from onevoice.errors import (
    BudgetExceeded,
    EngineFailed,
    EngineRateLimited,
    EngineRefused,
    EngineUnavailable,
)
from tests.simulators.base import KEY, Answer
from tests.simulators.elevenlabs import ElevenLabs

LUCIA, SARAH = "Lucia00000000000spain", "EXAVITQu4vr4xnSDxMaL"
TEXT = "Buenos días, ¿cómo están?"
Build = Callable[..., ElevenLabsVoices]


@pytest.fixture
def sim(monkeypatch: pytest.MonkeyPatch) -> Iterator[ElevenLabs]:
    monkeypatch.setenv(elevenlabs.KEY, KEY)
    with ElevenLabs() as running:
        yield running


@pytest.fixture
def build(sim: ElevenLabs, tmp_path: Path) -> Iterator[Build]:
    made: list[ElevenLabsVoices] = []

    def make(runtime: dict[str, Any] | None = None, **params: Any) -> ElevenLabsVoices:
        settings = ElevenLabsVoiceParams(**{"base_url": sim.url, **params})
        given = {"models_dir": tmp_path, "backoff": 0.01, "timeout": 2.0, **(runtime or {})}
        made.append(ElevenLabsVoices(settings, Runtime(**given)))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def say(text: str = TEXT, voice: str = LUCIA, language: str = "es", **more: Any) -> SpeechRequest:
    return SpeechRequest(text=text, language=language, voice=voice, **more)


@pytest.fixture
def reference(tmp_path: Path) -> Reference:
    path = tmp_path / "S1.wav"
    tone = 0.3 * np.sin(2 * np.pi * 150 * np.arange(16_000) / 16_000)
    soundfile.write(path, tone.astype(np.float32), 16_000, subtype="FLOAT")
    return Reference(audio=path, digest="ab" * 32, text="Hello.", language="en-GB", speaker="S1")


# --- what is sent ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (
            "eleven_multilingual_v2",
            {
                "previous_text": "Antes.",
                "next_text": "Y después.",
                "voice_settings": {
                    "stability": 0.4,
                    "similarity_boost": 0.75,
                    "style": 0.0,
                    "use_speaker_boost": True,
                    "speed": 1.1,
                },
            },
        ),
        (
            "eleven_flash_v2_5",
            {
                "previous_text": "Antes.",
                "next_text": "Y después.",
                "language_code": "es",
                "voice_settings": {
                    "stability": 0.4,
                    "similarity_boost": 0.75,
                    "style": 0.0,
                    "use_speaker_boost": True,
                    "speed": 1.1,
                },
            },
        ),
        ("eleven_v3", {"language_code": "es", "voice_settings": {"stability": 0.5}}),
    ],
)
def test_the_request_of_a_line(
    sim: ElevenLabs, build: Build, model: str, body: dict[str, Any]
) -> None:
    engine = build(model=model, stability=0.4)
    engine.speak(say(language="es-419", rate=1.1, before="<b>Antes.", after="Y\tdespués."))
    (sent,) = sim.requests("text-to-speech")
    assert (sent.method, sent.path) == ("POST", f"/v1/text-to-speech/{LUCIA}")
    assert sent.query == {"output_format": "pcm_24000"}
    assert sent.key_right
    assert sent.headers["content-type"] == "application/json"
    fixed = {"text": TEXT, "model_id": model, "seed": 1, "apply_text_normalization": "off"}
    expected = fixed | body
    if model == "eleven_v3":
        assert sent.body == expected
    else:
        assert sent.body == {**expected, "previous_text": "b Antes."}


def test_neighbours_stay_out_where_they_are_not_wanted(sim: ElevenLabs, build: Build) -> None:
    engine = build(stitching=False, seed=None)
    assert not engine.uses_neighbours
    engine.speak(say(before="Antes.", after="Después."))
    engine.speak(say(before="", after=""))
    for sent in sim.requests("text-to-speech"):
        assert not {"previous_text", "next_text", "seed"} & sent.body.keys()
    assert build().uses_neighbours
    assert not build(model="eleven_v3").uses_neighbours


def test_text_is_no_command(sim: ElevenLabs, build: Build) -> None:
    build(model="eleven_v3").speak(say('[whispers] Hola <break time="3s"/> {x}'))
    (sent,) = sim.requests("text-to-speech")
    assert sent.body["text"] == 'whispers Hola break time="3s"/ x'


@pytest.mark.parametrize(
    ("rate", "speed", "rest"), [(0.5, 0.7, 0.714), (1.0, 1.0, 1.0), (1.35, 1.2, 1.125)]
)
def test_a_rate_beyond_the_service_is_stretched(
    sim: ElevenLabs, build: Build, rate: float, speed: float, rest: float
) -> None:
    text = TEXT * 3
    speech = build().speak(say(text, rate=rate))
    (sent,) = sim.requests("text-to-speech")
    assert sent.body["voice_settings"]["speed"] == speed
    # 0.065 s for a character at speed 1; 0.02 s are left of the silence at each end.
    assert speech.duration == pytest.approx(len(text) * 0.065 / speed / rest, abs=0.1)


def test_what_comes_back_is_trimmed_speech(build: Build) -> None:
    speech = build(sample_rate=44_100).speak(say())
    assert speech.sample_rate == 44_100
    assert speech.samples.dtype == np.float32
    assert speech.duration == pytest.approx(len(TEXT) * 0.065, abs=0.06)


# --- voices ---------------------------------------------------------------------------------


def test_voices_of_all_pages_those_of_the_language_first(sim: ElevenLabs, build: Build) -> None:
    engine = build()
    voices = engine.voices("es-419")
    assert [v.note.partition(",")[0] for v in voices] == [
        "Lucía",
        "Brian",
        "George",
        "Matilda",
        "Minjun",
        "River",
        "Sarah",
        "Adam Owner",
    ]
    assert {v.name: v.sex for v in voices[:4]}[LUCIA] == "female"
    assert [v.sex for v in voices if v.note.startswith("River")] == ["unknown"]
    assert voices[0].note == "Lucía, peninsular, young"
    assert engine.voices("ko")[0].note.startswith("Minjun")
    pages = sim.requests("/v2/voices")
    assert [p.query.get("next_page_token") for p in pages] == [None, "3", "6"]
    assert pages[0].query["page_size"] == "100"


@pytest.mark.parametrize(
    ("model", "spoken", "unspoken"),
    [
        ("eleven_multilingual_v2", ("ko", "pt-BR", "fil"), ("hu", "no", "th", "xx")),
        ("eleven_flash_v2_5", ("hu", "nb", "vi"), ("th", "he")),
        ("eleven_v3", ("th", "he", "nn", "cy"), ("yue", "xx")),
    ],
)
def test_languages_of_the_models(
    build: Build, model: str, spoken: tuple[str, ...], unspoken: tuple[str, ...]
) -> None:
    engine = build(model=model)
    assert all(engine.voices(language) for language in spoken)
    assert not any(engine.voices(language) for language in unspoken)


def test_a_voice_by_its_name(sim: ElevenLabs, build: Build) -> None:
    engine = build()
    engine.speak(say(voice="lucía"))
    assert sim.requests(LUCIA)
    sim.state["voices"].append({**sim.state["voices"][4], "voice_id": "another"})
    with pytest.raises(EngineRefused, match="2 voices") as caught:
        build().speak(say(voice="Lucía"))
    assert LUCIA in caught.value.hint and "another" in caught.value.hint


def test_too_long_a_line_is_refused_unpaid(sim: ElevenLabs, build: Build) -> None:
    with pytest.raises(EngineRefused, match="5000") as caught:
        build(model="eleven_v3").speak(say("palabra " * 700))
    assert "split" in caught.value.hint
    assert sim.requests("text-to-speech") == []


# --- clones ---------------------------------------------------------------------------------


def test_a_clone_is_made_once_and_found_again(
    sim: ElevenLabs, build: Build, reference: Reference
) -> None:
    engine = build()
    engine.speak(say(voice=CLONE, reference=reference))
    engine.speak(say("Otra línea.", voice=CLONE, reference=reference))
    build().speak(say("Y otra más.", voice=CLONE, reference=reference))  # another process
    (made,) = sim.requests("/v1/voices/add")
    wav = pcm_wav(reference.audio)
    assert made.body["files"]["bytes"] == len(wav)
    assert made.body["files"]["content_type"] == "audio/wav"
    assert made.body["name"] == "onevoice-" + "ab" * 16
    assert made.body["labels"] == '{"language": "en"}'
    assert made.body["remove_background_noise"] == "false"
    voices = {sent.path for sent in sim.requests("text-to-speech")}
    assert len(voices) == 1 and "cloned" in voices.pop()
    # Nobody else gets the voice by chance.
    assert not any("onevoice" in v.note for v in build().voices("es"))


def test_a_clone_whose_answer_was_lost_is_not_made_again(
    sim: ElevenLabs, build: Build, reference: Reference
) -> None:
    sim.faults.plan("cut", path="/v1/voices/add")
    build().speak(say(voice=CLONE, reference=reference))
    assert len(sim.requests("/v1/voices/add")) == 1
    assert sum(v["name"].startswith("onevoice-") for v in sim.state["voices"]) == 1


def test_a_clone_can_be_forgotten(sim: ElevenLabs, build: Build, reference: Reference) -> None:
    def ours() -> int:
        return sum(v["name"].startswith("onevoice-") for v in sim.state["voices"])

    engine, others = build(), len(sim.state["voices"])
    assert isinstance(engine, VoiceKeeper)
    engine.speak(say(voice="clone", reference=reference))
    assert ours() == 1
    assert engine.forget(reference.digest)
    assert ours() == 0
    assert len(sim.state["voices"]) == others  # the owner's own clones are left alone
    assert not build().forget(reference.digest)
    # Asked for again (with consent, which is another's business), it is made anew.
    engine.speak(say(voice="clone", reference=reference))
    assert ours() == 1


def test_no_room_for_a_clone(sim: ElevenLabs, build: Build, reference: Reference) -> None:
    sim.slots = 1
    with pytest.raises(EngineRefused, match="voice_limit_reached: You have reached"):
        build().speak(say(voice=CLONE, reference=reference))
    assert len(sim.requests("/v1/voices/add")) == 1
    assert sim.bill.count == 0


def test_a_clone_that_waits_for_verification(
    sim: ElevenLabs, build: Build, reference: Reference
) -> None:
    sim.faults.plan(
        "body", path="/v1/voices/add", body='{"voice_id": "x", "requires_verification": true}'
    )
    with pytest.raises(EngineRefused, match="verified"):
        build().speak(say(voice=CLONE, reference=reference))


# --- what goes wrong ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "values"),
    [
        ("status", {"status": 429, "retry_after": 0.02, "code": "too_many_concurrent_requests"}),
        ("status", {"status": 500}),
        ("status", {"status": 503}),
        ("cut", {}),
        ("body", {"body": "no sound"[:7]}),
        ("body", {"body": ""}),
    ],
)
def test_tries_again(sim: ElevenLabs, build: Build, fault: str, values: dict[str, Any]) -> None:
    engine = build()
    expected = engine.speak(say())
    sim.faults.plan(fault, path="text-to-speech", times=2, **values)
    with collecting() as used:
        speech = engine.speak(say())
    assert np.array_equal(speech.samples, expected.samples)
    assert len(sim.requests("text-to-speech")) == 4
    assert [item.quantity for item in used] == [len(TEXT)]
    assert sim.bill.total("credits") == 2 * len(TEXT)
    assert engine.runtime.meter.spent == pytest.approx(2 * len(TEXT) * 0.0001)


def test_waits_as_long_as_it_is_told(sim: ElevenLabs, build: Build) -> None:
    engine = build()
    engine.voices("es")
    sim.faults.plan("status", status=429, retry_after=0.4, path="text-to-speech")
    begun = time.monotonic()
    engine.speak(say())
    assert time.monotonic() - begun >= 0.4


def test_silence_is_not_waited_for(sim: ElevenLabs, build: Build) -> None:
    engine = build({"timeout": 0.3})
    engine.voices("es")
    sim.faults.plan("slow", seconds=1.0, path="text-to-speech")
    assert engine.speak(say()).duration > 1
    assert sim.bill.total("credits") == len(TEXT)


@pytest.mark.parametrize("kind", ["malformed", "cut"])
def test_a_garbled_list_of_voices_is_asked_for_again(
    sim: ElevenLabs, build: Build, kind: str
) -> None:
    sim.faults.plan(kind, path="/v2/voices")
    sim.faults.plan("body", body='{"voices": "none"}', path="/v2/voices")
    assert len(build().voices("es")) == 8


def test_pages_that_go_round_in_circles_end(sim: ElevenLabs, build: Build) -> None:
    page = {"voices": [{"voice_id": "v", "name": "V"}], "has_more": True, "next_page_token": "1"}
    sim.faults.plan("body", body=json.dumps(page), path="/v2/voices", times=50)
    assert [voice.name for voice in build().voices("es")] == ["v"]
    assert len(sim.requests("/v2/voices")) == 2


def test_an_account_that_cannot_be_asked_is_given_up_soon(sim: ElevenLabs, build: Build) -> None:
    sim.faults.plan("status", status=503, path="/v2/voices", times=6)
    with pytest.raises(EngineFailed, match="list of voices"):
        build().voices("es")
    assert len(sim.requests("/v2/voices")) == 3


def test_it_may_be_closed_between_two_attempts(sim: ElevenLabs, build: Build) -> None:
    engine = build({"backoff": 0.3})
    engine.voices("es")
    sim.faults.plan("status", status=503, path="text-to-speech")

    def close_after_the_first() -> None:
        while not sim.requests("text-to-speech"):
            time.sleep(0.005)
        time.sleep(0.05)
        engine.close()

    closing = Thread(target=close_after_the_first)
    closing.start()
    assert engine.speak(say()).duration > 1.0
    closing.join()


def test_gives_up_in_the_end(sim: ElevenLabs, build: Build) -> None:
    engine = build({"attempts": 3})
    engine.voices("es")
    sim.faults.plan("status", status=429, code="system_busy", path="text-to-speech", times=3)
    with pytest.raises(EngineRateLimited, match="system_busy: simulated") as caught:
        engine.speak(say())
    assert len(sim.requests("text-to-speech")) == 3
    assert "later" in caught.value.hint
    sim.faults.plan("cut", path="text-to-speech", times=3)
    with pytest.raises(EngineFailed):
        engine.speak(say())
    assert engine.runtime.meter.spent == 0.0


@pytest.mark.parametrize(
    ("status", "code", "error", "hint"),
    [
        (400, "unsupported_model", EngineRefused, "change"),
        (401, "missing_permissions", EngineUnavailable, elevenlabs.KEY),
        (401, "quota_exceeded", EngineUnavailable, "credit"),
        (402, "payment_required", EngineUnavailable, "credit"),
        (403, "voice_not_allowed", EngineUnavailable, elevenlabs.KEY),
        (404, "voice_not_found", EngineRefused, "change"),
        (422, "text", EngineRefused, "change"),
    ],
)
def test_what_is_final_is_asked_once(
    sim: ElevenLabs, build: Build, status: int, code: str, error: type[Exception], hint: str
) -> None:
    engine = build()
    engine.voices("es")
    sim.faults.plan("status", status=status, code=code, path="text-to-speech")
    with pytest.raises(error, match=f"{code}: simulated") as caught:
        engine.speak(say())
    assert "Buenos días" in str(caught.value)
    assert hint in caught.value.hint
    assert len(sim.requests("text-to-speech")) == 1
    assert engine.runtime.meter.spent == 0.0


def test_an_account_without_credits(sim: ElevenLabs, build: Build) -> None:
    sim.credits = 40
    engine = build()
    engine.speak(say())
    with pytest.raises(EngineUnavailable, match="quota_exceeded: This request exceeds") as caught:
        engine.speak(say("Otra línea que cuesta más."))
    assert "add credit" in caught.value.hint
    assert sim.bill.total("credits") == len(TEXT)


def test_a_redirect_does_not_take_the_key_along(
    sim: ElevenLabs, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = build()
    engine.voices("es")
    with ElevenLabs() as elsewhere:
        moved = Answer(status=307, headers={"Location": elsewhere.url})
        monkeypatch.setattr(sim, "error", lambda *args: moved)
        sim.faults.plan("status", status=307, path="text-to-speech")
        with pytest.raises(EngineRefused, match="307"):
            engine.speak(say())
        assert elsewhere.log == []
    assert len(sim.requests("text-to-speech")) == 1


# --- keys and money -------------------------------------------------------------------------


def test_the_key_is_nowhere(
    sim: ElevenLabs,
    build: Build,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = "sk_el_9f8e7d6c5b4a39281706"
    monkeypatch.setenv(elevenlabs.KEY, secret)
    caplog.set_level("DEBUG")
    engine = build()
    with pytest.raises(EngineUnavailable, match="invalid_api_key") as caught:
        engine.speak(say())
    assert elevenlabs.KEY in caught.value.hint
    assert len(sim.log) == 1
    monkeypatch.setenv(elevenlabs.KEY, KEY)
    sim.faults.plan("status", status=400, message=f"bad key {KEY}", times=2)
    other = build()
    with pytest.raises(EngineRefused) as second:
        other.speak(say())
    shown = [
        *traceback.format_exception(caught.value),
        *traceback.format_exception(second.value),
        repr(engine.identity()),
        repr(engine.params),
        caplog.text,
    ]
    for text in shown:
        assert secret not in text and KEY not in text


def test_no_key_and_no_package(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(elevenlabs.KEY)
    with pytest.raises(EngineUnavailable, match=elevenlabs.KEY):
        ElevenLabsVoices.check(Runtime(models_dir=tmp_path))
    with pytest.raises(EngineUnavailable, match=elevenlabs.KEY):
        build().speak(say())
    monkeypatch.setattr(elevenlabs, "find_spec", lambda name: None)
    with pytest.raises(EngineUnavailable) as caught:
        ElevenLabsVoices.check(Runtime(models_dir=tmp_path))
    assert "onevoice[cloud]" in caught.value.hint


def test_offline_is_offline(sim: ElevenLabs, build: Build) -> None:
    with pytest.raises(EngineUnavailable, match="offline"):
        build({"offline": True}).voices("es")
    assert sim.log == []


@pytest.mark.parametrize(
    ("params", "dollars", "credits"),
    [
        ({}, 0.10, 1.0),
        ({"model": "eleven_v3"}, 0.10, 1.0),
        ({"model": "eleven_flash_v2_5"}, 0.05, 0.5),
        ({"model": "eleven_flash_v2_5", "usd_per_1000_credits": 0.3}, 0.15, 0.5),
        ({"usd_per_1000_credits": 0.0}, 0.0, 1.0),
    ],
)
def test_prices(
    sim: ElevenLabs, build: Build, params: dict[str, Any], dollars: float, credits: float
) -> None:
    engine = build(**params)
    assert engine.quote(1_000) == pytest.approx(dollars)
    with collecting() as used:
        engine.speak(say())
    (usage,) = used
    assert (usage.engine, usage.unit) == ("synthesis.elevenlabs", "credits")
    assert usage.model == engine.params.model
    assert usage.quantity == len(TEXT) * credits == sim.bill.total("credits")
    assert usage.usd == pytest.approx(dollars * len(TEXT) / 1_000)


@pytest.mark.parametrize("said", ["a lot", "-3", "nan", "inf"])
def test_a_cost_that_is_none_is_not_booked(
    sim: ElevenLabs, build: Build, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    engine = build()
    voices = engine.voices("es")
    right = sim.handle

    def wrong(request: Any) -> Any:
        answer, fault = right(request)
        answer.headers["character-cost"] = said
        return answer, fault

    monkeypatch.setattr(sim, "handle", wrong)
    engine.speak(say(voice=voices[0].name))
    assert engine.runtime.meter.spent == pytest.approx(len(TEXT) * 0.0001)


def test_an_unknown_model_has_no_price(build: Build) -> None:
    assert build(model="eleven_v9").quote(1_000) == 0.0


def test_the_budget_is_asked_first(sim: ElevenLabs, build: Build) -> None:
    engine = build({"meter": Meter(limit=0.003)})
    engine.speak(say())
    with pytest.raises(BudgetExceeded):
        engine.speak(say())
    assert sim.bill.count == 1


@pytest.mark.parametrize(
    "params",
    [
        {"base_url": "ftp://x"},
        {"base_url": "https://user:secret@x"},
        {"stability": 2},
        {"sample_rate": 8_000},
        {"speed": 1.2},
        {"api_key": "secret-1234567"},
    ],
)
def test_wrong_settings(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        ElevenLabsVoiceParams(**params)
    # What was put in the wrong place may be a key.
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"detail": {"status": "quota_exceeded", "message": "No."}}, "quota_exceeded: No."),
        ({"detail": {"code": 7}}, '{"code": 7}'),
        ({"detail": [{"loc": ["body", "text"], "msg": "required"}]}, "text: required"),
        ({"detail": [{"msg": "broken"}, "odd"]}, "broken; odd"),
        ({"detail": "Not Found"}, "Not Found"),
        ("Bad Gateway", "Bad Gateway"),
        (None, "None"),
    ],
)
def test_the_service_s_errors_in_words(body: Any, words: str) -> None:
    assert said(body) == words
