"""Templates of requests: JSON with ``{placeholders}``, filled in as a tree and never as text.

A value is put into a string of the tree after the tree was parsed, so whatever it holds (quotes,
braces, other placeholders) stays inside that string.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

NAMES = ("text", "voice", "language", "speed", "reference", "reference_text")
_TOKEN = re.compile(r"\{\{|\}\}|\{(\w+)\}")

Value = str | float | None
"""What a placeholder stands for; None when there is nothing to put there."""


def placeholders(tree: Any) -> frozenset[str]:
    """The placeholders in all strings of a template. Raises ValueError for an unknown one."""
    if isinstance(tree, Mapping):
        return frozenset().union(*map(placeholders, tree.values()))
    if isinstance(tree, list | tuple):
        return frozenset().union(*map(placeholders, tree))
    if not isinstance(tree, str):
        return frozenset()
    found = {match[1] for match in _TOKEN.finditer(tree) if match[1]}
    if unknown := sorted(found.difference(NAMES)):
        there = ", ".join(f"{{{name}}}" for name in NAMES)
        raise ValueError(
            f"unknown placeholder {{{unknown[0]}}}; there are {there}; a brace itself is {{{{"
        )
    return frozenset(found)


def fill(tree: Any, values: Mapping[str, Value]) -> Any:
    """A copy of a template with the values put in.

    A string that is nothing but a placeholder becomes the value itself, a number where it is
    one, and is left out of its list or object where it is None. ``{{`` and ``}}`` are braces.
    """
    if isinstance(tree, Mapping):
        filled = {name: fill(child, values) for name, child in tree.items()}
        return {name: child for name, child in filled.items() if not _left_out(tree[name], child)}
    if isinstance(tree, list | tuple):
        pairs = ((child, fill(child, values)) for child in tree)
        return [made for child, made in pairs if not _left_out(child, made)]
    if not isinstance(tree, str):
        return tree
    alone = _TOKEN.fullmatch(tree)
    if alone and alone[1]:
        return values[alone[1]]
    return _TOKEN.sub(lambda match: _inside(match, values), tree)


def fill_url(url: str, values: Mapping[str, Value]) -> str:
    """A URL with the values put in, each within its own segment of the path."""

    def escaped(value: Value) -> Value:
        return "" if value is None else quote(str(value), safe="")

    return str(fill(url, {name: escaped(value) for name, value in values.items()}))


def pick(answer: Any, path: str) -> Any:
    """The value at ``data.0.audio``: names of objects and numbers of lists, from the top.

    Raises LookupError, naming the part that is not there.
    """
    for part in path.split("."):
        try:
            answer = answer[int(part)] if isinstance(answer, list) else answer[part]
        except (LookupError, TypeError, ValueError) as exc:
            raise LookupError(f"there is no {part!r} of {path!r} in the answer") from exc
    return answer


def _inside(match: re.Match[str], values: Mapping[str, Value]) -> str:
    if not match[1]:
        return match[0][0]
    value = values[match[1]]
    return f"{value:g}" if isinstance(value, float) else value or ""


def _left_out(template: Any, made: Any) -> bool:
    return made is None and template is not None
