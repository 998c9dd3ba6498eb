"""Getting text ready for a translator and back: tidied, cut to size, shielded.

What a video says is data. A chat template gives some character sequences a meaning
(``<|im_end|>`` ends the user's turn); they are disarmed before a prompt is made and come back
unchanged in the answer, so no text is lost and none takes effect.
"""

from __future__ import annotations

import re
import unicodedata

_TAG = re.compile(r"<([|/]?[\w|][^<>\n]{0,60}?)>|\[(/?(?:INST|SYS|INSTRUCTIONS))\]")
_STRAY = re.compile(r"<(?=\|)|(?<=\|)>|<(?=</?SYS)")
_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])[\"'”’»)]*\s+|(?<=[。！？])")


def tidy(text: str) -> str:
    """One line: control characters and runs of white space become one space.

    Characters that nothing can say or encode (unpaired surrogates, unassigned and private
    ones) go as well: model runtimes refuse them.
    """
    kept = "".join(" " if _unspeakable(c) else c for c in text)
    return " ".join(unicodedata.normalize("NFC", kept).split())


def _unspeakable(char: str) -> bool:
    # U+200C and U+200D are spelling in Persian and Hindi, and hold emoji together.
    return unicodedata.category(char)[0] == "C" and char not in "\u200c\u200d"


def has_words(text: str) -> bool:
    """Is there a letter in it? Figures, punctuation, notes and emoji stay as they are."""
    return any(c.isalpha() for c in text)


def pieces(text: str, limit: int) -> list[str]:
    """Cut a text into parts of at most ``limit`` characters, at the best place there is.

    Sentences stay whole and are joined while they fit; a longer one is cut at a comma, then at
    a space, then anywhere. Joined with spaces the parts hold every word in order.
    """
    parts: list[str] = []
    for sentence in _SENTENCE_END.split(text):
        for chunk in _fitting(sentence.strip(), limit):
            if parts and len(parts[-1]) + 1 + len(chunk) <= limit:
                parts[-1] += f" {chunk}"
            else:
                parts.append(chunk)
    return parts


def _fitting(sentence: str, limit: int) -> list[str]:
    chunks: list[str] = []
    while len(sentence) > limit:
        head = sentence[:limit]
        cut = max(head.rfind(mark) + 1 for mark in (", ", "; ", "、", "，"))
        cut = cut if cut > limit // 3 else head.rfind(" ")
        cut = cut if cut > limit // 3 else limit
        chunks.append(sentence[:cut].strip())
        sentence = sentence[cut:].strip()
    return [*chunks, sentence] if sentence else chunks


def shield(text: str) -> str:
    """Disarm what a chat template could take for a control token."""
    text = _TAG.sub(lambda m: f"‹{m[1]}›" if m[1] is not None else f"⁅{m[2]}⁆", text)
    return _STRAY.sub(lambda m: "‹" if m[0] == "<" else "›", text)


def unshield(answer: str, original: str) -> str:
    """Put back in an answer what :func:`shield` changed in ``original``."""
    for safe, armed in (("‹", "<"), ("›", ">"), ("⁅", "["), ("⁆", "]")):
        if safe not in original:
            answer = answer.replace(safe, armed)
    return answer
