"""ElevenLabs Scribe through its API: what is sent, what it answers, what it costs.

Recognition and diarization both ask it. A recording goes up in parcels as long as the settings
allow, because speakers can be told apart only within one.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from pydantic import Field

from onevoice import languages
from onevoice.engines import elevenlabs
from onevoice.engines.base import Progress
from onevoice.engines.boundary import Garbled
from onevoice.engines.elevenlabs import KEYTERMS_SURCHARGE, USD_PER_HOUR, Account
from onevoice.engines.recognition import uploads
from onevoice.engines.recognition.listening import FRAME_S, level, sounding
from onevoice.engines.recognition.uploads import Passage, Upload
from onevoice.engines.recognition.wording import make_word
from onevoice.engines.speech import MODEL_RATE, duration, read_mono
from onevoice.errors import EngineRefused, UnknownLanguage
from onevoice.types import Usage, Word

MOST_KEYTERMS = 1_000
LONGEST_KEYTERM = 50
MOST_KEYTERM_WORDS = 5
MOST_SPEAKERS = 32
GRACE = 0.1
"""Seconds more of silence that are borne for each second of sound: it answers when it is done."""

_LANGUAGES = """
af am ar as ast az be bg bn bs ca ceb cs cy da de el en es et fa ff fi fil fr ga gl gu ha he hi hr
hu hy id ig is it ja jv ka kea kk km kn ko ku ky lb lg ln lo lt luo lv mi mk ml mn mr ms mt my ne
nl no nso ny oc or pa pl ps pt ro ru sd sk sl sn so sr sv sw ta te tg th tr uk umb ur uz vi wo xh
yue zh zu
"""
LANGUAGES = frozenset(_LANGUAGES.split())
"""What Scribe recognises, as its vendor lists it."""
_NORWEGIAN = {"nb": "no", "nn": "no"}
_FORBIDDEN = re.compile(r"[<>{}\[\]\\]")


class ScribeParams(elevenlabs.ElevenLabsParams):
    """What recognition and diarization by Scribe share."""

    model: str = Field(default="scribe_v2", min_length=1)
    """``scribe_v2``, or ``scribe_v1`` (older, takes no key terms)."""
    chunk: float = Field(default=7_200.0, ge=60, le=36_000)
    """Seconds of sound in one request. Speakers of two requests cannot be matched: a longer
    recording has speakers of its own in each part."""
    usd_per_hour: float | None = Field(default=None, ge=0)
    """What your plan pays; the list price where it is not given."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer. Words are in the recording's time, with the service's labels of speakers.

    ``language`` is what the service calls it.
    """

    language: str
    probability: float
    words: tuple[Word, ...]


def listen(
    account: Account,
    params: ScribeParams,
    audio: Path,
    *,
    options: dict[str, Any],
    progress: Progress,
) -> list[Heard]:
    """Have a recording recognised, parcel by parcel, and book each answer.

    Parameters
    ----------
    options
        Arguments for the SDK beside model and file: ``diarize``, ``language_code``, …
    progress
        Told the share of the recording that is done.

    Raises
    ------
    EngineUnavailable, EngineRefused, EngineRateLimited, EngineFailed, BudgetExceeded, Cancelled
        As :func:`onevoice.engines.boundary.request`.
    MediaNotFound, MediaUnreadable
        ``audio`` is not there, or no sound.
    """
    total = duration(audio)
    parts: list[Heard] = []
    for parcel in parcels(audio, params.chunk):
        with TemporaryFile() as file:
            upload = encode(audio, parcel, file)
            parts.append(_ask(account, params, upload, file, options))
        progress(min(upload.passage.end / total, 1.0))
    return parts


def parcels(audio: Path, seconds: float) -> Iterator[list[Passage]]:
    """The passages with speech, packed into parcels of at most ``seconds``."""
    parcel: list[Passage] = []
    for passage in uploads.passages(audio, minutes=min(uploads.MINUTES, seconds / 60)):
        if parcel and passage.end - parcel[0].start > seconds:
            yield parcel
            parcel = []
        parcel.append(passage)
    if parcel:
        yield parcel


def encode(audio: Path, parcel: Sequence[Passage], file: IO[bytes]) -> Upload:
    """Write a parcel as FLAC: each passage levelled, silence between them.

    The upload that is returned holds no sound: that is in ``file``.
    """
    import soundfile

    start, end = parcel[0].start, parcel[-1].end
    frame = round(FRAME_S * MODEL_RATE)
    active = np.zeros(round((end - start) / FRAME_S) + 2, np.bool_)
    written = 0
    with soundfile.SoundFile(
        file, "w", MODEL_RATE, channels=1, format="FLAC", subtype="PCM_16", closefd=False
    ) as flac:
        for passage in parcel:
            at = round((passage.start - start) * MODEL_RATE)
            flac.write(np.zeros(max(at - written, 0), np.float32))
            samples = level(read_mono(audio, passage.start, passage.end))
            flac.write(samples)
            written = at + len(samples)
            sounds = sounding(samples)[: len(active) - at // frame]
            active[at // frame : at // frame + len(sounds)] |= sounds
    speech = tuple(span for passage in parcel for span in passage.speech)
    return Upload(Passage(start, end, speech), b"", active)


class ScribeEngine(elevenlabs.ElevenLabsEngine):
    """What the recogniser and the diarizer by Scribe share."""

    params: ScribeParams

    def identity(self) -> dict[str, Any]:
        params = self.params.model_dump(mode="json", exclude={"usd_per_hour"})
        detector = uploads.detector()
        return {"engine": self.info.name, "version": 1, "detector": detector, "params": params}

    def quote(self, amount: float) -> float:
        return usd_for(self.params, amount)


def usd_for(params: ScribeParams, seconds: float, *, keyterms: bool = False) -> float:
    """The list price of some seconds of sound, or what the settings say is paid; in dollars."""
    given = params.usd_per_hour
    hour = USD_PER_HOUR.get(params.model, 0.0) if given is None else given
    return seconds / 3600 * hour * (1 + KEYTERMS_SURCHARGE if keyterms else 1)


def _ask(
    account: Account,
    params: ScribeParams,
    upload: Upload,
    file: IO[bytes],
    options: dict[str, Any],
) -> Heard:
    length = upload.passage.duration

    def send(client: Any, request_options: Any) -> tuple[Heard, float]:
        file.seek(0)
        answer = client.speech_to_text.convert(
            model_id=params.model,
            file=("speech.flac", file, "audio/flac"),
            tag_audio_events=False,
            timestamps_granularity="word",
            request_options=request_options,
            **options,
        )
        return _heard(answer), _seconds(answer) or length

    def usd(seconds: float) -> float:
        return usd_for(params, seconds, keyterms="keyterms" in options)

    def used(answer: tuple[Heard, float]) -> Usage:
        _, seconds = answer
        return account.usage(model=params.model, unit="seconds", quantity=seconds, usd=usd(seconds))

    heard, _ = account.ask(
        send,
        what=f"{length:.0f} s of speech from {upload.passage.start:.0f} s on",
        usd=usd(length),
        used=used,
        grace=GRACE * length,
    )
    return replace(heard, words=tuple(uploads.in_place(upload, heard.words)))


def keyterms(hints: Iterable[str]) -> list[str]:
    """The hints that Scribe takes: at most 1,000, each of 50 characters and 5 words at most."""
    terms: dict[str, None] = {}
    for hint in hints:
        term = " ".join(_FORBIDDEN.sub(" ", hint).split())
        if 0 < len(term) <= LONGEST_KEYTERM and len(term.split()) <= MOST_KEYTERM_WORDS:
            terms[term] = None
    return list(terms)[:MOST_KEYTERMS]


def joined(parts: Sequence[Heard]) -> list[Word]:
    """The words of all parcels.

    With more than one parcel every speaker's label says which it is from (``2/speaker_0``):
    nobody knows whether two of them are one person.
    """
    several = len(parts) > 1
    return [
        replace(word, speaker=f"{number}/{word.speaker}") if several and word.speaker else word
        for number, heard in enumerate(parts, 1)
        for word in heard.words
    ]


def spoken_language(parts: Sequence[Heard]) -> tuple[str, float]:
    """The language of most words, and how sure the parcels are that have it; ``und`` for none.

    Raises EngineRefused for a language that is none of ours.
    """
    words: defaultdict[str, int] = defaultdict(int)
    sure: defaultdict[str, float] = defaultdict(float)
    for heard in parts:
        words[heard.language] += len(heard.words)
        sure[heard.language] += heard.probability * len(heard.words)
    best = max(words, key=lambda language: words[language], default="und")
    return (_ours(best), sure[best] / words[best]) if words[best] else ("und", 0.0)


def _heard(answer: Any) -> Heard:
    """An answer's words; the entries between them say where there is a space.

    Raises Garbled for an answer without what every answer has.
    """
    entries = getattr(answer, "words", None)
    code = getattr(answer, "language_code", None)
    if not isinstance(entries, list) or not isinstance(code, str):
        raise Garbled("no words and language")
    words: list[Word] = []
    space = True
    for entry in entries:
        kind, text = getattr(entry, "type", None), getattr(entry, "text", None)
        if kind == "spacing":
            space = True
        if kind != "word" or not isinstance(text, str):
            continue
        start, end = getattr(entry, "start", None), getattr(entry, "end", None)
        if not isinstance(start, int | float) or not isinstance(end, int | float):
            raise Garbled("a word without its times")
        lead = " " if space or text[:1].isspace() else ""
        word = make_word(lead + text.strip(), start, end, _probability(entry))
        if word is None:
            # Where nothing stands between words, a full stop may be an entry of its own.
            if words and not space:
                words[-1] = replace(words[-1], text=words[-1].text + text.strip())
            continue
        words.append(replace(word, speaker=str(getattr(entry, "speaker_id", None) or "")))
        space = text[-1:].isspace()
    probability = getattr(answer, "language_probability", None)
    sure = float(probability) if isinstance(probability, int | float) else 0.0
    return Heard(code, min(max(sure, 0.0), 1.0), tuple(words))


def _seconds(answer: Any) -> float:
    """How much sound an answer says it is of; 0.0 where it does not say."""
    value = getattr(answer, "audio_duration_secs", None)
    return float(value) if isinstance(value, int | float) and 0 < value < math.inf else 0.0


def _probability(entry: Any) -> float:
    value = getattr(entry, "logprob", None)
    return math.exp(min(value, 0.0)) if isinstance(value, int | float) else 1.0


def _ours(code: str) -> str:
    try:
        return languages.normalize(code)
    except UnknownLanguage as exc:
        raise EngineRefused(
            f"Scribe heard a language OneVoice does not know: {code!r}",
            hint="say what is spoken with --from",
        ) from exc


def code_of(language: str) -> str:
    """What Scribe calls a language. Raises EngineRefused where it does not know it."""
    tag = languages.base(language)
    tag = _NORWEGIAN.get(tag, tag)
    if tag not in LANGUAGES:
        raise EngineRefused(
            f"Scribe does not recognise {language!r}",
            hint=f"it recognises: {', '.join(sorted(LANGUAGES))}",
        )
    return tag


def takes_terms(params: ScribeParams) -> bool:
    """Whether the model takes key terms."""
    return params.model != "scribe_v1"
