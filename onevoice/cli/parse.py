"""Sizes, ages and times as people type them."""

from __future__ import annotations

import math
import re

from onevoice.errors import ConfigError

_BYTES = {"": 1, "b": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
_DAYS = {"": 1.0, "d": 1.0, "w": 7.0, "h": 1 / 24}


def parse_size(text: str) -> int:
    """Bytes of ``5GB``, ``500 MB``, ``1.5g``; decimal units. Raises ConfigError."""
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)i?b?\s*", text, re.IGNORECASE)
    if match is None:
        raise ConfigError(f"{text!r} is no size", hint="for example 500MB or 5GB")
    return round(float(match[1]) * _BYTES[match[2].lower()])


def parse_age(text: str) -> float:
    """Days of ``30``, ``30d``, ``2w``, ``12h``. Raises ConfigError."""
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([dwh]?)\s*", text, re.IGNORECASE)
    if match is None:
        raise ConfigError(f"{text!r} is no age", hint="for example 30d, 2w or 12h")
    return float(match[1]) * _DAYS[match[2].lower()]


def parse_time(text: str) -> float:
    """Seconds of ``12.5``, ``1:02.5``, ``1:02:03,250``. Raises ConfigError."""
    match = re.fullmatch(r"\s*(?:(?:([0-9]+):)?([0-5]?[0-9]):)?([0-9]+(?:[.,][0-9]+)?)\s*", text)
    value = math.inf
    if match is not None:
        hours, minutes, rest = match[1] or 0, match[2] or 0, match[3].replace(",", ".")
        if match[2] is None or float(rest) < 60:
            value = int(hours) * 3600 + int(minutes) * 60 + float(rest)
    if not math.isfinite(value):
        raise ConfigError(f"{text!r} is no time", hint="for example 12.5 or 1:02.5")
    return value
