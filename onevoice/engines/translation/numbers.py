"""Do the numbers of a sentence survive its translation?

Works on values, not on spellings: "3 million", "3 millones" and "300만" are one number, as are
"20", "twenty", "veinte" and "스무".
"""

from __future__ import annotations

import re
from functools import cache

_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")
_THOUSANDS = re.compile(r"\d{1,3}(?:[.,]\d{3})+")
_MULTIPLIER = {
    "k": 1e3, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12,
    "mil": 1e3, "millón": 1e6, "millones": 1e6, "mil millones": 1e9, "billones": 1e12,
    "milhão": 1e6, "milhões": 1e6, "bilhão": 1e9, "bilhões": 1e9, "mil milhões": 1e9,
    "백": 1e2, "천": 1e3, "만": 1e4, "십만": 1e5, "백만": 1e6, "천만": 1e7, "억": 1e8,
    "십억": 1e9, "백억": 1e10, "천억": 1e11, "조": 1e12,
}  # fmt: skip
_SCALED = re.compile(
    r"(\d+(?:[.,]\d+)*)\s?("
    + "|".join(sorted(map(re.escape, _MULTIPLIER), key=len, reverse=True))
    + r")(?![a-záéíóúãõç])"
)
_SPELLED_LANGUAGES = frozenset({"en", "es", "pt", "fr", "it", "de"})
_SINO_DIGITS = ("", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구")
_NATIVE_UNITS = (
    "",
    "한 하나",
    "두 둘",
    "세 셋 석",
    "네 넷 넉",
    "다섯",
    "여섯",
    "일곱",
    "여덟",
    "아홉",
)
_NATIVE_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")
_MIXED = re.compile(r"(?:두|세|네|다섯|여섯|일곱|여덟|아홉)(?:십|백|천)(?![가-힣]*(?:하|히))")
_FIRST_CHECKED_WORD = 3
"""One and two are articles, pronouns and idioms ("one of them") too often to be counted."""


def missing_numbers(text: str, answer: str, *, source: str, target: str) -> tuple[float, ...]:
    """Numbers of ``text`` that ``answer`` has neither in figures nor in words.

    Parameters
    ----------
    source, target
        Base language codes. Number words are read in ``text`` for the languages num2words
        spells; in Korean text only figures are.
    """
    have = set(_values(answer))
    wanted = list(_values(text)) + [float(n) for n in _spelled_in(text, source)]
    return tuple(n for n in dict.fromkeys(wanted) if n not in have and not _said(n, answer, target))


def misspelled_number(answer: str) -> bool:
    """Korean that mixes its two number systems: 두십 where 이십 or 스무 is meant."""
    return bool(_MIXED.search(answer))


def _values(text: str) -> list[float]:
    """Every number written in figures; a scaled one ("3 million") with its scale."""
    rest = text.lower()
    scaled = [round(_figure(m[1]) * _MULTIPLIER[m[2]], 6) for m in _SCALED.finditer(rest)]
    return scaled + [_figure(figure) for figure in _FIGURE.findall(_SCALED.sub(" ", rest))]


def _figure(text: str) -> float:
    if _THOUSANDS.fullmatch(text):
        return float(re.sub(r"[.,]", "", text))
    whole, *parts = re.split(r"[.,]", text)
    return float(f"{whole}.{''.join(parts)}" if parts else whole)


@cache
def _word_values(language: str) -> dict[str, int]:
    """Number words of a language up to a hundred, the longest first."""
    if language not in _SPELLED_LANGUAGES:
        return {}
    words = {_spell(n, language): n for n in range(_FIRST_CHECKED_WORD, 101)}
    return dict(sorted(words.items(), key=lambda item: -len(item[0])))


def _spell(number: float, language: str) -> str:
    from num2words import num2words

    code = "pt_BR" if language == "pt" else language
    value = int(number) if float(number).is_integer() else number
    spelled: str = num2words(value, lang=code)
    return spelled.replace("-", " ").lower()


def _spelled_in(text: str, language: str) -> list[int]:
    values: list[int] = []
    rest = re.sub(r"\s+", " ", text.lower().replace("-", " "))
    for words, value in _word_values(language).items():
        pattern = rf"(?<!\w){re.escape(words)}(?!\w)(?! (?:hundred|thousand|million|billion|mil))"
        if re.search(pattern, rest):
            values.append(value)
            rest = re.sub(pattern, " ", rest)
    return values


def _said(number: float, answer: str, language: str) -> bool:
    if language == "ko":
        squeezed = answer.replace(" ", "")
        return any(form in squeezed for form in _korean(number))
    if language not in _SPELLED_LANGUAGES:
        return False
    plain = re.sub(r"\s+", " ", answer.lower().replace("-", " "))
    forms = "|".join(map(re.escape, _inflected(_spell(number, language))))
    return re.search(rf"(?<!\w)(?:{forms})(?!\w)", plain) is not None


def _inflected(spelled: str) -> set[str]:
    """A Romance number word with its genders and short forms: veintiuno, veintiún, veintiuna."""
    forms = {spelled}
    for ending, others in (
        ("uno", ("un", "ún", "una")),
        ("um", ("uma",)),
        ("dois", ("duas",)),
        ("cientos", ("cientas",)),
        ("centos", ("centas",)),
        ("ciento", ("cien",)),
    ):
        if spelled.endswith(ending):
            forms.update(spelled.removesuffix(ending) + other for other in others)
    return forms


def _korean(number: float) -> list[str]:
    """Both ways to say a whole number below a hundred million; none for others."""
    if not number.is_integer() or not 0 < number < 1e8:
        return []
    value = int(number)
    high, low = divmod(value, 10_000)
    forms = [(_sino(high) if high > 1 else "") + ("만" if high else "") + _sino(low)]
    if value < 100:
        tens, units = divmod(value, 10)
        forms += [_NATIVE_TENS[tens] + unit for unit in _NATIVE_UNITS[units].split() or [""]]
        forms += ["스무"] if value == 20 else []
    return forms


def _sino(value: int) -> str:
    out = ""
    for power, name in ((1000, "천"), (100, "백"), (10, "십"), (1, "")):
        digit = value // power % 10
        if digit:
            out += ("" if digit == 1 and name else _SINO_DIGITS[digit]) + name
    return out
