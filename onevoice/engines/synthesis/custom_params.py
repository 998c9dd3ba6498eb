"""The settings that describe an HTTP service: what to send, and where the sound is in its answer.

A server with a JSON interface and cloning (the shape of Chatterbox servers)::

    synthesis:
      engine: custom
      custom:
        url: http://127.0.0.1:8004/tts
        headers: {Authorization: "Bearer ${MY_TTS_KEY}"}     # from the environment or the keyring
        body:
          text: "{text}"
          voice_mode: clone
          reference_audio: "{reference}"
          reference_text: "{reference_text}"
          language: "{language}"
          speed_factor: "{speed}"                            # alone in its string: a number
          output_format: wav
        reference_as: base64
        languages: [en, es, ko]
        voices:
          - {name: Emily.wav, language: en, sex: female, rate: 14.5}

One with a query and bare samples (the shape of Coqui servers)::

        url: http://127.0.0.1:5002/api/tts
        method: GET
        query: {text: "{text}", speaker_id: "{voice}", language_id: "{language}"}
        voices: [{name: p225, language: en}]

One that answers ``{"output": {"files": [{"url": "https://…"}]}}``::

        answer: url:output.files.0.url
        download_hosts: [cdn.example.com]

Where no template holds ``{speed}`` the speech is stretched here.
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal, Self

from pydantic import Field, JsonValue, field_validator, model_validator

from onevoice.engines import address, keys
from onevoice.engines.base import Params
from onevoice.engines.synthesis import custom_template
from onevoice.engines.synthesis.voices import Sex

SLOWEST, FASTEST = 0.5, 2.0
_ANSWER = re.compile(r"audio|(base64|url):[^\s.]+(\.[^\s.]+)*")
_SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie|password", re.IGNORECASE)


class CustomVoice(Params):
    """A voice of the service; without a language it speaks all of them."""

    name: str = Field(min_length=1)
    language: str = ""
    sex: Sex = "unknown"
    rate: float | None = Field(default=None, gt=0)
    """Its natural rate in characters per second, where you measured it."""


class CustomParams(Params):
    """Settings under ``synthesis.custom``; examples in the module's docstring."""

    url: str = ""
    """Where to ask; its path may hold {voice} and {language}."""
    method: Literal["POST", "GET"] = "POST"
    headers: dict[str, str] = Field(default_factory=dict)
    """Values may hold ${VARIABLE}: a key from the environment or the keyring."""
    query: dict[str, str] = Field(default_factory=dict)
    """Template of the parameters behind the question mark."""
    body: JsonValue = None
    """Template of the JSON to send: {text} {voice} {language} {speed} {reference}
    {reference_text}."""
    answer: str = "audio"
    """``audio``: the body is the sound; ``base64:a.b.0.c`` or ``url:a.b.0.c``: it is there in
    the JSON."""
    format: Literal["file", "pcm"] = "file"
    """``file``: WAV, FLAC, MP3 or Ogg; ``pcm``: bare 16-bit little-endian mono samples."""
    sample_rate: int = Field(default=24_000, ge=8_000, le=192_000)
    """Of bare samples, in Hz."""
    voices: tuple[CustomVoice, ...] = ()
    """Empty: one voice, called ``default``."""
    languages: tuple[str, ...] = ()
    """What it speaks; empty: anything."""
    language_codes: dict[str, str] = Field(default_factory=dict)
    """What it calls a language, by tag: ``{zh: zh-cn}``."""
    speed: float = Field(default=1.0, ge=SLOWEST, le=FASTEST)
    """Every line this much faster than the voice's natural rate."""
    reference_as: Literal["none", "base64", "path"] = "none"
    """How it takes a voice to clone: a WAV in base64, or the path of one (on this machine)."""
    download_hosts: tuple[str, ...] = ()
    """Hosts beside its own that a ``url:`` answer may point at."""
    max_bytes: int = Field(default=64 << 20, gt=0)
    """A longer answer is refused."""
    usd_per_1k_characters: float = Field(default=0.0, ge=0)
    """What it costs, for budgets and reports."""

    @field_validator("url")
    @classmethod
    def _is_plain(cls, url: str) -> str:
        address.plain(url)
        host = url.partition("://")[2].partition("/")[0]
        if "{" in host or "?" in url:
            raise ValueError("placeholders belong into its path, parameters into query")
        if not custom_template.placeholders(url) <= {"voice", "language"}:
            raise ValueError("its path may hold {voice} and {language} only")
        return url

    @field_validator("headers")
    @classmethod
    def _hold_no_keys(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if _SECRET_HEADER.search(name) and not keys.variables(value):
                raise ValueError(
                    f"{name} looks like a key: keep it in the environment, and write ${{MY_KEY}}"
                )
        return headers

    @field_validator("body", mode="before")
    @classmethod
    def _is_a_tree(cls, body: Any) -> Any:
        """JSON given as text is parsed first: what is put in later cannot break out of it."""
        if not isinstance(body, str):
            return body
        try:
            return json.loads(body)
        except ValueError:
            raise ValueError("it is no JSON") from None

    @field_validator("answer")
    @classmethod
    def _is_known(cls, answer: str) -> str:
        if not _ANSWER.fullmatch(answer):
            raise ValueError("it is audio, base64:<path> or url:<path>, as in url:data.0.url")
        return answer

    @model_validator(mode="after")
    def _sends_the_text(self) -> Self:
        if not self.url:
            return self
        if self.method == "GET" and self.body is not None:
            raise ValueError("body: a GET request has none; use query")
        if "text" not in self.used:
            raise ValueError("body: {text} stands neither there nor in query")
        if self.reference_as != "none" and "reference" not in self.used:
            raise ValueError("reference_as: {reference} stands neither in body nor in query")
        return self

    @property
    def used(self) -> frozenset[str]:
        """The placeholders of what is sent."""
        return custom_template.placeholders([self.query, self.body])
