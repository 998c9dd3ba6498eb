"""Where given words stand in a text: whole words, with what a language glues to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from onevoice.languages import base

_SPACELESS = frozenset({"ja", "zh", "yue", "th", "lo", "km", "my", "bo"})
"""Languages that put no blank between words: only letters of another script mark an edge."""

# What Korean writes onto a noun: case, topic, number, address, and the commonest copulas.
_PARTICLES = (
    "은 는 이 가 을 를 의 에 에서 에게 에게서 께 께서 한테 한테서 더러 로 으로 로서 으로서 "
    "로써 으로써 와 과 랑 이랑 하고 도 만 나 이나 라도 이라도 부터 까지 보다 처럼 같이 만큼 "
    "마다 밖에 뿐 조차 마저 든지 이든지 야 아 여 이여 들 님 씨 측 식 요 이요 입니다 입니까 "
    "이다 예요 이에요 이었다 였다 이라고 라고 이라는 라는 이란 란 이며 며 이고 인데 이지만 "
    "지만"
)
_GLUED = "|".join(sorted(_PARTICLES.split(), key=len, reverse=True))
_MOST_PARTICLES = 3


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Characters ``start`` to ``end`` of the text are the word with this number."""

    start: int
    end: int
    word: int


def find(
    text: str, words: Sequence[str], language: str, *, as_written: Sequence[bool]
) -> tuple[Occurrence, ...]:
    """Every place where one of the words stands, in order; the longer word has the first claim.

    Parameters
    ----------
    text
        In Unicode form NFC, as the words.
    language
        The language of the text: it decides what may touch a word. Korean particles may follow
        one (``오픈AI는``), and Japanese or Chinese text has no blanks around it.
    as_written
        For each word, whether its case counts.
    """
    free = bytearray(b"\1" * len(text))
    found = []
    for number in sorted(range(len(words)), key=lambda i: -len(words[i])):
        for match in _pattern(words[number], base(language), as_written[number]).finditer(text):
            start, end = match.span(1)
            if all(free[start:end]):
                free[start:end] = bytes(end - start)
                found.append(Occurrence(start, end, number))
    return tuple(sorted(found, key=lambda each: each.start))


def replace(text: str, pairs: Sequence[tuple[str, str]], language: str) -> str:
    """Put the second of each pair where the first stands, in one go.

    A word in small letters is found in any case, another one only as it is written.
    """
    words = [written for written, _ in pairs]
    cased = [word != word.lower() for word in words]
    parts = []
    done = 0
    for each in find(text, words, language, as_written=cased):
        parts += [text[done : each.start], pairs[each.word][1]]
        done = each.end
    return "".join([*parts, text[done:]])


@lru_cache(maxsize=8192)
def _pattern(word: str, language: str, as_written: bool) -> re.Pattern[str]:
    """A pattern whose first group is the word."""
    inner = r"\s+".join(re.escape(part).replace("'", "['’]") for part in word.split())
    edge = "[A-Za-zÀ-ɏ0-9]" if language in _SPACELESS else r"\w"
    before = rf"(?<!{edge})" if re.match(edge, word) else ""
    after = rf"(?!{edge})" if re.search(rf"{edge}\Z", word) else ""
    if language == "ko" and after:
        after = rf"(?=(?:{_GLUED}){{0,{_MOST_PARTICLES}}}(?!\w))"
    return re.compile(f"{before}({inner}){after}", 0 if as_written else re.IGNORECASE)
