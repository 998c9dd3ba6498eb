"""Speech by SVOX Pico (Apache-2.0): small, plain, and a hundred times faster than real time."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from onevoice.engines.base import (
    EngineBase,
    EngineInfo,
    Params,
    Runtime,
    Speech,
    SpeechRequest,
    Voice,
)
from onevoice.engines.synthesis import line, phonemes
from onevoice.engines.synthesis.voices import load
from onevoice.errors import EngineFailed, EngineRefused, EngineUnavailable

SAMPLE_RATE = 16_000
_HELPER = (sys.executable, "-m", "onevoice.engines.synthesis.pico_helper")
_TIMEOUT = 60.0
_MARKUP = str.maketrans("<>&", "   ")
"""Pico reads ``<…>`` as commands to itself; text is never a command."""


class PicoParams(Params):
    """Settings under ``synthesis.pico``."""

    speed: float = Field(default=1.0, ge=0.5, le=2.0)
    """Every line this much faster than the voice's natural rate."""


class Pico(EngineBase):
    """One voice a language, 16 kHz. For drafts, and for machines too slow for anything else."""

    info = EngineInfo(
        kind="synthesis",
        name="pico",
        summary="SVOX Pico: one plain voice a language, almost no computing",
        licence="Apache-2.0",
        languages=frozenset({"de", "en", "es", "fr", "it"}),
        extra="embedded",
        quality="draft",
        advice="synthesis.engine=kokoro sounds much more natural",
    )
    Params: ClassVar[type[Params]] = PicoParams
    params: PicoParams

    @property
    def lines_at_once(self) -> int:
        return self.runtime.threads

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        if find_spec("py_nanotts") is None:
            raise EngineUnavailable(
                "pico needs py-nanotts", hint="pip install 'onevoice[embedded]'"
            )

    def identity(self) -> dict[str, Any]:
        try:
            package = version("py-nanotts")
        except PackageNotFoundError:
            package = "none"
        return {
            **super().identity(),
            "version": 1,
            "py-nanotts": package,
            "tuning": load("pico").tuning,
        }

    def voices(self, language: str) -> tuple[Voice, ...]:
        return load("pico").voices(language)

    def speak(self, request: SpeechRequest) -> Speech:
        """See :class:`~onevoice.engines.base.Synthesizer`; refuses like kokoro does."""
        self.check(self.runtime)
        card, curve = load("pico").find("pico", request)
        if not request.rate > 0:
            raise EngineRefused(
                f"a rate of {request.rate} is no rate", hint="1.0 is the natural rate"
            )
        speed = curve.speed_for(request.rate * self.params.speed)
        return self.speak_at(request.text, language=request.language, voice=card.name, speed=speed)

    def speak_at(self, text: str, *, language: str, voice: str, speed: float) -> Speech:
        """Speak at a setting of Pico's own speed: what the pace curves are measured with."""
        said = phonemes.clean(text.translate(_MARKUP))
        if not any(char.isalnum() for char in said):
            raise line.nothing_to_say(text, language)
        self.runtime.cancel.check()
        pcm = np.frombuffer(_run(said, voice, speed), "<i2")
        samples = pcm.astype(np.float32) / np.float32(32768)
        if not samples.any():
            raise line.nothing_to_say(text, language)
        return line.finish(samples, SAMPLE_RATE)


def _run(text: str, voice: str, speed: float) -> bytes:
    """Samples of one line, from a process of its own (see :mod:`.pico_helper`)."""
    request = json.dumps({"text": text, "voice": voice, "speed": speed})
    try:
        done = subprocess.run(
            _HELPER, input=request.encode(), capture_output=True, timeout=_TIMEOUT, check=True
        )
    except subprocess.CalledProcessError as exc:
        last = exc.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise EngineFailed(
            f"pico failed with status {exc.returncode}: {' '.join(last)}",
            hint="change the text of this line, or use synthesis.engine=kokoro",
        ) from exc
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise EngineFailed(
            f"pico did not answer: {exc}", hint="use synthesis.engine=kokoro"
        ) from exc
    return done.stdout
