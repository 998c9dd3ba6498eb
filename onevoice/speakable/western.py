"""Reading text of a language with an alphabet, by its :class:`Grammar`."""

from __future__ import annotations

import re
from collections.abc import Callable

from onevoice.speakable import patterns as p
from onevoice.speakable.fold import fold, tidy
from onevoice.speakable.grammar import Form, Grammar, Unit

NUMBER = r"(?:\d{1,3}(?:[., ']\d{3})+(?!\d)(?:[.,]\d+)?|\d+[.,]\d+|\d+)"
_LONGEST = 15
_ONE_OF = {"millón": "millones", "milhão": "milhões", "bilhão": "bilhões"}
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_ROMAN_NUMERAL = r"(?=[IVXLC])(?:C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"

_NO_MAGNITUDE = frozenset({"2K", "4K", "5K", "8K", "16K", "3M"})
_LOUD = 0.7
"""A line with more than this share of its words in capitals shouts: they are no acronyms."""
_VOWEL = "[AEIOUYÀ-Ý]"
_QUEEN = re.compile("Isabel|Elizabeth|.*a")
_CLUSTER = re.compile(r"[B-DF-HJ-NP-TV-XZ]{3}")

Match = re.Match[str]


def read(text: str, grammar: Grammar) -> str:
    """One pass over a text; :func:`onevoice.speakable.speakable` repeats it until it rests."""
    reader = Reader(grammar)
    text = fold(text)
    if grammar.letter_names:  # elsewhere, as in Greek, they may be words
        text = p.name_greek(text)
    for step in (
        reader.addresses,
        reader.abbreviations,
        reader.dates,
        reader.clocks,
        reader.digit_strings,
        reader.roman_numerals,
        reader.money,
        reader.magnitudes,
        reader.units,
        reader.ordinals,
        reader.numbers,
        reader.signs,
        reader.capitals,
    ):
        text = step(text)
    return tidy(text, grammar.letters, opening=grammar.opening)


class Reader:
    """The steps, in the order :func:`read` takes them."""

    def __init__(self, grammar: Grammar) -> None:
        self.g = grammar

    # Numbers as such

    def parse(self, text: str) -> tuple[str, str, str]:
        """Whole digits, decimal mark and decimals of a number as written."""
        plain = text.replace(" ", "").replace("'", "")
        marks = re.findall("[.,]", plain)
        if not marks:
            return plain, "", ""
        whole, mark, rest = plain.rpartition(marks[-1])
        grouping = len(rest) == 3 and not whole.startswith("0") and mark in self.g.thousands
        if len(set(marks)) == 1 and (len(marks) > 1 or (grouping and len(whole) <= 3)):
            return plain.replace(mark, ""), "", ""
        return re.sub("[.,]", "", whole), mark, rest

    def say(self, text: str, form: Form = "alone") -> str:
        """A number in words, as written: ``1.500,5`` is *mil quinientos coma cinco*."""
        whole, mark, rest = self.parse(text)
        if not mark:
            if (len(whole) > 1 and whole.startswith("0")) or len(whole) > _LONGEST:
                return self.spell_digits(whole)
            return self.g.cardinal(int(whole), form)
        if len(whole) > _LONGEST:
            return f"{self.spell_digits(whole)} {self.spell_digits(rest)}"
        if not self.g.decimal_words:
            said = self.g.decimal(f"{whole}.{rest}")
            return said or f"{self.say(whole)}, {self.spell_digits(rest)}"
        word = self.g.decimal_words.get(mark)
        if word is None:
            return f"{self.say(whole)}, {self.say(rest)}"
        return f"{self.g.cardinal(int(whole), 'alone')} {word} {self._decimals(rest)}"

    def _decimals(self, rest: str) -> str:
        if self.g.digitwise or len(rest) > 2:
            return self.spell_digits(rest)
        zeros = len(rest) - len(rest.lstrip("0"))
        number = rest[zeros:]
        return " ".join(
            [self.g.cardinal(0, "alone")] * zeros
            + ([self.g.cardinal(int(number), "alone")] if number else [])
        )

    def spell_digits(self, text: str) -> str:
        return " ".join(self.g.cardinal(int(char), "alone") for char in text if char.isdigit())

    def _counted(self, text: str, unit: Unit) -> str:
        one = self.parse(text) == ("1", "", "")
        form: Form = "feminine" if unit.feminine else "masculine"
        said = self.say(text, "alone" if unit.one == unit.many else form)
        whole, mark, _ = self.parse(text)
        of = f"{self.g.of} " if self.g.of and not mark and whole.endswith("000000") else ""
        return f"{said} {of}{unit.one if one else unit.many}"

    # Steps

    def addresses(self, text: str) -> str:
        def host(name: str) -> str:
            return name.replace("-", " ").replace(".", f" {self.g.dot} ")

        if not self.g.dot:
            return text
        text = p.EMAIL.sub(
            lambda m: (
                f" {self._plain_words(host(m[1]))} {self.g.at} {self._plain_words(host(m[2]))}"
            ),
            text,
        )
        return p.URL.sub(
            lambda m: f" {self._plain_words(host((m[1] or m[2]).removeprefix('www.')))}", text
        )

    def _plain_words(self, text: str) -> str:
        text = re.sub(r"\d+", lambda m: f" {self.spell_digits(m[0])} ", text.replace("_", " "))
        return re.sub(
            r"\b[a-zA-Z]{2,3}\b",
            lambda m: m[0] if re.search("[aeiouy]", m[0], re.I) else self._spell(m[0]),
            text,
        )

    def abbreviations(self, text: str) -> str:
        for pattern, words in self.g.replacements.items():
            text = re.sub(pattern, words, text)
        return p.join_dotted(text)

    def dates(self, text: str) -> str:
        date = self.g.date
        if date is None:
            return text

        def said(year: str, month: str, day: str) -> str | None:
            if 1 <= int(month) <= 12 and 1 <= int(day) <= 31:
                return date(int(year) if year else None, int(month), int(day))
            return None

        def either(year: str, first: str, second: str) -> str | None:
            month, day = (first, second) if self.g.month_first else (second, first)
            return said(year, month, day) or said(year, day, month)

        def whole(m: Match) -> str:
            # With dots the day comes first in every country.
            found = said(m[4], m[3], m[1]) if m[2] == "." else either(m[4], m[1], m[3])
            return found or m[0].replace(m[2], " ")

        def slashed(m: Match) -> str:
            first, second = int(m[1]), int(m[2])
            if p.is_fraction(first, second) and self.g.fraction:
                return self.g.fraction(first, second)
            return either("", m[1], m[2]) or f"{m[1]} {m[2]}"

        text = p.ISO_DATE.sub(lambda m: said(m[1], m[3], m[4]) or m[0], text)
        text = p.SLASH_DATE.sub(whole, text)
        if self.g.months and self.g.ordinal:
            text = self._days(text, self.g.ordinal)
        mixed = re.sub(r"(\d)\s+(?=\d{1,2}/\d)", rf"\1 {self.g.link} ", text)
        return p.SLASHED.sub(slashed, mixed)

    def _days(self, text: str, ordinal: Callable[[int, bool], str]) -> str:
        """``Nov. 23`` and ``23 November``."""
        full = {name[:3]: name for name in self.g.months}
        named = "|".join([*self.g.months, *(f"{short}\\b" for short in full)])

        def after(m: Match) -> str:
            return f"{full[m[1][:3]]} {ordinal(int(m[2]), False)}"

        def before(m: Match) -> str:
            return f"{ordinal(int(m[1]), False)} of {full[m[2][:3]]}"

        day = r"(0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
        text = re.sub(rf"\b({named})\.?\s{day}(?![\d:%]|[.,]\d|\s?[ap]m)", after, text)
        return re.sub(rf"(?<![\d.,:$])\b{day}\s(?:of\s)?({named})\b", before, text)

    def clocks(self, text: str) -> str:
        clock = self.g.clock
        if clock is None:
            return text

        def colon(m: Match) -> str:
            hour, minute = int(m[1]), int(m[2])
            if m[3] is not None or hour > 24:
                return m[0].replace(":", " ")
            return clock(hour, minute, (m[4] or "").lower())

        text = p.CLOCK.sub(colon, text)
        text = p.HOUR.sub(lambda m: clock(int(m[1]), 0, m[2].lower()), text)
        # With "min" it is a length of time.
        text = re.sub(r"(?<=\d)\s?h\s?(?=\d{1,2}\s?min\b)", " h ", text)
        text = re.sub(
            r"(?<![\d.,])(\d{1,2})\s?h\s?([0-5]\d)(?!\w|\s?min\b)",
            lambda m: clock(int(m[1]), int(m[2]), "") if int(m[1]) <= 24 else m[0],
            text,
        )
        return re.sub(r"(?<=\d):(?=\d)", f" {self.g.to} ", text)

    def digit_strings(self, text: str) -> str:
        def phone(m: Match) -> str:
            if p.year_range(m[2]):
                return m[0]
            groups = ", ".join(self.spell_digits(group) for group in re.split("[-. ]", m[2]))
            return f"{self.g.signs.get('+', '') if m[1] else ''} {groups}"

        text = re.sub(r"(?<![\d-])(\d{2,4})\s+(?=\d{3,5}-\d{4})", r"\1-", text)
        text = p.PHONE.sub(phone, text)
        text = p.GROUPED_PHONE.sub(lambda m: ", ".join(map(self.spell_digits, m[0].split())), text)

        def version(m: Match) -> str:
            if "." in self.g.thousands and re.fullmatch(r"\d{1,3}(?:\.\d{3})+", m[0]):
                return m[0]
            return f" {self.g.dot} ".join(self.say(part) for part in m[0].split("."))

        return p.VERSION.sub(version, text)

    def roman_numerals(self, text: str) -> str:
        def value(numeral: str) -> int:
            values = [_ROMAN[char] for char in numeral]
            pairs = zip(values, [*values[1:], 0], strict=True)
            return sum(-here if here < after else here for here, after in pairs)

        def cardinal(m: Match) -> str:
            return f"{m[1]} {self.g.cardinal(value(m[2]), 'alone')}"

        def ruler(m: Match) -> str:
            number = value(m[2])
            if self.g.ordinal is None or (number > 10 and not self.g.month_first):
                return cardinal(m)
            article = "the " if self.g.month_first else ""
            feminine = bool(_QUEEN.fullmatch(m[1])) and not self.g.month_first
            return f"{m[1]} {article}{self.g.ordinal(number, feminine)}"

        if self.g.ordinal and self.g.counted_wars:
            first = self.g.ordinal
            text = re.sub(
                rf"\b({_ROMAN_NUMERAL})(?=\s(?:{self.g.counted_wars}))",
                lambda m: first(value(m[1]), True) if m[1] else "",
                text,
            )
        if self.g.regnal:
            text = re.sub(rf"\b({self.g.regnal})\s+({_ROMAN_NUMERAL})\b(?!')", cardinal, text)
        if self.g.rulers:
            text = re.sub(rf"\b({self.g.rulers})\s+({_ROMAN_NUMERAL})\b(?!')", ruler, text)
        return text

    def money(self, text: str) -> str:
        if not self.g.money:
            return text
        text = self._price_ranges(text)
        ordered = sorted(self.g.money, key=len, reverse=True)
        signs = "|".join(re.escape(s) + ("(?![A-Za-z])" if s.isalpha() else "") for s in ordered)
        short = "|".join(sorted(self.g.magnitudes, key=len, reverse=True))
        long = "|".join(sorted({*self.g.magnitudes.values(), *_ONE_OF}, key=len, reverse=True))
        scale = rf"(?:(?:(?<=\d)|(?<=\d\s))((?i:{short}))\b|\s({long})\b)?" if short else "()()"

        def said(number: str, sign: str, small: str | None, words: str | None) -> str:
            unit = self.g.money[sign]
            big = self.g.magnitudes[small.lower()] if small else words
            if big:
                of = f"{self.g.of} " if self.g.of and big != "mil" else ""
                amount = self.say(number, "masculine")
                return f"{amount} {self._agree(big, number)} {of}{unit.many}"
            whole, mark, rest = self.parse(number)
            if not mark or len(rest) != 2 or not unit.cents:
                return self._counted(number, unit)
            coins = self._counted(str(int(rest)), Unit(*unit.cents)) if int(rest) else ""
            if int(whole) == 0 and coins:
                return coins
            return self._counted(whole, unit) + (f" {self.g.link} {coins}" if coins else "")

        names = "|".join({unit.many for unit in self.g.money.values()})
        text = re.sub(
            rf"(-\s?)?(?<![A-Za-z])({signs})\s?({NUMBER}){scale}(?:\s(?:{names})\b)?",
            lambda m: (f"{self.g.minus} " if m[1] else "") + said(m[3], m[2], m[4], m[5]),
            text,
        )
        return re.sub(
            rf"({NUMBER}){scale}\s?({signs})", lambda m: said(m[1], m[4], m[2], m[3]), text
        )

    def _price_ranges(self, text: str) -> str:
        """``5-10 €`` and ``$10-20``: the currency is said once, after both."""
        signs = "[$€£¥₩₹]"
        if not self.g.to:
            return text
        dash = r"\s?[-–~]\s?"
        both = rf"(?<![\w.,$-])({NUMBER}){dash}({NUMBER})(?=\s?{signs})"
        text = re.sub(both, lambda m: f"{self.say(m[1])} {self.g.to} {m[2]}", text)
        ahead = rf"((?:US|R)?{signs})({NUMBER}){dash}{signs}?({NUMBER})(?![\w.,-]*[-–]\d)"
        return re.sub(ahead, lambda m: f"{self.say(m[2])} {self.g.to} {m[1]}{m[3]}", text)

    def _agree(self, big: str, number: str) -> str:
        """One million, two millions, where the language tells them apart."""
        one = {many: one for one, many in _ONE_OF.items()}
        return one.get(big, big) if self.parse(number)[0] == "1" else big

    def magnitudes(self, text: str) -> str:
        """``3.5M`` and ``10k`` without a currency; 4K is a picture, and 3M a company."""

        def said(m: Match) -> str:
            big = self.g.magnitudes.get(m[2].lower(), "")
            _, mark, _ = self.parse(m[1])
            if not big or (m[2] == "B" and not mark) or m[0] in _NO_MAGNITUDE:
                return m[0]
            if big == "mil" and m[1] == "1":
                return big
            return f"{self.say(m[1], 'masculine')} {self._agree(big, m[1])}"

        return re.sub(rf"(?<![A-Za-z\d.,-])({NUMBER})([kKMB])\b(?!-)", said, text)

    def units(self, text: str) -> str:
        text = self._minus(text)
        text = self._ranges(text)
        if not self.g.units:
            return text
        names = "|".join(re.escape(u) for u in sorted(self.g.units, key=len, reverse=True))
        return re.sub(
            rf"(?<![A-Za-z\d])({NUMBER})\s?({names})(?![\w^])",
            lambda m: self._counted(m[1], self.g.units[m[2]]),
            text,
        )

    def _minus(self, text: str) -> str:
        text = re.sub(r"(?<=\d)\s?[-–]\s?(?=\d+\s?=)", f" {self.g.minus} ", text)
        return re.sub(r"(?<![\w)-])-(?=\d)", f"{self.g.minus} ", text)

    def _ranges(self, text: str) -> str:
        if not self.g.to:
            return text
        return re.sub(r"(?<=\d)(?:-|\s?[–~]\s?)(?=\d)", f" {self.g.to} ", text)

    def ordinals(self, text: str) -> str:
        ordinal = self.g.ordinal
        if ordinal is None or not self.g.ordinal_marks:
            return text

        def said(m: Match) -> str:
            return ordinal(int(m[1]), bool(m.groupdict().get("feminine")))

        return re.sub(rf"(?<![\d.,])(\d{{1,4}})(?:{self.g.ordinal_marks})", said, text)

    def numbers(self, text: str) -> str:
        year, decade = self.g.year, self.g.decade
        for power in ("^2", "^3"):
            said = f" {self.g.signs.get(power, '')} "
            text = re.sub(rf"{re.escape(power)}(?!\d)", said, text)
        if decade:
            tens = r"(?<![\w.,])'?((?:1[1-9]|20)\d0|[2-9]0)'?s\b"
            text = re.sub(tens, lambda m: decade(m[1]), text)
        text = re.sub(
            rf"(?<=[A-Za-z])-?(?=\d)|(?<=\d)-?(?=[^\W\d_])|(?<=\d)(?=[{self.g.letters}])", " ", text
        )
        if year:
            text = re.sub(
                r"(?<![\d.,])(1[1-9]\d\d|20\d\d)(?![\d]|[.,]\d)", lambda m: year(int(m[1])), text
            )
        return re.sub(
            NUMBER,
            lambda m: self.say(m[0], self.g.form(m.string[: m.start()], m.string[m.end() :])),
            text,
        )

    def signs(self, text: str) -> str:
        for sign, words in self.g.signs.items():
            text = text.replace(sign, f" {words} " if words else " ")
        return text

    def capitals(self, text: str) -> str:
        """Spell acronyms, and take the voice down where a whole line shouts."""
        if not self.g.letter_names:
            return text
        words = [w for w in re.findall(r"[^\W\d_]+", text) if len(w) > 1 or w.islower()]
        shouted = [word for word in words if word.isupper()]
        loud = len(shouted) > _LOUD * len(words) and sum(len(word) > 3 for word in shouted) > 1

        def said(m: Match) -> str:
            word, plural, short = m[1], m[2], m[3] or ""
            if short and self.g.month_first:  # IT'S, DON'T
                return (word if word == "I" else word.lower()) + short.lower()
            if len(word) == 1:
                bare = plural or word in self.g.lone_letters or (loud and word in "AEIOUYÉÀ")
                return m[0] if bare else self._spell(word) + short
            if word in self.g.capital_words or (
                re.search(_VOWEL, word) and (loud or (len(word) > 3 and not self._spelled(word)))
            ):
                return word.lower() + plural + short
            return self._spell(word) + (plural if self.g.month_first else "") + short

        pattern = rf"(?<![\w'])([{p.CAPITALS}]+)(s?)('(?:S|T|M|D|RE|VE|LL)\b)?(?![\w])"
        return re.sub(pattern, said, text)

    def _spelled(self, word: str) -> bool:
        """Is a longer acronym said letter by letter? ``HDMI`` is, ``NATO`` is not."""
        return word in self.g.spelled or bool(len(word) == 4 and _CLUSTER.search(word))

    def _spell(self, word: str) -> str:
        names: Callable[[str], str | None] = self.g.letter_names.get
        plain = fold_accents(word.lower())
        return " ".join(name for name in map(names, plain) if name) or word.lower()


def fold_accents(text: str) -> str:
    """Letters without their accents, one for one."""
    import unicodedata

    return "".join(unicodedata.normalize("NFD", char)[0] for char in text)
