"""Expected pronunciations follow the standard rules (표준 발음법) named beside them."""

from __future__ import annotations

import pytest

from onevoice.engines.synthesis import korean

pytest.importorskip("kokorog2p", reason="needs onevoice[embedded]")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("나라", "naɾa"),
        ("가구", "ɡaɡu"),  # soft: voiced
        ("까구", "kaɡu"),  # tense: voiceless
        ("카구", "kʰaɡu"),  # aspirated
        ("자주", "ʨaʥu"),
        ("학교", "hakkjo"),  # no voice after a stop
        ("옷이", "oɕi"),  # liaison, article 13
        ("꽃을", "koʨʰɯl"),
        ("독립", "doŋnip"),  # nasalisation, article 19
        ("신라", "ɕilla"),  # ㄴ before ㄹ, article 20
        ("같이", "ɡaʨʰi"),  # palatalisation, article 17
        ("좋다", "ʨotʰa"),  # ㅎ makes aspirates, article 12
        ("읽는", "iŋnɯn"),  # a cluster before a nasal, article 18
        ("회의", "hwei"),  # 의 inside a word, article 5
        ("논의", "noni"),
        ("희망", "himaŋ"),
        ("의사", "ɯisa"),  # … and at its start
        ("쇠", "swe"),
        ("쉬", "ɕwi"),
        ("", ""),
        ("OK 12", "OK 12"),
    ],
)
def test_pronunciation(text: str, expected: str) -> None:
    assert korean.clauses_to_ipa([text]) == [expected]
