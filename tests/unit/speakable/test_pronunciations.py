from __future__ import annotations

import pytest

from onevoice.speakable import occurrences, speakable, spoken_length


@pytest.mark.parametrize(
    ("language", "text", "pairs", "said"),
    [
        ("es", "Hoy NASA y Nguyen.", [("nguyen", "uin")], "Hoy nasa y uin."),
        ("es", "NGUYEN y nguyen", [("nguyen", "uin")], "uin y uin"),
        ("en", "The US helps us.", [("US", "United States")], "The United States helps us."),
        ("en", "GIFs and a GIF", [("gif", "jif")], "gifs and a jif"),
        ("es", "OpenAI y AI", [("openai", "open ei ai"), ("ai", "ei ai")], "open ei ai y ei ai"),
        ("es", "New  York", [("new york", "nuéva york")], "nuéva york"),
        ("es", "21 de GPT-4", [("gpt-4", "ge pe te 4")], "veintiuno de ge pe te cuatro"),
        ("ko", "OpenAI는 큽니다.", [("openai", "오픈에이아이")], "오픈에이아이는 큽니다."),
        ("ko", "OpenAI에서도", [("openai", "오픈에이아이")], "오픈에이아이에서도"),
        ("ko", "오픈AI입니다", [("오픈ai", "오픈에이아이")], "오픈에이아이입니다"),
        ("ko", "오픈AI학회", [("오픈ai", "틀림")], "오픈에이아이학회"),
        (
            "ko",
            "오픈AI가 서울에서",
            [("오픈ai", "오픈에이"), ("서울", "서어울")],
            "오픈에이가 서어울에서",
        ),
        ("ko", "서울이라면, 서울역", [("서울", "서어울")], "서어울이라면, 서울역"),
        ("ko", "NASA였습니다. NASA인 것", [("NASA", "나아사")], "나아사였습니다. 나아사인 것"),
        ("ko", "한국인, 한국은행, 한국은", [("한국", "하안국")], "한국인, 한국은행, 하안국은"),
        ("en", "GPUs, GPU's, GPUset", [("GPU", "jee")], "jees, jee's, GPUset"),
        ("en", "O'Neil", [("o’neil", "oh neel")], "oh neel"),
        ("ko", "Kim이", [("kim", "Queen")], "퀸이"),
        ("es", "a.c y abc", [("a.c", "punto")], "punto y abc"),
        ("es", "dijo (x)", [("x", r"\g<0> \1")], "dijo g cero uno"),
        ("es", "cafe\u0301 rico", [("café", "cofi")], "cofi rico"),
    ],
)
def test_pronunciations_come_first(
    language: str, text: str, pairs: list[tuple[str, str]], said: str
) -> None:
    assert speakable(text, language, tuple(pairs)) == said


def test_one_does_not_feed_another() -> None:
    pairs = (("uno", "dos"), ("dos", "uno"))
    assert speakable("uno y dos", "es", pairs) == "dos y uno"


def test_without_any_nothing_changes() -> None:
    assert speakable("OpenAI, 21", "es", ()) == speakable("OpenAI, 21", "es")


def test_length_is_of_what_is_said() -> None:
    assert spoken_length("OpenAI", "es", (("openai", "open ei ai"),)) == 8


@pytest.mark.parametrize(
    ("language", "text", "words", "found"),
    [
        ("en", "a network, networks", ["network"], [(2, 9, 0)]),
        ("en", "neural network", ["network", "neural network"], [(0, 14, 1)]),
        ("en", "O’Neil's", ["O'Neil"], [(0, 6, 0)]),
        ("ja", "東京で東京タワー", ["東京"], [(0, 2, 0), (3, 5, 0)]),
        ("ja", "これはAIですAIR", ["AI"], [(3, 5, 0)]),
        ("ko", "사과나무 사과나 사과", ["사과"], [(5, 7, 0), (9, 11, 0)]),
        ("ko", "풋사과", ["사과"], []),
        ("en", "C++ and C+++", ["C++"], [(0, 3, 0), (8, 11, 0)]),
        ("en", "", ["a"], []),
        ("en", "a", [], []),
    ],
)
def test_find(
    language: str, text: str, words: list[str], found: list[tuple[int, int, int]]
) -> None:
    places = occurrences.find(text, words, language, as_written=[True] * len(words))
    assert [(p.start, p.end, p.word) for p in places] == found
