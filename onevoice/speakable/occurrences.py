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
    "은 는 이 가 을 를 의 에 에서 에선 에게 에게서 에겐 에다 에다가 께 께서 한테 한테서 더러 "
    "로 으로 로서 으로서 로써 으로써 로부터 으로부터 와 과 랑 이랑 하고 도 만 나 이나 라도 "
    "이라도 부터 까지 보다 처럼 같이 만큼 마다 밖에 뿐 조차 마저 커녕 대로 치고 야말로 이야말로 "
    "든 이든 든지 이든지 야 아 여 이여 들 님 씨 측 식 요 이요 입니다 입니다만 입니까 이다 예요 "
    "이에요 이죠 죠 이네요 네요 이었다 였다 이었습니다 였습니다 이었어요 였어요 이었던 였던 "
    "인가요 인지 이라고 라고 이라는 라는 이란 란 이라서 라서 이라면 라면 이니까 니까 이며 며 "
    "이고 이고요 고요 인데 인데요 이지만 지만 이자"
)
_GLUED = "|".join(sorted(_PARTICLES.split(), key=len, reverse=True))
_COPULAS = "인|임|네|면"
"""After Hangul these often end another word (``한국인``), after Latin letters they do not."""
_MOST_PARTICLES = 3
_FOREIGN = "[A-Za-zÀ-ɏ0-9]"


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
    straight = word.replace("’", "'")
    inner = r"\s+".join(re.escape(part).replace("'", "['’]") for part in straight.split())
    edge = _FOREIGN if language in _SPACELESS else r"\w"
    before = rf"(?<!{edge})" if re.match(edge, word) else ""
    after = rf"(?!{edge})" if re.search(rf"{edge}\Z", word) else ""
    if language == "ko" and after:
        glued = f"{_GLUED}|{_COPULAS}" if re.search(rf"{_FOREIGN}\Z", word) else _GLUED
        after = rf"(?=(?:{glued}){{0,{_MOST_PARTICLES}}}(?!\w))"
    elif after and as_written and re.search(r"[A-Z]{2}\Z", word):
        after = rf"(?=s?(?!{edge}))"  # GPUs
    return re.compile(f"{before}({inner}){after}", 0 if as_written else re.IGNORECASE)
