"""Which pairs of languages Mozilla's translation models take, and over which legs.

Every model has English on one side; two others meet there. The table lists the languages of
Mozilla's published models (github.com/mozilla/firefox-translations-models, MPL-2.0); whether a
model is released today is for the catalogue to say, which is asked when one is first wanted.
"""

from __future__ import annotations

from onevoice import languages

Pair = tuple[str, str]

HUB = "en"
CARRIED: frozenset[Pair] = frozenset({("en", "pt"), ("pt", "en")})
"""Pairs whose models come with the embedded profile."""

_TAGS = """
ar az be bg bn bs ca cs da de el en es et fa fi fr gu he hi hr hu id is it ja kn ko lt lv ml ms nb
nl nn pl pt ro ru sk sl sq sr sv ta te th tr uk vi zh zh-Hant
"""
LANGUAGES: frozenset[str] = frozenset(_TAGS.split())
"""Tags of ours; all but English to and from English."""

_CODES = {"no": "nb", "zh": "zh-Hans"}
"""Mozilla's code where it is not our tag."""


def code(tag: str) -> str | None:
    """Mozilla's code of a language, whatever its region; None for a language it does not have."""
    base = languages.base(tag)
    if base == "zh":
        return "zh-Hant" if tag.casefold().startswith("zh-hant") else "zh-Hans"
    known = _CODES.get(base, base)
    return known if known in LANGUAGES else None


def route(source: str, target: str) -> tuple[Pair, ...]:
    """The legs from one language to another: one, two over English, none where there is no way."""
    first, last = code(source), code(target)
    if first is None or last is None or first == last:
        return ()
    if HUB in (first, last):
        return ((first, last),)
    return ((first, HUB), (HUB, last))
