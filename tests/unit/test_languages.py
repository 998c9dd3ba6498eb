from __future__ import annotations

import pytest

from onevoice import languages
from onevoice.errors import UnknownLanguage


@pytest.mark.parametrize(
    ("given", "tag"),
    [
        ("ko", "ko"),
        ("KO", "ko"),
        (" kor ", "ko"),
        ("ko-KR", "ko"),
        ("Korean", "ko"),
        ("한국어", "ko"),
        ("español", "es"),
        ("Espanol", "es"),
        ("spanish", "es"),
        ("es-ES", "es"),
        ("es_MX", "es-419"),
        ("es-419", "es-419"),
        ("pt", "pt"),
        ("pt_BR", "pt-BR"),
        ("pt-br", "pt-BR"),
        ("pt-PT", "pt-PT"),
        ("pt-AO", "pt-PT"),
        ("Brazilian Portuguese", "pt-BR"),
        ("por", "pt"),
        ("zh", "zh"),
        ("zh-CN", "zh"),
        ("zh_TW", "zh-Hant"),
        ("zh-Hant-HK", "zh-Hant"),
        ("zh-Hans-HK", "zh"),
        ("chi", "zh"),
        ("cmn", "zh"),
        ("yue", "yue"),
        ("en-US", "en"),
        ("en-GB", "en-GB"),
        ("fre", "fr"),
        ("deu", "de"),
        ("ger", "de"),
        ("iw", "he"),
        ("tl", "fil"),
        ("nb-NO", "nb"),
        ("jpn", "ja"),
        ("日本語", "ja"),
        ("quechua", None),
        ("qu", "qu"),
    ],
)
def test_normalize(given: str, tag: str | None) -> None:
    if tag is None:
        with pytest.raises(UnknownLanguage):
            languages.normalize(given)
    else:
        assert languages.normalize(given) == tag
        assert languages.normalize(tag) == tag


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("Koraen", "ko (Korean)"),
        ("spansh", "es (Spanish)"),
        ("portugese", "pt (Portuguese)"),
        ("xx", "ko, es or pt-BR"),
        ("???", "ko, es or pt-BR"),
        ("", "ko, es or pt-BR"),
        ("und", ""),
        ("qab", ""),
        ("../../etc/passwd", ""),
    ],
)
def test_unknown_language_names_the_nearest(given: str, nearest: str) -> None:
    with pytest.raises(UnknownLanguage) as caught:
        languages.normalize(given)
    assert nearest in caught.value.hint
    assert repr(given) in caught.value.message


def test_parse_list_keeps_order_and_drops_repeats() -> None:
    assert languages.parse_list("ko, Spanish,pt,,KOR;es") == ("ko", "es", "pt")


@pytest.mark.parametrize("text", ["", " , ", "ko,xx"])
def test_parse_list_refuses(text: str) -> None:
    with pytest.raises(UnknownLanguage):
        languages.parse_list(text)


def test_names_and_codes() -> None:
    assert languages.name("pt-BR") == "Brazilian Portuguese"
    assert languages.name("de-AT") == "German"
    assert languages.name("qu") == "qu"
    assert languages.endonym("es") == "español"
    assert [languages.iso639_2(t) for t in ("ko", "pt-BR", "zh-Hant", "de", "yue", "tlh-x")] == [
        "kor",
        "por",
        "zho",
        "deu",
        "yue",
        "tlh",
    ]


def test_scripts_and_families() -> None:
    assert languages.scripts("ko") == ("Hangul",)
    assert languages.scripts("ja") == ("Hiragana", "Katakana", "Han")
    assert languages.scripts("es-419") == languages.scripts("qu") == ("Latin",)
    assert languages.is_cjk("zh-Hant")
    assert not languages.is_cjk("vi")
    assert languages.same("pt", "pt-BR")
    assert languages.same("no", "nb")
    assert not languages.same("es", "pt")


def test_every_row_of_the_table_is_its_own_canonical_tag() -> None:
    for tag in languages._known():
        assert languages.normalize(tag) == tag
        assert languages.normalize(languages.name(tag)) == tag
        assert languages.normalize(languages.endonym(tag)) == tag
        assert len(languages.iso639_2(tag)) == 3
