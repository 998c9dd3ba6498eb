"""What OpenAI's speaking models take and cost, and which of their voices each has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from onevoice.engines.synthesis.voices import Sex

VOICES = (
    "marin",
    "cedar",
    "coral",
    "ash",
    "nova",
    "onyx",
    "sage",
    "echo",
    "shimmer",
    "fable",
    "alloy",
    "ballad",
    "verse",
)
"""Of gpt-4o-mini-tts; the first two are those the vendor recommends."""
SEX: Mapping[str, Sex] = {
    **dict.fromkeys(("marin", "coral", "nova", "sage", "shimmer"), "female"),
    **dict.fromkeys(("cedar", "ash", "onyx", "echo", "ballad", "verse"), "male"),
}
"""How the voices are commonly heard, for casting; the vendor says nothing of it."""
_OLD = tuple(name for name in VOICES if name not in ("marin", "cedar", "ballad", "verse"))
_CHATTING = tuple(name for name in VOICES if name != "verse")
_SECONDS_PER_CHARACTER = 0.065
"""Of European languages, to quote what is priced by the minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model. What another server calls its own is asked like gpt-4o-mini-tts, and is free.

    ``chats``: it is asked by ``/v1/chat/completions``, not ``/v1/audio/speech``. ``longest`` is in
    characters. It is billed by characters, by minutes of speech, or by tokens: of text in, text
    out and audio out, for which ``usd_per_minute`` is an estimate to quote by.
    """

    voices: tuple[str, ...] = VOICES
    chats: bool = False
    instructed: bool = True
    longest: int = 4096
    usd_per_million_characters: float | None = None
    usd_per_minute: float = 0.0
    usd_per_million_tokens: tuple[float, float, float] | None = None

    def quote(self, characters: float) -> float:
        if self.usd_per_million_characters is not None:
            return characters * self.usd_per_million_characters / 1e6
        return characters * _SECONDS_PER_CHARACTER / 60 * self.usd_per_minute


# List prices, November 2026. For gpt-4o-mini-tts it is the vendor's estimate of its token prices:
# its answer does not tell the tokens. Speech is 20 tokens a second.
MODELS = {
    "gpt-4o-mini-tts": Model(longest=2000, usd_per_minute=0.015),
    "tts-1-hd": Model(voices=_OLD, instructed=False, usd_per_million_characters=30.0),
    "tts-1": Model(voices=_OLD, instructed=False, usd_per_million_characters=15.0),
    "gpt-audio": Model(
        voices=_CHATTING,
        chats=True,
        longest=1000,
        usd_per_minute=0.085,
        usd_per_million_tokens=(2.5, 10.0, 64.0),
    ),
    "gpt-audio-mini": Model(
        voices=_CHATTING,
        chats=True,
        longest=1000,
        usd_per_minute=0.027,
        usd_per_million_tokens=(0.6, 2.4, 20.0),
    ),
}


def model_of(name: str) -> Model:
    """A model by its name; its versions and dated snapshots share it."""
    known = [prefix for prefix in MODELS if name.startswith(prefix)]
    return MODELS[max(known, key=len)] if known else Model()


def free(model: Model) -> Model:
    """The same, billed in the same unit at nothing: another server's prices are its own affair."""
    by_characters = model.usd_per_million_characters is not None
    return replace(
        model,
        usd_per_million_characters=0.0 if by_characters else None,
        usd_per_minute=0.0,
        usd_per_million_tokens=(0.0, 0.0, 0.0) if model.usd_per_million_tokens else None,
    )
