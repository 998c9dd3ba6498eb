from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from onevoice.engines.boundary import Garbled
from onevoice.engines.synthesis.openai_chat import read, says

LONG = "Cuando llegamos a la estación ya no quedaba nadie en el andén y el tren se había ido."


@pytest.mark.parametrize(
    ("transcript", "text", "same"),
    [
        ("Buenos días.", "Buenos días.", True),
        ("buenos días", "¡Buenos días!", True),
        (LONG, LONG, True),
        ("Sí.", "Si", True),
        ("No.", "Sí.", False),
        ("Tengo veintiún perros.", "Tengo 21 perros.", True),
        ("안녕하세요", "안녕하세요.", True),
        (f"Claro, aquí tienes: {LONG}", LONG, False),
        (f"{LONG} ¿Quieres que siga?", LONG, False),
        (LONG[:50], LONG, False),
        ("Estoy bien, gracias.", "¿Cómo estás?", False),
        ("When we got to the station nobody was left.", LONG, False),
        ("", "Hola.", False),
    ],
)
def test_what_counts_as_the_same_words(transcript: str, text: str, same: bool) -> None:
    assert says(transcript, text) is same


def completion(**message: Any) -> bytes:
    return json.dumps({"choices": [{"message": message}]}).encode()


def test_the_sound_of_a_line() -> None:
    audio = {"data": base64.b64encode(b"RIFF").decode(), "transcript": "Hola."}
    assert read(completion(audio=audio)).sound("Hola.") == b"RIFF"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"choices": []}',
        completion(content="Hola."),
        completion(refusal="I can't.", audio=None),
        completion(audio={"data": "no base64!", "transcript": "Hola."}),
        completion(audio={"data": "UklGRg==", "transcript": "Adiós, hasta luego."}),
    ],
)
def test_what_is_no_speech_is_asked_for_again(body: bytes) -> None:
    with pytest.raises(Garbled):
        read(body).sound("Hola.")


def test_tokens_are_priced_by_kind() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 70,
        "completion_tokens_details": {"audio_tokens": 60},
    }
    answer = read(json.dumps({"choices": [], "usage": usage}).encode())
    found = answer.usages("synthesis.openai", "gpt-audio-1.5", (2.5, 10.0, 64.0))
    assert [(u.unit, u.quantity) for u in found] == [
        ("input tokens", 100),
        ("output tokens", 10),
        ("audio tokens", 60),
    ]
    assert sum(u.usd for u in found) == pytest.approx((250 + 100 + 3840) / 1e6)
