"""What a film is about, from its transcript: read in parts, which are then put together.

:func:`read_transcript` is for a small model: a few samples, one question each. :func:`read_film`
reads everything that is said, with who says it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from typing import Any, Protocol

from onevoice.engines import boundary
from onevoice.engines.base import CancelToken, Runtime
from onevoice.engines.translation import prompts, window_prompts
from onevoice.engines.translation.model import Completion
from onevoice.engines.translation.window_answers import without_thought
from onevoice.engines.translation.windows import Chat
from onevoice.engines.translation.wording import has_words, pieces, shield, tidy
from onevoice.errors import EngineFailed
from onevoice.types import Segment, Summary

_WINDOW = 2_000
"""Characters of transcript read at once: with any script within the context of the model."""
_MOST_WINDOWS = 4
_MOST_TERMS = 20
_REGISTERS = ("formal", "informal", "narration")
_PART = 12_000
"""Characters of transcript that a large model reads at once."""
_LONGEST_SUMMARY = 4_000
_LONGEST_SYNOPSIS = 600
_LONGEST_NOTE = 300
_LONGEST_TERM = 80
_AROUND = 30
"""Characters of JSON around a line of the transcript."""


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


def read_film(
    chat: Chat,
    segments: Sequence[Segment],
    *,
    language: str,
    runtime: Runtime,
    at_once: int,
    part: int = _PART,
) -> Summary:
    """Summary of all that is said, with a note on each speaker (map, then reduce).

    However long the film is, no request holds more than about ``part`` characters: summaries of
    parts are put together in groups, and those again.

    Parameters
    ----------
    part
        Characters of transcript in one request.

    Terms occur in the transcript as they are written, and notes are of speakers in it; where a
    part's answer makes no sense that part is left out.
    """
    parts = _parts([segment for segment in segments if has_words(segment.text)], part)

    def read(part: list[tuple[str, str]]) -> Summary:
        chat_ = window_prompts.summarize(
            [(shield(speaker), shield(text)) for speaker, text in part], language=language
        )
        answer = _ask(chat, chat_, "the summary")
        return parse(answer, " ".join(text for _, text in part), {name for name, _ in part})

    transcript = " ".join(text for part in parts for _, text in part)

    def merge(group: list[Summary]) -> Summary:
        whole = join(group)
        if len(group) < 2:
            return whole
        messages = window_prompts.merge([_as_data(each) for each in group], language=language)
        merged = parse(_ask(chat, messages, "the summary"), transcript, set(whole.speakers))
        if not merged.synopsis:
            return whole
        return replace(
            merged,
            register=merged.register or whole.register,
            terms=merged.terms or whole.terms,
            speakers={**whole.speakers, **merged.speakers},
        )

    told = list(boundary.each(parts, read, at_once=at_once, runtime=runtime))
    found = [summary for summary in told if summary != Summary()]
    while len(found) > 1:
        groups = _groups(found, part)
        found = list(boundary.each(groups, merge, at_once=at_once, runtime=runtime))
    return join(found)


def _groups(found: Sequence[Summary], size: int) -> list[list[Summary]]:
    """Consecutive summaries, as many as ``size`` characters hold, and two at least."""
    groups: list[list[Summary]] = []
    length = 0
    for summary in found:
        own = len(json.dumps(_as_data(summary), ensure_ascii=False))
        if not groups or (len(groups[-1]) > 1 and length + own > size):
            groups.append([])
            length = 0
        groups[-1].append(summary)
        length += own
    return groups


def _ask(chat: Chat, messages: list[dict[str, str]], what: str) -> str:
    reply = chat.ask(
        messages,
        schema=window_prompts.SUMMARY_SCHEMA,
        longest=_LONGEST_SUMMARY,
        attempt=1,
        what=what,
    )
    return reply.text


def _parts(segments: Sequence[Segment], size: int) -> list[list[tuple[str, str]]]:
    """(speaker, text) lines in parts of about ``size`` characters."""
    parts: list[list[tuple[str, str]]] = []
    length = size
    for segment in segments:
        for text in pieces(tidy(segment.text), size):
            if length + len(text) > size:
                parts.append([])
                length = 0
            parts[-1].append((segment.speaker, text))
            length += len(text) + _AROUND
    return parts


def _as_data(summary: Summary) -> dict[str, Any]:
    data = asdict(summary)
    data["speakers"] = [{"id": name, "note": note} for name, note in summary.speakers.items()]
    return data


def parse(answer: str, transcript: str, speakers: Collection[str] = ()) -> Summary:
    """Read the model's JSON; whatever is missing or odd is left empty.

    Notes are kept of ``speakers`` only.
    """
    answer = without_thought(answer)
    start, end = answer.find("{"), answer.rfind("}")
    try:
        data = json.loads(answer[start : end + 1])
    except (ValueError, RecursionError):
        return Summary()
    if not isinstance(data, dict):
        return Summary()
    synopsis = data.get("synopsis")
    register = data.get("register")
    terms = data.get("terms")
    return Summary(
        synopsis=_sentences(synopsis)[:_LONGEST_SYNOPSIS] if isinstance(synopsis, str) else "",
        register=register if register in _REGISTERS else "",
        terms=_occurring(terms if isinstance(terms, list) else [], transcript),
        speakers=_notes(data.get("speakers"), speakers),
    )


def join(found: Sequence[Summary]) -> Summary:
    """One summary of several windows: the first synopsis, the usual register, all the rest."""
    told = [summary for summary in found if summary.synopsis]
    registers = [summary.register for summary in found if summary.register]
    terms = dict.fromkeys(term for summary in found for term in summary.terms)
    return Summary(
        synopsis=told[0].synopsis if told else "",
        register=max(registers, key=registers.count) if registers else "",
        terms=tuple(terms)[:_MOST_TERMS],
        speakers={name: note for told in reversed(found) for name, note in told.speakers.items()},
    )


def spread(items: Sequence[str], most: int) -> list[str]:
    """At most ``most`` items, evenly spread, the first one among them."""
    if len(items) <= most:
        return list(items)
    return [items[i * len(items) // most] for i in range(most)]


def _sentences(text: str, most: int = 2) -> str:
    return " ".join(re.split(r"(?<=[.!?。])\s+", tidy(text))[:most])


def _notes(given: object, speakers: Collection[str]) -> dict[str, str]:
    notes: dict[str, str] = {}
    for item in given if isinstance(given, list) else []:
        name, note = (item.get("id"), item.get("note")) if isinstance(item, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(note, str):
            continue
        said = _sentences(note)[:_LONGEST_NOTE]
        if name and name in speakers and said:
            notes[name] = said
    return notes


def _occurring(terms: Sequence[object], transcript: str) -> tuple[str, ...]:
    kept: dict[str, None] = {}
    for term in terms:
        if not isinstance(term, str) or not any(c.isalpha() for c in term):
            continue
        name = " ".join(term.split())
        if len(name) <= _LONGEST_TERM and re.search(rf"(?<!\w){re.escape(name)}", transcript):
            kept.setdefault(name)
    return tuple(kept)[:_MOST_TERMS]
