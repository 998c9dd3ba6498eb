import pytest

from onevoice.engines.translation.romanize import hangul_consonants, latin_consonants, sounds_like


@pytest.mark.parametrize(
    ("name", "text", "alike"),
    [
        ("Canada", "메리는 캐나다로 갔어요.", True),
        ("Canada", "메리는 칼리나로 갔어요.", False),
        ("Disneyland", "디즈니랜드에 가요.", True),
        ("Disneyland", "이 도시에 가요.", False),
        ("John", "존에게 말했어요.", True),
        ("Michael", "마이클이 왔어요.", True),
        ("Washington", "워싱턴에서 왔어요.", True),
        ("Google", "네이버를 써요.", False),
        ("Io", "아무 말이나", True),
    ],
)
def test_sounds_like(name: str, text: str, alike: bool) -> None:
    assert sounds_like(name, text) is alike


def test_consonants() -> None:
    assert latin_consonants("Disneyland") == "tsnlnt"
    assert hangul_consonants("디즈니랜드") == "tcnlnt"
    assert hangul_consonants("abc") == ""
