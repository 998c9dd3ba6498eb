"""What OpenAI's transcription models take, give and cost; another server's is like whisper-1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model of ``/v1/audio/transcriptions``.

    ``gives`` is what an answer holds beside the text: the times of words, those of sentences with
    their speakers, or nothing. ``hints`` is the field for names and terms. ``usd_per_token`` is
    for tokens in and out, where the answer counts them.
    """

    gives: Literal["words", "speakers", "text"] = "words"
    hints: Literal["prompt", "keywords", ""] = "prompt"
    tells_language: bool = True
    usd_per_minute: float = 0.0
    usd_per_token: tuple[float, float] = (0.0, 0.0)


LANGUAGE_TELLER = "whisper-1"
"""Asked for the language in place of a model that does not say it."""

# List prices, November 2026. For models billed by tokens the price a minute is the vendor's
# estimate. All but gpt-transcribe end on 2027-02-26.
MODELS = {
    "whisper-1": Model(usd_per_minute=0.006),
    "gpt-4o-transcribe-diarize": Model(
        gives="speakers",
        hints="",
        tells_language=False,
        usd_per_minute=0.006,
        usd_per_token=(2.5e-6, 10e-6),
    ),
    "gpt-4o-transcribe": Model(
        gives="text", tells_language=False, usd_per_minute=0.006, usd_per_token=(2.5e-6, 10e-6)
    ),
    "gpt-4o-mini-transcribe": Model(
        gives="text", tells_language=False, usd_per_minute=0.003, usd_per_token=(1.25e-6, 5e-6)
    ),
    "gpt-transcribe": Model(gives="text", hints="keywords", usd_per_minute=0.0045),
}


def model_of(name: str) -> Model:
    """A model by its name; its dated snapshots share it. One nobody knows has no price."""
    known = [prefix for prefix in MODELS if name.startswith(prefix)]
    return MODELS[max(known, key=len)] if known else Model()
