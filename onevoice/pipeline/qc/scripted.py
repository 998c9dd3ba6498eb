"""The text of a dub, found again in what a recogniser hears of it.

Whoever made a dub may have its text, as subtitles or plainly, but not which words go to which
sentence of the original. The text and what is heard are aligned (edit distance, Levenshtein 1966);
every word of the text goes where the word goes that was heard for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rapidfuzz.distance import Levenshtein

from onevoice import subtitles
from onevoice.errors import MediaUnreadable
from onevoice.pipeline.qc.measures import ScriptLine
from onevoice.pipeline.qc.wording import has_words, letters
from onevoice.pipeline.segmentation import CLOSERS, FULL_STOPS


def read_text(path: Path) -> str:
    """The text of subtitles (SRT, VTT, ASS), or of a plain file (.txt).

    Raises
    ------
    MediaNotFound, MediaUnreadable
        There is no such file, or no text in it.
    """
    if path.suffix.lower() != ".txt":
        return " ".join(" ".join(cue.text.split()) for cue in subtitles.read(path))
    text = " ".join(subtitles.read_text(path).split())
    if not text:
        raise MediaUnreadable(f"there is no text in {path}")
    return text


def scripted(lines: Sequence[ScriptLine], text: str, language: str) -> tuple[ScriptLine, ...]:
    """The lines, each with its part of the text; parts keep their order and lose nothing.

    What was not heard at all stays with the words before it, or, where those end a sentence, with
    the ones after it.
    """
    heard = [
        (token, number)
        for number, line in enumerate(lines)
        for token, _ in _tokens(line.heard or "", language)
    ]
    written = [*_tokens(text, language)]
    owners = _owners(written, heard)
    parts: dict[int, list[str]] = {}
    for (_, shown), owner in zip(written, owners, strict=True):
        parts.setdefault(owner, []).append(shown)
    return tuple(
        replace(line, text="".join(parts[number]).strip() or None) if number in parts else line
        for number, line in enumerate(lines)
    )


def _owners(written: Sequence[tuple[str, str]], heard: Sequence[tuple[str, int]]) -> list[int]:
    """For each token of the text, the number of its line."""
    owners: list[int | None] = [None] * len(written)
    alignment = Levenshtein.opcodes([token for token, _ in written], [token for token, _ in heard])
    for step in alignment:
        if step.tag in ("equal", "replace"):
            count = step.src_end - step.src_start
            for k in range(count):
                owners[step.src_start + k] = heard[step.dest_start + k][1]
    later: list[int | None] = [None]  # the next owner known after each token, from the last on
    for owner in reversed(owners):
        later.append(later[-1] if owner is None else owner)
    found: list[int] = []
    for number, (after, owner) in enumerate(zip(reversed(later), owners, strict=False)):
        before = found[-1] if found else None
        begins = before is None or _ends(written[number - 1][1])
        choices = (owner, after, before) if begins else (owner, before)
        found.append(next((choice for choice in choices if choice is not None), 0))
    return found


def _ends(piece: str) -> bool:
    return piece.rstrip(CLOSERS).endswith(FULL_STOPS)


def _tokens(text: str, language: str) -> Iterator[tuple[str, str]]:
    """What is compared, and the piece of the text that it stands for, blanks included.

    Words; where blanks do not part words, or not reliably, single letters and whole numbers.
    """
    for piece in re.findall(r"\s*\S+" if has_words(language) else r"\s*(?:\d+|\S)", text):
        word = piece.strip()
        yield letters(word, language) or word, piece
