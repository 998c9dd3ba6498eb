"""What an engine is: five protocols, one verb each.

An engine is a class with

* ``info``: what it is and needs, readable without importing anything heavy;
* ``Params``: a pydantic model of the settings that alter its output;
* a constructor ``Engine(params, runtime)`` that is cheap: models load on the first verb;
* ``identity()``: everything beside the input that decides the output (version, model digest,
  params). It goes into the cache key; threads, devices, paths and secrets do not;
* ``check()``, and with its settings ``ready()``: raise
  :class:`~onevoice.errors.EngineUnavailable` with the command that mends it.

Engines know nothing of projects, stages or users; a hosted one meters what it uses.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from onevoice.engines.metering import Gate, Meter
from onevoice.errors import Cancelled
from onevoice.types import Recognition, Segment, Summary, Turn, Usage, Word

Kind = Literal["separation", "recognition", "diarization", "translation", "synthesis"]
KINDS: tuple[Kind, ...] = ("separation", "recognition", "diarization", "translation", "synthesis")
Audio = NDArray[np.float32]


class Params(BaseModel):
    """Base of every engine's settings: frozen, and an unknown key is an error.

    A wrong value is not repeated in the error: it may be a key in the wrong place.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What ``onevoice engines`` shows. ``languages`` empty means any."""

    kind: Kind
    name: str
    summary: str
    licence: str
    """Licence of the code and, when they differ, of the weights."""
    languages: frozenset[str] = frozenset()
    pairs: frozenset[tuple[str, str]] = frozenset()
    """Translation only: (source, target) pairs; empty means any pair of ``languages``."""
    extra: str = ""
    """The pip extra that installs it; empty when it always works."""
    key: str = ""
    """The environment variable with its key; empty when it needs none."""
    hosted: bool = False
    """It asks a service over the network: it needs no cores, and many requests may be under way."""
    price: str = ""
    """List price in words, with its date; empty when it costs nothing."""
    limits: str = ""
    """What it cannot take: sizes, lengths, formats."""
    voices: str = ""
    """Synthesis only: which voices there are, where they are too many or not ours to list."""
    gpu: bool = False
    """It is meant for a GPU, and slow without one."""
    quality: Literal["draft", "good"] = "good"
    advice: str = ""
    """For a draft-quality engine: the better choice, named in summaries and reports."""


class CancelToken:
    """Set from a signal handler or another thread; engines ask between units of work."""

    def __init__(self) -> None:
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def check(self) -> None:
        if self._cancelled:
            raise Cancelled("stopped on request", hint="run the same command again to go on")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Where and how engines run; never part of a cache key."""

    models_dir: Path
    threads: int = field(default_factory=lambda: max(1, os.cpu_count() or 1))
    device: Literal["auto", "cpu", "cuda"] = "auto"
    offline: bool = False
    cancel: CancelToken = field(default_factory=CancelToken)
    requests_at_once: int = 4
    """How many requests one hosted service gets at the same time."""
    attempts: int = 6
    """How often a request is made before it is given up."""
    backoff: float = 0.5
    """Seconds before the second attempt; it doubles from there, with jitter."""
    timeout: float = 120.0
    """Seconds until a silent service counts as not answering."""
    meter: Meter = field(default_factory=Meter)
    gate: Gate = field(default_factory=Gate)


Progress = Callable[[float], None]
"""Called with the share done, 0 to 1."""


class Engine(Protocol):
    """What all five kinds share."""

    info: ClassVar[EngineInfo]
    Params: ClassVar[type[Params]]

    def __init__(self, params: Any, runtime: Runtime) -> None: ...

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        """Raise EngineUnavailable (with a hint) unless the engine can run here at all."""

    def ready(self) -> None:
        """The same for this engine with its settings: its key, its model."""

    def identity(self) -> dict[str, Any]: ...

    def quote(self, amount: float) -> float:
        """What a job is expected to cost in US dollars, 0.0 when it is free.

        ``amount`` is seconds of sound for separation, recognition and diarization, characters of
        text for translation and synthesis.
        """

    def close(self) -> None:
        """Free the models. The engine loads again when it is used again."""


class EngineBase:
    """Convenience for engines: keeps params and runtime, and is a context manager."""

    info: ClassVar[EngineInfo]
    Params: ClassVar[type[Params]] = Params

    def __init__(self, params: Any, runtime: Runtime) -> None:
        self.params = params
        self.runtime = runtime

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        return None

    def ready(self) -> None:
        self.check(self.runtime)

    def identity(self) -> dict[str, Any]:
        return {"engine": self.info.name, "params": self.params.model_dump(mode="json")}

    def quote(self, amount: float) -> float:
        return 0.0

    def close(self) -> None:
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@runtime_checkable
class Separator(Engine, Protocol):
    """Splits a mix into dialogue and music-and-effects.

    ``separates`` is False for one that only passes the mix on: there is no bed then.
    """

    separates: ClassVar[bool]

    def separate(self, mix: Path, *, speech: Path, bed: Path, progress: Progress) -> None:
        """Read the WAV ``mix`` block by block; write two WAVs of the same rate, channels, length.

        ``speech + bed`` equals ``mix`` within rounding.
        """


@runtime_checkable
class Recognizer(Engine, Protocol):
    """Speech to words.

    ``tells_speakers`` (optional, default False): its words say who spoke them.
    """

    def transcribe(
        self, audio: Path, *, language: str | None, hints: Sequence[str], progress: Progress
    ) -> Recognition:
        """Words with times for a WAV of any rate; detects the language when it is None.

        ``hints`` are names and terms that may be heard.
        """


@runtime_checkable
class MultilingualRecognizer(Protocol):
    """A recogniser that can hear several languages in one recording."""

    def transcribe_each(
        self, audio: Path, *, language: str | None, hints: Sequence[str], progress: Progress
    ) -> Recognition:
        """As ``transcribe``, each utterance in its own language.

        ``language`` is that of most; words of another say theirs.
        """


@runtime_checkable
class Diarizer(Engine, Protocol):
    """Tells speakers apart.

    ``max_speakers`` (optional, default any) is the most it can tell apart. ``counts`` (optional,
    default False) says that it can find out itself how many there are.
    """

    def diarize(
        self, audio: Path, words: Sequence[Word], *, speakers: int | None, progress: Progress
    ) -> tuple[Turn, ...]:
        """Turns, in order of time, that cover every word; speakers named S1, S2, …

        ``speakers`` None asks the engine to count them; only one that ``counts`` is asked that.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationRequest:
    """One sentence to translate. ``budget`` is the longest wanted answer in characters."""

    id: str
    text: str
    before: str = ""
    after: str = ""
    budget: int | None = None
    previous: str = ""
    """To shorten or to review: the translation as it stands."""
    speaker: str = ""
    terms: tuple[tuple[str, str], ...] = ()
    """Terms of the glossary that occur in ``text``, each with what it must become."""
    examples: tuple[tuple[str, str], ...] = ()
    """Similar sentences with translations a person accepted."""
    start: float | None = None
    end: float | None = None
    """When it is said, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationResult:
    """``problems`` names what the checks still find wrong with the best answer."""

    id: str
    text: str
    problems: tuple[str, ...] = ()
    usage: tuple[Usage, ...] = ()
    """This line's share of what its request used."""


@runtime_checkable
class Translator(Engine, Protocol):
    """Text of one language to text of another.

    What a request says beyond its text is part of its cache key, so it is filled in only for
    engines that read it: ``uses_context`` (optional, default False) asks for neighbours, speaker,
    examples and budget, ``uses_times`` (the same) for start and end. Terms are always given.
    """

    def supports(self, source: str, target: str) -> bool: ...

    def translate(
        self,
        requests: Sequence[TranslationRequest],
        *,
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        """One result per request, in order, each as soon as it is known (it is cached at once)."""


@runtime_checkable
class LanguageModel(Protocol):
    """A translator that is a language model can also shorten and summarise."""

    def shorten(
        self,
        requests: Sequence[TranslationRequest],
        *,
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        """Say the same within ``budget`` characters; the best answer, even if still too long."""

    def summarize(self, segments: Sequence[Segment], *, language: str) -> Summary: ...


@runtime_checkable
class Reviewer(Protocol):
    """A language model that can also criticise a translation and write it again."""

    def review(
        self,
        requests: Sequence[TranslationRequest],
        *,
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        """A better ``previous``, or the same where nothing is wrong with it; one per request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A voice of a synthesizer, for one language.

    ``rate`` is its measured natural rate there in characters of speakable text per second.
    """

    name: str
    language: str
    sex: Literal["female", "male", "unknown"] = "unknown"
    pitch_hz: float | None = None
    rate: float | None = None
    licence: str = ""
    note: str = ""


@runtime_checkable
class VoiceKeeper(Protocol):
    """A synthesizer whose service keeps the copies it makes of voices."""

    def forget(self, digest: str) -> bool:
        """Delete the copy of a reference's voice, told by its digest; False when there is none."""


CLONE = "clone"
"""The voice name that asks a cloning engine to speak like the line's reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A speaker's own voice: a few seconds of it and what is said in them."""

    audio: Path
    """A mono WAV, 6 to 15 s."""
    digest: str
    """SHA-256 of that file: it stands for the voice in cache keys."""
    text: str
    language: str
    speaker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechRequest:
    """One line to speak. ``rate`` 1.0 is the voice's natural rate, 1.2 is a fifth faster."""

    text: str
    language: str
    voice: str
    rate: float = 1.0
    reference: Reference | None = None
    """Given with the voice ``clone``, and with no other."""
    before: str = ""
    after: str = ""
    """What the same speaker says just before and after: for the melody, not to be spoken."""


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """Mono samples, shape (n,), float32 in -1…1, silence trimmed from both ends."""

    samples: Audio
    sample_rate: int

    @property
    def duration(self) -> float:
        return len(self.samples) / self.sample_rate


@runtime_checkable
class Synthesizer(Engine, Protocol):
    """Text to speech.

    ``lines_at_once`` is how many threads may usefully call :meth:`speak` at the same time.
    ``clones`` (optional, default False): it takes references. ``uses_neighbours`` (the same): it
    reads ``before`` and ``after``. ``rates`` (optional, default any): the slowest and the fastest
    rate it can speak at itself, without stretching what it spoke.
    """

    @property
    def lines_at_once(self) -> int: ...

    def voices(self, language: str) -> tuple[Voice, ...]:
        """Its voices for a language, the preferred ones first; empty when it cannot speak it."""

    def speak(self, request: SpeechRequest) -> Speech: ...
