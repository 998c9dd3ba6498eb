"""What ElevenLabs' speech models take and speak, and the settings of the engine."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from onevoice.engines import elevenlabs
from onevoice.engines.elevenlabs import CREDITS_PER_CHARACTER
from onevoice.engines.synthesis.voices import primary

SPEEDS = (0.7, 1.2)
"""What the service accepts; what a line needs beyond it is done on the samples."""


def _codes(codes: str) -> frozenset[str]:
    return frozenset(codes.split())


_V2 = _codes(
    "ar bg cs da de el en es fi fil fr hi hr id it ja ko ms nl pl pt ro ru sk sv ta tr uk zh"
)
_V2_5 = _V2 | _codes("hu no vi")
ALL = _V2_5 | _codes(
    "af as az be bn bs ca ceb cy et fa ga gl gu ha he hy is jv ka kk kn ky lb ln lt lv mk ml mr "
    "ne ny pa ps sd sl so sr sw te th ur"
)
LANGUAGES: dict[str, frozenset[str]] = {
    "eleven_multilingual_v2": _V2,
    "eleven_v3": ALL,
    "eleven_flash_v2_5": _V2_5,
    "eleven_turbo_v2_5": _V2_5,
}
"""What each model speaks, as its vendor lists it; another model is taken to speak all of them."""
LONGEST = {"eleven_v3": 5_000, "eleven_flash_v2_5": 40_000, "eleven_turbo_v2_5": 40_000}
_LONGEST = 10_000
"""Characters in one request."""
_NORWEGIAN = {"nb": "no", "nn": "no"}


class ElevenLabsVoiceParams(elevenlabs.ElevenLabsParams):
    """Settings under ``synthesis.elevenlabs``."""

    model: str = Field(default="eleven_multilingual_v2", min_length=1)
    """``eleven_multilingual_v2`` (steady, 29 languages), ``eleven_v3`` (expressive, 70 and more;
    no speed, no stitching), ``eleven_flash_v2_5`` (fast, at half the price)."""
    sample_rate: Literal[16_000, 22_050, 24_000, 44_100, 48_000] = 24_000
    """44100 and above need a Pro plan."""
    stability: float = Field(default=0.5, ge=0, le=1)
    """Lower is livelier, higher is steadier from line to line; eleven_v3 takes 0, 0.5 and 1."""
    similarity: float = Field(default=0.75, ge=0, le=1)
    """How close to the voice as it was recorded."""
    style: float = Field(default=0.0, ge=0, le=1)
    """Exaggerates the voice's own style."""
    speaker_boost: bool = True
    """Nearer to the voice, and slower to come."""
    seed: int | None = Field(default=1, ge=0, le=4_294_967_295)
    """Another seed is another take; None is another one each time."""
    stitching: bool = True
    """Send the neighbouring lines along, so that the melody goes on."""
    normalize: Literal["auto", "on", "off"] = "off"
    """The service's own writing out of numbers; ours is done before."""
    clean_reference: bool = False
    """Have the noise taken out of a reference before its voice is cloned."""
    usd_per_1000_credits: float | None = Field(default=None, ge=0)
    """What your plan pays; the list price where it is not given."""

    @property
    def is_v3(self) -> bool:
        """It takes neither neighbours nor a speed."""
        return self.model.startswith("eleven_v3")

    @property
    def languages(self) -> frozenset[str]:
        """What the model speaks; one that is not listed is taken to speak all."""
        return LANGUAGES.get(self.model, ALL)

    @property
    def longest(self) -> int:
        """Characters in one request."""
        return LONGEST.get(self.model, _LONGEST)

    @property
    def credits_per_character(self) -> float:
        """What a character costs; 0 for a model whose price is unknown."""
        return CREDITS_PER_CHARACTER.get(self.model, 0.0)


def tag_of(language: str) -> str:
    """The vendor's code of a language: that of its tag without the region."""
    tag = primary(language)
    return _NORWEGIAN.get(tag, tag)
