"""The same text in fewer kinds of character: one quote, one dash, one set of digits."""

from __future__ import annotations

import re
import unicodedata

# What these say is read later; compatibility folding would lose it (² would become 2).
_KEPT = {
    **dict.fromkeys("ºª°€£¥₩%&@#+=<>~√±×÷≤≥≠≈", None),
    "²": "^2",
    "³": "^3",
    "½": " 1/2",
    "⅓": " 1/3",
    "⅔": " 2/3",
    "¼": " 1/4",
    "¾": " 3/4",
    "⅛": " 1/8",
}
_TO = {
    **dict.fromkeys("‘’‚‛′`´ʼ", "'"),
    **dict.fromkeys('“”„‟″«»‹›「」『』〝〞"', " "),
    **dict.fromkeys("()[]{}（）［］｛｝【】〔〕《》〈〉", " "),
    **dict.fromkeys("‐‑‒−﹣－", "-"),
    **dict.fromkeys("–—―ー", "–"),
    **dict.fromkeys("〜～∼˜", "~"),
    **dict.fromkeys("。．", ". "),
    **dict.fromkeys("、，", ", "),
    "…": "…",
    "⋯": "…",
    "·": " ",
    "・": " ",
    "•": " ",
    "¿": "¿",
    "¡": "¡",
}
_JAPANESE_KEPT = frozenset("ー・")


def fold(text: str, *, japanese: bool = False) -> str:
    """Compatibility-fold a text for reading.

    Full-width and other scripts' digits become ASCII, typographic quotes and dashes plain ones,
    brackets and double quotes blanks; emoji, controls and invisible characters go. Signs that a
    reader says (``°``, ``€``, ``½``, ``º``) stay.
    """
    text = unicodedata.normalize("NFC", text)
    folded = "".join(_char(char, japanese) for char in text)
    folded = re.sub(r"\.{3,}|(?:\. ){2,}\.", "…", unicodedata.normalize("NFC", folded))
    return re.sub(r"(?<=\S)--+(?=\S)|\s--+\s", " – ", folded)


def _char(char: str, japanese: bool) -> str:
    if char in _KEPT:
        return _KEPT[char] or char
    if japanese and char in _JAPANESE_KEPT:
        return char
    if char in _TO:
        return _TO[char]
    if char.isspace():
        return " "
    kind = unicodedata.category(char)
    if kind == "Nd":
        return str(unicodedata.digit(char))
    if kind in ("Cc", "Cs", "Co", "Cn") or char == "\N{SOFT HYPHEN}":
        return " " if kind == "Cc" else ""
    if kind == "Cf" or "\ufe00" <= char <= "\ufe0f":
        return ""
    if kind == "So" and char not in "™©®℃℉№" and not unicodedata.decomposition(char):
        return " "
    if char in "™©®":
        return ""
    if kind[0] in "LM" and char < "\u2000":
        return char  # Thai and Lao vowels would come apart
    return unicodedata.normalize("NFKC", char)


_SPACED = re.compile(r"\s+")


def tidy(text: str, allowed: str, *, edge: str = ".,!?…", opening: str = "") -> str:
    """Keep what an engine can say, and settle spaces and punctuation.

    Parameters
    ----------
    allowed
        The inside of a regular-expression class: the letters of the language.
    edge
        Punctuation that may follow a word.
    opening
        Punctuation that may stand before one (``¿¡``).
    """
    text = re.sub(r"\s*[:;–|→]+(?=\s|$)|\s[–-]\s|\s*[|→]\s*", ", ", text)
    text = re.sub(rf"[^{allowed}{re.escape(edge + opening)}'\s-]", " ", text)
    text = re.sub(rf"(?<![{allowed}])['-]+|['-]+(?![{allowed}])", " ", text)
    text = re.sub(r"(['-])['-]+", r"\1", text)
    stops = re.escape(edge)
    text = re.sub(rf"\s+(?=[{stops}])", "", text)
    text = re.sub(rf"[{stops}]{{2,}}", _strongest, text)
    text = re.sub(rf"^[\s{stops}]+", "", text)
    if opening:
        text = re.sub(rf"[{opening}]+(?=\s*(?:[{stops}]|$))", " ", text)
        text = re.sub(rf"\s*([{opening}])(?:\s*\1)*\s*", r" \1", text)
        text = re.sub(rf"\s+(?=[{stops}])", "", text)
    text = re.sub(rf"([{stops}])(?=[{allowed}{opening}])", r"\1 ", text)
    text = _SPACED.sub(" ", text).strip()
    return text if re.search(rf"[{allowed}]", text) else ""


def _strongest(match: re.Match[str]) -> str:
    """One mark for a run of them: a question outranks an exclamation, that a full stop."""
    return next((mark for mark in "?!…。.、," if mark in match[0]), match[0][0])
