"""English, in the American way of reading."""

from __future__ import annotations

from onevoice.speakable.grammar import Form, Grammar, Unit, letter_table
from onevoice.speakable.tables import listed

_ONES = listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TENS = listed(". ten twenty thirty forty fifty sixty seventy eighty ninety")
_SCALES = ("", "thousand", "million", "billion", "trillion")
_IRREGULAR = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth"}
_IRREGULAR |= {"nine": "ninth", "twelve": "twelfth"}
MONTHS = listed(
    "January February March April May June July August September October November December"
)


def cardinal(number: int, form: Form = "alone") -> str:
    """In words: 1500 is *one thousand five hundred*. ``form`` makes no difference."""
    if number < 1000:
        return _below_thousand(number)
    groups = []
    for power, scale in enumerate(_SCALES):
        part = number // 1000**power % 1000
        if part:
            groups.append(f"{_below_thousand(part)} {scale}".strip())
    return " ".join(reversed(groups))


def _below_thousand(number: int) -> str:
    if number < 20:
        return _ONES[number]
    if number < 100:
        return _TENS[number // 10] + (f"-{_ONES[number % 10]}" if number % 10 else "")
    rest = number % 100
    return f"{_ONES[number // 100]} hundred" + (f" {_below_thousand(rest)}" if rest else "")


def ordinal(number: int, feminine: bool = False) -> str:
    """*twenty-third*; English has no gender."""
    words = cardinal(number)
    last = words.replace("-", " ").split()[-1]
    head = words.removesuffix(last)
    if last in _IRREGULAR:
        return head + _IRREGULAR[last]
    return head + (last[:-1] + "ieth" if last.endswith("y") else last + "th")


def year(number: int) -> str:
    """1999 is *nineteen ninety-nine*, 2005 *two thousand five*, 1900 *nineteen hundred*."""
    century, rest = divmod(number, 100)
    if century % 10 == 0 and rest < 10:
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def decade(text: str) -> str:
    """``1990s`` and ``'90s``: *nineteen nineties*, *nineties*."""
    words = year(int(text)) if len(text) == 4 else cardinal(int(text))
    return words[:-1] + "ies" if words.endswith("y") else words + "s"


def _date(year_: int | None, month: int, day: int) -> str:
    said = f"{MONTHS[month - 1]} {ordinal(day)}"
    return f"{said}, {year(year_)}" if year_ else said


def _clock(hour: int, minute: int, half: str) -> str:
    tail = {"a": " ay em", "p": " pee em"}.get(half, "")
    if minute == 0:
        return cardinal(hour) + (tail or (" o'clock" if 0 < hour <= 12 else " hundred"))
    return f"{cardinal(hour)} {'oh ' if minute < 10 else ''}{cardinal(minute)}{tail}"


def _fraction(numerator: int, denominator: int) -> str:
    if (numerator, denominator) == (1, 2):
        return "one half"
    part = {4: "quarter"}.get(denominator) or ordinal(denominator)
    return f"{cardinal(numerator)} {part}{'s' if numerator > 1 else ''}"


def _units() -> dict[str, Unit]:
    plain = (
        "km kilometer,m meter,cm centimeter,mm millimeter,kg kilogram,g gram,mg milligram,L liter,"
        "l liter,ml milliliter,mL milliliter,mi mile,yd yard,lb pound,oz ounce,GB gigabyte,"
        "MB megabyte,KB kilobyte,TB terabyte,W watt,kW kilowatt,V volt,kcal kilocalorie,"
        "h hour,hr hour,min minute,sec second,ms millisecond,dB decibel,px pixel,ha hectare,"
        "m^2 square meter,km^2 square kilometer,m^3 cubic meter,m2 square meter,t ton,kWh "
        "kilowatt-hour,mAh milliampere-hour,Wh watt-hour,MWh megawatt-hour,MW megawatt,GW gigawatt,"
        "kB kilobyte,PB petabyte,nm nanometer,μm micrometer,μg microgram,μs microsecond,"
        "hPa hectopascal,kPa kilopascal,mm^2 square millimeter,cm^2 square centimeter,"
        "cm2 square centimeter,km2 square kilometer,cm^3 cubic centimeter,cm3 cubic centimeter,"
        "m3 cubic meter"
    )
    table = {}
    for pair in plain.split(","):
        sign, _, word = pair.partition(" ")
        table[sign] = Unit(word, word + "s")
    table |= {
        "lbs": Unit("pound", "pounds"),
        "hrs": Unit("hour", "hours"),
        "ft": Unit("foot", "feet"),
        "%": Unit("percent", "percent"),
        "Hz": Unit("hertz", "hertz"),
        "kHz": Unit("kilohertz", "kilohertz"),
        "MHz": Unit("megahertz", "megahertz"),
        "GHz": Unit("gigahertz", "gigahertz"),
        "°C": Unit("degree Celsius", "degrees Celsius"),
        "°F": Unit("degree Fahrenheit", "degrees Fahrenheit"),
        "°": Unit("degree", "degrees"),
        "km/h": Unit("kilometer per hour", "kilometers per hour"),
        "m/s": Unit("meter per second", "meters per second"),
        "mph": Unit("mile per hour", "miles per hour"),
        "fps": Unit("frame per second", "frames per second"),
        "km/s": Unit("kilometer per second", "kilometers per second"),
        "kbps": Unit("kilobit per second", "kilobits per second"),
        "Mbps": Unit("megabit per second", "megabits per second"),
        "Mb/s": Unit("megabit per second", "megabits per second"),
        "Gbps": Unit("gigabit per second", "gigabits per second"),
        "Gb/s": Unit("gigabit per second", "gigabits per second"),
        "MB/s": Unit("megabyte per second", "megabytes per second"),
        "GB/s": Unit("gigabyte per second", "gigabytes per second"),
        "rpm": Unit("revolution per minute", "revolutions per minute"),
        "bpm": Unit("beat per minute", "beats per minute"),
        "ppm": Unit("part per million", "parts per million"),
    }
    return table


_DOLLAR = Unit("dollar", "dollars", cents=("cent", "cents"))
_EURO = Unit("euro", "euros", cents=("cent", "cents"))
_POUND = Unit("pound", "pounds", cents=("penny", "pence"))

ENGLISH = Grammar(
    letters="A-Za-zÀ-ÖØ-öø-ɏ",
    cardinal=cardinal,
    ordinal=ordinal,
    ordinal_marks=r"(?:st|nd|rd|th)\b",
    year=year,
    date=_date,
    month_first=True,
    months=tuple(MONTHS),
    decade=decade,
    clock=_clock,
    fraction=_fraction,
    decimal_words={".": "point"},
    thousands=",",
    minus="minus",
    link="and",
    to="to",
    dot="dot",
    at="at",
    units=_units(),
    money={
        "$": _DOLLAR,
        "US$": _DOLLAR,
        "USD": _DOLLAR,
        "€": _EURO,
        "EUR": _EURO,
        "£": _POUND,
        "GBP": _POUND,
        "¥": Unit("yen", "yen"),
        "JPY": Unit("yen", "yen"),
        "₩": Unit("won", "won"),
        "KRW": Unit("won", "won"),
        "R$": Unit("real", "reais", cents=("centavo", "centavos")),
        "BRL": Unit("real", "reais", cents=("centavo", "centavos")),
        "₹": Unit("rupee", "rupees"),
        "INR": Unit("rupee", "rupees"),
        "CNY": Unit("yuan", "yuan"),
        "CHF": Unit("Swiss franc", "Swiss francs"),
        "MXN": Unit("Mexican peso", "Mexican pesos"),
    },
    magnitudes={
        "k": "thousand",
        "K": "thousand",
        "m": "million",
        "M": "million",
        "b": "billion",
        "B": "billion",
        "bn": "billion",
        "tn": "trillion",
    },
    signs={
        "&": "and",
        "@": "at",
        "%": "percent",
        "#": "",
        "+": "plus",
        "=": "equals",
        "×": "times",
        "÷": "divided by",
        "±": "plus or minus",
        "<": "",
        ">": "",
        "≤": "at most",
        "≥": "at least",
        "≈": "about",
        "√": "square root of",
        "^2": "squared",
        "^3": "cubed",
        "^": "to the power of",
        "°": "degrees",
        "€": "euros",
        "£": "pounds",
        "$": "dollars",
        "¥": "yen",
        "₩": "won",
        "/": "",
    },
    letter_names=letter_table(
        "ay bee see dee ee eff gee aitch eye jay kay el em en oh pee cue ar ess tee you vee "
        "double-you ex why zee"
    ),
    lone_letters="AI",
    capital_words=frozenset(
        listed(
            "NO YES SO GO UP OUT NOT AND THE YOU ALL NEW NOW OK WOW OH HEY HI MY ME WE HE IT IS "
            "AM ARE "
            "DO CAN WHY HOW WHO TO IN ON OFF BIG BAD ONE TWO TEN RUN GET LET BUT FOR NASA PIN "
            "SIM RAM "
            "GIF AIDS ZIP LAN ROM"
        )
    )
    - {"WHO", "OK"},
    spelled=frozenset(listed("UCLA YMCA NAACP IEEE IMDB ACLU AARP USDA")),
    replacements={
        r"\bMr\.?(?=\s)": "Mister",
        r"\bMrs\.?(?=\s)": "Missus",
        r"\bMs\.(?=\s)": "Miz",
        r"\bDr\.(?=\s[A-Z])": "Doctor",
        r"\bProf\.(?=\s)": "Professor",
        r"(?<=[a-z] )St\.(?!\s[A-Z])": "Street",
        r"\bSt\.(?=\s[A-Z])": "Saint",
        r"(?<=\d)'(\d{1,2})(?!\d|')": r" feet \1",
        r"(?<![\w.])\.(?=\d)": "0.",
        r"(?<=\d)\s?yrs?\b\.?": " years",
        r"(?<=\d)\s?pts\b\.?": " points",
        r"(?<=[a-z] )Ave\.(?=\W|$)": "Avenue",
        r"\bMt\.(?=\s[A-Z])": "Mount",
        r"\b[Vv]ol\.(?=\s\d)": "volume",
        r"\b[Ff]ig\.(?=\s\d)": "figure",
        r"(?<=\d)(\s?ft\.?\s\d+)\s?in\b\.?": r"\1 inches",
        r"\bJr\.": "Junior",
        r"\bSr\.": "Senior",
        r"\betc\.": "et cetera.",
        r"\be\.\s?g\.,?": "for example",
        r"\bi\.\s?e\.,?": "that is",
        r"\bvs?\.(?=\s)": "versus",
        r"\bapprox\.": "approximately",
        r"\bNo\.\s?(?=\d)": "number ",
        r"#\s?(?=\d)": "number ",
        r"(?<!\w)24/7\b": "twenty-four seven",
        r"(?<!\w)9/11\b": "nine eleven",
        r"(?<![\w$.,])911(?!\d|[.,]\d|%)": "nine one one",
        r"\band/or\b": "and or",
        r"\bw/o\b": "without",
        r"(?<=\d)(?<!\b1)x(?=\s[a-z])": " times",
        r"\bw/(?=\s)": "with",
        r"\bOK\b": "okay",
        r"(?<!\w)~\s?(?=\d)": "about ",
    },
    regnal="Chapter|Part|Volume|Act|Type|Phase|World War|Super Bowl|Episode|Rocky|Section|Title",
    rulers="Henry|Louis|Elizabeth|Charles|George|Edward|William|James|Richard|John Paul|Benedict|"
    "Philip|Napoleon|Nicholas|Catherine|Frederick|Leo|Pius|Mary|Ramses",
)
