"""Fish Audio's models: their prices and languages, and the settings of the engine."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from onevoice.engines.address import BaseUrl
from onevoice.engines.base import Params

KEY = "FISH_API_KEY"
SERVER_KEY = "FISH_SERVER_KEY"
"""For a server of one's own that was started with one; the cloud's key is never sent there."""

SLOWEST, FASTEST = 0.5, 2.0

# List price in USD per million UTF-8 bytes of text, July 2026.
_USD_PER_MILLION_BYTES = {
    "speech-1.5": 15.0,
    "speech-1.6": 15.0,
    "s1": 15.0,
    "s2-pro": 15.0,
    "s2.1-pro": 15.0,
    "s2.1-pro-free": 0.0,
}
BYTES_PER_CHARACTER = 2.0
"""For estimates: 1.05 in Spanish, 1.8 in Russian, 2.5 in Korean, 3 in Japanese."""

# The languages of S2, from its model card (huggingface.co/fishaudio/s2-pro); S1 has 13 of them.
_S2 = """
zh en ja ko es pt ar ru fr de sv it tr no nl cy eu ca da gl ta hu fi pl et hi la ur th vi jv bn yo
sl cs sw nn he ms uk id kk bg lv my fil sk ne fa af el bo hr ro sn mi yi am be km is az sd br sq ps
mn ht ml sr sa te ka bs pa lt kn si hy mr as gu fo nb
"""
_S1 = "en zh ja de fr es ko ar ru nl it pl pt"
S2_LANGUAGES = frozenset(_S2.split())
S1_LANGUAGES = frozenset(_S1.split())


class FishParams(Params):
    """Settings under ``synthesis.fish``."""

    model: str = "s2-pro"
    """``s2-pro``, ``s1``, ``s2.1-pro``; the SDK calls ``speech-1.5`` and ``speech-1.6`` old."""
    base_url: BaseUrl = ""
    """Empty for the cloud; ``http://127.0.0.1:8080`` for a Fish Speech server."""
    service: Literal["auto", "cloud", "server"] = "auto"
    """What answers at ``base_url``; auto: a server wherever one is named."""
    speed: float = Field(default=1.0, ge=SLOWEST, le=FASTEST)
    """Every line this much faster than the voice's natural rate."""
    temperature: float = Field(default=0.7, ge=0.1, le=1.0)
    top_p: float = Field(default=0.7, ge=0.1, le=1.0)
    voices: tuple[str, ...] = ()
    """Ids of the voices to offer, the preferred ones first; the service is not asked then."""
    public_voices: int = Field(default=20, ge=0, le=100)
    """How many of the most used public voices of a language are offered after one's own."""
    usd_per_million_bytes: float | None = Field(default=None, ge=0)
    """Your price, where it is not the list price."""

    @model_validator(mode="after")
    def _names_its_server(self) -> Self:
        if self.service == "server" and not self.base_url:
            raise ValueError("service=server needs a base_url")
        return self

    @property
    def is_server(self) -> bool:
        return self.service == "server" or (self.service == "auto" and bool(self.base_url))

    @property
    def languages(self) -> frozenset[str]:
        return S1_LANGUAGES if self.model == "s1" else S2_LANGUAGES

    @property
    def markup(self) -> str:
        """What the model would take for directions in its text."""
        return "[]<>|()" if self.model == "s1" else "[]<>|"

    def usd(self, size: float) -> float:
        """What so many bytes of text cost; 0 for a model whose price is unknown."""
        if self.usd_per_million_bytes is not None:
            price = self.usd_per_million_bytes
        elif self.is_server:
            price = 0.0
        else:
            price = _USD_PER_MILLION_BYTES.get(self.model, 0.0)
        return size * price / 1_000_000
