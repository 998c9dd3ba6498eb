"""Which language is a short answer in? Scripts first, then words no sister language has.

Statistical identifiers are unsure on five words and confuse Spanish with Portuguese, which is
the very mistake to be caught here; a few dozen function words settle it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache

_WORD = re.compile(r"[^\W\d_]+")
_TIED_PRONOUN = re.compile(
    r"\w-(?:me|te|se|lo|la|los|las|lhe|nos|no|na)(?!\w)"
    r"|[óé](?:me|te|se|le)(?!\w)"
    r"|(?:ía|ían|rá|rán) (?:me|te|se) \w+[aei]r(?!\w)"
)
"""Pronouns where Portuguese has them: deixa-me, custou-me, iria se mudar; Spanish has déjame."""

# Words that carry grammar, by language.
_FUNCTION_WORDS = """
en the and is are was were you your with that this what have has from they would which there
en their will not but about because our his
es el los las una y pero muy usted ustedes yo mi con eso esto hay fue también más qué cómo
es porque cuando hacer está estoy estaba puede tiene del al nosotros ella ellos sí aquí ahora
es todos tu te le lo su se nos
pt você vocês não uma um em ao isso isto também muito eu meu minha são foi com ela ele mais
pt então obrigado obrigada é dos das nós pelo pela seu sua estou há já até depois agora do da
pt na nas os
fr le les une et est vous nous je il elle dans pour avec pas que qui ce cette mais des du au
fr sont très être
it il gli che di è sono una per non con questo questa ma anche molto della del nel ho hai ha
it siamo perché
de der die das und ist nicht ich sie wir ein eine mit für auf sind war aber auch den dem
"""
# First language: what the words are; second: the sister language that never has them.
_NEVER_IN = """
pt es você vocês não uma um em ao isso isto também muito meu minha são foi ele ela mais então
pt es obrigado obrigada é nós pelo pela seu estou há já até depois agora
pt es fazer dizer bom hoje ontem trem noite eles elas você vocês vai esse essa desse nesse
es pt el los las y pero muy usted ustedes yo hay fue también más qué cómo cuando hacer estaba
en es the of with it up off down was were you they this that his her from
en pt the of with it up off down was were you they this that his her from
es pt del nosotros ellos sí aquí ahora bueno hoy noche
"""


def _table(text: str, keys: int) -> dict[tuple[str, ...], frozenset[str]]:
    rows: dict[tuple[str, ...], frozenset[str]] = {}
    for line in text.strip().splitlines():
        fields = line.split()
        key = tuple(fields[:keys])
        rows[key] = rows.get(key, frozenset()) | frozenset(fields[keys:])
    return rows


_MARKERS = {key[0]: words for key, words in _table(_FUNCTION_WORDS, 1).items()}
_ONLY_IN = _table(_NEVER_IN, 2)
_LETTERS_NEVER = {"es": "ãõçêôàâ", "pt": "ñ¿¡", "en": "ãõñ¿¡", "fr": "ñãõ¿¡", "it": "ñãõ¿¡ç"}


def script_of(char: str) -> str:
    """Unicode script of a letter by its name: Latin, Hangul, Han, Cyrillic, …; '' if none."""
    if not char.isalpha():
        return ""
    return _script(char)


@cache
def _script(char: str) -> str:
    name = unicodedata.name(char, "").removeprefix("FULLWIDTH ").removeprefix("HALFWIDTH ")
    first = name.partition(" ")[0].capitalize()
    return "Han" if first in {"Cjk", "Ideographic"} else first


def script_shares(text: str) -> dict[str, float]:
    """Share of each script among the letters of a text; empty without letters."""
    counts = Counter(filter(None, map(script_of, text)))
    total = counts.total()
    return {script: n / total for script, n in counts.items()}


def intruder(text: str, target: str, *, names: frozenset[str] = frozenset()) -> str:
    """The language that ``text`` shows beside or instead of ``target``; '' when it is clean.

    One word that its sister language cannot have is enough between Spanish and Portuguese;
    otherwise a third of the words, and at least two, must be another language's.

    Parameters
    ----------
    names
        Lower-case words that are allowed anywhere: names taken over from the source.
    """
    words = [w for w in _WORD.findall(text.lower()) if w not in names]
    if not words:
        return ""
    if target == "es" and _TIED_PRONOUN.search(text.lower()):
        return "pt"
    for (other, host), only in _ONLY_IN.items():
        if host == target and any(w in only for w in words):
            return other
    if any(c in _LETTERS_NEVER.get(target, "") for w in words for c in w):
        return {"es": "pt", "pt": "es"}.get(target, "?")
    own = _MARKERS.get(target, frozenset())
    for other, markers in _MARKERS.items():
        hits = [w for w in words if w in markers and w not in own]
        if other != target and len(hits) >= 2 and len(hits) * 3 >= len(words):
            return other
    return ""
