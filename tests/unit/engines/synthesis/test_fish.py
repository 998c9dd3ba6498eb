"""Fish Audio by its real SDK, against the simulated cloud and a simulated server."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from onevoice.engines.base import CLONE, Reference, Runtime, SpeechRequest
from onevoice.engines.metering import Meter, collecting
from onevoice.engines.synthesis.decoding import pcm_wav
from onevoice.engines.synthesis.fish import Fish
from onevoice.engines.synthesis.fish_models import KEY, SERVER_KEY, FishParams
from onevoice.errors import (
    BudgetExceeded,
    EngineFailed,
    EngineRateLimited,
    EngineRefused,
    EngineUnavailable,
)

pytest.importorskip("fishaudio")

from tests.simulators.base import KEY as SECRET
from tests.simulators.base import Answer
from tests.simulators.fish import FishServerSimulator, FishSimulator, voice_id

CLARA = voice_id("Clara")
TEXT = "Buenos días, ¿cómo están?"


@pytest.fixture
def sim(monkeypatch: pytest.MonkeyPatch) -> Iterator[FishSimulator]:
    monkeypatch.setenv(KEY, SECRET)
    monkeypatch.delenv(SERVER_KEY, raising=False)
    with FishSimulator() as running:
        yield running


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FishServerSimulator]:
    monkeypatch.setenv(KEY, SECRET)
    monkeypatch.delenv(SERVER_KEY, raising=False)
    with FishServerSimulator() as running:
        yield running


def cloud(sim: FishSimulator, tmp_path: Path, **params: Any) -> Fish:
    return Fish(FishParams(base_url=sim.url, service="cloud", **params), runtime(tmp_path))


def runtime(tmp_path: Path, **more: Any) -> Runtime:
    return Runtime(**{"models_dir": tmp_path, "backoff": 0.01, "timeout": 2.0, **more})


def say(text: str = TEXT, voice: str = CLARA, language: str = "es", **more: Any) -> SpeechRequest:
    return SpeechRequest(text=text, language=language, voice=voice, **more)


@pytest.fixture
def reference(tmp_path: Path) -> Reference:
    path = tmp_path / "S1.wav"
    tone = 0.3 * np.sin(2 * np.pi * 150 * np.arange(16_000) / 16_000)
    soundfile.write(path, tone.astype(np.float32), 16_000, subtype="FLOAT")
    return Reference(audio=path, digest="d" * 64, text="Hello.", language="en", speaker="S1")


def test_request_as_the_service_gets_it(sim: FishSimulator, tmp_path: Path) -> None:
    with cloud(sim, tmp_path, speed=1.1) as engine:
        engine.speak(say(rate=1.2))
    (spoken,) = sim.requests("/v1/tts")
    assert (spoken.method, spoken.path, spoken.key_right) == ("POST", "/v1/tts", True)
    assert spoken.headers["content-type"] == "application/msgpack"
    assert spoken.headers["model"] == "s2-pro"
    body = spoken.body
    assert body.pop("prosody") == {"speed": pytest.approx(1.32), "volume": 0.0}
    assert body == {
        "text": TEXT,
        "reference_id": CLARA,
        "references": [],
        "format": "wav",
        "sample_rate": 44_100,
        "latency": "normal",
        "normalize": True,
        "temperature": 0.7,
        "top_p": 0.7,
        # What the SDK adds of its own.
        "chunk_length": 200,
        "mp3_bitrate": 128,
        "opus_bitrate": 32,
        "max_new_tokens": 1024,
        "repetition_penalty": 1.2,
        "min_chunk_length": 50,
        "condition_on_previous_chunks": True,
        "early_stop_threshold": 1.0,
    }


def test_clone_sends_the_reference_and_what_is_said_in_it(
    sim: FishSimulator, tmp_path: Path, reference: Reference
) -> None:
    import hashlib

    with cloud(sim, tmp_path) as engine:
        engine.speak(say(voice=CLONE, reference=reference))
    (spoken,) = sim.log  # no voice is looked up for it
    data = pcm_wav(reference.audio)
    described = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert spoken.body["references"] == [{"audio": described, "text": "Hello."}]
    assert "reference_id" not in spoken.body


def test_voices_are_ones_own_then_the_most_used_that_can_speak(
    sim: FishSimulator, tmp_path: Path
) -> None:
    with cloud(sim, tmp_path) as engine:
        found = engine.voices("es-MX")
        assert [(v.note, v.sex) for v in found] == [
            ("My narrator", "male"),
            ("Bruno", "male"),
            ("Clara", "female"),
        ]
        assert [v.note for v in engine.voices("ko")] == ["Somi"]
        asked = len(sim.log)
        assert engine.voices("es") == found and len(sim.log) == asked
    with cloud(sim, tmp_path, public_voices=0) as engine:
        assert [v.note for v in engine.voices("es")] == ["My narrator"]
    queries = [entry.query for entry in sim.requests("/model")]
    assert queries[0]["self"] == "true"
    assert (queries[1]["language"], queries[1]["sort_by"]) == ("es", "task_count")


def test_chosen_voices_are_not_looked_up(sim: FishSimulator, tmp_path: Path) -> None:
    with cloud(sim, tmp_path, voices=[CLARA]) as engine:
        assert [v.name for v in engine.voices("es")] == [CLARA]
        engine.speak(say())
    assert [entry.path for entry in sim.log] == ["/v1/tts"]


def test_any_id_of_the_service_will_do(sim: FishSimulator, tmp_path: Path) -> None:
    with cloud(sim, tmp_path) as engine:
        engine.speak(say(voice=voice_id("Somi")))
        engine.speak(say(voice=voice_id("Somi")))
        with pytest.raises(EngineRefused, match="no voice"):
            engine.speak(say(voice="0" * 32))
        with pytest.raises(EngineRefused, match="no voice"):
            engine.speak(say(voice="../model"))
    looked_up = [entry.path for entry in sim.requests("/model/")]
    assert looked_up == [f"/model/{voice_id('Somi')}", f"/model/{'0' * 32}"]


@pytest.mark.parametrize(
    ("model", "text", "sent"),
    [
        ("s2-pro", "[laugh] Hola <|speaker:1|> (bien)", "laugh Hola speaker:1 (bien)"),
        ("s1", "(excited) Hola", "excited Hola"),
    ],
)
def test_text_cannot_direct_the_model(
    sim: FishSimulator, tmp_path: Path, model: str, text: str, sent: str
) -> None:
    with cloud(sim, tmp_path, model=model) as engine:
        engine.speak(say(text))
    assert sim.requests("/v1/tts")[0].body["text"] == sent


def test_usage_is_the_bill(sim: FishSimulator, tmp_path: Path) -> None:
    lines = ("Buenos días.", "안녕하세요, 반갑습니다.", "Ça va.")
    with cloud(sim, tmp_path) as engine, collecting() as used:
        for text in lines:
            engine.speak(say(text))
    size = sum(len(text.encode()) for text in lines)
    assert sum(u.quantity for u in used) == size == sim.bill.total("bytes", model="s2-pro")
    assert {(u.engine, u.model, u.unit) for u in used} == {("synthesis.fish", "s2-pro", "bytes")}
    assert sum(u.usd for u in used) == pytest.approx(size * 15e-6)
    assert engine.runtime.meter.spent == pytest.approx(size * 15e-6)


def test_prices(tmp_path: Path) -> None:
    def quote(**params: Any) -> float:
        return Fish(FishParams(**params), runtime(tmp_path)).quote(1_000_000)

    assert 15.0 <= quote() <= 45.0
    assert quote(usd_per_million_bytes=0.0) == 0.0
    assert quote(usd_per_million_bytes=30.0) == 2 * quote()
    assert quote(model="a-new-one") == 0.0
    assert quote(base_url="http://127.0.0.1:8080") == 0.0


def test_budget_stops_before_the_request(sim: FishSimulator, tmp_path: Path) -> None:
    params = FishParams(base_url=sim.url, service="cloud")
    poor = runtime(tmp_path, meter=Meter(1e-6))
    with Fish(params, poor) as engine, pytest.raises(BudgetExceeded):
        engine.speak(say())
    assert not sim.requests("/v1/tts") and sim.bill.count == 0


FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 429, "retry_after": 0.05},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "cut"},
    {"kind": "malformed"},
    {"kind": "body", "body": "<html>busy</html>"},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f['kind']}{f.get('status', '')}")
def test_what_passes_is_tried_again(
    sim: FishSimulator, tmp_path: Path, fault: dict[str, Any]
) -> None:
    with cloud(sim, tmp_path, voices=[CLARA]) as engine, collecting() as used:
        plain = engine.speak(say())
        sim.faults.plan(**fault, path="/v1/tts", times=2)
        again = engine.speak(say())
    assert np.array_equal(again.samples, plain.samples)
    assert len(sim.requests("/v1/tts")) == 4
    assert sum(u.quantity for u in used) == sim.bill.total("bytes")


def test_waits_as_long_as_it_is_told(sim: FishSimulator, tmp_path: Path) -> None:
    import time

    sim.faults.plan("status", status=429, retry_after=0.4, path="/v1/tts")
    with cloud(sim, tmp_path, voices=[CLARA]) as engine:
        begun = time.monotonic()
        engine.speak(say())
    assert 0.4 <= time.monotonic() - begun < 2.0


def test_silent_service_times_out(sim: FishSimulator, tmp_path: Path) -> None:
    sim.faults.plan("slow", seconds=1.0, path="/v1/tts")
    params = FishParams(base_url=sim.url, service="cloud", voices=[CLARA])
    with Fish(params, runtime(tmp_path, timeout=0.2)) as engine, collecting() as used:
        engine.speak(say())
    assert sum(u.quantity for u in used) == len(TEXT.encode())


def test_gives_up_at_last(sim: FishSimulator, tmp_path: Path) -> None:
    for status, error in ((429, EngineRateLimited), (500, EngineFailed)):
        sim.faults.plan("status", status=status, path="/v1/tts", times=3)
        params = FishParams(base_url=sim.url, service="cloud", voices=[CLARA])
        with Fish(params, runtime(tmp_path, attempts=3)) as engine, pytest.raises(error) as caught:
            engine.speak(say())
        assert caught.value.hint
    assert sim.bill.count == 0 and sim.faults.left == 0


@pytest.mark.parametrize(
    ("status", "error", "hint"),
    [
        (401, EngineUnavailable, KEY),
        (402, EngineUnavailable, "credit"),
        (400, EngineRefused, "change"),
        (422, EngineRefused, "change"),
    ],
)
def test_what_does_not_pass_is_not_tried_again(
    sim: FishSimulator, tmp_path: Path, status: int, error: type[Exception], hint: str
) -> None:
    sim.faults.plan("status", status=status, message=f"no: {SECRET}", path="/v1/tts")
    with cloud(sim, tmp_path, voices=[CLARA]) as engine, pytest.raises(error) as caught:
        engine.speak(say())
    assert len(sim.requests("/v1/tts")) == 1
    assert hint in caught.value.hint
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert sim.bill.count == 0


def test_a_redirect_is_not_followed(
    sim: FishSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FishSimulator() as elsewhere:
        moved = Answer(status=307, headers={"Location": f"{elsewhere.url}/v1/tts"})
        monkeypatch.setattr(sim, "error", lambda *args: moved)
        sim.faults.plan("status", status=307, path="/v1/tts")
        refused = pytest.raises(EngineRefused, match="307")
        with cloud(sim, tmp_path, voices=[CLARA]) as engine, refused:
            engine.speak(say())
        assert elsewhere.log == []
    assert len(sim.requests("/v1/tts")) == 1


def test_a_service_that_cannot_list_is_given_up_soon(sim: FishSimulator, tmp_path: Path) -> None:
    sim.faults.plan("status", status=503, path="/model", times=6)
    with cloud(sim, tmp_path) as engine, pytest.raises(EngineFailed, match="list of own voices"):
        engine.voices("es")
    assert len(sim.requests("/model")) == 3


def test_rates_are_those_of_the_service(sim: FishSimulator, tmp_path: Path) -> None:
    assert cloud(sim, tmp_path, speed=1.25).rates == (0.4, 1.6)


def test_wrong_and_missing_keys(
    sim: FishSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Fish.check(runtime(tmp_path))
    monkeypatch.setenv(KEY, "wrong-key-123456")
    with cloud(sim, tmp_path) as engine, pytest.raises(EngineUnavailable) as caught:
        engine.voices("es")
    assert "401" in str(caught.value) and KEY in caught.value.hint
    assert "wrong-key-123456" not in "".join(traceback.format_exception(caught.value))
    monkeypatch.delenv(KEY)
    for ask in (
        lambda: Fish.check(runtime(tmp_path)),
        lambda: cloud(sim, tmp_path).ready(),
        lambda: cloud(sim, tmp_path, voices=[CLARA]).speak(say()),
    ):
        with pytest.raises(EngineUnavailable, match=KEY):
            ask()


def test_offline_is_said_before_anything_is_asked(sim: FishSimulator, tmp_path: Path) -> None:
    params = FishParams(base_url=sim.url, service="cloud")
    alone = runtime(tmp_path, offline=True)
    with Fish(params, alone) as engine, pytest.raises(EngineUnavailable, match="offline"):
        engine.voices("es")
    assert sim.log == []


def test_own_server_needs_no_key_and_gets_not_the_clouds(
    server: FishServerSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY)
    with Fish(FishParams(base_url=server.url), runtime(tmp_path)) as engine:
        engine.ready()
        assert engine.rates == (1.0, 1.0)
        assert [v.name for v in engine.voices("es")] == ["ana", "luis"]
        with collecting() as used:
            engine.speak(say(voice="ana"))
    (spoken,) = server.requests("/v1/tts")
    assert spoken.body["reference_id"] == "ana" and "prosody" not in spoken.body
    assert [u.usd for u in used] == [0.0]


def test_clouds_key_is_not_sent_to_ones_own_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, SECRET)
    with FishServerSimulator(needs_key=True) as server:
        params = FishParams(base_url=server.url)
        refused = pytest.raises(EngineUnavailable, match="401")
        with Fish(params, runtime(tmp_path)) as engine, refused as caught:
            engine.voices("es")
        assert SERVER_KEY in caught.value.hint
        monkeypatch.setenv(SERVER_KEY, SECRET)
        with Fish(FishParams(base_url=server.url), runtime(tmp_path)) as engine:
            assert engine.voices("es")


def test_own_server_without_references_still_speaks(tmp_path: Path, reference: Reference) -> None:
    with FishServerSimulator(references=()) as server:
        with Fish(FishParams(base_url=server.url), runtime(tmp_path)) as engine:
            (own,) = engine.voices("es")
            assert "line to line" in own.note
            engine.speak(say(voice=own.name))
            engine.speak(say(voice=CLONE, reference=reference))
        first, second = server.requests("/v1/tts")
    assert "reference_id" not in first.body and not first.body["references"]
    assert second.body["references"][0]["text"] == "Hello."


def test_server_that_lists_nothing_useful(server: FishServerSimulator, tmp_path: Path) -> None:
    server.faults.plan("body", body="[1, 2]", path="/v1/references")
    server.faults.plan("body", body="{", path="/v1/references")
    with Fish(FishParams(base_url=server.url), runtime(tmp_path)) as engine:
        assert len(engine.voices("es")) == 2
    server.faults.plan("status", status=404, path="/v1/references")
    with Fish(FishParams(base_url=server.url), runtime(tmp_path)) as engine:
        assert [v.name for v in engine.voices("es")] == ["default"]


def test_identity_holds_what_alters_the_sound(tmp_path: Path) -> None:
    def identity(**params: Any) -> dict[str, Any]:
        return Fish(FishParams(**params), runtime(tmp_path)).identity()

    plain = identity()
    for other in ({"model": "s1"}, {"speed": 1.2}, {"temperature": 0.5}, {"base_url": "http://x"}):
        assert identity(**other) != plain
    for same in ({"voices": ["a"]}, {"public_voices": 3}, {"usd_per_million_bytes": 1.0}):
        assert identity(**same) == plain


@pytest.mark.parametrize(
    "url", ["ftp://x", "x.example", "http://me:secret@x", "http://x:99999", "http://"]
)
def test_bad_base_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        FishParams(base_url=url)


def test_server_has_an_address() -> None:
    with pytest.raises(ValueError, match="needs a base_url"):
        FishParams(service="server")
