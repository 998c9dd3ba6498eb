from __future__ import annotations

import re

import pytest

from onevoice.speakable.hangul import ONSETS, Syllable, coda, hangul_syllables
from onevoice.speakable.hangulize import hangulize
from onevoice.speakable.loanwords import spell, table, word_in_hangul
from onevoice.speakable.sounds import dictionary, sounds


# The examples the orthography itself gives, by its numbered rules.
@pytest.mark.parametrize(
    ("heard", "hangul"),
    [
        ("ɡæp", "갭"),
        ("kæt", "캣"),
        ("bʊk", "북"),
        ("æpt", "앱트"),
        ("ækt", "액트"),
        ("stæmp", "스탬프"),
        ("kAp", "케이프"),
        ("nest", "네스트"),
        ("pɑːt", "파트"),
        ("desk", "데스크"),
        ("bʌlb", "벌브"),
        ("lænd", "랜드"),
        ("mɑːsk", "마스크"),
        ("ʤæz", "재즈"),
        ("ɡɹæf", "그래프"),
        ("ɒlɪv", "올리브"),
        ("flæʃ", "플래시"),
        ("ʃɹʌb", "슈러브"),
        ("ʃɑːk", "샤크"),
        ("fæʃən", "패션"),
        ("ʃɒpɪŋ", "쇼핑"),
        ("mɪɹɑːʒ", "미라지"),
        ("vɪʒən", "비전"),
        ("swɪʧ", "스위치"),
        ("bɹɪʤ", "브리지"),
        ("ʧɑːt", "차트"),
        ("stiːm", "스팀"),
        ("kɔːn", "콘"),
        ("ɹɪŋ", "링"),
        ("hæŋɪŋ", "행잉"),
        ("hOtel", "호텔"),
        ("pʌlp", "펄프"),
        ("slId", "슬라이드"),
        ("fɪlm", "필름"),
        ("hælmɪt", "핼밋"),
        ("tIm", "타임"),
        ("hWs", "하우스"),
        ("skAt", "스케이트"),
        ("Yl", "오일"),
        ("bOt", "보트"),
        ("tWə", "타워"),
        ("wɜːd", "워드"),
        ("wɒnt", "완트"),
        ("wæɡ", "왜그"),
        ("west", "웨스트"),
        ("wɪʧ", "위치"),
        ("wʊl", "울"),
        ("swɪŋ", "스윙"),
        ("twɪst", "트위스트"),
        ("peŋɡwɪn", "펭귄"),
        ("kwɔːtə", "쿼터"),
        ("jɑːd", "야드"),
        ("jelO", "옐로"),
        ("juː", "유"),
        ("", ""),
    ],
)
def test_loanword_orthography(heard: str, hangul: str) -> None:
    assert hangulize(heard) == hangul


@pytest.mark.parametrize(
    ("word", "hangul"),
    [
        ("FBI", "에프비아이"),
        ("ATMs", "에이티엠"),
        ("HTML", "에이치티엠엘"),
        ("NASA", "나사"),
        ("YouTube", "유튜브"),
        ("youtube", "유튜브"),
        ("Disneyland", "디즈니랜드"),
        ("Barcelona", "바르셀로나"),
        ("OpenAI", "오픈에이아이"),
        ("A", "에이"),
        ("I", "아이"),
        ("García", "가르시아"),
        ("Hernández", "에르난데스"),
        ("Muñoz", "무뇨스"),
        ("Gonçalves", "곤살베스"),
        ("station", "스테이션"),
        ("strong", "스트롱"),
        ("church", "처치"),
        ("ticket", "티켓"),
        ("sandwich", "샌드위치"),
        ("Blimpton", "블림프톤"),
    ],
)
def test_without_a_dictionary(word: str, hangul: str) -> None:
    assert word_in_hangul(word, use_dictionary=False) == hangul


@pytest.mark.skipif(not dictionary(), reason="no pronouncing dictionary is installed")
@pytest.mark.parametrize(
    ("word", "hangul"),
    [
        ("computer", "컴퓨터"),
        ("weather", "웨더"),
        ("music", "뮤직"),
        ("beautiful", "뷰티풀"),
        ("people", "피플"),
        ("chemical", "케미컬"),
        ("lighting", "라이팅"),
        ("Tesla", "테슬라"),
        ("running", "러닝"),
        ("stopped", "스톱트"),
        ("channels", "채널즈"),
        ("subscribed", "서브스크라이브드"),
    ],
)
def test_with_a_dictionary(word: str, hangul: str) -> None:
    assert word_in_hangul(word) == hangul


def test_the_table_holds_hangul_only() -> None:
    assert len(table()) > 400
    for word, hangul in table().items():
        assert re.fullmatch("[가-힣]+", hangul), word


def test_letters_without_a_name_are_dropped() -> None:
    assert spell("xłz") == "엑스제트"


def test_unknown_letters_do_not_stop_a_word() -> None:
    assert re.fullmatch("[가-힣]+", word_in_hangul("Łódź", use_dictionary=False))
    assert sounds("", use_dictionary=False) == ""


def test_blocks() -> None:
    assert str(Syllable("ㅎ", "ㅏ", "ㄴ")) == "한"
    assert str(Syllable("ㅇ", "ㅣ")) == "이"
    assert [coda(c) for c in "한이a값"] == ["ㄴ", "", "", "ㅄ"]
    assert len(ONSETS) == 19
    assert hangul_syllables("한국어 abc, 좋아!") == 5
