"""What can be wrong with a translator's answer, found without knowing the right one.

Every check is a pure function of the source text and the answer. Each has a name, which is what
:class:`~onevoice.engines.base.TranslationResult` carries, and a weight: how much it spoils.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable

from onevoice import languages
from onevoice.engines.translation.identify import intruder, script_of, script_shares
from onevoice.engines.translation.numbers import missing_numbers, misspelled_number
from onevoice.engines.translation.wording import has_words

WEIGHTS = {
    "refused": 10.0,
    "empty": 10.0,
    "cut_off": 6.0,
    "repetition": 6.0,
    "source_echoed": 5.0,
    "comment": 5.0,
    "wrong_script": 4.0,
    "wrong_language": 4.0,
    "length": 3.0,
    "shifted": 3.0,
    "numbers_lost": 2.0,
    "number_misspelled": 2.0,
    "question_lost": 1.5,
    "glossary": 1.5,
    "stutter": 2.0,
    "prompt_leak": 2.0,
    "latin_words": 1.0,
    "too_long": 1.0,
    "impolite": 0.5,
    "latin_names": 0.25,
}
"""Problems by how much they spoil a line; a person hears all above 1 as a mistake."""

_ABOUT_THE_TASK = re.compile(
    r"\b(?:translat(?:e|ed|es|ion)|traduc(?:ción|e|ir|ido)|tradu(?:ção|zir|zido)|traduction"
    r"|language model|modelo de lenguaje|modelo de linguagem|note:|nota:"
    r"|as an ai\b|i(?:'m| am) sorry, but i can(?:'t|not) (?:assist|help|comply)"
    r"|lo siento, (?:pero )?no puedo ayudar\w* con es[aeo]"
    r"|desculpe?,? (?:mas )?não posso ajudar\w* com iss?[eo])"
    r"|죄송하지만,? (?:그|해당) 요청|번역|언어 모델|翻译|翻訳",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"^\s*(?:\*\*)?(?:(?:here(?:'s| is)|this is|aquí (?:está|tienes)|aqui está)\b[^:\n]{0,60}:"
    r"|(?:[^\W\d_]+ )?(?:translation|traducción|tradução|traduction|번역문?|한국어|翻译|翻訳)\s*:"
    r"|(?:english|korean|spanish|portuguese|español|português|coreano|inglés|french|german"
    r"|영어|스페인어|포르투갈어)\s*:)(?:\*\*)?\s*",
    re.IGNORECASE,
)
_QUOTES = {'"': '"', "“": "”", "«": "»", "「": "」", "'": "'", "‘": "’", "`": "`", "„": "“"}
_LEAD_IN = re.compile(r"^(?:예요|이에요|존댓말|해요체)[,.]\s*")
_REPEATED = re.compile(r"(.{2,40}?)\1{3,}")
_REQUEST = re.compile(
    r"\b(?:can|could|would|will|won't) (?:you|we|i|someone)\b|\b(?:pued|podr|quer|pod|vamos)\w*"
    r"|right\?|okay\?|ok\?|please|줄래|주실|주시|세요|할까|볼까",
    re.IGNORECASE,
)
_STUTTER = re.compile(r"(?<!\w)([^\W\d_가-힣ぁ-ヿ一-鿿]+) \1(?!\w)", re.IGNORECASE)
_CJK = "가-힣ぁ-ヿ一-鿿"
_UNSPACED = re.compile(f"[{_CJK}]")
_SHORTEST_STEM = 4
_SHORTEST_NOUN = 3
_PLAIN_STYLE = re.compile(
    r"(?:(?<![니])다|[이거]야|[했였었았]어|해|[할하]자|이다|냐|구나|거든)[.!?…~]*$"
)


def find_problems(
    text: str, answer: str, *, source: str, target: str, shortened: bool = False
) -> tuple[str, ...]:
    """Names of everything that is wrong, the worst first; empty when nothing was found.

    Parameters
    ----------
    text, answer
        The source sentence and what came back for it, cleaned by :func:`clean`.
    source, target
        Language tags.
    shortened
        The answer was asked to say less: leave out the lower bound of its length.
    """
    if not has_words(text):
        return ()
    if not answer.strip():
        return ("empty",)
    source, target = languages.base(source), languages.base(target)
    found = {
        "repetition": repeats(answer) and not repeats(text),
        "question_lost": asks(text) and not asks(answer, any_form=True),
        "stutter": stutters(answer) and not stutters(text),
        "source_echoed": echoes(text, answer),
        "comment": comments(text, answer),
        "prompt_leak": target == "ko" and bool(_LEAD_IN.match(answer)),
        "length": not plausible_length(text, answer, shortened=shortened),
        "numbers_lost": bool(missing_numbers(text, answer, source=source, target=target)),
        "number_misspelled": target == "ko" and misspelled_number(answer),
        "impolite": target == "ko" and bool(_PLAIN_STYLE.search(answer.strip())),
    }
    found.update(dict.fromkeys(_script_problems(text, answer, target), True))
    if "wrong_script" not in found:
        names = frozenset(foreign_names(text))
        found["wrong_language"] = bool(intruder(answer, target, names=names))
    named = [name for name, wrong in found.items() if wrong]
    return tuple(sorted(named, key=lambda name: -WEIGHTS[name]))


def badness(problems: Iterable[str]) -> float:
    """How much a set of problems spoils an answer; 0 is a clean one."""
    return sum(WEIGHTS[name] for name in problems)


def clean(answer: str, source: str = "") -> str:
    """An answer without labels, enclosing quotes and white space that a model puts round it.

    Where the ``source`` has a colon of its own ("Here is the thing: …"), what is before the
    answer's is part of it.
    """
    text = answer.strip()
    if not re.search("[:：]", source):
        text = _LABEL.sub("", text, count=1).strip()
    text = text.strip("*").strip()
    closing = _QUOTES.get(text[:1])
    if closing and len(text) > 2 and text.endswith(closing) and closing not in text[1:-1]:
        text = text[1:-1].strip()
    return " ".join(text.split())


def repeats(text: str) -> bool:
    """The same two letters or more, four times running, or one phrase over and over."""
    for match in _REPEATED.finditer(text):
        if any(c.isalpha() for c in match[1]) and len(match[0]) >= 8:
            return True
    words = text.lower().split()
    for n in (3, 4):
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        if grams and max(grams.count(g) for g in set(grams)) >= 4:
            return True
    return False


def asks(text: str, *, any_form: bool = False) -> bool:
    """Does it end with a question that wants an answer, not with a polite request?

    A model that answers a question instead of translating it gives itself away by this. With
    ``any_form`` every question mark counts.
    """
    if any_form:
        return any(mark in text for mark in "?？؟;")
    return text.rstrip("\"'”’») ").endswith(("?", "？", "؟")) and not _REQUEST.search(text)


def stutters(text: str) -> bool:
    """One word twice running without a comma ("No no te olvides"), in an alphabetic script."""
    return bool(_STUTTER.search(text))


def echoes(text: str, answer: str) -> bool:
    """Is the source itself in the answer, or nothing in the answer but words of the source?

    The latter is what an obeyed order looks like ("say only yes"). A single word may be the
    same in both languages.
    """
    asked, said = _plain(text), _plain(answer)
    words = set(asked.split())
    if len(words) >= 4 and said and words.issuperset(said.split()):
        return True
    if len(words) >= 3 or (len(asked) >= 16 and len(words) > 1):
        return asked in said
    return len(words) == 2 and asked == said and any(w[:1].islower() for w in text.split())


def comments(text: str, answer: str) -> bool:
    """Does the answer speak about translating, which the source does not?"""
    return bool(_ABOUT_THE_TASK.search(answer)) and not _ABOUT_THE_TASK.search(text)


def plausible_length(text: str, answer: str, *, shortened: bool = False) -> bool:
    """Neither a summary nor an essay, by weighted characters.

    A Hangul syllable holds about two Latin letters, a Han character three. Measured
    translations between en, es, pt and ko lie between 0.6 and 1.6; short texts vary more.
    """
    have, want = text_weight(answer), text_weight(text)
    low = 0.0 if shortened else 0.45 * want - 4
    return low <= have <= 2.0 * want + 14


def breaks_glossary(answer: str, terms: Iterable[tuple[str, str]]) -> bool:
    """Is a term of the glossary, given as (term, what it must become), not in the answer?

    Case does not count, nor do spaces. Each word of a term may be inflected: its stem, about two
    thirds of it and at least four letters, must begin a word of the answer. A term that stays
    as it is must be there whole. Accents of an inflected term do not count.
    """
    return any(not _holds(answer, becomes, whole=term == becomes) for term, becomes in terms)


def _holds(answer: str, wanted: str, *, whole: bool) -> bool:
    said, needed = _plain(answer), _plain(wanted)
    if not needed:  # nothing but signs
        return wanted in answer
    if _UNSPACED.search(needed):
        return needed.replace(" ", "") in said.replace(" ", "")
    # Korean particles and the like follow a Latin word without a space.
    if re.search(rf"(?<![^\W{_CJK}]){re.escape(needed)}(?![^\W{_CJK}])", said):
        return True
    if whole:
        return False
    # Inflection moves accents: imagen, imágenes; avião, aviões.
    words = _bare(said).split()
    return all(any(_inflects(word, each) for word in words) for each in _bare(needed).split())


def _inflects(word: str, wanted: str) -> bool:
    """May ``word`` be a form of ``wanted``? Of a short one, a plural: red, redes; luz, luces."""
    stem = wanted[: max(_SHORTEST_STEM, math.ceil(len(wanted) * 2 / 3))]
    if len(stem) >= _SHORTEST_STEM and word.startswith(stem):
        return True
    if len(wanted) < _SHORTEST_NOUN:
        return word == wanted
    forms = {wanted, f"{wanted}s", f"{wanted}es"}
    if wanted.endswith("z"):
        forms.add(f"{wanted[:-1]}ces")
    if wanted.endswith("ao"):
        forms |= {wanted[:-2] + ending for ending in ("aos", "oes", "aes")}
    return word in forms


def _bare(text: str) -> str:
    """Without accents: they come and go with inflection (imagen, imágenes; avião, aviões)."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def foreign_names(text: str) -> list[str]:
    """Words, lower-case, that look like names.

    That is capitals anywhere but at a sentence's start, or there before another capital.
    """
    names: list[str] = []
    start = True
    words = text.split()
    for word, following in zip(words, [*words[1:], ""], strict=True):
        bare = word.strip(".,!?;:\"'“”‘’()[]¿¡…")
        bare = re.sub(r"['’]s$", "", bare)
        first_name = following[:1].isupper() and following[1:2].islower()
        if bare[:1].isupper() and (not start or first_name or any(map(str.isupper, bare[1:]))):
            names.append(bare.lower())
        start = word.endswith((".", "!", "?", "…"))
    return names


def latin_words(answer: str) -> list[str]:
    """Words of two Latin letters or more in a text of another script."""
    return re.findall(r"[A-Za-zÀ-ɏ]{2,}", answer)


def _script_problems(text: str, answer: str, target: str) -> list[str]:
    shares = script_shares(answer)
    wanted = languages.scripts(target)
    if not shares:
        return ["wrong_script"]
    own = sum(shares.get(script, 0.0) for script in wanted)
    strange = sum(share for script, share in shares.items() if script not in {*wanted, "Latin"})
    if "Latin" in wanted:
        kept = _scripts(text) - {"Latin"}
        return ["wrong_script"] if strange > 0 and not (own > 0.8 and not kept) else []
    if strange > 0 or own < 0.5:
        names_only = own > 0 and _only_names(text, answer)
        return ["latin_names"] if names_only and strange == 0 else ["wrong_script"]
    if not latin_words(answer):
        return []
    return ["latin_names"] if _only_names(text, answer) else ["latin_words"]


def _only_names(text: str, answer: str) -> bool:
    names = set(foreign_names(text))
    first = text.split()[0].strip(".,!?").lower() if text[:1].isupper() else ""
    return all(word.lower() in names or word.lower() == first for word in latin_words(answer))


def _scripts(text: str) -> set[str]:
    return set(filter(None, map(script_of, text)))


def _plain(text: str) -> str:
    letters = (c if c.isalnum() else " " for c in unicodedata.normalize("NFKC", text.casefold()))
    return " ".join("".join(letters).split())


def text_weight(text: str) -> float:
    """Length in Latin letters: what a text would take in a Latin script, roughly."""
    weights = {"Hangul": 2.2, "Han": 3.0, "Hiragana": 1.8, "Katakana": 1.8}
    return sum(weights.get(script_of(c), 1.0) for c in text if not c.isspace())
