"""How subtitles look where they carry their own looks: in ASS files and burned into the picture."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class SubtitleStyle(BaseModel):
    """White text of one font, outlined or on a box. Sizes are shares, to suit any picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    font: str = Field(default="Arial", min_length=1, max_length=100, pattern=r"^[\w .\-]+$")
    """Family name; what it lacks, another font of the system shows."""
    size: float = Field(default=0.06, gt=0, le=0.25)
    """Height of a line of text, as a share of the picture's height."""
    outline: float = Field(default=0.06, ge=0, le=0.5)
    """Width of the black outline, as a share of the text's height."""
    box: bool = False
    """Text on black boxes in place of outlined text."""
    position: Literal["bottom", "top"] = "bottom"
    margin: float = Field(default=0.05, ge=0, le=0.4)
    """Distance from that edge of the picture, as a share of its height."""
