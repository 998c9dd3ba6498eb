"""Korean text as it is said: no digits, no Latin letters, no signs."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache
from itertools import pairwise

from onevoice.speakable import patterns as p
from onevoice.speakable.fold import fold, tidy
from onevoice.speakable.hangul import coda, settle_particles
from onevoice.speakable.korean_numbers import (
    NATIVE,
    counter_pattern,
    decimal,
    digits,
    native,
    sino,
    takes_native,
)
from onevoice.speakable.korean_signs import (
    CENTS,
    ENGLISH_POWERS,
    MONEY,
    MONEY_SIGN,
    SIGNS,
    UNITS,
)
from onevoice.speakable.loanwords import phrases_in_hangul, words_in_hangul

_PLAIN = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d])|\d+(?:\.\d+)?)"
_MAGNITUDE = r"(?:[십백천]?[만억조경]|[백천])"
_JOINED = rf"(?:{_MAGNITUDE}|\s{_MAGNITUDE}(?=\s|$|원|명|개))"
AMOUNT = rf"(?:{_PLAIN}{_JOINED}(?:\s?{_PLAIN}{_JOINED})*(?:\d{{1,4}}(?![\d.,]))?|{_PLAIN})"
_CHUNK = re.compile(rf"({_PLAIN})\s?({_MAGNITUDE}?)")
_POWERS = {"": 1, "십": 10, "백": 100, "천": 1000, "만": 10**4, "억": 10**8, "조": 10**12}
_POWERS["경"] = 10**16
_ORDINAL_SHORT = {1: "첫", 2: "둘", 3: "셋", 4: "넷"}
_OPEN_PARTICLE = re.compile(
    r"([A-Za-z0-9가-힣%.]+)(?=[을를은는이가과와아야]\([을를은는이가과와아야]\)|\(으\)로|\(이\))"
)

_REMEMBERED = re.compile(
    r"(?<![\d.,])(\d+)(?:·(\d+)|\.(\d{1,2})(?=절|\s?(?:혁명|운동|사태|항쟁|쿠데타|민주|만세|참사)))"
)

Match = re.Match[str]


def read(text: str) -> str:
    """One pass over a text; :func:`onevoice.speakable.speakable` repeats it until it rests."""
    text = settle_particles(_OPEN_PARTICLE.sub(lambda m: read(m[0]), text))
    text = _REMEMBERED.sub(_remembered, text)
    text = p.join_dotted(re.sub(r"\bNo\.\s?(?=\d)", "넘버 ", text))
    text = phrases_in_hangul(p.name_greek(fold(text)))
    for step in (_addresses, _dates_and_times, _digit_strings, _quantities, _numbers, _signs):
        text = step(text)
    said = re.sub(r"(?:(?<=([가-힣]))\s*)?=+\s*", _equals, words_in_hangul(text))
    said = re.sub(r"(?<=\S)-(?=\S)|'", " ", said)
    return tidy(said, "가-힣")


def _remembered(m: Match) -> str:
    """A day that gave history a name: 3·1 and 6·25 digit by digit, 12·12 in tens."""
    month, day = m[1], m[2] or m[3]
    if len(month) == 1:
        return digits(month + day)
    return sino(int(month)) + (sino(int(day)) if int(day) < 20 else digits(day))


def amount(text: str) -> str:
    """A number as written in Korean, with or without 만 and 억: ``1만5천`` is 만 오천."""
    chunks = [(m[1].replace(",", ""), m[2]) for m in _CHUNK.finditer(text)]
    scales = [_scale(unit) for _, unit in chunks]
    falling = all(a > b for a, b in pairwise(scales))
    if len(chunks) == 1 and not chunks[0][1]:
        return decimal(chunks[0][0])
    if falling and not any("." in number for number, _ in chunks):
        values = zip(chunks, scales, strict=True)
        return sino(sum(int(number) * scale for (number, _), scale in values))
    return " ".join(decimal(number) + unit for number, unit in chunks)


def _scale(unit: str) -> int:
    value = 1
    for char in unit:
        value *= _POWERS[char]
    return value


def _addresses(text: str) -> str:
    def host(name: str) -> str:
        *parts, last = name.removeprefix("www.").split(".")
        said = " 닷 ".join(_letters_and_digits(part) for part in parts)
        return f"{said} 닷컴" if last == "com" else f"{said} 닷 {_letters_and_digits(last)}"

    text = p.EMAIL.sub(
        lambda m: f" {_letters_and_digits(m[1].replace('.', ' 점 '))} 골뱅이 {host(m[2])}", text
    )
    return p.URL.sub(lambda m: f" {host((m[1] or m[2]).lower())}", text)


def _letters_and_digits(text: str) -> str:
    return words_in_hangul(re.sub(r"\d+", lambda m: digits(m[0], "공"), re.sub("[-_+]", " ", text)))


def _dates_and_times(text: str) -> str:
    def date(year: str, month: str, day: str) -> str | None:
        if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
            return None
        start = f"{sino(int(year))} 년 " if year else ""
        return f"{start}{_month(int(month))} {sino(int(day))} 일"

    def slashed(m: Match) -> str:
        first, second = int(m[1]), int(m[2])
        if p.is_fraction(first, second):
            return f"{sino(second)}분의 {sino(first)}"
        return date("", m[1], m[2]) or date("", m[2], m[1]) or f"{m[1]} {m[2]}"

    def clock(m: Match) -> str:
        hour, minute, second = int(m[1]), int(m[2]), int(m[3] or 0)
        if hour > 24:
            return f"{sino(hour)} 분 {sino(minute)} 초" if m[3] is None else m[0].replace(":", " ")
        said = _hour(hour, m[4])
        said += f" {sino(minute)} 분" if minute or second else ""
        return said + (f" {sino(second)} 초" if second else "")

    def full_date(m: Match) -> str:
        month_first = None if m[2] == "." else date(m[4], m[1], m[3])
        return month_first or date(m[4], m[3], m[1]) or m[0].replace(m[2], " ")

    text = re.sub(r"(?<!\w)24/7(?![\d/])", "이십사 시간 내내", text)
    text = re.sub(r"(?<!\d)(\d+)[~–-](?=6월|10월)", lambda m: f"{sino(int(m[1]))}, ", text)
    text = p.ISO_DATE.sub(lambda m: date(m[1], m[3], m[4]) or m[0], text)
    text = re.sub(
        r"(?<![\d.])([12]\d{3})\.\s(\d{1,2})\.\s(\d{1,2})(?!\d|[.,]\d)\.?",
        lambda m: date(m[1], m[2], m[3]) or m[0],
        text,
    )
    text = p.SLASH_DATE.sub(full_date, text)
    text = re.sub(r"(\d+)\s+(?=\d/\d)", lambda m: _and(sino(int(m[1]))), text)
    text = re.sub(r"(?<=\d/\d)(?=[가-힣]{1,2}(?:\W|$))", " ", text)
    text = p.SLASHED.sub(slashed, text)
    text = p.CLOCK.sub(clock, text)
    text = p.HOUR.sub(lambda m: _hour(int(m[1]), m[2]), text)
    text = re.sub(
        r"(?<!\d)(\d+)(?::|\s대\s|대\s?(?=\d+(?:로|으로|의|$|[^\w\s.,])))(\d+)(?!\d)",
        lambda m: f"{sino(int(m[1]))} 대 {sino(int(m[2]))}",
        text,
    )
    return re.sub(r"(?<!\d)(\d{1,2})월(?!드)", lambda m: _month(int(m[1])), text)


def _and(said: str) -> str:
    return said + ("과 " if coda(said[-1]) else "와 ")


def _month(month: int) -> str:
    return {6: "유월", 10: "시월"}.get(month, f"{sino(month)}월")


def _hour(hour: int, half: str | None) -> str:
    part = {"a": "오전 ", "p": "오후 "}.get((half or "").lower(), "")
    return f"{part}{native(hour) if 0 < hour <= 12 else sino(hour)} 시"


def _digit_strings(text: str) -> str:
    def phone(m: Match) -> str:
        if p.year_range(m[2]):
            return m[0]
        groups = re.split("[-. ]", m[2])
        return ("플러스 " if m[1] else "") + " ".join(digits(group, "공") for group in groups)

    text = p.PHONE.sub(phone, re.sub(r"(?<![\d-])(\d{2,4})\s+(?=\d{3,4}-\d{4})", r"\1-", text))
    text = p.VERSION.sub(lambda m: " 점 ".join(decimal(part) for part in m[0].split(".")), text)
    emergency = r"(?<!\d)(119|112|114|911)(?=\s?(?:에|로|으로)?\s?(?:전화|신고|구급|구조|연락))"
    text = re.sub(emergency, lambda m: digits(m[0]), text)
    return re.sub(r"(?<=[A-Za-z])-?(?=\d)|(?<=\d)-(?=[A-Za-z])", " ", text)


def _quantities(text: str) -> str:
    powers = "|".join(ENGLISH_POWERS)
    big = rf"\s?(thousand|million|billion|trillion)(?![a-z])|(?<=\d)({powers})(?![a-z])"

    def scaled(m: Match) -> str:
        power = ENGLISH_POWERS[(m[2] or m[3]).lower()]
        return str(int(Decimal(m[1].replace(",", "")) * power))

    text = re.sub(rf"(?<=[$€£])({_PLAIN})(?:{big})", scaled, text, flags=re.I)
    text = re.sub(
        rf"({_PLAIN})(?:\s?(thousand|million|billion|trillion)|([kK]))(?![A-Za-z])", scaled, text
    )
    text = _ranges(_arithmetic(text))
    text = re.sub(r"(?<!\d)(\d+)박\s?(?=\d+일)", lambda m: f"{sino(int(m[1]))}박 ", text)

    def money(number: str, sign: str) -> str:
        unit = MONEY[sign]
        whole, point, cents = number.partition(".")
        if point and re.fullmatch(r"\d\d", cents) and unit in CENTS:
            small = f" {sino(int(cents))} {CENTS[unit]}" if int(cents) else ""
            return f"{amount(whole)} {unit}{small}"
        return f"{amount(number)} {unit}"

    text = re.sub(
        rf"-?({MONEY_SIGN})\s?({AMOUNT})(?:\s?(?:달러|USD|유로|원(?![가-힣]))(?![A-Za-z]))?",
        lambda m: ("마이너스 " if m[0][0] == "-" else "") + money(m[2], m[1]),
        text,
    )
    text = re.sub(
        rf"({AMOUNT})\s?({MONEY_SIGN})",
        lambda m: money(m[1], m[2]),
        text,
    )
    names = "|".join(re.escape(name) for name in sorted(UNITS, key=len, reverse=True))

    def unit(m: Match) -> str:
        below = m[1] and ("영하 " if m[3] == "°C" else "마이너스 ")
        number = native(int(m[2])) if m[3] in ("h", "hours") and m[2].isdigit() else amount(m[2])
        return (below or "") + UNITS[m[3]].format(number)

    return re.sub(rf"((?<![\w)-])-)?({AMOUNT})\s?({names})(?![A-Za-z\d])(?<![ ][ms])", unit, text)


def _arithmetic(text: str) -> str:
    """``10-3=7`` is a sum, not a range."""
    text = re.sub(r"(?<=\d)([cm]?m)\s?[x×*]\s?(?=\d)", r"\1 곱하기 ", text)
    text = re.sub(r"(?<=\d)\s?[x×*]\s?(?=\d)", " 곱하기 ", text)
    text = re.sub(r"(?<=\d)\s?\+\s?(?=\d)", " 더하기 ", text)
    return re.sub(r"(?<=\d)\s?[-–]\s?(?=\d+\s?=)", " 빼기 ", text)


@cache
def _counter() -> str:
    return counter_pattern()


def _ranges(text: str) -> str:
    dash = r"\s?(?:~|–)\s?|-"

    def low(m: Match) -> str:
        unit = m[2] or m[3] or ""
        if not unit or (not m[2] and unit not in NATIVE):
            return f"{amount(m[1])}에서 "
        return f"{_counted(m[1], unit, '', '')}에서 "

    text = re.sub(
        rf"(?<![\d.-])({AMOUNT})\s?({_counter()})?(?:{dash})(?=(?:{AMOUNT})\s?({_counter()})?)",
        low,
        text,
    )
    text = re.sub(r"(?<=[가-힣])\s?[~–]\s?(?=오전|오후|약 |\d)", "에서 ", text)
    return re.sub(r"(?<![\w~])~\s?(?=\d)", "약 ", text)


def _counted(number: str, unit: str, before: str, after: str) -> str:
    if unit == "번째" and number == "1":
        return "첫 번째"
    natively = unit in NATIVE or unit == "분"
    if natively and number.isdigit() and takes_native(int(number), unit, before, after):
        return f"{native(int(number))} {unit}"
    return f"{amount(number)} {unit}"


def _numbers(text: str) -> str:
    def short_ordinal(m: Match) -> str:
        number = int(m[1])
        return _ORDINAL_SHORT.get(number, native(number)) + "째"

    text = re.sub(r"(?<![A-Za-z])(\d+)(?:st|nd|rd|th)\b", r"\1번째", text, flags=re.A)
    text = re.sub(r"(?<!\d)(\d{1,2})째(?=$|[^가-힣]|로|는|가|를|날|아)", short_ordinal, text)
    text = re.sub(r"(?<![\w)가-힣-])-(?=\d+(?:\.\d+)?\s?도)", "영하 ", text)
    text = re.sub(r"(?<![\w)가-힣-])-(?=\d)", "마이너스 ", text)
    text = re.sub(r"(?<=[\d만억천])\+(?!\s?\d)", " 이상", text)
    text = re.sub(
        rf"({AMOUNT})\s?({_counter()})",
        lambda m: _counted(m[1], m[2], text[max(0, m.start() - 8) : m.start()], text[m.end() :]),
        text,
    )
    text = re.sub(r"\^2(?!\d)", " 제곱", text)
    text = re.sub(r"\^3(?!\d)", " 세제곱", text)
    text = re.sub(r"#\s?(?=\d)", "넘버 ", text)
    return re.sub(AMOUNT, lambda m: _spaced(amount(m[0]), m), text)


def _spaced(said: str, m: Match) -> str:
    """A blank where a number met a Latin letter; particles stay attached."""
    after = m.string[m.end() : m.end() + 1]
    return said + (" " if after.isascii() and after.isalpha() else "")


def _signs(text: str) -> str:
    text = re.sub(r"#(?=[^\W\d])", "해시태그 ", text)
    for sign, said in SIGNS.items():
        text = text.replace(sign, said)
    return re.sub(r"(?<=[가-힣])\s*:\s+", ", ", text)


def _equals(m: Match) -> str:
    return ("은 " if coda(m[1]) else "는 ") if m[1] else " "
