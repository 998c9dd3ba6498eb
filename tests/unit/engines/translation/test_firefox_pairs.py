from __future__ import annotations

import pytest

from onevoice import languages
from onevoice.engines.translation.firefox_pairs import CARRIED, LANGUAGES, code, route


@pytest.mark.parametrize(
    ("source", "target", "legs"),
    [
        ("en", "ko", (("en", "ko"),)),
        ("ko", "en", (("ko", "en"),)),
        ("en-GB", "pt-BR", (("en", "pt"),)),
        ("ko", "es", (("ko", "en"), ("en", "es"))),
        ("pt-PT", "es-419", (("pt", "en"), ("en", "es"))),
        ("en", "zh", (("en", "zh-Hans"),)),
        ("zh-Hant", "ja", (("zh-Hant", "en"), ("en", "ja"))),
        ("zh", "zh-Hant", (("zh-Hans", "en"), ("en", "zh-Hant"))),
        ("en", "no", (("en", "nb"),)),
        ("en", "en-US", ()),
        ("pt-BR", "pt-PT", ()),
        ("nb", "no", ()),
        ("en", "xx", ()),
        ("../etc", "en", ()),
    ],
)
def test_routes_lead_over_english(
    source: str, target: str, legs: tuple[tuple[str, str], ...]
) -> None:
    assert route(source, target) == legs


def test_every_language_is_one_of_ours_and_reaches_every_other() -> None:
    for tag in LANGUAGES:
        assert languages.normalize(tag) == tag
        assert code(tag)
    assert all(route(a, b) for a in LANGUAGES for b in LANGUAGES if a != b)
    assert all(route(*pair) == (pair,) for pair in CARRIED)
