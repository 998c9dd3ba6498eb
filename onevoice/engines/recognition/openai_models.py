"""What OpenAI's transcription models take, give and cost; another server's is like whisper-1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from onevoice.engines import openai_api
from onevoice.engines.recognition.known import Known
from onevoice.engines.recognition.openai_answers import Used
from onevoice.languages import base

_LONGEST_HINTS = 600
"""Characters: Whisper reads the last 224 tokens of a prompt."""
_TO_OPENAI = {"fil": "tl", "nb": "no", "nn": "no"}


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a minute of sound, and for a token in and out where the answer counts them."""

    usd_per_minute: float
    usd_per_token: tuple[float, float] | None = None

    def quote(self, seconds: float) -> float:
        return seconds / 60 * self.usd_per_minute

    def of(self, used: Used | None, seconds: float) -> list[tuple[str, float, float]]:
        """Unit, quantity and dollars of what an answer says is billed.

        The sound's length counts where it says nothing, or where tokens have no price.
        """
        if used is None or used.type != "tokens":
            counted = used.seconds if used is not None and used.seconds else seconds
            return [("seconds", counted, self.quote(counted))]
        count_in, count_out = used.input_tokens, used.output_tokens
        usd_in, usd_out = self.quote(seconds), 0.0
        if self.usd_per_token is not None:
            usd_in = count_in * self.usd_per_token[0]
            usd_out = count_out * self.usd_per_token[1]
        return [("input tokens", count_in, usd_in), ("output tokens", count_out, usd_out)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model of ``/v1/audio/transcriptions``.

    ``gives`` is what an answer holds beside the text: the times of words, those of sentences with
    their speakers, or nothing. ``hints`` is the field for names and terms; ``languages`` tells that
    it is ``languages``, not ``language``, that the model reads, and ``warms`` that it takes a
    temperature.
    """

    gives: Literal["words", "speakers", "text"] = "words"
    hints: Literal["prompt", "keywords", ""] = "prompt"
    languages: bool = False
    tells_language: bool = True
    warms: bool = True
    price: Price = Price(0.0)


LANGUAGE_TELLER = "whisper-1"
"""Asked for the language in place of a model that does not say it."""

# List prices, November 2026. For models billed by tokens the price a minute is the vendor's
# estimate. All but gpt-transcribe end on 2027-02-26.
MODELS = {
    "whisper-1": Model(price=Price(0.006)),
    "gpt-4o-transcribe-diarize": Model(
        gives="speakers", hints="", tells_language=False, price=Price(0.006, (2.5e-6, 10e-6))
    ),
    "gpt-4o-transcribe": Model(
        gives="text", tells_language=False, price=Price(0.006, (2.5e-6, 10e-6))
    ),
    "gpt-4o-mini-transcribe": Model(
        gives="text", tells_language=False, price=Price(0.003, (1.25e-6, 5e-6))
    ),
    "gpt-transcribe": Model(
        gives="text", hints="keywords", languages=True, warms=False, price=Price(0.0045)
    ),
}


def model_of(name: str) -> Model:
    """A model by its name; its dated snapshots share it. One nobody knows has no price."""
    known = [prefix for prefix in MODELS if name.startswith(prefix)]
    return MODELS[max(known, key=len)] if known else Model()


def options(
    model: Model, *, language: str | None, terms: Sequence[str], known: Known
) -> dict[str, Any]:
    """Arguments for the SDK beside the file and the model's name."""
    out: dict[str, Any]
    if model.gives == "speakers":
        out = {"response_format": "diarized_json", "chunking_strategy": "auto"}
        if known.names:
            out["known_speaker_names"] = list(known.names)
            out["known_speaker_references"] = list(known.samples)
    elif model.gives == "text":
        out = {"response_format": "json"}
    else:
        out = {"response_format": "verbose_json", "timestamp_granularities": ["word", "segment"]}
    if terms and model.hints:
        out[model.hints] = list(terms) if model.hints == "keywords" else ", ".join(terms)
    if language is not None and base(language) in openai_api.LANGUAGES:
        code = _TO_OPENAI.get(base(language), base(language))
        out |= {"languages": [code]} if model.languages else {"language": code}
    return out


def terms(hints: Iterable[str]) -> tuple[str, ...]:
    """Names and terms, each once: as many as Whisper reads, the first ones first."""
    found = list(dict.fromkeys(" ".join(hint.split()) for hint in hints if hint.strip()))
    while found and len(", ".join(found)) > _LONGEST_HINTS:
        found.pop()
    return tuple(found)
