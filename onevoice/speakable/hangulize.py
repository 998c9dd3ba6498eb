"""From English sounds to Hangul, by the loanword orthography.

Source: National Institute of Korean Language, *Loanword Orthography*, chapter 3 section 1
(English). Sounds come as one letter a phoneme in the alphabet of
:mod:`onevoice.speakable.sounds`.
"""

from __future__ import annotations

from onevoice.speakable.hangul import Syllable

_VOWELS = {
    "i": "ㅣ",
    "ɪ": "ㅣ",
    "ᵻ": "ㅣ",
    "e": "ㅔ",
    "ɛ": "ㅔ",
    "æ": "ㅐ",
    "a": "ㅐ",
    "ɑ": "ㅏ",
    "ɐ": "ㅏ",
    "ɒ": "ㅗ",
    "ɔ": "ㅗ",
    "o": "ㅗ",
    "ʌ": "ㅓ",
    "ə": "ㅓ",
    "ɜ": "ㅓ",
    "ʊ": "ㅜ",
    "u": "ㅜ",
    "ᵊ": "ㅡ",
    "A": "ㅔㅣ",
    "I": "ㅏㅣ",
    "W": "ㅏㅜ",
    "Y": "ㅗㅣ",
    "O": "ㅗ",
    "Q": "ㅗ",
}
_ONSETS = dict(
    zip("pbtdkɡfvθðszhɹɾlmnʃʒʧʤʦʣ", "ㅍㅂㅌㄷㅋㄱㅍㅂㅅㄷㅅㅈㅎㄹㄹㄹㅁㄴㅅㅈㅊㅈㅊㅈ", strict=True)
)
_STOP_CODAS = {"p": "ㅂ", "t": "ㅅ", "k": "ㄱ"}
_NASAL_CODAS = {"m": "ㅁ", "n": "ㄴ", "ŋ": "ㅇ"}
_SHORT = frozenset("ɪɛeæaʌɒʊəᵻɐ")
_GLIDED = dict(zip("ㅏㅐㅓㅔㅗㅜㅡ", "ㅑㅒㅕㅖㅛㅠㅠ", strict=True))
_ROUNDED = dict(zip("ㅏㅐㅓㅔㅗㅜㅣㅡ", "ㅘㅙㅝㅞㅝㅜㅟㅜ", strict=True))


def hangulize(sounds: str) -> str:
    """Write a word's sounds in Hangul: ``flˈaʃ`` is 플래시.

    Parameters
    ----------
    sounds
        Phonemes, one letter each (see :mod:`onevoice.speakable.sounds`); ``ː`` marks length,
        stress marks are ignored, unknown letters are skipped.
    """
    return "".join(map(str, _Speller(sounds).spell()))


class _Speller:
    """Walks over the phonemes and grows the list of syllables."""

    def __init__(self, sounds: str) -> None:
        kept = [c for c in sounds if c in _VOWELS or c in _ONSETS or c in "ŋwjː"]
        self.sounds = "".join(kept).replace("ts", "ʦ").replace("dz", "ʣ")
        self.out: list[Syllable] = []
        self.at = 0

    def spell(self) -> list[Syllable]:
        while self.at < len(self.sounds):
            char = self.sounds[self.at]
            if char in _VOWELS:
                self._vowel("ㅇ")
            elif char in "wj":
                self._glide("ㅇ")
            elif char == "ː":
                self.at += 1
            else:
                self._consonant(char)
        return self.out

    def _next(self, ahead: int = 1) -> str:
        return self.sounds[self.at + ahead : self.at + ahead + 1]

    def _vowel(self, onset: str, change: dict[str, str] | None = None) -> None:
        char = self.sounds[self.at]
        letters = _VOWELS[char]
        long_e = char == "ɛ" and self._next() == "ː"
        self.at += 1 + (self._next() == "ː")
        first = (change or {}).get(letters[0], letters[0])
        if char == "ᵊ" and onset in "ㅇㄴㅁ" and not change:
            first = "ㅓ"
        self.out.append(Syllable(onset, first))
        if char == "W" and self.sounds[self.at : self.at + 1] == "ə":
            self.out.append(Syllable("ㅇ", "ㅝ"))  # 타워, not 타우어
            self.at += 1
        elif letters[1:]:
            self.out.append(Syllable("ㅇ", letters[1]))
        elif long_e:
            self.out.append(Syllable("ㅇ", "ㅓ"))  # 에어: the vowel of "care"

    def _glide(self, onset: str) -> None:
        change = _ROUNDED if self.sounds[self.at] == "w" else _GLIDED
        if self._next() not in _VOWELS or not self._next():
            self.at += 1
            return
        self.at += 1
        if change is _ROUNDED and self.sounds[self.at] == "ɒ":
            change = {"ㅗ": "ㅘ"}
        self._vowel(onset, change)

    def _consonant(self, char: str) -> None:
        follows = self._next()
        if char == "ŋ":
            self._close("ㅇ")
        elif follows and follows in _VOWELS:
            self._open(char)
            return
        elif follows == "j" and self._next(2) in _VOWELS and self._next(2):
            self._open_liquid(char)
            self.at += 1
            self._glide(_ONSETS[char])
            return
        elif follows == "w" and char in "kɡh" and self._next(2) in _VOWELS and self._next(2):
            self.at += 1
            self._glide(_ONSETS[char])
            return
        elif char in "mn":
            self._close(_NASAL_CODAS[char])
        elif char == "l":
            self._close("ㄹ")
        elif char == "ɹ":
            self._bare_r()
        elif char in _STOP_CODAS and self._after_short_vowel() and follows not in (*"lɹmn",):
            self._close(_STOP_CODAS[char])
        elif char != "h":
            self._alone(char, follows)
        elif follows == "":
            pass
        self.at += 1

    def _open(self, char: str) -> None:
        """A consonant before a vowel."""
        self._open_liquid(char)
        self.at += 1
        if char == "ʃ":
            self._vowel("ㅅ", {**_GLIDED, "ㅡ": "ㅕ"})
        elif char in "ʒʧʤ" and self.sounds[self.at] == "ᵊ":
            self._vowel(_ONSETS[char], {"ㅡ": "ㅓ"})
        else:
            self._vowel(_ONSETS[char])

    def _open_liquid(self, char: str) -> None:
        if char == "l" and self.out and not self.out[-1].coda:
            self.out[-1].coda = "ㄹ"  # 플래시, 멜로디

    def _close(self, letter: str) -> None:
        if self.out and not self.out[-1].coda:
            self.out[-1].coda = letter
        elif self.out and self.out[-1].coda == "ㄹ":
            self.out.append(Syllable("ㄹ", "ㅡ", letter))  # 필름
        else:
            self.out.append(Syllable("ㅇ", "ㅡ", letter))

    def _bare_r(self) -> None:
        """An American r that no vowel follows: heard as 어 after front and high vowels."""
        previous = self.sounds[self.at - 1] if self.at else ""
        if previous and previous in "iɪɛeIWʊu":
            self.out.append(Syllable("ㅇ", "ㅝ" if previous == "W" else "ㅓ"))
            if previous == "W":
                del self.out[-2]
        elif not previous:
            self.out.append(Syllable("ㄹ", "ㅡ"))

    def _after_short_vowel(self) -> bool:
        return self.at > 0 and self.sounds[self.at - 1] in _SHORT and not self.out[-1].coda

    def _alone(self, char: str, follows: str) -> None:
        vowel = "ㅡ"
        if char in "ʒʧʤ":
            vowel = "ㅣ"
        elif char == "ʃ":
            vowel = "ㅠ" if follows else "ㅣ"
        self.out.append(Syllable(_ONSETS[char], vowel))
