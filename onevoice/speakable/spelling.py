"""How a word sounds by its spelling alone: rules for English, and for Spanish and Portuguese.

Rules of thumb of our own, in the form of Elovitz et al., "Letter-to-Sound Rules for Automatic
Translation of English Text to Phonetics" (1976): left context, letters, right context, sounds.
The alphabet of the sounds is that of :mod:`onevoice.speakable.sounds`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_ROMANCE = re.compile(
    r"[ñçãõáéíóú]|lh|nh[aeo]|[^aeiou]ez$|[iu]llo$|[aeiou]rr[aeiou]|[rnldt]os?$|[aeiou][nlr]as?$|"
    r"[ei]ros?$|[ao]do$|eira$|inho$"
)
_PORTUGUESE = re.compile("[ãõç]|lh|nh")


def sounds_by_spelling(word: str) -> str:
    """The phonemes of a word in lower case; letters no rule knows are silent."""
    if _ROMANCE.search(word):
        heard = _apply(_romance_rules(), word)
        return heard.replace("h", "ʒ") if _PORTUGUESE.search(word) else heard
    return _apply(_english_rules(), _without_accents(word).replace("'", ""))


def _without_accents(text: str) -> str:
    spread = unicodedata.normalize("NFKD", text)
    return "".join(c for c in spread if not unicodedata.combining(c))


# before | letters | after | sounds. ^ and $ are the word's ends, V a vowel letter, C a consonant.
_ENGLISH = """
^|kn||n
^|gn||n
^|wr||ɹ
^|ps||s
^|pn||n
^|wh|o|h
|wh||w
^|mc||mək
^|x||z
^|ch|r|k
|tch||ʧ
|sch||sk
|ch||ʧ
|cc|[eiy]|ks
|ck||k
|sc|[eiy]|s
|c|[eiy]|s
|cial||ʃəl
|cian||ʃən
|cious||ʃəs
|tion||ʃᵊn
|cc||k
|c||k
|dge||ʤ
|dg||ʤ
|dd||d
|d||d
|ph||f
|ff||f
|f||f
^|gh||ɡ
|ough|t|ɔː
|ough|$|O
|augh|t|ɔː
|igh||I
|eigh||A
|gh||
|gg||ɡ
|gu|[eiy]|ɡ
|g|e$|ʤ
|ge|$|ʤ
|g|[eiy]|ʤ
|g||ɡ
|h|C|
|h|$|
|h||h
|j||ʤ
|kk||k
|k||k
|ll||l
C|le|$|ᵊl
C|les|$|ᵊlz
|l||l
|mm||m
|mb|$|m
|m||m
|nn||n
|ng|$|ŋ
|ng|[sC]|ŋ
|ng||ŋɡ
|n|[kx]|ŋ
|n||n
|pp||p
|p||p
|que|$|k
|qu||kw
|q||k
|rr||ɹ
|r||ɹ
|ssion||ʃᵊn
V|sion||ʒᵊn
|sion||ʃᵊn
|sh||ʃ
|ss||s
V|s|V|z
V|s|e$|z
[ptkf]|s|$|s
[bdgvmnlr]|s|$|z
|s||s
|tt||t
|tch||ʧ
|th||θ
|ture|$|ʧə
|t||t
|v||v
V|w|C|
V|w|$|
|w||w
|x|V|ɡz
|x||ks
^|y|V|j
V|y|V|j
|zz||z
|z||z
|augh||ɔː
|ai||A
|air||ɛː
|ay||A
|au||ɔː
|aw||ɔː
|ar|[V]|aɹ
|are|$|ɛː
|ar||ɑː
|all|$|ɔːl
|alk||ɔːk
|a|C[e]$|A
|a|Ces$|A
|age|$|ɪʤ
|a|Cion|A
|a|$|ɑ
w|a||ɒ
|a||æ
|ear||ɪə
|eer||ɪə
|ere|$|ɪə
|er|V|ɛɹ
|er||ə
|ee||iː
|ea||iː
|ei||I
|ey|$|i
|eu||juː
|ew||juː
|e|C[e]$|iː
^C|e|$|iː
^CC|e|$|iː
|ed|$|d
|es|$|z
|e|$|
|e||ɛ
|ie|$|i
|ie|C|iː
|ia|$|ɪɑ
|io||ɪo
|ir|V|ɪɹ
|ir||ɜː
|i|C[e]$|I
|i|Ces$|I
|ind|$|Ind
|ild|$|Ild
|i|$|i
|i||ɪ
|oa||O
|oor||ɔː
|oo|k|ʊ
|oo||uː
|ou||W
|ow|$|O
|ow||W
|oi||Y
|oy||Y
|or|V|ɔɹ
|or|$|ə
^CV|or||ɔː
|or||ɔː
|o|C[e]$|O
|o|Ces$|O
|old||Old
|o|$|O
|oe|$|O
|o||ɒ
|ur|V|jʊɹ
|ur||ɜː
|ue|$|uː
|ui||uː
|u|C[e]$|juː
|u|CV|uː
|u|$|uː
|u||ʌ
^C|y|$|I
^CC|y|$|I
|y|C[e]$|I
|y|$|i
|y||ɪ
|b|$|b
|bb||b
|b||b
"""

# The five vowels, and each consonant as Spanish (or, where only it writes so, Portuguese) has it.
_SPANISH_AND_PORTUGUESE = """
|ção|$|sɑŋ
|ções|$|sojs
|ão||ɑŋ
|ãe||ɑŋi
|õe||oni
|ã||ɑŋ
|õ||oŋ
|nh||nj
|lh||lj
|ñ||nj
|ll|$|l
|ll||j
|ch||ʧ
|qu|[eiéí]|k
|qu||kw
|q||k
|gü|[eiéí]|ɡw
|gu|[eiéí]|ɡ
|g|[eiéí]|h
|g||ɡ
|c|[eiéí]|s
|c||k
|ç||s
|z||s
|j||h
|h||
|rr||ɾ
|r||ɾ
|ss||s
|s||s
|v||b
|b||b
|w||w
|x||ks
^|y|V|j
V|y|V|j
|y||i
|á||ɑ
|à||ɑ
|â||ɑ
|a||ɑ
|é||e
|ê||e
|e||e
|í||i
|i||i
|ó||o
|ô||o
|o||o
|ú||u
|ü||u
|u||u
|p||p
|t||t
|k||k
|d||d
|f||f
|l||l
|m||m
|n||n
"""

_Rule = tuple[re.Pattern[str], int, str]


def _compile(table: str) -> dict[str, list[_Rule]]:
    rules: dict[str, list[_Rule]] = {}
    for line in table.strip().splitlines():
        before, letters, after, heard = line.split("|")
        left = _context(before)
        pattern = re.compile(f"(?P<left>{left}){letters}(?={_context(after)})")
        rules.setdefault(letters[0], []).append((pattern, len(letters), heard))
    return rules


def _context(pattern: str) -> str:
    spelled = pattern.replace("[V]", "V").replace("[sC]", "[sbcdfghjklmnpqrtvwxz]")
    return spelled.replace("V", "[aeiouyáéíóúãõ]").replace("C", "[bcdfghjklmnpqrstvwxz]")


@cache
def _english_rules() -> dict[str, list[_Rule]]:
    return _compile(_ENGLISH)


@cache
def _romance_rules() -> dict[str, list[_Rule]]:
    return _compile(_SPANISH_AND_PORTUGUESE)


def _apply(rules: dict[str, list[_Rule]], word: str) -> str:
    """Longest-first is the table's order: the first rule that fits at a letter is taken."""
    heard: list[str] = []
    at = 0
    while at < len(word):
        for pattern, length, sound in rules.get(word[at], []):
            if _fits(pattern, word, at):
                heard.append(sound)
                at += length
                break
        else:
            at += 1
    return "".join(heard)


def _fits(pattern: re.Pattern[str], word: str, at: int) -> bool:
    return any(
        (match := pattern.match(word, start)) is not None and match.end("left") == at
        for start in range(max(0, at - 2), at + 1)
    )
