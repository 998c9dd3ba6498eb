from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onevoice.engines.synthesis import phonemes


def shout(clauses: Sequence[str]) -> list[str]:
    """A phonemizer whose answer shows what it was asked."""
    return [clause.upper() for clause in clauses]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hola, mundo.", "HOLA, MUNDO."),
        ("¿qué? ¡sí!", "QUÉ? SÍ!"),
        ("dijo «hola» y (luego) «adiós».", "DIJO “HOLA” Y (LUEGO) “ADIÓS”."),
        ("espera... ya", "ESPERA… YA"),
        ("1.5 kg, a las 12:30.", "1.5 KG, A LAS 12:30."),
        ("오늘은、내일。", "오늘은, 내일."),
        ('"cita" sin comillas', "CITA SIN COMILLAS"),
        ("a – b — c", "A— B— C"),
        ("", ""),
        ("  \n ", ""),
        ("... ¿? —", ""),
        ("😀", ""),
        ("hola 😀 mundo\x00\ud800", "HOLA MUNDO"),
        ("e\u0301l", "ÉL"),
    ],
)
def test_marks_stay_and_words_go_through_the_phonemizer(text: str, expected: str) -> None:
    assert phonemes.phonemize(text, shout) == expected


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_one_clean_line(text: str) -> None:
    out = phonemes.phonemize(text, shout)
    assert out == out.strip()
    assert not set(out) & set("\n\r\t\x00")
    out.encode("utf-8")


class Tied:
    def phonemes(self, clauses: Sequence[str], voice: str) -> list[str]:
        assert voice == "en-us"
        return ["t^ʃˈuːz ðə ɹˈa^ɪt vˈɔ^ɪs-e^ɪ" for _ in clauses]

    def close(self) -> None:
        return None


def test_tied_sounds_become_kokoros_letters() -> None:
    to_ipa = phonemes.through_espeak(Tied(), "en-us")
    assert to_ipa(["choose the right voice"]) == ["ʧˈuːz ðə ɹˈIt vˈYsA"]


def test_unknown_letters_are_left_out() -> None:
    assert phonemes.tokens("aXb", {"a": 43, "b": 44}) == [43, 44]


@settings(deadline=None)
@given(st.text(alphabet="abc ,.", max_size=300), st.integers(5, 60))
def test_pieces_fit_and_lose_nothing(text: str, limit: int) -> None:
    pieces = phonemes.split(text, limit)
    assert all(0 < len(piece) <= limit for piece in pieces)
    assert "".join(pieces).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("one two. three four.", 12, ["one two.", "three four."]),
        ("one two, three four", 12, ["one two,", "three four"]),
        ("one two three four", 12, ["one two", "three four"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("short", 12, ["short"]),
        ("", 12, []),
    ],
)
def test_cuts_lie_where_a_speaker_would_pause(text: str, limit: int, expected: list[str]) -> None:
    assert phonemes.split(text, limit) == expected
