"""Languages whose numbers num2words knows: French, Italian and German with their usual signs,
Japanese with its own digits, the rest with plain numbers only."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache
from importlib import import_module
from typing import Any

from onevoice.speakable.fold import fold, tidy
from onevoice.speakable.grammar import Form, Grammar, Unit
from onevoice.speakable.tables import listed

# Blocks of letters and vowel signs from Latin to Hangul, without digits' and signs' blocks.
_ANY_LETTER = (
    "A-Za-zÀ-ÖØ-öø-ɏ\u0300-\u1fff\u2c00-\u2dff\u3005-\u3007\u3040-\uabff가-힣\uf900-\ufdff"
)
_JAPANESE_LETTER = "A-Za-zÀ-ÖØ-öø-ɏ\u3005-\u3007\u3040-\u30ff\u3400-\u9fff"
_KANJI = "〇一二三四五六七八九"
_JAPANESE_UNITS = {
    "%": "パーセント",
    "km/h": "キロ毎時",
    "km": "キロメートル",
    "cm": "センチメートル",
    "mm": "ミリメートル",
    "kg": "キログラム",
    "°C": "度",
    "°": "度",
    "m": "メートル",
    "g": "グラム",
}
_KATAKANA = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        listed(
            "エー ビー シー ディー イー エフ ジー エイチ アイ ジェー ケー エル エム エヌ オー "
            "ピー キュー "
            "アール エス ティー ユー ブイ ダブリュー エックス ワイ ゼット"
        ),
        strict=True,
    )
)


def words(number: int | Decimal, language: str) -> str | None:
    """A cardinal by num2words; None where it does not know the language, or gets it wrong."""
    convert = import_module("num2words").num2words
    try:
        said: str = convert(number, lang=language)
    except (NotImplementedError, LookupError, ValueError, OverflowError, TypeError, AttributeError):
        # num2words has no common error: each language fails in its own way.
        return None
    return said if said and not any(char.isdigit() for char in said) else None


def knows(language: str) -> bool:
    """Does num2words count in this language at all?"""
    return words(21, language) is not None and words(1234, language) is not None


@cache
def grammar(language: str) -> Grammar:
    """The grammar of a language that has no module of its own."""

    def cardinal(number: int, form: Form) -> str:
        said = words(number, language) or " ".join(
            words(int(d), language) or d for d in str(number)
        )
        return _mended(said, number, form, language)

    extra: dict[str, Any] = {"fr": _french, "it": _italian, "de": _german}.get(language, dict)()
    extra.setdefault("thousands", ".,")
    return Grammar(
        letters=_ANY_LETTER,
        cardinal=cardinal,
        decimal=lambda text: words(Decimal(text), language),
        form=lambda before, after: _form(after, language),
        **extra,
    )


_FEMININE = {
    "fr": r"(?:heures?|minutes?|secondes?|fois|personnes?|semaines?|années?|journées?|nuits?|"
    r"femmes?|filles?|maisons?|villes?|choses?|parties?|pages?|voitures?|vies?|\w+tions?)$",
    "it": r"(?:\w+[ae]|\w+zion[ei]|vol[te]+)$",
    "de": r"(?:Stunde|Minute|Sekunde|Woche|Nacht|Frau|Person|Sache|Seite|Stadt|Million|Frage|"
    r"\w+(?:ung|heit|keit|schaft|ion))$",
}
_NO_NOUN = "und|oder|bis|et|ou|à|de|du|e|o|di|da|in|en|im|am|mit|von|auf"


def _form(after: str, language: str) -> Form:
    match = re.match(r"\s+([^\W\d_]+)", after)
    if not match or re.fullmatch(_NO_NOUN, match[1], re.IGNORECASE):
        return "alone"
    return "feminine" if re.match(_FEMININE.get(language, "$"), match[1]) else "masculine"


def _mended(said: str, number: int, form: Form, language: str) -> str:
    if language == "sv":
        return said.replace("etttusen", "ettusen")
    if language == "de" and number == 1 and form != "alone":
        return "eine" if form == "feminine" else "ein"
    if language == "fr" and number == 1 and form == "feminine":
        return "une"
    if language == "it" and number == 1 and form != "alone":
        return "una" if form == "feminine" else "un"
    return said


def _table(pairs: str, feminine: str = "") -> dict[str, Unit]:
    table = {}
    for pair in pairs.split(","):
        sign, one, many = (part.strip() for part in pair.split(":"))
        table[sign] = Unit(one, many, feminine=sign in feminine.split())
    return table


def _french() -> dict[str, Any]:
    return {
        "decimal_words": {",": "virgule", ".": "point"},
        "digitwise": False,
        "thousands": ".",
        "minus": "moins",
        "link": "et",
        "of": "de",
        "to": "à",
        "dot": "point",
        "at": "arobase",
        "units": _table(
            "%:pour cent:pour cent,km:kilomètre:kilomètres,m:mètre:mètres,"
            "cm:centimètre:centimètres,"
            "mm:millimètre:millimètres,kg:kilo:kilos,g:gramme:grammes,l:litre:litres,"
            "L:litre:litres,"
            "km/h:kilomètre heure:kilomètres heure,°C:degré:degrés,°:degré:degrés,h:heure:heures,"
            "min:minute:minutes",
            "h min",
        ),
        "money": _table(
            "$:dollar:dollars,€:euro:euros,EUR:euro:euros,USD:dollar:dollars,£:livre:livres", "£"
        ),
        "signs": {"&": "et", "%": "pour cent", "+": "plus", "=": "égale", "@": "arobase"},
        "ordinal": _french_ordinal,
        "ordinal_marks": r"(?:er|(?P<feminine>re|ère)|e|è|ème|nd|nde)\b",
    }


def _french_ordinal(number: int, feminine: bool) -> str:
    if number == 1:
        return "première" if feminine else "premier"
    said: str = import_module("num2words").num2words(number, lang="fr", to="ordinal")
    return said


def _italian() -> dict[str, Any]:
    return {
        "decimal_words": {",": "virgola", ".": "punto"},
        "digitwise": False,
        "thousands": ".",
        "minus": "meno",
        "link": "e",
        "of": "di",
        "to": "a",
        "dot": "punto",
        "at": "chiocciola",
        "units": _table(
            "%:per cento:per cento,km:chilometro:chilometri,m:metro:metri,cm:centimetro:centimetri,"
            "mm:millimetro:millimetri,kg:chilo:chili,g:grammo:grammi,l:litro:litri,"
            "km/h:chilometro orario:chilometri orari,°C:grado:gradi,°:grado:gradi,h:ora:ore,"
            "min:minuto:minuti",
            "h",
        ),
        "money": _table(
            "$:dollaro:dollari,€:euro:euro,EUR:euro:euro,USD:dollaro:dollari,£:sterlina:sterline",
            "£",
        ),
        "signs": {"&": "e", "%": "per cento", "+": "più", "=": "uguale a", "@": "chiocciola"},
    }


def _german() -> dict[str, Any]:
    return {
        "decimal_words": {",": "Komma", ".": "Punkt"},
        "digitwise": True,
        "thousands": ".",
        "replacements": {r"(\d{1,2}:\d\d) Uhr\b": r"\1"},
        "minus": "minus",
        "link": "und",
        "to": "bis",
        "dot": "Punkt",
        "at": "ät",
        "units": _table(
            "%:Prozent:Prozent,km:Kilometer:Kilometer,m:Meter:Meter,cm:Zentimeter:Zentimeter,"
            "mm:Millimeter:Millimeter,kg:Kilo:Kilo,g:Gramm:Gramm,l:Liter:Liter,"
            "km/h:Kilometer pro Stunde:Kilometer pro Stunde,°C:Grad:Grad,°:Grad:Grad,"
            "h:Stunde:Stunden,min:Minute:Minuten",
            "h min",
        ),
        "money": _table(
            "$:Dollar:Dollar,€:Euro:Euro,EUR:Euro:Euro,USD:Dollar:Dollar,£:Pfund:Pfund"
        ),
        "signs": {"&": "und", "%": "Prozent", "+": "plus", "=": "gleich", "@": "ät"},
        "clock": _german_clock,
    }


def _german_clock(hour: int, minute: int, half: str) -> str:
    del half  # German counts to twenty-four
    spoken = "ein" if hour == 1 else words(hour, "de") or ""
    return f"{spoken} Uhr" + (f" {words(minute, 'de')}" if minute else "")


def read_japanese(text: str) -> str:
    """Digits as kanji numerals, short capitals as katakana letter names; the rest as it is."""
    text = fold(text, japanese=True)
    units = "|".join(re.escape(unit) for unit in _JAPANESE_UNITS)

    def number(m: re.Match[str]) -> str:
        whole, _, rest = m[0].replace(",", "").partition(".")
        said = (
            words(int(whole), "ja")
            if len(whole) <= 16 and (whole == "0" or whole[0] != "0")
            else None
        )
        said = said or "".join(_KANJI[int(d)] for d in whole)
        return said + ("点" + "".join(_KANJI[int(d)] for d in rest) if rest else "")

    text = re.sub(rf"(?<=\d)\s?({units})(?![A-Za-z])", lambda m: _JAPANESE_UNITS[m[1]], text)
    text = re.sub(r"(?<=\d):(?=[0-5]\d(?!\d))(\d\d)", lambda m: f"時{int(m[1])}分", text)
    text = re.sub(r"[$](\d+(?:,\d{3})*(?:\.\d+)?)", r"\1ドル", text)
    text = re.sub(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?", number, text)
    text = re.sub(
        r"(?<![A-Za-z])[A-Z]{2,5}(?![A-Za-z])",
        lambda m: "".join(_KATAKANA[char] for char in m[0].lower()),
        text,
    )
    text = tidy(text.replace(". ", "。").replace(", ", "、"), _JAPANESE_LETTER, edge="。、.,!?…")
    return re.sub(r"(?<=[\u3001-\u9fff,.!?])\s(?=[\u3005-\u9fff])", "", text)


def read_plain(text: str) -> str:
    """A language nobody counts in here: blanks, quotes and emoji are settled, digits are left."""
    text = fold(text)
    return re.sub(r"\s+", " ", text).strip() if re.search(r"\w", text) else ""
