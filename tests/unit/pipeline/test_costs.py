"""What a translation is expected to be long, and so to cost."""

from __future__ import annotations

import pytest

from onevoice.pipeline.costs import growth


@pytest.mark.parametrize(
    ("source", "target", "least", "most"),
    [
        ("en", "es", 1.0, 1.3),
        ("en", "pt-BR", 1.0, 1.3),
        ("ko", "en", 2.0, 3.0),  # a syllable is one character, and two or three letters
        ("en", "zh", 0.25, 0.5),
        ("und", "es", 1.0, 1.3),
    ],
)
def test_growth(source: str, target: str, least: float, most: float) -> None:
    assert least <= growth(source, target) <= most
