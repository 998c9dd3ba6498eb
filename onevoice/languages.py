"""Languages: whatever a user calls one in, a canonical tag out.

A tag is BCP 47: a two-letter code where there is one (``ko``), with a script or region only
where that changes what is said or written (``pt-PT``, ``zh-Hant``). What an engine calls a
language is the engine's own business.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from onevoice.errors import UnknownLanguage


@dataclass(frozen=True, slots=True)
class _Language:
    tag: str
    name: str
    endonym: str
    scripts: tuple[str, ...]


# tag | English name | name in the language itself | Unicode scripts, where not Latin
_TABLE = """
af|Afrikaans|Afrikaans
am|Amharic|አማርኛ|Ethiopic
ar|Arabic|العربية|Arabic
as|Assamese|অসমীয়া|Bengali
az|Azerbaijani|azərbaycan
ba|Bashkir|башҡорт теле|Cyrillic
be|Belarusian|беларуская|Cyrillic
bg|Bulgarian|български|Cyrillic
bn|Bengali|বাংলা|Bengali
bo|Tibetan|བོད་སྐད་|Tibetan
br|Breton|brezhoneg
bs|Bosnian|bosanski
ca|Catalan|català
cs|Czech|čeština
cy|Welsh|Cymraeg
da|Danish|dansk
de|German|Deutsch
el|Greek|Ελληνικά|Greek
en|English|English
en-GB|British English|British English
eo|Esperanto|Esperanto
es|Spanish|español
es-419|Latin American Spanish|español latinoamericano
et|Estonian|eesti
eu|Basque|euskara
fa|Persian|فارسی|Arabic
fi|Finnish|suomi
fil|Filipino|Filipino
fo|Faroese|føroyskt
fr|French|français
fr-CA|Canadian French|français canadien
ga|Irish|Gaeilge
gl|Galician|galego
gu|Gujarati|ગુજરાતી|Gujarati
ha|Hausa|Hausa
haw|Hawaiian|ʻŌlelo Hawaiʻi
he|Hebrew|עברית|Hebrew
hi|Hindi|हिन्दी|Devanagari
hr|Croatian|hrvatski
ht|Haitian Creole|kreyòl ayisyen
hu|Hungarian|magyar
hy|Armenian|հայերեն|Armenian
id|Indonesian|Bahasa Indonesia
ig|Igbo|Igbo
is|Icelandic|íslenska
it|Italian|italiano
ja|Japanese|日本語|Hiragana,Katakana,Han
jv|Javanese|Basa Jawa
ka|Georgian|ქართული|Georgian
kk|Kazakh|қазақ тілі|Cyrillic
km|Khmer|ខ្មែរ|Khmer
kn|Kannada|ಕನ್ನಡ|Kannada
ko|Korean|한국어|Hangul
la|Latin|Latina
lb|Luxembourgish|Lëtzebuergesch
ln|Lingala|lingála
lo|Lao|ລາວ|Lao
lt|Lithuanian|lietuvių
lv|Latvian|latviešu
mg|Malagasy|Malagasy
mi|Maori|Māori
mk|Macedonian|македонски|Cyrillic
ml|Malayalam|മലയാളം|Malayalam
mn|Mongolian|монгол|Cyrillic
mr|Marathi|मराठी|Devanagari
ms|Malay|Bahasa Melayu
mt|Maltese|Malti
my|Burmese|မြန်မာ|Myanmar
nb|Norwegian Bokmål|norsk bokmål
ne|Nepali|नेपाली|Devanagari
nl|Dutch|Nederlands
nn|Norwegian Nynorsk|norsk nynorsk
no|Norwegian|norsk
oc|Occitan|occitan
pa|Punjabi|ਪੰਜਾਬੀ|Gurmukhi
pl|Polish|polski
ps|Pashto|پښتو|Arabic
pt|Portuguese|português
pt-BR|Brazilian Portuguese|português do Brasil
pt-PT|European Portuguese|português europeu
ro|Romanian|română
ru|Russian|русский|Cyrillic
sa|Sanskrit|संस्कृतम्|Devanagari
sd|Sindhi|سنڌي|Arabic
si|Sinhala|සිංහල|Sinhala
sk|Slovak|slovenčina
sl|Slovenian|slovenščina
sn|Shona|chiShona
so|Somali|Soomaali
sq|Albanian|shqip
sr|Serbian|српски|Cyrillic,Latin
su|Sundanese|Basa Sunda
sv|Swedish|svenska
sw|Swahili|Kiswahili
ta|Tamil|தமிழ்|Tamil
te|Telugu|తెలుగు|Telugu
tg|Tajik|тоҷикӣ|Cyrillic
th|Thai|ไทย|Thai
tk|Turkmen|türkmen
tr|Turkish|Türkçe
tt|Tatar|татар|Cyrillic
uk|Ukrainian|українська|Cyrillic
ur|Urdu|اردو|Arabic
uz|Uzbek|oʻzbek
vi|Vietnamese|Tiếng Việt
xh|Xhosa|isiXhosa
yi|Yiddish|ייִדיש|Hebrew
yo|Yoruba|Yorùbá
yue|Cantonese|粵語|Han
zh|Chinese|中文|Han
zh-Hant|Traditional Chinese|繁體中文|Han
zu|Zulu|isiZulu
"""

_ALIASES = {
    "brazilian": "pt-BR",
    "castellano": "es",
    "castilian": "es",
    "farsi": "fa",
    "flemish": "nl",
    "hangul": "ko",
    "latin american": "es-419",
    "mandarin": "zh",
    "mandarin chinese": "zh",
    "mexican spanish": "es-419",
    "portugues brasileiro": "pt-BR",
    "simplified chinese": "zh",
    "slovene": "sl",
    "tagalog": "fil",
    "中国话": "zh",
    "普通话": "zh",
    "汉语": "zh",
    "简体中文": "zh",
    "繁体中文": "zh-Hant",
    "粤语": "yue",
    "한국말": "ko",
    "조선말": "ko",
    "영어": "en",
    "일본어": "ja",
    "중국어": "zh",
    "스페인어": "es",
    "포르투갈어": "pt",
    "프랑스어": "fr",
    "독일어": "de",
    "이탈리아어": "it",
    "러시아어": "ru",
    "베트남어": "vi",
    "태국어": "th",
}

_HANT_REGIONS = frozenset({"TW", "HK", "MO"})
_NOT_ONE_LANGUAGE = frozenset({"und", "mul", "mis", "zxx", "root"})
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
"""Begins of the names of letters whose scripts put no blanks between words."""
_CJK = frozenset({"ko", "ja", "zh", "yue"})


@cache
def _known() -> dict[str, _Language]:
    rows = (line.split("|") for line in _TABLE.strip().splitlines())
    return {
        tag: _Language(tag, english, own, tuple((*script, "Latin")[0].split(",")))
        for tag, english, own, *script in rows
    }


def _fold(text: str) -> str:
    """Caseless, without accents: ``Español`` and ``espanol`` are one name."""
    spread = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in spread if not unicodedata.combining(c))
    return " ".join(re.sub(r"[_\-()]+", " ", unicodedata.normalize("NFC", plain)).split())


@cache
def _by_name() -> dict[str, str]:
    names = {_fold(alias): tag for alias, tag in _ALIASES.items()}
    for lang in _known().values():
        names[_fold(lang.endonym)] = lang.tag
        names[_fold(lang.name)] = lang.tag
    return names


def normalize(tag: str) -> str:
    """The canonical tag for what a user calls a language.

    Takes BCP 47 tags in any case and with ``_`` for ``-``, ISO 639-2 and -3 codes, English
    names and endonyms: ``KO``, ``kor``, ``ko-KR``, ``Korean`` and ``한국어`` are all ``ko``. A
    region survives only where it changes the speech: ``es-MX`` becomes ``es-419``, ``fr-FR``
    becomes ``fr``.

    Raises
    ------
    UnknownLanguage
        It is neither a tag nor a name; the hint has the nearest that is.
    """
    # Importing langcodes takes 0.1 s, which `onevoice --help` should not pay.
    import langcodes

    given = tag.strip()
    by_name = _by_name().get(_fold(given))
    if by_name is not None:
        return by_name
    try:
        parsed = langcodes.Language.get(given.replace("_", "-"), normalize=True)
        code = langcodes.standardize_tag(parsed.language or "und", macro=True)
        valid = parsed.is_valid()
    except ValueError as exc:  # langcodes' LanguageTagError is one
        raise _unknown(tag) from exc
    private = len(code) == 3 and "qaa" <= code <= "qtz"
    if not valid or private or code in _NOT_ONE_LANGUAGE:
        raise _unknown(tag)
    if parsed.language in _known():
        code = str(parsed.language)  # keeps yue, nb, fil, which the macrolanguage would swallow
    return _with_region(code, parsed.script, parsed.territory)


def _with_region(code: str, script: str | None, territory: str | None) -> str:
    if code == "zh":
        hant = script == "Hant" or (script is None and territory in _HANT_REGIONS)
        return "zh-Hant" if hant else "zh"
    if code == "es":
        return "es" if territory in (None, "ES") else "es-419"
    if code == "pt" and territory not in (None, "BR"):
        return "pt-PT"  # Africa and Asia follow the European norm
    tagged = f"{code}-{territory}"
    return tagged if tagged in _known() else code


def _unknown(tag: str) -> UnknownLanguage:
    folded = _fold(tag)
    names = _by_name()
    near = get_close_matches(folded, [*names, *_known()], n=1, cutoff=0.6)
    if near:
        found = names.get(near[0], near[0])
        hint = f"did you mean {found} ({name(found)})?"
    else:
        hint = "give a tag such as ko, es or pt-BR, or an English name such as Korean"
    return UnknownLanguage(f"{tag!r} is no language", hint=hint)


def parse_list(text: str) -> tuple[str, ...]:
    """The languages of ``"ko, es,pt"``: canonical, in order, without repeats.

    Raises
    ------
    UnknownLanguage
        One of them is no language, or there is none at all.
    """
    parts = [part for part in re.split(r"[,;]", text) if part.strip()]
    if not parts:
        raise UnknownLanguage("no language is given", hint="for example --to ko,es,pt")
    return tuple(dict.fromkeys(normalize(part) for part in parts))


def base(tag: str) -> str:
    """The language alone, without script or region: ``pt-BR`` is ``pt``."""
    return tag.replace("_", "-").partition("-")[0].lower()


def same(a: str, b: str) -> bool:
    """Do two tags name one language, whatever its region? Norwegian and Bokmål are one."""
    merged = {"nb": "no"}
    first, second = base(a), base(b)
    return merged.get(first, first) == merged.get(second, second)


def name(tag: str) -> str:
    """English name; the tag itself for a language beyond the table."""
    lang = _known().get(tag) or _known().get(base(tag))
    return lang.name if lang else tag


def endonym(tag: str) -> str:
    """What its speakers call it; the tag itself for a language beyond the table."""
    lang = _known().get(tag) or _known().get(base(tag))
    return lang.endonym if lang else tag


def iso639_2(tag: str) -> str:
    """The three-letter code (ISO 639-2/T, or 639-3 where that has none) that containers carry."""
    import langcodes

    try:
        return langcodes.Language.get(base(tag)).to_alpha3(variant="T")
    except (LookupError, ValueError):
        return "und"


def scripts(tag: str) -> tuple[str, ...]:
    """Unicode scripts its text is written in, the usual first; Latin where nothing is known."""
    lang = _known().get(tag) or _known().get(base(tag))
    return lang.scripts if lang else ("Latin",)


def unspaced(char: str) -> bool:
    """Whether a letter is of a script that puts no blanks between words."""
    return char.isalpha() and unicodedata.name(char, "").startswith(_UNSPACED)


def joined(parts: Iterable[str]) -> str:
    """Pieces of a text and their lines in one line, with blanks between where the script has any.

    >>> joined(["Hello", "there."]), joined(["오늘", "날씨"]), joined(["今日は、", "晴れ。"])
    ('Hello there.', '오늘 날씨', '今日は、晴れ。')
    """
    text = ""
    for part in (" ".join(line.split()) for piece in parts for line in piece.split("\n")):
        close = any(
            unspaced(char) or (not char.isalnum() and unicodedata.east_asian_width(char) in "FW")
            for char in (text[-1:], part[:1])
            if char
        )
        text += part if close or not text else f" {part}" if part else ""
    return text


def is_cjk(tag: str) -> bool:
    """Chinese, Japanese or Korean: text whose characters are about a syllable each."""
    return base(tag) in _CJK
