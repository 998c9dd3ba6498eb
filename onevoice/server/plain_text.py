"""Text that no database keeps is refused at the door, before any route reads it.

JSON may spell a NUL character and halves of surrogate pairs; PostgreSQL stores neither, and half a
pair cannot even be sent back in an answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import Request

from onevoice.server.errors import Invalid


async def plain_text(request: Request) -> None:
    """A dependency: refuses such text in the path, the query and a JSON body.

    A body that is no JSON passes: whoever reads it says what is wrong with it.
    """
    _check(value for value in request.path_params.values() if isinstance(value, str))
    _check(text for pair in request.query_params.multi_items() for text in pair)
    if _is_json(request):
        try:
            body = await request.json()  # parsed once: the route gets the same object
        except (ValueError, RecursionError):
            return
        _check(_texts(body))


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind.startswith("application/") and kind.endswith(("/json", "+json"))


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON document, names of members included; as deep as it may be."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            yield from one
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)


def _check(texts: Iterator[str]) -> None:
    for text in texts:
        if "\0" in text or not _is_unicode(text):
            raise Invalid(
                "the request holds a NUL character or half a character",
                hint="send text as Unicode, without \\u0000 and without lone surrogates",
            )


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
