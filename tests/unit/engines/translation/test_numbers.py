import pytest

from onevoice.engines.translation.numbers import missing_numbers, misspelled_number

KEPT = [
    ("It cost 20 dollars.", "20달러였어요.", "en", "ko"),
    ("It cost 20 dollars.", "이십 달러였어요.", "en", "ko"),
    ("It cost twenty dollars.", "스무 달러였어요.", "en", "ko"),
    ("It cost twenty dollars.", "Costó veinte dólares.", "en", "es"),
    ("It cost twenty dollars.", "Costó 20 dólares.", "en", "es"),
    ("21 women", "veintiuna mujeres", "en", "es"),
    ("200 women", "doscientas mujeres", "en", "es"),
    ("twenty-five people", "스물다섯 명", "en", "ko"),
    ("3 million people", "300만 명", "en", "ko"),
    ("3 million people", "3 millones de personas", "en", "es"),
    ("3 million people", "3 milhões de pessoas", "en", "pt"),
    ("3만 명", "30,000 people", "ko", "en"),
    ("3만 명", "30 thousand people", "ko", "en"),
    ("at 9:30", "9시 30분에", "en", "ko"),
    ("1,000 things", "천 가지", "en", "ko"),
    ("3.5 metres", "3,5 metros", "en", "es"),
    ("one of them", "alguno de ellos", "en", "es"),
    ("no numbers", "nada", "en", "es"),
    ("three months ago", "hace tres meses", "en", "es"),
    ("three months ago", "세 달 전에", "en", "ko"),
]
LOST = [
    ("It cost 20 dollars.", "Costó dos dólares.", "en", "es", 20),
    ("It cost twenty dollars.", "Costó veintiún dólares.", "en", "es", 20),
    ("First, heat it to 180 degrees.", "올바른 온도로 데우세요.", "en", "ko", 180),
    ("3 million people", "3 personas", "en", "es", 3e6),
    ("3 million people", "3만 명", "en", "ko", 3e6),
    ("at 9:30", "a las 9", "en", "es", 30),
    ("20 dollars", "二百", "en", "zh", 20),
]


@pytest.mark.parametrize(("text", "answer", "source", "target"), KEPT)
def test_kept(text: str, answer: str, source: str, target: str) -> None:
    assert missing_numbers(text, answer, source=source, target=target) == ()


@pytest.mark.parametrize(("text", "answer", "source", "target", "lost"), LOST)
def test_lost(text: str, answer: str, source: str, target: str, lost: float) -> None:
    assert missing_numbers(text, answer, source=source, target=target) == (lost,)


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("두십 달러예요.", True),
        ("세백 명이 왔어요.", True),
        ("다섯십 개요.", True),
        ("이십 달러예요.", False),
        ("스무 명이에요.", False),
        ("두 명이 왔어요.", False),
        ("한 백 명쯤 왔어요.", False),
    ],
)
def test_misspelled(answer: str, wrong: bool) -> None:
    assert misspelled_number(answer) is wrong
