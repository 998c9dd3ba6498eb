"""What a film is about, from its transcript: windows read one by one, then put together."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Protocol

from onevoice.engines.base import CancelToken
from onevoice.engines.translation import prompts
from onevoice.engines.translation.model import Completion
from onevoice.engines.translation.wording import pieces, shield
from onevoice.errors import EngineFailed
from onevoice.types import Summary

_WINDOW = 2_000
"""Characters of transcript read at once: with any script within the context of the model."""
_MOST_WINDOWS = 4
_MOST_TERMS = 20
_REGISTERS = ("formal", "informal", "narration")


class Reader(Protocol):
    """The part of the model used here."""

    def complete(
        self, messages: list[dict[str, str]], *, max_tokens: int, schema: dict[str, Any] | None
    ) -> Completion: ...


def read_transcript(
    model: Reader, texts: Sequence[str], *, language: str, cancel: CancelToken
) -> Summary:
    """Summary of a transcript; an empty one where the model's answers make no sense.

    A long transcript is sampled in evenly spread windows. Every term of the summary occurs in
    the transcript as it is written there; nothing is taken on trust.
    """
    windows = spread(pieces(" ".join(texts), _WINDOW), _MOST_WINDOWS)
    found: list[Summary] = []
    for window in windows:
        cancel.check()
        try:
            answer = model.complete(
                prompts.summarize(shield(window), language=language),
                max_tokens=360,
                schema=prompts.SUMMARY_SCHEMA,
            )
        except EngineFailed:
            # A summary is context, not a result: a film is dubbed without it.
            continue
        found.append(parse(answer.text, window))
    return join(found)


def parse(answer: str, transcript: str) -> Summary:
    """Read the model's JSON; whatever is missing or odd is left empty."""
    try:
        data = json.loads(answer)
    except ValueError:
        return Summary()
    if not isinstance(data, dict):
        return Summary()
    synopsis = data.get("synopsis")
    register = data.get("register")
    terms = data.get("terms")
    return Summary(
        synopsis=_sentences(synopsis) if isinstance(synopsis, str) else "",
        register=register if register in _REGISTERS else "",
        terms=_occurring(terms if isinstance(terms, list) else [], transcript),
    )


def join(found: Sequence[Summary]) -> Summary:
    """One summary of several windows: the first synopsis, the usual register, all terms."""
    told = [summary for summary in found if summary.synopsis]
    registers = [summary.register for summary in found if summary.register]
    terms = dict.fromkeys(term for summary in found for term in summary.terms)
    return Summary(
        synopsis=told[0].synopsis if told else "",
        register=max(registers, key=registers.count) if registers else "",
        terms=tuple(terms)[:_MOST_TERMS],
    )


def spread(items: Sequence[str], most: int) -> list[str]:
    """At most ``most`` items, evenly spread, the first one among them."""
    if len(items) <= most:
        return list(items)
    return [items[i * len(items) // most] for i in range(most)]


def _sentences(text: str, most: int = 2) -> str:
    plain = " ".join(text.split())
    return " ".join(re.split(r"(?<=[.!?。])\s+", plain)[:most])


def _occurring(terms: Sequence[object], transcript: str) -> tuple[str, ...]:
    kept: dict[str, None] = {}
    for term in terms:
        if not isinstance(term, str) or not any(c.isalpha() for c in term):
            continue
        name = " ".join(term.split())
        if re.search(rf"(?<!\w){re.escape(name)}", transcript):
            kept.setdefault(name)
    return tuple(kept)[:_MOST_TERMS]
