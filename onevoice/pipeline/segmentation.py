"""Regroup recognised words into sentences of one speaker.

Recognisers cut where their audio window ends, in mid-sentence; a sentence translated in pieces
becomes nonsense. So words are first given sane times and a speaker each, then grouped by
punctuation, pauses and speaker, and only sentences too long to time well are cut again.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby, pairwise
from statistics import median

from onevoice.config import SegmentationSettings
from onevoice.types import Diarization, Pause, Recognition, Segment, Turn, Word

LEAST_WORD = 0.02
"""Seconds: no word is shorter; recognisers give zero-length words."""
LONGEST_WORD = 1.2
"""A longer word was stretched over a silence, unless it has very many letters."""
FINAL_PAUSE = 0.6
"""Seconds after a Korean or Japanese final ending that make it the end of a sentence."""
BREATH = 0.3
"""Seconds: words closer than this belong together where it is in doubt."""
SCRAP = 0.6
"""Seconds: too short to be timed as a line of its own."""

CLOSERS = "\"'”’»›)]}」』）】〉》"
OPENERS = "\"'“‘«‹([{「『（【〈《¿¡"
FULL_STOPS = tuple(".?!…。？！．｡؟।")
COMMAS = tuple(",;:，、；：،—–")
ELLIPSES = ("...", "…", "‥")
FINAL_ENDINGS = {
    "ko": ("다", "요", "죠", "까", "네"),
    "ja": ("です", "ます", "した", "せん", "すね", "すよ", "すか"),
}
TITLES = frozenset(
    (
        *("mr", "mrs", "ms", "dr", "prof", "st", "gen", "lt", "sgt", "capt", "rev"),
        *("sr", "sra", "srta", "dra", "dña", "mme", "mlle", "lic"),
        *("vs", "cf", "approx", "e.g", "i.e", "p.ej", "z.b", "u.a", "d.h", "bzw"),
    )
)
"""Never the last word of a sentence."""
SHORT_FORMS = frozenset(("etc", "inc", "ltd", "co", "corp", "jr", "usw", "ee.uu", "a.m", "p.m"))
"""Sometimes the last word: the next word and the pause decide."""
NUMBERED = frozenset(("no", "nº", "nr", "núm", "fig", "vol", "p", "pág"))
"""Abbreviations where a number follows."""
INITIALS = re.compile(r"(?!I\.$)(?:[A-ZÀ-ÞΑ-ΩА-Я]\.)+")
ORDINAL = re.compile(r"\d{1,3}\.")


@dataclass(frozen=True, slots=True)
class _Spoken:
    """A word and who says it."""

    word: Word
    speaker: str


Sentence = list[_Spoken]


def segment(
    recognition: Recognition, diarization: Diarization, settings: SegmentationSettings
) -> tuple[Segment, ...]:
    """Sentences of one speaker, in order of time, named s0001, s0002, …

    Segments of one speaker never overlap; none is longer than ``settings.max_seconds`` unless a
    single word is. ``pauses`` are the silences of ``settings.min_pause`` and more inside.
    """
    words = sane_words(recognition.words, recognition.duration)
    names = _speakers(words, diarization)
    spoken = [_Spoken(word, name) for word, name in zip(words, names, strict=True)]
    language = recognition.language.partition("-")[0]
    sentences = _split(spoken, lambda part, word: _ends(part, word, language, settings))
    turns = (
        turn
        for sentence in sentences
        for turn in _split(_smoothed(sentence), lambda part, word: part[-1].speaker != word.speaker)
    )
    parts = [part for turn in turns for part in _cut(turn, settings.max_seconds)]
    return tuple(
        _segment(f"s{number:04d}", sentence, settings.min_pause)
        for number, sentence in enumerate(_glued(parts, language, settings), start=1)
    )


def sane_words(words: Sequence[Word], duration: float) -> list[Word]:
    """The words with text, at times that rise, last, and lie inside 0…duration.

    A word that was stretched over a silence keeps the edge that touches speech: the first word
    of a sentence its end, any other its start.
    """
    kept = [word for word in words if word.text.strip()]
    pace = _pace(kept)
    sane: list[Word] = []
    opens = True
    for word in kept:
        text = word.text.strip()
        start, end = max(0.0, word.start), min(word.end, duration)
        usual = _letters(text) * pace
        if end - start > max(LONGEST_WORD, 3 * usual):
            likely = min(max(1.5 * usual, BREATH), LONGEST_WORD)
            start, end = (end - likely, end) if opens else (start, start + likely)
        sane.append(replace(word, text=text, start=start, end=end))
        opens = text.rstrip(CLOSERS).endswith(FULL_STOPS)
    return _monotone(sane, duration)


def _pace(words: Sequence[Word]) -> float:
    """Median seconds a letter takes, from words of believable length."""
    paces = [
        (word.end - word.start) / _letters(word.text)
        for word in words
        if LEAST_WORD < word.end - word.start <= LONGEST_WORD
    ]
    return median(paces) if paces else 0.1


def _letters(text: str) -> int:
    """How long a text is to say, in letters; a digit is said with about four."""
    return max(1, sum(4 if c.isdigit() else c.isalnum() for c in text))


def _monotone(words: list[Word], duration: float) -> list[Word]:
    """Move each word behind the one before it; leave room for those to come."""
    least = min(LEAST_WORD, duration / len(words)) if words else 0.0
    done: list[Word] = []
    free = 0.0
    for i, word in enumerate(words):
        latest = duration - least * (len(words) - i)
        start = max(free, min(word.start, latest))
        stop = max(word.end, start + least)
        if i + 1 < len(words):  # overlapping words meet where the later one starts
            stop = min(stop, max(words[i + 1].start, start + least))
        end = min(stop, latest + least)
        done.append(replace(word, start=start, end=end))
        free = end
    return done


def _speakers(words: Sequence[Word], diarization: Diarization) -> list[str]:
    """The speaker of each word: the turn that covers most of it, else the nearest turn."""
    real = (turn for turn in diarization.turns if turn.start < turn.end)
    turns = sorted(real, key=lambda turn: (turn.start, turn.end))
    if not turns:
        only = diarization.speakers[0].id if diarization.speakers else "S1"
        return [only] * len(words)
    starts = [turn.start for turn in turns]
    reach = list(accumulate((turn.end for turn in turns), max))
    names = []
    for word in words:
        first = max(0, bisect_right(reach, word.start) - 1)  # one that ended before it, if any
        last = bisect_left(starts, word.end)  # and one that starts after it
        near = turns[first : last + 1]
        names.append(max(near, key=lambda turn: _overlap(word, turn)).speaker)
    return names


def _overlap(word: Word, turn: Turn) -> float:
    """Seconds in common; negative: the distance."""
    return min(word.end, turn.end) - max(word.start, turn.start)


def _silence(before: Sentence, after: Sentence) -> float:
    return after[0].word.start - before[-1].word.end


def _smoothed(sentence: Sentence) -> Sentence:
    """Give a lone word of another speaker, inside a sentence and without pause, to its neighbours.

    Diarizers are off by a word at a change of speaker, and flip on a cough.
    """
    runs = [list(run) for _, run in groupby(sentence, key=lambda spoken: spoken.speaker)]
    smooth: Sentence = []
    for i, run in enumerate(runs):
        speaker = run[0].speaker
        if len(run) == 1:
            before = [near for near in runs[max(0, i - 1) : i] if _silence(near, run) < BREATH]
            after = [near for near in runs[i + 1 : i + 2] if _silence(run, near) < BREATH]
            longest = max(before + after, key=len, default=run)
            speaker = longest[0].speaker if len(longest) > 1 else speaker
        smooth += [replace(spoken, speaker=speaker) for spoken in run]
    return smooth


def _split(words: Sequence[_Spoken], ends: Callable[[Sentence, _Spoken], bool]) -> list[Sentence]:
    """Start a new part at each word before which the part so far ``ends``."""
    parts: list[Sentence] = []
    for spoken in words:
        if not parts or ends(parts[-1], spoken):
            parts.append([])
        parts[-1].append(spoken)
    return parts


def _ends(
    sentence: Sentence, following: _Spoken, language: str, settings: SegmentationSettings
) -> bool:
    """Whether the sentence is over before the following word."""
    silence = _silence(sentence, [following])
    if silence >= settings.max_pause or sentence[-1].word.language != following.word.language:
        return True
    word, after = sentence[-1].word.text, following.word.text
    text = word.rstrip(CLOSERS)
    bare = after.lstrip(OPENERS)[:1]
    if text.endswith(ELLIPSES):
        return not bare.islower() and (silence >= BREATH or bare.isupper())
    if text.endswith("."):
        return _full_stop(text, following.word, silence, language)
    if text.endswith(FULL_STOPS):
        quoted = text != word
        return not (quoted and bare.islower())  # “Why?” he asked
    return silence >= FINAL_PAUSE and _has_final_ending(sentence, language)


def _full_stop(text: str, following: Word, silence: float, language: str) -> bool:
    """Whether the point after a word ends a sentence, rather than shortens or numbers it."""
    stem = _stem(text)
    bare = following.text.lstrip(OPENERS)[:1]
    if stem in TITLES or bare.islower():
        return False
    if bare.isdigit() and (stem in NUMBERED or (following.joined and stem[-1:].isdigit())):
        return False
    if abbreviated(text) or (language == "de" and ORDINAL.fullmatch(text)):
        return silence >= BREATH
    return True


def abbreviated(word: str) -> bool:
    """Whether the point at the end of a word (Mr., U.S., etc.) belongs to the word."""
    initials = INITIALS.fullmatch(word.strip(OPENERS)) is not None
    return initials or (word.endswith(".") and _stem(word) in TITLES | SHORT_FORMS)


def _stem(word: str) -> str:
    return word.strip(OPENERS)[:-1].casefold()


def _has_final_ending(sentence: Sentence, language: str) -> bool:
    """Korean and Japanese speech is often recognised without full stops."""
    tail = _text(sentence[-4:]).rstrip(CLOSERS)  # Japanese words come in pieces
    return tail.endswith(FINAL_ENDINGS.get(language, ()))


def _cut(sentence: Sentence, longest: float) -> list[Sentence]:
    """Cut where the pause or the comma is best, near the middle, until every part is short."""
    start, end = sentence[0].word.start, sentence[-1].word.end
    if end - start <= longest or len(sentence) < 2:
        return [sentence]

    def merit(at: int) -> float:
        before, after = sentence[at - 1].word, sentence[at].word
        pause = min(after.start - before.end, 1.0)
        comma = 0.4 if before.text.rstrip(CLOSERS).endswith(COMMAS) else 0.0
        inside = 1.0 if after.joined and after.text[:1].isascii() else 0.0  # 3 | .5
        off_centre = abs(before.end + after.start - start - end) / (end - start)
        return pause + comma - inside - 0.8 * off_centre

    at = max(range(1, len(sentence)), key=merit)
    return [*_cut(sentence[:at], longest), *_cut(sentence[at:], longest)]


def _glued(
    parts: Sequence[Sentence], language: str, settings: SegmentationSettings
) -> list[Sentence]:
    """Join scraps to a neighbour of the same speaker, rather to what follows ("Yes. I do.")."""
    whole: list[Sentence] = []
    for part in reversed(parts):
        if whole and _belong(part, whole[-1], language, settings):
            whole[-1] = part + whole[-1]
        else:
            whole.append(part)
    return whole[::-1]


def _belong(
    before: Sentence, after: Sentence, language: str, settings: SegmentationSettings
) -> bool:
    """Whether one of two parts is a scrap, near enough: a breath away, or in mid-sentence."""
    scrap = min(_seconds(before), _seconds(after)) < SCRAP
    over = _text(before).rstrip(CLOSERS).endswith(FULL_STOPS) or _has_final_ending(before, language)
    return (
        scrap
        and before[-1].speaker == after[0].speaker
        and before[-1].word.language == after[0].word.language
        and _silence(before, after) < (BREATH if over else 1.5 * settings.max_pause)
        and _seconds(before + after) <= settings.max_seconds
    )


def _seconds(sentence: Sentence) -> float:
    return sentence[-1].word.end - sentence[0].word.start


def _text(sentence: Sentence) -> str:
    first, *rest = (spoken.word for spoken in sentence)
    return first.text + "".join(word.text if word.joined else f" {word.text}" for word in rest)


def _segment(name: str, sentence: Sentence, min_pause: float) -> Segment:
    pauses = tuple(
        Pause(start=before.word.end, end=after.word.start, offset=len(_text(sentence[:i])))
        for i, (before, after) in enumerate(pairwise(sentence), start=1)
        if after.word.start - before.word.end >= min_pause
    )
    return Segment(
        id=name,
        start=sentence[0].word.start,
        end=sentence[-1].word.end,
        speaker=sentence[0].speaker,
        text=_text(sentence),
        pauses=pauses,
        language=sentence[0].word.language,
    )
