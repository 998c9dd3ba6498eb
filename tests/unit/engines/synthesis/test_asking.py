"""What is refused before a service is asked, and the text that is sent."""

from __future__ import annotations

import pytest

from onevoice.engines.base import CLONE, SpeechRequest
from onevoice.engines.synthesis import asking
from onevoice.errors import EngineRefused


def ask(text: str = "Hola.", voice: str = "ada") -> SpeechRequest:
    return SpeechRequest(text=text, language="es", voice=voice)


@pytest.mark.parametrize(
    ("text", "markup", "said"),
    [
        ("Hola\n mundo\t.", "", "Hola mundo ."),
        ("e\u0301", "", "é"),
        ("a\x00b\x07c\ud800d\u200be", "", "abcde"),
        ("می\u200cخواهم", "", "می\u200cخواهم"),
        ("क्\u200dष", "", "क्\u200dष"),
        ("¡bien! 😀", "", "¡bien!"),
        ("[laugh] sí <|speaker:1|>", "[]<>|", "laugh sí speaker:1"),
        ("tres < cuatro", "", "tres < cuatro"),
    ],
)
def test_text_is_one_line_without_what_nobody_can_say(text: str, markup: str, said: str) -> None:
    # "<" is a mathematical sign and stays unless the engine would take it for markup.
    assert asking.sayable(ask(text), markup=markup) == said


@pytest.mark.parametrize("text", ["", " ", "…", "[]", "😀", "\u200d"])
def test_nothing_to_say(text: str) -> None:
    with pytest.raises(EngineRefused, match="nothing to say"):
        asking.sayable(ask(text), markup="[]")


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_no_rate(rate: float) -> None:
    with pytest.raises(EngineRefused, match="no rate"):
        asking.check_rate(rate)


def test_languages() -> None:
    asking.check_language("x", "pt-BR", {"pt"})
    asking.check_language("x", "xx", set())
    with pytest.raises(EngineRefused, match="does not speak 'ko'") as caught:
        asking.check_language("x", "ko", {"pt", "es"})
    assert caught.value.hint == "it speaks: es, pt"


def test_clone_needs_something_to_clone() -> None:
    assert asking.reference_of("x", ask()) is None
    with pytest.raises(EngineRefused, match="clone"):
        asking.reference_of("x", ask(voice=CLONE))


def test_nearest_voice() -> None:
    assert "did you mean 'ada'?" in asking.no_voice("x", "adda", ["bo", "ada"]).hint
    assert asking.no_voice("x", "zzz", ["bo"]).hint == "voices for this language: bo"
    assert asking.no_voice("x", "zzz", []).hint == "it has none"
