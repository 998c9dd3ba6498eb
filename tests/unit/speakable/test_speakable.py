"""What holds for any text at all."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onevoice.speakable import identity, speakable, spoken_length

_LATIN = "A-Za-zÀ-ÖØ-öø-ɏ"
_ALLOWED = {
    "ko": r"[가-힣 .,!?…]*",
    "en": rf"[{_LATIN} .,!?…'-]*",
    "es": rf"[{_LATIN} .,!?…¿¡'-]*",
    "pt": rf"[{_LATIN} .,!?…'-]*",
}
_PIECES = (
    "12 3.14 1,500 1.500 $20 50% -5 °C km/h 3:30 11/23 FBI NASA YouTube 세 시 개 명 만 5만 3천 "
    "원 ~ "
    "- – / & @ # + = ¿ ¡ ! ? . , ; : ' ( ) a I O 번째 제 1st U.S. a@b.com www.x.com/1 "
    "010-1234-5678 XIV siglo ½ ² º α 中 ㅋ café 😀 년 월 분 1e5 00 3.5M 10k 4K 5μm "
    "23.11.2026 Mb/s ₹5 CHF S/ 1h30min 2x HDMI IBGE rpm cm²"
)
_TEXTS = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.sampled_from([*_PIECES.split(" "), " ", ""]),
        st.integers(0, 10**22).map(str),
    ),
    max_size=12,
).map("".join)


@pytest.mark.parametrize("language", sorted(_ALLOWED))
@settings(max_examples=150, deadline=None)
@given(text=_TEXTS)
def test_only_what_can_be_said_is_left_and_reading_twice_changes_nothing(
    language: str, text: str
) -> None:
    said = speakable(text, language)
    assert re.fullmatch(_ALLOWED[language], said)
    assert speakable(said, language) == said


@pytest.mark.parametrize("language", ["fr", "de", "ja", "ru", "th", "zh"])
@settings(max_examples=40, deadline=None)
@given(text=_TEXTS)
def test_reading_twice_changes_nothing_elsewhere(language: str, text: str) -> None:
    said = speakable(text, language)
    assert speakable(said, language) == said


@pytest.mark.parametrize("language", ["ko", "en", "es", "pt", "ja", "xx"])
@pytest.mark.parametrize("text", ["", " \n", "…", "😀", "()", "—"])
def test_nothing_to_say(language: str, text: str) -> None:
    assert speakable(text, language) == ""


def test_plain_sentences_stay_as_they_are() -> None:
    for language, text in {
        "ko": "오늘은 날씨가 정말 좋네요, 그렇죠?",
        "en": "It's a well-known fact, isn't it?",
        "es": "¡Qué día tan bonito! ¿Vamos a la playa?",
        "pt": "Não sei, talvez amanhã.",
        "vi": "Tôi có một con mèo.",
        "th": "สวัสดีครับ",
    }.items():
        assert speakable(text, language) == text


def test_spoken_length_counts_what_is_said() -> None:
    assert spoken_length("3시에 만나요!", "ko") == len("세시에만나요")
    assert spoken_length("$20", "es") == len("veintedólares")
    assert spoken_length("…", "ko") == 0


def test_identity_tells_readings_apart() -> None:
    assert set(identity("ko")) == {"version", "dictionary"}
    assert set(identity("pt-BR")) == {"version"}
