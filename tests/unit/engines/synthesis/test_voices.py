from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from onevoice.engines.base import Runtime, SpeechRequest
from onevoice.engines.synthesis import kokoro, pico, voices
from onevoice.errors import AssetDamaged, EngineRefused

CATALOGUE = voices.parse(
    {
        "speeds": [0.8, 1.0, 1.6],
        "languages": {"ko": ["second", "first"], "es": ["first"]},
        "voices": {
            "first": {
                "sex": "female",
                "pitch_hz": 200,
                "licence": "CC0-1.0",
                "languages": {
                    "es": {"neutral": 1.0, "pace": [12, 15, 24]},
                    "ko": {"neutral": 1.3, "pace": [5, 6, 8], "note": "borrowed"},
                },
            },
            "second": {
                "sex": "male",
                "pitch_hz": 110,
                "licence": "CC0-1.0",
                "languages": {"ko": {"neutral": 1.0, "pace": [5, 6, 8]}},
            },
        },
    }
)


def request(voice: str, language: str) -> SpeechRequest:
    return SpeechRequest(text="hola", language=language, voice=voice)


def test_voices_come_in_the_order_of_preference_with_their_rate() -> None:
    second, first = CATALOGUE.voices("ko-KR")
    assert (second.name, first.name) == ("second", "first")
    assert (first.sex, first.pitch_hz, first.rate, first.note) == ("female", 200, 7.0, "borrowed")
    assert CATALOGUE.voices("ja") == ()


@pytest.mark.parametrize(
    ("voice", "language", "message", "hint"),
    [
        ("frist", "es", "no voice 'frist'", "did you mean 'first'"),
        ("zzz", "es", "no voice 'zzz'", "voices for this language: first"),
        ("", "es", "no voice ''", "voices for this language"),
        ("second", "es", "does not speak 'es'", "first"),
        ("first", "ja", "does not speak 'ja'", "es, ko"),
    ],
)
def test_refusals_say_what_there_is(voice: str, language: str, message: str, hint: str) -> None:
    with pytest.raises(EngineRefused, match=message) as caught:
        CATALOGUE.find("engine", request(voice, language))
    assert hint in caught.value.hint


def test_guests_speak_at_the_pace_of_the_first_voice_and_say_so() -> None:
    guests = CATALOGUE.with_guests([("guest", "male", "ko"), ("lost", "male", "ja")])
    assert [voice.name for voice in guests.voices("ko")] == ["second", "first", "guest"]
    guest = guests.voices("ko")[-1]
    assert guest.rate == guests.voices("ko")[0].rate and "second" in guest.note
    assert guests.voices("ja") == ()
    assert CATALOGUE.with_guests([("first", "male", "ko")]) == CATALOGUE


def test_pulled_voices_of_kokoro_join_the_carried_ones(tmp_path: Path) -> None:
    folder = tmp_path / "kokoro-voices"
    folder.mkdir()
    for name in ("em_santa", "zf_xiaoyi", "ef_dora", "ef_stranger"):
        (folder / f"{name}.bin").write_bytes(b"")
    engine = kokoro.Kokoro(kokoro.KokoroParams(), Runtime(models_dir=tmp_path, offline=True))
    names = [voice.name for voice in engine.voices("es")]
    assert names == [*voices.load("kokoro").order["es"], "em_santa"]


@pytest.mark.parametrize("engine", [kokoro.Kokoro, pico.Pico])
def test_the_catalogue_and_the_engine_agree(engine: type) -> None:
    catalogue = voices.load(engine.info.name)
    assert set(catalogue.order) == engine.info.languages
    for language, names in catalogue.order.items():
        assert len(set(names)) == len(names)
        for voice in catalogue.voices(language):
            assert voice.rate is not None and 4 < voice.rate < 30
            assert voice.pitch_hz is not None and 70 < voice.pitch_hz < 320
            assert voice.licence
    for name, card in catalogue.cards.items():
        for language in card.curves:
            assert name in catalogue.order[language]


def test_every_carried_voice_is_the_one_pinned() -> None:
    folder = files("onevoice.engines.synthesis") / "data" / "voices"
    carried = [path for path in folder.iterdir() if path.name.endswith(".bin")]
    assert {path.name.removesuffix(".bin") for path in carried} == set(voices.load("kokoro").cards)
    for path in carried:
        style = kokoro.parse_style(path.name.removesuffix(".bin"), path.read_bytes())
        assert style.shape == (510, 256) and np.all(np.isfinite(style))


@pytest.mark.parametrize("name", ["ef_dora", "unheard_of"])
def test_a_damaged_voice_is_refused_before_use(name: str) -> None:
    with pytest.raises(AssetDamaged, match=name):
        kokoro.parse_style(name, b"\0" * 522_240)
