"""The requests, the answers and the bill of the OpenAI recogniser, against the simulator."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("openai")

from onevoice.engines.base import Runtime
from onevoice.engines.metering import Meter, collecting
from onevoice.engines.recognition import uploads
from onevoice.engines.recognition.openai import OpenAIRecognition, OpenAIRecognitionParams
from onevoice.errors import (
    BudgetExceeded,
    EngineFailed,
    EngineRateLimited,
    EngineRefused,
    EngineUnavailable,
    OneVoiceError,
)
from onevoice.types import Recognition
from tests.simulators.base import KEY, Logged
from tests.simulators.hearing import Script, ScriptLine
from tests.simulators.openai import OpenAISimulator

LINES = [
    ScriptLine(1.0, 5.0, "Ann", "Good morning, everyone in the room."),
    ScriptLine(6.0, 9.5, "Bob", "“Good morning”, he said to Ann."),
    ScriptLine(11.0, 15.0, "Ann", "We have three things to talk about today."),
    ScriptLine(17.0, 20.0, "Cat", "And I have a fourth one!"),
    ScriptLine(21.0, 25.0, "Bob", "Then let us begin with the first of them."),
]
LENGTH = 27.0
DIARIZE = "gpt-4o-transcribe-diarize"


def record(path: Path) -> Path:
    """Noise with the rhythm of syllables where the script has a line."""
    rate = 16_000
    samples = np.zeros(round(LENGTH * rate), np.float32)
    random = np.random.default_rng(9)
    for line in LINES:
        n = round((line.end - line.start) * rate)
        beat = 0.6 + 0.4 * np.sin(2 * np.pi * random.uniform(2, 4) * np.arange(n) / rate)
        samples[round(line.start * rate) :][:n] = 0.08 * beat * random.standard_normal(n)
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


@pytest.fixture
def audio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Silero rightly hears no speech in noise.
    monkeypatch.setattr(uploads, "find_speech", uploads.sounding_spans)
    return record(tmp_path / "speech.wav")


@pytest.fixture
def sim(audio: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAISimulator]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with OpenAISimulator(script=Script(LINES, audio)) as sim:
        yield sim


def build(
    sim: OpenAISimulator, *, limit: float | None = None, timeout: float = 10.0, **params: Any
) -> OpenAIRecognition:
    settings = OpenAIRecognitionParams(
        **{"base_url": f"{sim.url}/v1", "key_variable": "OPENAI_API_KEY", **params}
    )
    runtime = Runtime(models_dir=Path(), backoff=0.01, timeout=timeout, meter=Meter(limit))
    return OpenAIRecognition(settings, runtime)


def at_openai(model: str) -> OpenAIRecognition:
    return OpenAIRecognition(OpenAIRecognitionParams(model=model), Runtime(models_dir=Path()))


def hear(engine: OpenAIRecognition, audio: Path, **given: Any) -> Recognition:
    given = {"language": None, "hints": (), "progress": lambda share: None} | given
    with engine:
        return engine.transcribe(audio, **given)


def text(result: Recognition) -> str:
    return "".join(("" if w.joined else " ") + w.text for w in result.words).strip()


def form(entry: Logged) -> dict[str, Any]:
    """A request's fields, without what differs from run to run."""
    body = dict(entry.body)
    file = body.pop("file")
    assert (file["filename"], file["content_type"]) == ("speech.flac", "audio/flac")
    assert file["bytes"] > 1000
    return body


def test_the_request_of_whisper(sim: OpenAISimulator, audio: Path) -> None:
    result = hear(build(sim, hints="Ann"), audio, language="es-419", hints=["Bob Stone", "Ann"])
    (entry,) = sim.log
    assert (entry.method, entry.path, entry.key_right) == (
        "POST",
        "/v1/audio/transcriptions",
        True,
    )
    assert entry.headers["x-stainless-retry-count"] == "0"
    assert form(entry) == {
        "model": "whisper-1",
        "response_format": "verbose_json",
        "timestamp_granularities[]": ["word", "segment"],
        "language": "es",
        "prompt": "Ann, Bob Stone",
    }
    assert (result.language, result.language_probability) == ("es-419", 1.0)


def test_words_spelling_times_and_language(sim: OpenAISimulator, audio: Path) -> None:
    shares: list[float] = []
    result = hear(build(sim), audio, progress=shares.append)
    assert text(result) == " ".join(line.text for line in LINES)
    for line in LINES:
        assert min(abs(w.start - line.start) for w in result.words) < 0.05
        assert min(abs(w.end - line.end) for w in result.words) < 0.05
    assert result.language == "en"
    # All that is known of it is how sure the words are.
    assert result.language_probability == pytest.approx(math.exp(-0.2), abs=1e-4)
    assert {round(w.probability, 4) for w in result.words} == {round(math.exp(-0.2), 4)}
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert "prompt" not in form(sim.log[0]) and "language" not in form(sim.log[0])


def test_a_long_recording_goes_in_pieces_and_the_language_of_the_first(
    sim: OpenAISimulator, audio: Path
) -> None:
    whole = hear(build(sim), audio)
    sim.log.clear()
    result = hear(build(sim, minutes=0.17), audio)
    assert len(sim.log) >= 3
    assert "language" not in form(sim.log[0])
    assert {form(entry)["language"] for entry in sim.log[1:]} == {"en"}
    assert text(result) == text(whole)
    for one, other in zip(result.words, whole.words, strict=True):
        assert one.start == pytest.approx(other.start, abs=0.15)


def test_speakers_keep_their_names_in_all_pieces(sim: OpenAISimulator, audio: Path) -> None:
    result = hear(build(sim, model=DIARIZE, minutes=0.27), audio, language="en", hints=["Ann"])
    first, *others = map(form, sim.log)
    assert first == {
        "model": DIARIZE,
        "response_format": "diarized_json",
        "chunking_strategy": "auto",
        "language": "en",
    }
    assert others
    for other in others:
        assert len(other["known_speaker_names[]"]) == 2
        assert all(s.startswith("data:audio/flac;") for s in other["known_speaker_references[]"])
    assert text(result) == " ".join(line.text for line in LINES)
    labels: dict[str, set[str]] = {}
    for word in result.words:
        line = next(ln for ln in LINES if ln.start - 0.2 < word.start < ln.end)
        labels.setdefault(line.speaker, set()).add(word.speaker)
    assert all(len(found) == 1 for found in labels.values()), labels
    assert len(set.union(*labels.values())) == 3


def test_the_diarizing_model_needs_another_to_tell_the_language(
    sim: OpenAISimulator, audio: Path
) -> None:
    result = hear(build(sim, model=DIARIZE), audio)
    assert [form(entry)["model"] for entry in sim.log] == ["whisper-1", DIARIZE]
    assert form(sim.log[1])["language"] == "en"
    assert result.language == "en"
    assert result.language_probability == pytest.approx(math.exp(-0.2), abs=1e-4)


@pytest.mark.parametrize(
    ("model", "units"),
    [
        ("whisper-1", ["seconds"]),
        ("gpt-transcribe", ["seconds"]),
        (DIARIZE, ["input tokens", "output tokens"]),
        ("gpt-4o-transcribe", ["input tokens", "output tokens"]),
    ],
)
def test_what_is_recorded_is_what_is_billed(
    sim: OpenAISimulator, audio: Path, model: str, units: list[str]
) -> None:
    with collecting() as used:
        engine = build(sim, model=model, minutes=0.17, usd_per_minute=6.0)
        hear(engine, audio, language="en")
    assert {item.unit for item in used} == set(units)
    assert {(item.engine, item.model) for item in used} == {("recognition.openai", model)}
    for unit in units:
        mine = sum(item.quantity for item in used if item.unit == unit)
        assert mine == sim.bill.total(unit, model=model) > 0
    heard = sum(item.quantity for item in used if item.unit == units[0])
    seconds = heard / 10 if "tokens" in units[0] else heard  # the simulator's are ten a second
    assert engine.runtime.meter.spent == pytest.approx(seconds * 6 / 60, rel=0.02)


def test_prices(sim: OpenAISimulator, audio: Path) -> None:
    assert at_openai("whisper-1").quote(600) == pytest.approx(0.06)
    assert at_openai(DIARIZE).quote(600) == pytest.approx(0.06)
    assert at_openai("gpt-transcribe").quote(600) == pytest.approx(0.045)
    assert at_openai("gpt-4o-mini-transcribe-2025-12-15").quote(600) == pytest.approx(0.03)
    assert at_openai("my-own").quote(600) == 0.0
    assert build(sim, usd_per_minute=0.01).quote(600) == pytest.approx(0.1)
    engine = build(sim, model=DIARIZE, usd_per_minute=6.0)
    hear(engine, audio, language="en")
    assert engine.runtime.meter.spent == pytest.approx(24.2 * 6 / 60, rel=0.05)


@pytest.mark.parametrize("model", ["whisper-1", DIARIZE, "gpt-transcribe"])
def test_another_server_is_free(sim: OpenAISimulator, audio: Path, model: str) -> None:
    # Not even a cent may be spent: whatever its models are called, OpenAI's prices aren't its.
    engine = build(sim, model=model, limit=0.0)
    assert engine.quote(600) == 0.0
    with collecting() as used:
        hear(engine, audio)
    assert used and {item.usd for item in used} == {0.0}


def test_a_loop_is_heard_again(sim: OpenAISimulator, audio: Path) -> None:
    sim.quirks = ["loop"]
    result = hear(build(sim), audio)
    assert "temperature" not in form(sim.log[0])
    assert float(form(sim.log[1])["temperature"]) > 0
    assert text(result) == " ".join(line.text for line in LINES)
    assert sim.bill.count == 2


def test_a_loop_that_stays_is_said_once(sim: OpenAISimulator, audio: Path) -> None:
    sim.quirks = ["loop", "loop"]
    result = hear(build(sim), audio)
    assert len(sim.log) == 2
    assert text(result).count("so it goes") == 1
    assert LINES[1].text in text(result)


def test_ghosts_in_silence_are_not_heard(sim: OpenAISimulator, audio: Path) -> None:
    sim.quirks = ["ghost"]
    assert text(hear(build(sim), audio)) == " ".join(line.text for line in LINES)


def lines_lie_right(result: Recognition, tolerance: float) -> None:
    """Every line of the script is there, and begins and ends when it should."""
    assert text(result) == " ".join(line.text for line in LINES)
    at = 0
    for line in LINES:
        said = result.words[at : at + len(line.text.split())]
        assert said[0].start == pytest.approx(line.start, abs=tolerance)
        assert said[-1].end == pytest.approx(line.end, abs=tolerance)
        at += len(said)


def test_the_request_of_gpt_transcribe(sim: OpenAISimulator, audio: Path) -> None:
    engine = build(sim, model="gpt-transcribe", hints="Ann")
    result = hear(engine, audio, language="fil", hints=["Bob Stone", "Ann"])
    assert {entry.path for entry in sim.log} == {"/v1/audio/transcriptions"}
    for entry in sim.log:
        assert form(entry) == {
            "model": "gpt-transcribe",
            "response_format": "json",
            "keywords[]": ["Ann", "Bob Stone"],
            "languages[]": "tl",
        }
    assert (result.language, result.language_probability) == ("fil", 1.0)


@pytest.mark.parametrize(
    "model", ["gpt-transcribe", "gpt-4o-transcribe", "gpt-4o-mini-transcribe-2025-12-15"]
)
def test_models_without_times_hear_phrase_by_phrase(
    sim: OpenAISimulator, audio: Path, model: str
) -> None:
    sim.faults.plan("slow", seconds=0.1, times=len(LINES))
    shares: list[float] = []
    engine = build(sim, model=model, phrase=5)
    result = hear(engine, audio, language="en", progress=shares.append)
    assert len(sim.log) == len(LINES)
    lines_lie_right(result, 0.05)
    assert {word.probability for word in result.words} == {1.0}
    assert shares == sorted(shares) and shares[-1] == 1.0 and len(shares) == len(LINES) + 1
    assert sim.most_at_once > 1


def test_a_longer_phrase_costs_fewer_requests_and_loses_no_word(
    sim: OpenAISimulator, audio: Path
) -> None:
    # Two lines in a phrase: their punctuation tells which words stand before the pause.
    result = hear(build(sim, model="gpt-transcribe", phrase=12), audio, language="en")
    assert len(sim.log) < len(LINES)
    lines_lie_right(result, 0.05)


@pytest.mark.parametrize(
    ("model", "teller", "sure"),
    [("gpt-transcribe", "gpt-transcribe", 1.0), ("gpt-4o-transcribe", "whisper-1", 0.8187)],
)
def test_the_language_is_told_by_a_longer_piece(
    sim: OpenAISimulator, audio: Path, model: str, teller: str, sure: float
) -> None:
    result = hear(build(sim, model=model, phrase=5), audio)
    first, *others = map(form, sim.log)
    assert first["model"] == teller
    assert "language" not in first and "languages[]" not in first
    field = "languages[]" if model == "gpt-transcribe" else "language"
    assert {entry[field] for entry in others} == {"en"}
    assert (result.language, result.language_probability) == ("en", sure)


def test_a_language_nobody_can_tell(sim: OpenAISimulator, audio: Path) -> None:
    sim.quirks = ["puzzled"]
    result = hear(build(sim, model="gpt-transcribe"), audio)
    assert (result.language, result.language_probability) == ("und", 0.0)
    assert result.words
    assert not any("languages[]" in form(entry) for entry in sim.log)


def test_a_loop_of_a_model_without_temperature_is_said_once(
    sim: OpenAISimulator, audio: Path
) -> None:
    sim.quirks = ["loop"]
    result = hear(build(sim, model="gpt-transcribe", phrase=5), audio, language="en")
    assert len(sim.log) == len(LINES)
    assert text(result).count("so it goes") == 1


def test_a_server_that_gives_no_times_is_heard_phrase_by_phrase(
    sim: OpenAISimulator, audio: Path
) -> None:
    sim.timeless = True
    result = hear(build(sim, phrase=5, minutes=0.17), audio)
    # Only the first piece is heard in vain.
    assert len(sim.log) == 1 + len(LINES)
    lines_lie_right(result, 0.05)
    assert result.language == "en"


def test_silence_costs_nothing(sim: OpenAISimulator, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(32_000), 16_000)
    result = hear(build(sim), tmp_path / "silence.wav")
    assert (result.words, result.language, result.duration) == ((), "und", 2.0)
    assert sim.log == []


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 429, "retry_after": 0.05},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503, "times": 3},
        {"kind": "slow", "seconds": 1.3},
        {"kind": "cut"},
        {"kind": "malformed"},
        {"kind": "body", "body": '{"text": 7}'},
    ],
)
def test_troubles_that_pass_are_waited_out(
    sim: OpenAISimulator, audio: Path, fault: dict[str, Any]
) -> None:
    sim.faults.plan(**fault)
    with collecting() as used:
        result = hear(build(sim, timeout=1.0), audio)
    assert text(result) == " ".join(line.text for line in LINES)
    assert sim.faults.left == 0
    assert sum(item.quantity for item in used) == sim.bill.total("seconds")


@pytest.mark.parametrize(
    ("fault", "error", "hint"),
    [
        ({"status": 401}, EngineUnavailable, "OPENAI_API_KEY"),
        ({"status": 429, "code": "insufficient_quota"}, EngineUnavailable, "credit"),
        ({"status": 402}, EngineUnavailable, "credit"),
        ({"status": 400}, EngineRefused, "change"),
        ({"status": 413}, EngineRefused, "change"),
        ({"status": 422}, EngineRefused, "change"),
    ],
)
def test_troubles_that_stay_are_not_tried_again(
    sim: OpenAISimulator,
    audio: Path,
    fault: dict[str, Any],
    error: type[OneVoiceError],
    hint: str,
) -> None:
    sim.faults.plan("status", **fault)
    with pytest.raises(error) as caught:
        hear(build(sim), audio)
    assert hint in caught.value.hint
    assert len(sim.log) == 1
    assert sim.bill.count == 0


@pytest.mark.parametrize(("status", "error"), [(429, EngineRateLimited), (500, EngineFailed)])
def test_attempts_end(
    sim: OpenAISimulator, audio: Path, status: int, error: type[OneVoiceError]
) -> None:
    sim.faults.plan("status", status=status, times=50)
    with pytest.raises(error):
        hear(build(sim), audio)
    assert len(sim.log) == Runtime(models_dir=Path()).attempts


def test_the_budget_is_kept(sim: OpenAISimulator, audio: Path) -> None:
    with pytest.raises(BudgetExceeded):
        hear(build(sim, limit=0.001, usd_per_minute=0.006), audio)
    assert sim.log == []


def test_the_key_stays_secret(
    sim: OpenAISimulator, audio: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "sk-planted-9876543210fedcba"
    monkeypatch.setenv("OPENAI_API_KEY", wrong)
    engine = build(sim)
    with pytest.raises(EngineUnavailable) as caught:
        hear(engine, audio)
    assert [entry.key_right for entry in sim.log] == [False]
    shown = f"{caught.value!r} {caught.value.hint} {caught.value.__cause__!r} {engine.identity()}"
    assert wrong not in shown and wrong not in str(sim.log)


def test_a_server_of_ones_own_needs_no_key(
    sim: OpenAISimulator, audio: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # OpenAI's key is there, and is not for anybody else.
    sim.key = "none"
    engine = build(sim, key_variable="")
    engine.ready()
    assert hear(engine, audio).words
    monkeypatch.delenv("OPENAI_API_KEY")
    ours = OpenAIRecognition(OpenAIRecognitionParams(), engine.runtime)
    for ask in (ours.ready, lambda: hear(ours, audio)):
        with pytest.raises(EngineUnavailable) as caught:
            ask()
        assert "OPENAI_API_KEY" in caught.value.message
    ours.check(ours.runtime)


def test_identity_tells_settings_apart_and_no_prices(sim: OpenAISimulator) -> None:
    engine = build(sim)
    assert json.loads(json.dumps(engine.identity())) == engine.identity()
    assert build(sim, usd_per_minute=1.0).identity() == engine.identity()
    assert build(sim, model=DIARIZE).identity() != engine.identity()
    assert build(sim, hints="Ann").identity() != engine.identity()


def test_a_long_list_of_hints_is_cut_at_a_term(sim: OpenAISimulator, audio: Path) -> None:
    names = [f"Person Number {i}" for i in range(200)]
    hear(build(sim), audio, hints=names)
    prompt = form(sim.log[0])["prompt"]
    assert len(prompt) <= 600
    assert prompt.split(", ") == names[: len(prompt.split(", "))]
