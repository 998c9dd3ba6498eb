import pytest

from onevoice.engines.translation.identify import intruder, script_shares


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        ("¿Podrías bajar la música?", "es", ""),
        ("Nunca hemos estado en ninguna otra ciudad.", "es", ""),
        ("Los niños se van mañana a las nueve.", "es", ""),
        ("Correcto, você pode ver el tiempo.", "es", "pt"),
        ("La canção está aquí", "es", "pt"),
        ("Mary dijo que iría se mudar", "es", "pt"),
        ("Costóme dos dólares", "es", "pt"),
        ("Déjame dos. Se mudará mañana y podría irse.", "es", ""),
        ("Você poderia baixar a música?", "pt", ""),
        ("A reunião começa às 9:30, então não se atrasem.", "pt", ""),
        ("Yo no sé, pero muy bien.", "pt", "es"),
        ("That is the man who was there", "es", "en"),
        ("Das ist nicht der Mann", "en", "de"),
        ("Rock and roll", "es", ""),
        ("Se ha dado up de fumar", "es", "en"),
        ("", "es", ""),
    ],
)
def test_intruder(text: str, target: str, expected: str) -> None:
    assert intruder(text, target) == expected


def test_names_are_no_intruders() -> None:
    assert intruder("Vivo en São Paulo", "es") == "pt"
    assert intruder("Vivo en São Paulo", "es", names=frozenset({"são", "paulo"})) == ""


def test_script_shares() -> None:
    assert script_shares("한a漢あ") == {
        "Hangul": 0.25,
        "Latin": 0.25,
        "Han": 0.25,
        "Hiragana": 0.25,
    }
    assert script_shares("12 ...") == {}
