"""How lines are cut into windows, shown with what is around them, and share what was used.

Pure functions; :mod:`~onevoice.engines.translation.windows` asks the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, zip_longest
from typing import Any

from onevoice import languages
from onevoice.engines.base import TranslationRequest, TranslationResult
from onevoice.engines.translation.checks import badness
from onevoice.engines.translation.wording import pieces, shield, tidy
from onevoice.types import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How a film is cut: lines and characters in a window, lines of context, attempts a line."""

    lines: int = 20
    characters: int = 6_000
    overlap: int = 3
    attempts: int = 3
    context: int = 600
    """Characters shown of each line of context."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """A line with its number in this call, which is its id for the model; text tidied."""

    number: int
    request: TranslationRequest
    text: str


def number(requests: Sequence[TranslationRequest]) -> list[Numbered]:
    """The lines with their numbers, from 1."""
    return [Numbered(i, request, tidy(request.text)) for i, request in enumerate(requests, 1)]


def cut(lines: Sequence[Numbered], how: Cut) -> list[list[Numbered]]:
    """Windows of consecutive lines: every line in one of them, in order."""
    windows: list[list[Numbered]] = []
    size = 0
    for line in lines:
        length = len(line.text) + len(line.request.previous)
        full = windows and (len(windows[-1]) == how.lines or size + length > how.characters)
        if not windows or full:
            windows.append([])
            size = 0
        windows[-1].append(line)
        size += length
    return windows


def in_parts(request: TranslationRequest, longest: int) -> list[TranslationRequest]:
    """The request; several, with its text in pieces, where that is longer than a window holds."""
    texts = pieces(tidy(request.text), longest)
    if len(texts) < 2:
        return [request]
    size = sum(map(len, texts))
    budget = request.budget
    parts = [
        replace(
            request,
            text=text,
            before="",
            after="",
            budget=None if budget is None else max(1, budget * len(text) // size),
            terms=tuple(pair for pair in request.terms if pair[0].casefold() in text.casefold()),
        )
        for text in texts
    ]
    parts[0] = replace(parts[0], before=request.before)
    parts[-1] = replace(parts[-1], after=request.after)
    return parts


def in_one(parts: Sequence[TranslationResult], target: str) -> TranslationResult:
    """One result of the parts of a long line."""
    spaced = not languages.is_cjk(target) or languages.base(target) == "ko"
    problems = {name for part in parts for name in part.problems}
    return TranslationResult(
        id=parts[0].id,
        text=(" " if spaced else "").join(part.text for part in parts if part.text),
        problems=tuple(sorted(problems, key=lambda name: (-badness([name]), name))),
        usage=together([used for part in parts for used in part.usage]),
    )


def examples_for(lines: Sequence[Numbered], most: int) -> list[tuple[str, str]]:
    """Accepted translations like these lines, the likest of each first, in ``most`` characters."""
    ranked = zip_longest(*(line.request.examples for line in lines))
    kept: list[tuple[str, str]] = []
    for pair in dict.fromkeys(pair for rank in ranked for pair in rank if pair is not None):
        most -= len(pair[0]) + len(pair[1])
        if most < 0:
            break
        kept.append(pair)
    return kept


def scene_of(
    wanted: Sequence[Numbered],
    lines: Sequence[Numbered],
    *,
    overlap: int,
    longest: int = 600,
    known: dict[int, str],
    items: dict[int, dict[str, Any]],
) -> list[dict[str, Any]]:
    """The wanted lines with the lines before, between and after them as context.

    Parameters
    ----------
    lines
        All lines of the call; line n is ``lines[n - 1]``.
    longest
        Characters that are shown of a line of context: those nearest to what is wanted.
    known
        Translations of lines that are context here, by number.
    items
        How a wanted line is shown, by number.
    """
    numbers = {line.number for line in wanted}
    near = {n for w in numbers for n in _around(w, lines, overlap)} - numbers
    scene: list[dict[str, Any]] = []
    for n in sorted(numbers | near):
        line = lines[n - 1]
        if n not in numbers:
            nearest = _ending if n + 1 in numbers or n < min(numbers) else _beginning
            text, told = nearest(line.text, longest), nearest(known.get(n, ""), longest)
            scene.append(_context(text, line.request.speaker, told))
            continue
        # Neighbours that are not asked for in this call come along with their line.
        if overlap and line.request.before and not _joined(lines, n - 1):
            scene.append(_context(_ending(tidy(line.request.before), longest)))
        scene.append(items[n])
        if overlap and line.request.after and not _joined(lines, n):
            scene.append(_context(_beginning(tidy(line.request.after), longest)))
    return scene


def _beginning(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _ending(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"…{text[1 - longest :]}"


def _around(n: int, lines: Sequence[Numbered], overlap: int) -> Iterator[int]:
    """Numbers of the lines up to ``overlap`` before and after line ``n``, while they follow on."""
    for i in range(n - 1, max(0, n - 1 - overlap), -1):
        if not _joined(lines, i):
            break
        yield i
    for i in range(n, min(len(lines), n + overlap)):
        if not _joined(lines, i):
            break
        yield i + 1


def _joined(lines: Sequence[Numbered], n: int) -> bool:
    """Does line n + 1 come right after line n in the film, as far as they say?"""
    if not 0 < n < len(lines):
        return False
    here, following = lines[n - 1], lines[n]
    after, before = tidy(here.request.after), tidy(following.request.before)
    return (not after or following.text in after) and (not before or here.text in before)


def _context(text: str, speaker: str = "", translation: str = "") -> dict[str, Any]:
    item = {"context": shield(text), "speaker": shield(speaker), "translation": shield(translation)}
    return {name: value for name, value in item.items() if value}


def share(usage: Sequence[Usage], weights: Sequence[int]) -> list[tuple[Usage, ...]]:
    """Divide what a request used by weight; whole units, that add up to what was used."""
    edges = [*accumulate(max(1, weight) for weight in weights)]
    rows: list[list[Usage]] = [[] for _ in weights]
    for item in usage:
        given = spent = 0.0
        for row, edge in zip(rows, edges, strict=True):
            part, usd = item.quantity - given, item.usd - spent
            if edge < edges[-1]:
                part = math.floor(item.quantity * edge / edges[-1]) - given
                usd = item.usd * part / item.quantity if item.quantity else 0.0
            given += part
            spent += usd
            row.append(replace(item, quantity=part, usd=usd))
    return [tuple(row) for row in rows]


def together(usage: Sequence[Usage]) -> tuple[Usage, ...]:
    """Usage of one kind added up."""
    kinds: dict[tuple[str, str, str], Usage] = {}
    for item in usage:
        kind = (item.engine, item.model, item.unit)
        known = kinds.get(kind)
        kinds[kind] = item if known is None else replace(
            known, quantity=known.quantity + item.quantity, usd=known.usd + item.usd
        )  # fmt: skip
    return tuple(kinds.values())
