"""What a synthesizer that only passes lines on refuses by itself, before anything is paid for."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable
from difflib import get_close_matches

from onevoice.engines.base import CLONE, Reference, SpeechRequest
from onevoice.engines.synthesis import line
from onevoice.engines.synthesis.voices import primary
from onevoice.errors import EngineRefused

_JOINERS = "\u200c\u200d"
"""Persian and the Indic scripts are misspelt without them."""


def sayable(request: SpeechRequest, *, markup: str = "") -> str:
    """The request's text on one line, without control characters and the engine's ``markup``.

    Raises EngineRefused where nothing is left to say.
    """
    text = plain(request.text, markup=markup)
    if not any(char.isalnum() for char in text):
        raise line.nothing_to_say(request.text, request.language)
    return text


def plain(text: str, *, markup: str = "") -> str:
    """Any text for an engine, on one line, without control characters and ``markup``.

    Text is never a command to the engine: every character of ``markup`` becomes a space.
    """
    text = unicodedata.normalize("NFC", text)
    text = "".join(" " if c.isspace() or c in markup else c for c in text if _speakable(c))
    return " ".join(text.split())


def _speakable(char: str) -> bool:
    """No control or broken character, and no pictograph: some services read out its name."""
    return (
        char.isspace()
        or char in _JOINERS
        or unicodedata.category(char) not in ("Cc", "Cs", "Co", "Cn", "Cf", "So", "Sk")
    )


def check_rate(rate: float) -> None:
    """Raise EngineRefused for a rate that is none (zero, negative, not a number)."""
    if not 0 < rate < float("inf"):
        raise EngineRefused(f"a rate of {rate} is no rate", hint="1.0 is the natural rate")


def check_language(engine: str, language: str, spoken: Collection[str]) -> None:
    """Raise EngineRefused for a language that is not among ``spoken``; empty means any."""
    if spoken and primary(language) not in spoken:
        raise EngineRefused(
            f"{engine} does not speak {language!r}", hint=f"it speaks: {', '.join(sorted(spoken))}"
        )


def reference_of(engine: str, request: SpeechRequest) -> Reference | None:
    """The voice to clone: there exactly when the request's voice is ``clone``."""
    if request.voice != CLONE:
        return None
    if request.reference is None:
        raise EngineRefused(
            f"{engine} was asked to clone a voice without one to clone",
            hint="choose one of its voices for this speaker: onevoice voices",
        )
    return request.reference


def no_voice(engine: str, voice: str, names: Iterable[str]) -> EngineRefused:
    """The error for a voice that does not exist; the hint names the nearest."""
    there = list(names)
    near = get_close_matches(voice, there, n=1, cutoff=0.4)
    known = f"voices for this language: {', '.join(there)}" if there else "it has none"
    hint = f"did you mean {near[0]!r}? {known}" if near else known
    return EngineRefused(f"{engine} has no voice {voice!r}", hint=hint)
