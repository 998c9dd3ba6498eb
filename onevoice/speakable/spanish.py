"""Spanish, in the Latin American way of reading where the ways part."""

from __future__ import annotations

import re

from onevoice.speakable.grammar import Form, Grammar, Unit, letter_table
from onevoice.speakable.tables import listed

_ONES = listed(
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince "
    "dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro "
    "veinticinco veintiséis veintisiete veintiocho veintinueve"
)
_TENS = listed(". . . treinta cuarenta cincuenta sesenta setenta ochenta noventa")
_HUNDREDS = listed(
    ". ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos "
    "novecientos"
)
_ORDINAL_ONES = listed(". primero segundo tercero cuarto quinto sexto séptimo octavo noveno")
_ORDINAL_TENS = listed(
    ". décimo vigésimo trigésimo cuadragésimo quincuagésimo sexagésimo septuagésimo octogésimo "
    "nonagésimo"
)
MONTHS = listed(
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"
)
_FUNCTION_WORDS = frozenset(
    listed(
        "de del y o u e a al en por que con es fue son era para como más menos pero si no se lo "
        "la le "
        "el los las un una sin ni ya muy hasta desde entre sobre cuando donde porque mientras está "
        "están ha han hay hoy ayer mañana punto coma"
    )
)
_MASCULINE_IN_A = re.compile(
    r"(?:días?|mapas?|planetas?|cometas?|poetas?|pilotos?|\w*(?:ema|ama|oma|ima)s?|turistas?|"
    r"artistas?|\w+istas?|kilómetros?|gramas?|atletas?|colegas?|sofás?|aguas?|águilas?)$"
)
_FEMININE = re.compile(
    r"(?:\w*as?|\w+(?:ción|ciones|sión|siones|dad|dades|tud|tudes|umbre|umbres)|veces|vez|mujeres|"
    r"mujer|noches?|tardes?|clases?|partes?|calles?|llaves?|leyes|ley|flores|flor|manos?|fotos?|"
    r"motos?|series?|imágenes|imagen|razones|razón|voces|voz|redes|red|luces|luz|naves?|claves?|"
    r"frases?|sangres?|opciones)$"
)
_HALVED = "hora|taza|cucharada|cucharadita|docena|libra|botella|página|milla|tonelada|vuelta"
_NAMED_BY = re.compile(r"\b(?:número|capítulo|nivel|página|canal|tipo|fase|lección|paso)\s*$", re.I)


def cardinal(number: int, form: Form = "alone") -> str:
    """In words: 21 is *veintiuno*, *veintiún* before a masculine noun, *veintiuna* before "
    "others."""
    if number < 1000:
        return _below_thousand(number, form)
    millions, rest = divmod(number, 10**6)
    if millions:
        trillions, lower = divmod(millions, 10**6)
        head = [_millions(trillions, "billón", "billones")] if trillions else []
        head += [_millions(lower, "millón", "millones")] if lower else []
        return " ".join([*head, *([cardinal(rest, form)] if rest else [])])
    thousands, rest = divmod(number, 1000)
    counted: Form = "feminine" if form == "feminine" else "masculine"
    head_words = "mil" if thousands == 1 else f"{_below_thousand(thousands, counted)} mil"
    return head_words + (f" {_below_thousand(rest, form)}" if rest else "")


def _millions(count: int, one: str, many: str) -> str:
    return f"un {one}" if count == 1 else f"{cardinal(count, 'masculine')} {many}"


def _below_thousand(number: int, form: Form) -> str:
    if number == 100:
        return "cien"
    hundreds, rest = divmod(number, 100)
    words = []
    if hundreds:
        hundred = _HUNDREDS[hundreds]
        feminine = form == "feminine" and hundreds > 1
        words.append(hundred[:-2] + "as" if feminine else hundred)
    if rest or not hundreds:
        words.append(_below_hundred(rest, form))
    return " ".join(words)


def _below_hundred(number: int, form: Form) -> str:
    if number < 30:
        said = _ONES[number]
    else:
        ones = f" y {_ONES[number % 10]}" if number % 10 else ""
        said = _TENS[number // 10] + ones
    if not said.endswith("uno") or form == "alone":
        return said
    if form == "feminine":
        return said[:-1] + "a"
    return "veintiún" if number == 21 else said[:-1]


def ordinal(number: int, feminine: bool = False) -> str:
    """*vigésimo primero*; from 100 on usage prefers the cardinal."""
    if not 0 < number < 100:
        return cardinal(number)
    special = {11: "undécimo", 12: "duodécimo"}
    tens, ones = divmod(number, 10)
    parts = [_ORDINAL_TENS[tens]] * bool(tens) + [_ORDINAL_ONES[ones]] * bool(ones)
    words = special.get(number) or " ".join(parts)
    return re.sub(r"o\b", "a", words) if feminine else words


def form(before: str, after: str) -> Form:
    """Gender by the look of the next word: Spanish nouns mostly show theirs."""
    # In "1 o 2 horas" the hours decide about both numbers.
    other = r"(?:\s+(?:a|o|u|y)\s+\d+)?"
    match = re.match(rf"{other}\s+(?:mil\s+)?([a-záéíóúñü]+)", after)
    if not match or match[1] in _FUNCTION_WORDS or _NAMED_BY.search(before):
        return "alone"
    word = match[1]
    if _FEMININE.match(word) and not _MASCULINE_IN_A.match(word):
        return "feminine"
    return "masculine"


def _date(year: int | None, month: int, day: int) -> str:
    first = "primero" if day == 1 else cardinal(day)
    return f"{first} de {MONTHS[month - 1]}" + (f" de {cardinal(year)}" if year else "")


def _clock(hour: int, minute: int, half: str) -> str:
    said = cardinal(hour, "feminine")
    if minute == 0:
        pass
    elif minute == 30 and hour <= 12:
        said += " y media"
    elif minute == 15 and hour <= 12:
        said += " y cuarto"
    elif minute < 30 and hour <= 12:
        said += f" y {cardinal(minute)}"
    else:
        said += f" {'cero ' if minute < 10 else ''}{cardinal(minute)}"
    if half == "a":
        return said + " de la mañana"
    if half == "p":
        return said + (" de la noche" if 8 <= hour <= 11 else " de la tarde")
    return said


def _fraction(numerator: int, denominator: int) -> str:
    names = {2: "medio", 3: "tercio", 4: "cuarto", 5: "quinto", 6: "sexto", 7: "séptimo"}
    names |= {8: "octavo", 9: "noveno", 10: "décimo", 12: "doceavo", 16: "dieciseisavo"}
    names |= {20: "veinteavo", 100: "centésimo"}
    part = names[denominator]
    return f"{cardinal(numerator, 'masculine')} {part}{'s' if numerator > 1 else ''}"


def _units() -> dict[str, Unit]:
    plain = (
        "km kilómetro,m metro,cm centímetro,mm milímetro,kg kilo,g gramo,mg miligramo,L litro,"
        "l litro,ml mililitro,mL mililitro,GB gigabyte,MB megabyte,KB kilobyte,TB terabyte,W vatio,"
        "kW kilovatio,V voltio,kWh kilovatio hora,min minuto,s segundo,ms milisegundo,ft pie,"
        "dB decibelio,Hz hercio,kHz kilohercio,MHz megahercio,GHz gigahercio,px píxel,"
        "kB kilobyte,PB petabyte,nm nanómetro,μm micrómetro,μg microgramo,μs microsegundo,"
        "MW megavatio,GW gigavatio,hPa hectopascal,kPa kilopascal"
    )
    table = {}
    for pair in plain.split(","):
        sign, _, word = pair.partition(" ")
        table[sign] = Unit(word, word + ("es" if word.endswith("l") else "s"))
    return table | {
        "kWh": Unit("kilovatio hora", "kilovatios hora"),
        "%": Unit("por ciento", "por ciento"),
        "h": Unit("hora", "horas", feminine=True),
        "hs": Unit("hora", "horas", feminine=True),
        "t": Unit("tonelada", "toneladas", feminine=True),
        "lb": Unit("libra", "libras", feminine=True),
        "lbs": Unit("libra", "libras", feminine=True),
        "oz": Unit("onza", "onzas", feminine=True),
        "mi": Unit("milla", "millas", feminine=True),
        "kcal": Unit("kilocaloría", "kilocalorías", feminine=True),
        "ha": Unit("hectárea", "hectáreas", feminine=True),
        "mph": Unit("milla por hora", "millas por hora", feminine=True),
        "mAh": Unit("miliamperio hora", "miliamperios hora"),
        "Wh": Unit("vatio hora", "vatios hora"),
        "rpm": Unit("revolución por minuto", "revoluciones por minuto", feminine=True),
        "ppm": Unit("parte por millón", "partes por millón", feminine=True),
        "fps": Unit("fotograma por segundo", "fotogramas por segundo"),
        "kbps": Unit("kilobit por segundo", "kilobits por segundo"),
        "Mbps": Unit("megabit por segundo", "megabits por segundo"),
        "Mb/s": Unit("megabit por segundo", "megabits por segundo"),
        "Gbps": Unit("gigabit por segundo", "gigabits por segundo"),
        "Gb/s": Unit("gigabit por segundo", "gigabits por segundo"),
        "MB/s": Unit("megabyte por segundo", "megabytes por segundo"),
        "GB/s": Unit("gigabyte por segundo", "gigabytes por segundo"),
        "km/s": Unit("kilómetro por segundo", "kilómetros por segundo"),
        "cm^2": Unit("centímetro cuadrado", "centímetros cuadrados"),
        "cm2": Unit("centímetro cuadrado", "centímetros cuadrados"),
        "cm^3": Unit("centímetro cúbico", "centímetros cúbicos"),
        "cm3": Unit("centímetro cúbico", "centímetros cúbicos"),
        "km/h": Unit("kilómetro por hora", "kilómetros por hora"),
        "m/s": Unit("metro por segundo", "metros por segundo"),
        "°C": Unit("grado Celsius", "grados Celsius"),
        "°F": Unit("grado Fahrenheit", "grados Fahrenheit"),
        "°": Unit("grado", "grados"),
        "m^2": Unit("metro cuadrado", "metros cuadrados"),
        "m2": Unit("metro cuadrado", "metros cuadrados"),
        "km^2": Unit("kilómetro cuadrado", "kilómetros cuadrados"),
        "km2": Unit("kilómetro cuadrado", "kilómetros cuadrados"),
        "m^3": Unit("metro cúbico", "metros cúbicos"),
        "m3": Unit("metro cúbico", "metros cúbicos"),
    }


_DOLLAR = Unit("dólar", "dólares", cents=("centavo", "centavos"))
_EURO = Unit("euro", "euros", cents=("céntimo", "céntimos"))
_POUND = Unit("libra", "libras", feminine=True, cents=("penique", "peniques"))
_REAL = Unit("real", "reales", cents=("centavo", "centavos"))
_MONTH_NAMES = "|".join(MONTHS)

SPANISH = Grammar(
    letters="A-Za-zÀ-ÖØ-öø-ɏ",
    opening="¿¡",
    cardinal=cardinal,
    ordinal=ordinal,
    ordinal_marks=r"\.?(?:º|°(?!\s?[CF\d])|(?:er|o|do|to|ro)\b|(?P<feminine>\.?ª|(?:|r|d|t)a\b))",
    form=form,
    date=_date,
    clock=_clock,
    fraction=_fraction,
    decimal_words={".": "punto", ",": "coma"},
    digitwise=False,
    thousands=".,",
    minus="menos",
    link="con",
    of="de",
    to="a",
    dot="punto",
    at="arroba",
    units=_units(),
    money={
        "$": _DOLLAR,
        "US$": _DOLLAR,
        "USD": _DOLLAR,
        "€": _EURO,
        "EUR": _EURO,
        "£": _POUND,
        "GBP": _POUND,
        "¥": Unit("yen", "yenes"),
        "JPY": Unit("yen", "yenes"),
        "₩": Unit("won", "wones"),
        "KRW": Unit("won", "wones"),
        "R$": _REAL,
        "BRL": _REAL,
        "MXN": Unit("peso", "pesos", cents=("centavo", "centavos")),
        "COP": Unit("peso", "pesos"),
        "ARS": Unit("peso", "pesos", cents=("centavo", "centavos")),
        "S/": Unit("sol", "soles", cents=("céntimo", "céntimos")),
        "₹": Unit("rupia", "rupias", feminine=True),
        "INR": Unit("rupia", "rupias", feminine=True),
        "CNY": Unit("yuan", "yuanes"),
        "CHF": Unit("franco suizo", "francos suizos"),
    },
    magnitudes={
        "k": "mil",
        "m": "millones",
        "million": "millones",
        "millón": "millones",
        "b": "mil millones",
        "billion": "mil millones",
    },
    signs={
        "&": "y",
        "@": "arroba",
        "%": "por ciento",
        "#": "",
        "+": "más",
        "=": "igual a",
        "×": "por",
        "÷": "entre",
        "±": "más o menos",
        "<": "",
        ">": "",
        "≤": "como máximo",
        "≥": "como mínimo",
        "≈": "aproximadamente",
        "√": "raíz de",
        "^2": "al cuadrado",
        "^3": "al cubo",
        "^": "elevado a",
        "°": "grados",
        "€": "euros",
        "£": "libras",
        "$": "dólares",
        "¥": "yenes",
        "₩": "wones",
        "/": "",
        "º": "",
        "ª": "",
    },
    letter_names={
        **letter_table(
            "a be ce de e efe ge hache i jota ka ele eme ene o pe cu erre ese te u uve doble_uve "
            "equis ye zeta"
        ),
        "w": "doble uve",
    },
    lone_letters="AEOYU",
    capital_words=frozenset(
        listed(
            "NO SI SÍ YA ES EL LA LOS LAS UN UNA DE DEL AL EN Y O A QUE CON POR MÁS MUY TU TÚ MI "
            "MÍ SU "
            "TE ME SE LE LO NI OH AY UY SOL MAR VEN VE DA SOY SON FUE HAY HOY AHÍ SIN FIN PAZ LUZ "
            "ONU IVA PYME SIM PIN RAM GIF PIB INE UCI RAE BOE AVE LED VIP CIA OEA COI ISO IMSS"
        )
    ),
    spelled=frozenset(listed("UCLA YMCA IEEE")),
    replacements={
        rf"(?<=\d )1/2 (?=(?:{_HALVED})[es]?s?\b)": "y media ",
        r"(?<=\d )1/2 (?=[a-zà-ÿ]{3,})": "y medio ",
        rf"(?<![\d/.,])(?<!\d )1/2 (?=(?:{_HALVED})[es]?s?\b)": "media ",
        r"(?<![\d/.,])(?<!\d )1/2 (?=[a-záéíóúñ]{3,})": "medio ",
        r"(?<=\d)\s?º(?=\s?[CF]\b)": "°",
        r"(?<=\d)\s?M\s?€": " millones €",
        r"\b[Aa]rt\.(?=\s\d)": "artículo",
        r"\b[Cc]ap\.(?=\s\d)": "capítulo",
        r"\bs\.\s(?=[XVI]+\b)": "siglo ",
        r"(?<=[€$])/(?=(?:mes|año|día|hora|noche|semana|persona|kilo)\b)": " por ",
        r"\bC/\s?(?=[A-ZÁÉÍÓÚÑ])": "calle ",
        r"\bAvda?\.": "avenida",
        r"\bpágs?\.(?=\s)": "página",
        r"\btel\.": "teléfono",
        r"\bProf\.(?=\s)": "profesor",
        r"\bProfa\.(?=\s)": "profesora",
        r"\bSr\.(?=\s)": "señor",
        r"\bSra\.(?=\s)": "señora",
        r"\bSrta\.(?=\s)": "señorita",
        r"\bDr\.(?=\s)": "doctor",
        r"\bDra\.(?=\s)": "doctora",
        r"\b[Uu]ds\.": "ustedes",
        r"\b[Uu]d\.": "usted",
        r"\betc\.": "etcétera.",
        r"\bp\.\s?ej\.": "por ejemplo",
        r"\bEE\.?\s?UU\.?": "Estados Unidos",
        r"\bvs\.?(?=\s)": "contra",
        r"\baprox\.": "aproximadamente",
        r"\b[Nn](?:\.º|º|°|o\.)\s?(?=\d)": "número ",
        r"#\s?(?=\d)": "número ",
        r"\by/o\b": "y o",
        rf"(?<![\d.,/])1 (?=de (?:{_MONTH_NAMES})\b)": "primero ",
        r"(?<![\d.,])1(?:\.?er|º) (?=[a-z])": "primer ",
        r"(?<![\d.,])3(?:\.?er|º) (?=[a-z])": "tercer ",
        r"(?<!\w)24/7\b": "veinticuatro siete",
        r"(?<![\w$.,])911(?!\d|[.,]\d|%)": "nueve uno uno",
        r"(?<!\w)~\s?(?=\d)": "unos ",
        r"\bOK\b": "okey",
        r"(?<=\d)\s?[xX](?=\s?\d)": " por ",
        r"(?<=\d)(?<!\b1)x(?=\s[a-z])": " veces",
    },
    counted_wars="Guerra|República",
    regnal="[Ss]iglos?|[Cc]apítulo|[Tt]omo|[Vv]olumen|[Pp]arte|"
    "[Aa]cto|[Ff]ase|Guerra Mundial|[Tt]ipo",
    rulers="Felipe|Carlos|Luis|Enrique|Isabel|Alfonso|Fernando|Jaime|Juan Pablo|Juan|Pedro|"
    "Benedicto|Francisco|Pío|León|Napoleón|Catalina|Nicolás|Guillermo|Jorge|Ricardo|Ramsés",
)
