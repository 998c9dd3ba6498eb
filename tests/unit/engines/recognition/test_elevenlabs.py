"""Scribe by the vendor's real SDK, against the simulated service; and how its answers are read."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("elevenlabs")

from elevenlabs.types.speech_to_text_chunk_response_model import SpeechToTextChunkResponseModel

from onevoice.engines import elevenlabs
from onevoice.engines.base import Runtime
from onevoice.engines.boundary import Garbled
from onevoice.engines.metering import collecting
from onevoice.engines.recognition import scribe
from onevoice.engines.recognition.elevenlabs import Scribe, ScribeWordsParams
from onevoice.engines.recognition.scribe import Heard
from onevoice.engines.recognition.uploads import Passage
from onevoice.errors import EngineFailed, EngineRefused, EngineUnavailable
from onevoice.types import Word
from tests.contract import sample
from tests.simulators.base import KEY, Answer, Request
from tests.simulators.elevenlabs import ElevenLabs, Said

Build = Callable[..., Scribe]


@pytest.fixture
def sim(talk: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[ElevenLabs]:
    monkeypatch.setenv(elevenlabs.KEY, KEY)
    with ElevenLabs(**talk) as running:
        yield running


@pytest.fixture
def build(sim: ElevenLabs, tmp_path: Path) -> Iterator[Build]:
    made: list[Scribe] = []

    def make(runtime: dict[str, Any] | None = None, **params: Any) -> Scribe:
        given = {"models_dir": tmp_path, "backoff": 0.01, "timeout": 5.0, **(runtime or {})}
        settings = ScribeWordsParams(**{"base_url": sim.url, **params})
        made.append(Scribe(settings, Runtime(**given)))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def hear(engine: Scribe, path: Path, **more: Any) -> Any:
    asked = {"language": None, "hints": (), "progress": sample.ignore, **more}
    return engine.transcribe(path, **asked)


# --- what is sent ---------------------------------------------------------------------------


def test_the_request(sim: ElevenLabs, build: Build, mix: Path) -> None:
    result = hear(build(), mix, language="en", hints=["Disneyland", "<Acme>"])
    (sent,) = sim.log
    assert (sent.method, sent.path, sent.key_right) == ("POST", "/v1/speech-to-text", True)
    assert sent.headers["content-type"].startswith("multipart/form-data; boundary=")
    file = sent.body.pop("file")
    assert (file["filename"], file["content_type"]) == ("speech.flac", "audio/flac")
    nulls = {"webhook_metadata", "entity_detection", "entity_redaction"}  # the SDK's own
    assert {name: v for name, v in sent.body.items() if name not in nulls} == {
        "model_id": "scribe_v2",
        "tag_audio_events": "false",
        "timestamps_granularity": "word",
        "diarize": "true",
        "language_code": "en",
        "keyterms": ["Disneyland", "Acme"],
    }
    assert (result.language, result.language_probability) == ("en", 1.0)
    assert {word.speaker for word in result.words} == {"speaker_0", "speaker_1"}


@pytest.mark.parametrize(
    ("params", "hints", "absent"),
    [
        ({}, (), "keyterms"),
        ({"keyterms": False}, ("Disneyland",), "keyterms"),
        ({"model": "scribe_v1"}, ("Disneyland",), "keyterms"),
        ({}, (), "no_verbatim"),
        ({}, (), "language_code"),
    ],
)
def test_what_is_not_sent(
    sim: ElevenLabs,
    build: Build,
    mix: Path,
    params: dict[str, Any],
    hints: Sequence[str],
    absent: str,
) -> None:
    hear(build(**params), mix, hints=hints)
    assert absent not in sim.log[0].body


def test_settings_are_sent(sim: ElevenLabs, build: Build, mix: Path) -> None:
    result = hear(build(speakers=False, verbatim=False, model="scribe_v1"), mix, language="nb")
    sent = sim.log[0].body
    assert (sent["diarize"], sent["no_verbatim"], sent["model_id"]) == (
        "false",
        "true",
        "scribe_v1",
    )
    assert sent["language_code"] == "no"
    assert result.language == "nb"
    assert {word.speaker for word in result.words} == {""}


@pytest.mark.parametrize(
    ("hints", "sent"),
    [
        (["Acme", "Acme", " Acme "], ["Acme"]),
        (["a<b>{c}[d]\\e"], ["a b c d e"]),
        (["one two three four five six", "x" * 51, "", "<>"], []),
        (["x" * 50, "one two three four five"], ["x" * 50, "one two three four five"]),
        ([f"t{i}" for i in range(1_200)], [f"t{i}" for i in range(1_000)]),
    ],
)
def test_key_terms_as_the_service_takes_them(hints: list[str], sent: list[str]) -> None:
    assert scribe.keyterms(hints) == sent


@pytest.mark.parametrize(
    ("tag", "code"),
    [("pt-BR", "pt"), ("zh-Hant", "zh"), ("nn", "no"), ("fil", "fil"), ("yue", "yue")],
)
def test_languages_as_the_service_calls_them(tag: str, code: str) -> None:
    assert scribe.code_of(tag) == code


# --- long recordings ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def twice(mix: Path) -> Path:
    """The sample two times over."""
    samples, rate = soundfile.read(mix, dtype="float32")
    path = mix.with_name("twice.wav")
    soundfile.write(path, np.concatenate([samples, samples]), rate, subtype="FLOAT")
    return path


def test_a_long_recording_goes_up_in_parcels(
    sim: ElevenLabs, build: Build, mix: Path, twice: Path
) -> None:
    length = soundfile.info(mix).duration
    again = [Said(s.start + length, s.end + length, s.speaker, s.text) for s in sim.script]
    engine = build(chunk=60)
    once = hear(engine, mix).words
    with ElevenLabs(script=[*sim.script, *again], recording=_mono(twice)) as longer:
        engine = build(chunk=60, base_url=longer.url)
        shares: list[float] = []
        result = hear(engine, twice, progress=shares.append)
        assert len(longer.log) == 2
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert [w.text for w in result.words] == [w.text for w in once] * 2
    moved = [w.start - length for w in result.words[len(once) :]]
    # Edges at pauses are found again in each parcel, and may fall a little elsewhere.
    assert np.median(np.abs(np.subtract(moved, [w.start for w in once]))) < 0.05
    assert moved == pytest.approx([w.start for w in once], abs=0.3)
    # Who speaks in one parcel may or may not be who speaks in the other.
    assert {w.speaker for w in result.words} == {
        f"{part}/speaker_{number}" for part in (1, 2) for number in (0, 1)
    }


def _mono(path: Path) -> tuple[Any, int]:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return samples.mean(axis=1), rate


def test_parcels_are_as_long_as_they_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = [0.0, 30.0, 55.0, 70.0, 200.0]
    passages = [Passage(start, start + 12, ((start, start + 12),)) for start in starts]
    monkeypatch.setattr(scribe.uploads, "passages", lambda path, minutes: iter(passages))
    found = [[p.start for p in parcel] for parcel in scribe.parcels(Path("x.wav"), 60)]
    assert found == [[0.0, 30.0], [55.0, 70.0], [200.0]]


def test_a_parcel_keeps_the_times_of_its_passages(tmp_path: Path) -> None:
    rate = 16_000
    t = np.arange(20 * rate) / rate
    tone = 0.2 * np.sin(2 * np.pi * 300 * t) * ((t % 10 > 2) & (t % 10 < 6))
    soundfile.write(tmp_path / "x.wav", tone.astype(np.float32), rate, subtype="FLOAT")
    parcel = [Passage(2.0, 6.0, ((2.0, 6.0),)), Passage(12.0, 16.0, ((12.0, 16.0),))]
    file = io.BytesIO()
    upload = scribe.encode(tmp_path / "x.wav", parcel, file)
    file.seek(0)
    sent, given = soundfile.read(file, dtype="float32")
    assert given == rate
    assert len(sent) / rate == pytest.approx(14.0, abs=0.02)
    loud = np.abs(sent).reshape(-1, rate // 10).max(axis=1) > 0.01
    assert loud[:40].all() and not loud[41:99].any() and loud[101:].all()
    assert upload.passage == Passage(2.0, 16.0, ((2.0, 6.0), (12.0, 16.0)))
    sounds = upload.active[:1_400].reshape(-1, 10).all(axis=1)  # FRAME_S is 10 ms
    silent = ~upload.active[:1_400].reshape(-1, 10).any(axis=1)
    assert sounds[1:39].all() and silent[41:99].all() and sounds[101:139].all()


# --- answers --------------------------------------------------------------------------------


def answer(words: list[dict[str, Any]], **more: Any) -> SpeechToTextChunkResponseModel:
    body = {"language_code": "eng", "language_probability": 0.9, "text": "", "words": words}
    return SpeechToTextChunkResponseModel.model_validate(body | more)


def entry(text: str, start: float, end: float, kind: str = "word", **more: Any) -> dict[str, Any]:
    return {"text": text, "start": start, "end": end, "type": kind, "logprob": -0.1, **more}


def test_words_spaces_and_events() -> None:
    heard = scribe._heard(
        answer(
            [
                entry("Well,", 0.0, 0.3, speaker_id="speaker_0"),
                entry(" ", 0.3, 0.4, "spacing"),
                entry("(laughter)", 0.4, 0.9, "audio_event"),
                entry(" ", 0.9, 1.0, "spacing"),
                entry("yes", 1.0, 1.2, speaker_id="speaker_1", logprob=0.0),
                entry("...", 1.2, 1.3, speaker_id="speaker_1"),
            ]
        )
    )
    assert heard.language == "eng"
    assert heard.probability == 0.9
    assert [(w.text, w.joined, w.speaker) for w in heard.words] == [
        ("Well,", False, "speaker_0"),
        ("yes...", False, "speaker_1"),
    ]
    assert heard.words[0].probability == pytest.approx(np.exp(-0.1))
    assert heard.words[1].probability == 1.0


def test_a_script_without_spaces() -> None:
    words = [entry(c, i / 10, (i + 1) / 10) for i, c in enumerate("今日は。")]
    heard = scribe._heard(answer(words, language_code="jpn"))
    assert heard.language == "jpn"
    assert [(w.text, w.joined) for w in heard.words] == [
        ("今", False),
        ("日", True),
        ("は。", True),
    ]


@pytest.mark.parametrize(
    ("code", "tag"), [("kor", "ko"), ("por", "pt"), ("cmn", "zh"), ("fas", "fa"), ("es", "es")]
)
def test_languages_as_the_answer_names_them(code: str, tag: str) -> None:
    heard = scribe._heard(answer([entry("x", 0, 1)], language_code=code))
    assert scribe.spoken_language([heard]) == (tag, pytest.approx(0.9))


def test_an_answer_that_is_none() -> None:
    for odd in (object(), answer([]).model_copy(update={"words": None}), {"words": []}):
        with pytest.raises(Garbled):
            scribe._heard(odd)
    with pytest.raises(Garbled, match="times"):
        scribe._heard(answer([{"text": "x", "type": "word", "logprob": 0.0}]))
    assert scribe._heard(answer([], language_code="zxx")) == Heard("zxx", 0.9, ())


def test_a_language_that_is_none_of_ours(sim: ElevenLabs, build: Build, mix: Path) -> None:
    sim.language = "zxx"
    assert hear(build(), mix, language="en").words  # nobody needs to know what it heard
    engine = build()
    with pytest.raises(EngineRefused, match="'zxx'") as caught:
        hear(engine, mix)
    assert "--from" in caught.value.hint
    # It has to be paid for all the same.
    assert engine.runtime.meter.spent == pytest.approx(sim.bill.total("seconds") / 2 / 3600 * 0.22)


@pytest.mark.parametrize("said", ["a while", -1, float("nan"), None])
def test_a_length_that_is_none_is_not_booked(
    sim: ElevenLabs, build: Build, mix: Path, monkeypatch: pytest.MonkeyPatch, said: Any
) -> None:
    right = sim.handle

    def wrong(request: Request) -> tuple[Answer, Any]:
        made, fault = right(request)
        body = json.loads(made.body) | {"audio_duration_secs": said}
        return replace(made, body=json.dumps(body).encode()), fault

    monkeypatch.setattr(sim, "handle", wrong)
    with collecting() as used:
        hear(build(), mix)
    (usage,) = used
    assert usage.quantity == pytest.approx(sim.bill.total("seconds"), abs=0.1)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], ("und", 0.0)),
        ([("und", 0.0, 0)], ("und", 0.0)),
        ([("en", 0.9, 10)], ("en", 0.9)),
        ([("en", 0.9, 10), ("fr", 1.0, 4), ("en", 0.6, 20)], ("en", 0.7)),
        ([("und", 0.0, 0), ("ko", 0.8, 3)], ("ko", 0.8)),
        ([("zxx", 0.5, 1), ("ko", 0.8, 3)], ("ko", 0.8)),
    ],
)
def test_the_language_of_the_parcels(
    parts: list[tuple[str, float, int]], expected: tuple[str, float]
) -> None:
    word = Word(text="x", start=0.0, end=0.1)
    heard = [Heard(language, sure, (word,) * count) for language, sure, count in parts]
    language, sure = scribe.spoken_language(heard)
    assert (language, sure) == (expected[0], pytest.approx(expected[1]))


# --- what goes wrong, and what it costs -----------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "values"),
    [
        ("status", {"status": 429, "retry_after": 0.02}),
        ("status", {"status": 500}),
        ("cut", {}),
        ("malformed", {}),
        ("body", {"body": "[]"}),
        ("body", {"body": '{"language_code": "eng", "words": [{"type": "word", "text": "x"}]}'}),
    ],
)
def test_tries_again(
    sim: ElevenLabs, build: Build, mix: Path, fault: str, values: dict[str, Any]
) -> None:
    sim.faults.plan(fault, **values)
    engine = build()
    with collecting() as used:
        result = hear(engine, mix)
    assert len(result.words) > 100
    assert len(sim.log) == 2
    # The whole file went up again.
    assert len({sent.body["file"]["sha256"] for sent in sim.log}) == 1
    (usage,) = used
    assert (usage.engine, usage.model, usage.unit) == (
        "recognition.elevenlabs",
        "scribe_v2",
        "seconds",
    )
    assert usage.quantity == pytest.approx(sim.bill.total("seconds"))
    assert usage.usd == pytest.approx(usage.quantity / 3600 * 0.22)


def test_silence_is_not_waited_for(sim: ElevenLabs, build: Build, mix: Path) -> None:
    # The time-out grows with the recording, by a tenth of its length: too long to wait for here.
    sim.faults.plan("slow", seconds=1.5)
    engine = build({"timeout": 0.1, "attempts": 1})
    scribe_grace = scribe.GRACE
    try:
        scribe.GRACE = 0.005
        with pytest.raises(EngineFailed, match="no answer"):
            hear(engine, mix)
    finally:
        scribe.GRACE = scribe_grace
    assert engine.runtime.meter.spent == 0.0


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, "quota_exceeded", EngineUnavailable),
        (402, "payment_required", EngineUnavailable),
        (422, "file", EngineRefused),
        (400, "invalid_content", EngineRefused),
    ],
)
def test_what_is_final_is_asked_once(
    sim: ElevenLabs, build: Build, mix: Path, status: int, code: str, error: type[Exception]
) -> None:
    sim.faults.plan("status", status=status, code=code)
    with pytest.raises(error, match=f"{code}: simulated"):
        hear(build(), mix)
    assert len(sim.log) == 1
    assert sim.bill.count == 0


def test_key_terms_cost_a_fifth_more(sim: ElevenLabs, build: Build, mix: Path) -> None:
    engine = build(usd_per_hour=1.0)
    hear(engine, mix, hints=["Disneyland"])
    seconds = sim.bill.total("seconds")
    assert engine.runtime.meter.spent == pytest.approx(seconds / 3600 * 1.2)
    assert engine.quote(3_600) == 1.0
    assert build().quote(7_200) == pytest.approx(0.44)
    assert build(model="scribe_v9").quote(3_600) == 0.0
