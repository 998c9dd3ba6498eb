"""What the schemas of all nouns share: how strict a request is, and what a failure looks like."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """What clients send: a key that nobody reads is a mistake; no error repeats their input."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Shown(BaseModel):
    """What clients get, made of a row or of a mapping."""

    model_config = ConfigDict(from_attributes=True)


class Failure(BaseModel):
    """Why something did not come out. ``code`` is stable and what programs compare."""

    code: str = Field(examples=["media_no_audio"])
    message: str = Field(examples=["there is no sound in the video"])
    hint: str = Field(default="", examples=["choose one in which people speak"])
