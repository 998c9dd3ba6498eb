"""Portuguese as spoken in Brazil."""

from __future__ import annotations

import re

from onevoice.speakable.grammar import Form, Grammar, Unit, letter_table
from onevoice.speakable.tables import listed

_ONES = listed(
    "zero um dois três quatro cinco seis sete oito nove dez onze doze treze quatorze quinze "
    "dezesseis dezessete dezoito dezenove"
)
_TENS = listed(". . vinte trinta quarenta cinquenta sessenta setenta oitenta noventa")
_HUNDREDS = listed(
    ". cento duzentos trezentos quatrocentos quinhentos seiscentos setecentos oitocentos novecentos"
)
_SCALES = (
    ("", ""),
    ("mil", "mil"),
    ("milhão", "milhões"),
    ("bilhão", "bilhões"),
    ("trilhão", "trilhões"),
)
_ORDINAL_ONES = listed(". primeiro segundo terceiro quarto quinto sexto sétimo oitavo nono")
_ORDINAL_TENS = listed(
    ". décimo vigésimo trigésimo quadragésimo quinquagésimo sexagésimo septuagésimo octogésimo "
    "nonagésimo"
)
MONTHS = listed(
    "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"
)
_FUNCTION_WORDS = frozenset(
    listed(
        "de do da dos das e ou a à ao as às em no na nos nas por para que com é foi são era como "
        "mais "
        "menos mas se não lo o os um uma sem nem já muito até desde entre sobre quando onde porque "
        "enquanto está estão há hoje ontem amanhã ponto vírgula"
    )
)
_MASCULINE_IN_A = re.compile(
    r"(?:dias?|mapas?|planetas?|cometas?|poetas?|\w*(?:ema|ama|oma|ima)s?|turistas?|artistas?|"
    r"\w+istas?|atletas?|colegas?|sofás?|gramas?)$"
)
_FEMININE = re.compile(
    r"(?:\w*as?|\w*ãs?|\w+(?:ção|ções|são|sões|dade|dades|gem|gens|tude)|vez|vezes|mulher|mulheres|"
    r"noites?|tardes?|partes?|mãos?|fases?|fotos?|motos?|séries?|luz|luzes|voz|vozes|redes?|"
    r"chaves?|flor|flores|leis?|mães?|frases?|bases?|classes?|metades?|torres?|pontes?)$"
)
_HALVED = "hora|xícara|colher|dúzia|libra|garrafa|página|milha|tonelada|volta"
_NAMED_BY = re.compile(r"\b(?:número|capítulo|nível|página|canal|tipo|fase|lição|passo)\s*$", re.I)


def cardinal(number: int, form: Form = "alone") -> str:
    """In words: 1200 is *mil e duzentos*, 1234 *mil duzentos e trinta e quatro*."""
    if number == 0:
        return _ONES[0]
    parts: list[tuple[int, str]] = []
    for power, (one, many) in enumerate(_SCALES):
        group = number // 1000**power % 1000
        if group:
            counted: Form = form if power < 2 else "alone"
            said = "" if (group, power) == (1, 1) else _below_thousand(group, counted)
            parts.append((group, f"{said} {one if group == 1 else many}".strip()))
    parts.reverse()
    words = parts[0][1]
    for group, said in parts[1:]:
        last = said is parts[-1][1]
        words += (" e " if last and (group < 100 or group % 100 == 0) else " ") + said
    return words


def _below_thousand(number: int, form: Form) -> str:
    if number == 100:
        return "cem"
    hundreds, rest = divmod(number, 100)
    words = []
    if hundreds:
        feminine = form == "feminine" and hundreds > 1
        words.append(_HUNDREDS[hundreds][:-2] + "as" if feminine else _HUNDREDS[hundreds])
    if rest >= 20:
        words.append(_TENS[rest // 10])
        rest %= 10
    if rest:
        gendered = {1: "uma", 2: "duas"} if form == "feminine" else {}
        words.append(gendered.get(rest) or _ONES[rest])
    return " e ".join(words)


def ordinal(number: int, feminine: bool = False) -> str:
    """*vigésimo primeiro*; from 100 on usage prefers the cardinal."""
    if not 0 < number < 100:
        return cardinal(number)
    tens, ones = divmod(number, 10)
    words = " ".join([_ORDINAL_TENS[tens]] * bool(tens) + [_ORDINAL_ONES[ones]] * bool(ones))
    return re.sub(r"o\b", "a", words) if feminine else words


def form(before: str, after: str) -> Form:
    """Gender by the look of the next word: Portuguese nouns mostly show theirs."""
    # In "1 ou 2 horas" the hours decide about both numbers.
    other = r"(?:\s+(?:a|ou|e)\s+\d+)?"
    match = re.match(rf"{other}\s+(?:mil\s+)?([a-zà-öø-ÿ]+)", after)
    if not match or match[1] in _FUNCTION_WORDS or _NAMED_BY.search(before):
        return "alone"
    word = match[1]
    if _FEMININE.match(word) and not _MASCULINE_IN_A.match(word):
        return "feminine"
    return "masculine"


def _date(year: int | None, month: int, day: int) -> str:
    first = "primeiro" if day == 1 else cardinal(day)
    return f"{first} de {MONTHS[month - 1]}" + (f" de {cardinal(year)}" if year else "")


def _clock(hour: int, minute: int, half: str) -> str:
    said = cardinal(hour, "feminine")
    if minute == 0:
        said += "" if half else (" hora" if hour == 1 else " horas")
    elif minute == 30 and hour <= 12:
        said += " e meia"
    else:
        said += f" e {cardinal(minute)}"
    if half == "a":
        return said + " da manhã"
    if half == "p":
        return said + (" da noite" if 7 <= hour <= 11 else " da tarde")
    return said


def _fraction(numerator: int, denominator: int) -> str:
    names = {2: "meio", 3: "terço", 4: "quarto", 5: "quinto", 6: "sexto", 7: "sétimo", 8: "oitavo"}
    names |= {9: "nono", 10: "décimo", 12: "doze avos", 16: "dezesseis avos", 20: "vigésimo"}
    names |= {100: "centésimo"}
    part = names[denominator]
    plural = "s" if numerator > 1 and not part.endswith("s") else ""
    return f"{cardinal(numerator)} {part}{plural}"


def _units() -> dict[str, Unit]:
    plain = (
        "km quilômetro,m metro,cm centímetro,mm milímetro,kg quilo,g grama,mg miligrama,L litro,"
        "l litro,ml mililitro,mL mililitro,GB gigabyte,MB megabyte,KB kilobyte,TB terabyte,W watt,"
        "kW quilowatt,V volt,min minuto,s segundo,ms milissegundo,ft pé,ha hectare,"
        "kB kilobyte,PB petabyte,nm nanômetro,μm micrômetro,μg micrograma,μs microssegundo,"
        "MW megawatt,GW gigawatt"
    )
    table = {}
    for pair in plain.split(","):
        sign, _, word = pair.partition(" ")
        table[sign] = Unit(word, word + "s")
    return table | {
        "kWh": Unit("quilowatt-hora", "quilowatts-hora"),
        "Hz": Unit("hertz", "hertz"),
        "kHz": Unit("quilohertz", "quilohertz"),
        "MHz": Unit("megahertz", "megahertz"),
        "GHz": Unit("gigahertz", "gigahertz"),
        "dB": Unit("decibel", "decibéis"),
        "px": Unit("pixel", "pixels"),
        "%": Unit("por cento", "por cento"),
        "h": Unit("hora", "horas", feminine=True),
        "hs": Unit("hora", "horas", feminine=True),
        "t": Unit("tonelada", "toneladas", feminine=True),
        "lb": Unit("libra", "libras", feminine=True),
        "lbs": Unit("libra", "libras", feminine=True),
        "oz": Unit("onça", "onças", feminine=True),
        "mi": Unit("milha", "milhas", feminine=True),
        "kcal": Unit("quilocaloria", "quilocalorias", feminine=True),
        "mph": Unit("milha por hora", "milhas por hora", feminine=True),
        "mAh": Unit("miliampere-hora", "miliamperes-hora"),
        "Wh": Unit("watt-hora", "watts-hora"),
        "hPa": Unit("hectopascal", "hectopascais"),
        "kPa": Unit("quilopascal", "quilopascais"),
        "rpm": Unit("rotação por minuto", "rotações por minuto", feminine=True),
        "ppm": Unit("parte por milhão", "partes por milhão", feminine=True),
        "bpm": Unit("batimento por minuto", "batimentos por minuto"),
        "fps": Unit("quadro por segundo", "quadros por segundo"),
        "kbps": Unit("quilobit por segundo", "quilobits por segundo"),
        "Mbps": Unit("megabit por segundo", "megabits por segundo"),
        "Mb/s": Unit("megabit por segundo", "megabits por segundo"),
        "Gbps": Unit("gigabit por segundo", "gigabits por segundo"),
        "Gb/s": Unit("gigabit por segundo", "gigabits por segundo"),
        "MB/s": Unit("megabyte por segundo", "megabytes por segundo"),
        "GB/s": Unit("gigabyte por segundo", "gigabytes por segundo"),
        "km/s": Unit("quilômetro por segundo", "quilômetros por segundo"),
        "cm^2": Unit("centímetro quadrado", "centímetros quadrados"),
        "cm2": Unit("centímetro quadrado", "centímetros quadrados"),
        "cm^3": Unit("centímetro cúbico", "centímetros cúbicos"),
        "cm3": Unit("centímetro cúbico", "centímetros cúbicos"),
        "km/h": Unit("quilômetro por hora", "quilômetros por hora"),
        "m/s": Unit("metro por segundo", "metros por segundo"),
        "°C": Unit("grau Celsius", "graus Celsius"),
        "°F": Unit("grau Fahrenheit", "graus Fahrenheit"),
        "°": Unit("grau", "graus"),
        "m^2": Unit("metro quadrado", "metros quadrados"),
        "m2": Unit("metro quadrado", "metros quadrados"),
        "km^2": Unit("quilômetro quadrado", "quilômetros quadrados"),
        "km2": Unit("quilômetro quadrado", "quilômetros quadrados"),
        "m^3": Unit("metro cúbico", "metros cúbicos"),
        "m3": Unit("metro cúbico", "metros cúbicos"),
    }


_DOLLAR = Unit("dólar", "dólares", cents=("centavo", "centavos"))
_EURO = Unit("euro", "euros", cents=("centavo", "centavos"))
_POUND = Unit("libra", "libras", feminine=True, cents=("pêni", "pence"))
_REAL = Unit("real", "reais", cents=("centavo", "centavos"))
_MONTH_NAMES = "|".join(MONTHS)

PORTUGUESE = Grammar(
    letters="A-Za-zÀ-ÖØ-öø-ɏ",
    cardinal=cardinal,
    ordinal=ordinal,
    ordinal_marks=r"\.?(?:º|°(?!\s?[CF\d])|o\b|(?P<feminine>ª|a\b))",
    form=form,
    date=_date,
    clock=_clock,
    fraction=_fraction,
    decimal_words={".": "ponto", ",": "vírgula"},
    digitwise=False,
    thousands=".,",
    minus="menos",
    link="e",
    of="de",
    to="a",
    dot="ponto",
    at="arroba",
    units=_units(),
    money={
        "R$": _REAL,
        "BRL": _REAL,
        "$": _DOLLAR,
        "US$": _DOLLAR,
        "USD": _DOLLAR,
        "€": _EURO,
        "EUR": _EURO,
        "£": _POUND,
        "GBP": _POUND,
        "¥": Unit("iene", "ienes"),
        "JPY": Unit("iene", "ienes"),
        "₩": Unit("won", "wons"),
        "KRW": Unit("won", "wons"),
        "₹": Unit("rúpia", "rúpias", feminine=True),
        "INR": Unit("rúpia", "rúpias", feminine=True),
        "CNY": Unit("yuan", "yuans"),
        "CHF": Unit("franco suíço", "francos suíços"),
    },
    magnitudes={
        "k": "mil",
        "m": "milhões",
        "mi": "milhões",
        "million": "milhões",
        "milhão": "milhões",
        "b": "bilhões",
        "bi": "bilhões",
        "billion": "bilhões",
        "bilhão": "bilhões",
    },
    signs={
        "&": "e",
        "@": "arroba",
        "%": "por cento",
        "#": "",
        "+": "mais",
        "=": "igual a",
        "×": "vezes",
        "÷": "dividido por",
        "±": "mais ou menos",
        "<": "",
        ">": "",
        "≤": "no máximo",
        "≥": "no mínimo",
        "≈": "aproximadamente",
        "√": "raiz de",
        "^2": "ao quadrado",
        "^3": "ao cubo",
        "^": "elevado a",
        "°": "graus",
        "€": "euros",
        "£": "libras",
        "$": "dólares",
        "¥": "ienes",
        "₩": "wons",
        "/": "",
        "º": "",
        "ª": "",
    },
    letter_names=letter_table(
        "a bê cê dê é efe gê agá i jota cá ele eme ene ó pê quê erre esse tê u vê dáblio xis "
        "ípsilon zê"
    ),
    lone_letters="AEOÉÀ",
    capital_words=frozenset(
        listed(
            "NÃO SIM JÁ É O A OS AS UM UMA DE DO DA DOS DAS EM NO NA E OU QUE COM POR MAS SEU "
            "SUA MEU "
            "EU TU ELE NÓS VÓS SER TER VAI VEM VER DIA MAR SOL FIM PAZ LUZ PIN SIM RAM GIF OI AI "
            "UAU "
            "LÁ CÁ AQUI ONU SUS PIB LED VIP CIA MEC PIS CEP"
        )
    )
    - {"AI"},
    spelled=frozenset(listed("IBGE IPTU IPVA UCLA")),
    replacements={
        rf"(?<=\d )1/2 (?=(?:{_HALVED})[es]?s?\b)": "e meia ",
        r"(?<=\d )1/2 (?=[a-zà-ÿ]{3,})": "e meio ",
        rf"(?<![\d/.,])(?<!\d )1/2 (?=(?:{_HALVED})[es]?s?\b)": "meia ",
        r"(?<![\d/.,])(?<!\d )1/2 (?=[a-zà-öø-ÿ]{3,})": "meio ",
        r"(?<=\d)\s?º(?=\s?[CF]\b)": "°",
        r"(?<=R\$)(\s?[\d.,]+)\s(mi|bi)(?=\W|$)": r"\1\2",
        r"\b[Aa]rt\.(?=\s\d)": "artigo",
        r"\b[Cc]ap\.(?=\s\d)": "capítulo",
        r"\bséc\.(?=\s[XVI])": "século",
        r"\bAv\.": "avenida",
        r"\bap\.(?=\s?\d)": "apartamento",
        r"\bpágs?\.(?=\s)": "página",
        r"\btel\.": "telefone",
        r"\bProfa\.(?=\s)": "professora",
        r"\bSr\.(?=\s)": "senhor",
        r"\bSra\.(?=\s)": "senhora",
        r"\bSrta\.(?=\s)": "senhorita",
        r"\bDr\.(?=\s)": "doutor",
        r"\bDra\.(?=\s)": "doutora",
        r"\bProf\.(?=\s)": "professor",
        r"\betc\.": "et cetera.",
        r"\bp\.\s?ex\.": "por exemplo",
        r"\bE\.?U\.?A\b\.?": "Estados Unidos",
        r"\bvs\.?(?=\s)": "contra",
        r"\baprox\.": "aproximadamente",
        r"\b[Nn](?:\.º|º|°|o\.)\s?(?=\d)": "número ",
        r"#\s?(?=\d)": "número ",
        r"\be/ou\b": "e ou",
        rf"(?<![\d.,/])1º? (?=de (?:{_MONTH_NAMES})\b)": "primeiro ",
        r"(?<!\w)24/7\b": "vinte e quatro sete",
        r"(?<!\w)~\s?(?=\d)": "cerca de ",
        r"\bOK\b": "ok",
        r"(?<=\d)\s?[xX](?=\s?\d)": " vezes ",
        r"(?<=\d)(?<!\b1)x(?=\s[a-z])": " vezes",
    },
    counted_wars="Guerra|República",
    regnal="[Ss]éculos?|[Cc]apítulo|[Tt]omo|[Vv]olume|[Pp]arte|"
    "[Aa]to|[Ff]ase|Guerra Mundial|[Tt]ipo",
    rulers="Filipe|Carlos|Luís|Henrique|Isabel|Elizabeth|Afonso|Fernando|João Paulo|João|Pedro|"
    "Bento|Francisco|Pio|Leão|Napoleão|Catarina|Nicolau|Guilherme|Jorge|Ricardo|Manuel|Ramsés",
)
