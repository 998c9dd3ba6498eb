"""Speech by ElevenLabs: its voices, the account's own, and clones made from a reference."""

from __future__ import annotations

import math
import threading
from typing import Any, ClassVar

from onevoice.audio import time_stretch
from onevoice.engines import elevenlabs
from onevoice.engines.base import (
    Audio,
    EngineInfo,
    Params,
    Reference,
    Runtime,
    Speech,
    SpeechRequest,
    Voice,
)
from onevoice.engines.boundary import ATTEMPTS_TO_LIST, Garbled
from onevoice.engines.elevenlabs import USD_PER_1000_CREDITS
from onevoice.engines.synthesis import asking, decoding, line
from onevoice.engines.synthesis.elevenlabs_models import (
    ALL,
    SPEEDS,
    ElevenLabsVoiceParams,
    tag_of,
)
from onevoice.engines.synthesis.elevenlabs_voices import as_voice, pages, preference, same_name
from onevoice.engines.synthesis.voices import primary
from onevoice.errors import EngineRefused
from onevoice.types import Usage

CLONE_PREFIX = "onevoice-"
"""Clones in the account are named so, with the digest of their reference."""
_MARKUP = "<>[]{}"
"""``<break/>``, ``[whispers]``: commands to the models, so no part of a text."""
_STRETCH = (0.5, 2.0)
"""Speech stretched further is no speech any more."""
_CLEAN = "-clean"
"""Ends the name of a clone whose reference had its noise taken out."""


class ElevenLabsVoices(elevenlabs.ElevenLabsEngine):
    """Each line is one request; neighbours go along as text, so that lines stay independent."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="synthesis",
        name="elevenlabs",
        summary="ElevenLabs: natural voices in some 70 languages, voice cloning",
        licence=elevenlabs.LICENCE,
        languages=ALL,
        extra="cloud",
        key=elevenlabs.KEY,
        hosted=True,
        price="$0.10 per 1,000 characters; eleven_flash_v2_5 $0.05 (list price, June 2026)",
        limits="10,000 characters a line (eleven_v3 5,000); speed 0.7 to 1.2, none with eleven_v3",
        voices="those of your account; clones of the film's speakers, with their consent",
    )
    Params: ClassVar[type[Params]] = ElevenLabsVoiceParams
    params: ElevenLabsVoiceParams
    clones: ClassVar[bool] = True

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        self._listing, self._cloning = threading.Lock(), threading.Lock()
        self._listed: tuple[Any, ...] | None = None
        self._cloned: dict[str, str] = {}

    def identity(self) -> dict[str, Any]:
        params = self.params.model_dump(mode="json", exclude={"usd_per_1000_credits"})
        return {"engine": self.info.name, "version": 1, "params": params}

    def quote(self, amount: float) -> float:
        return self._usd(amount * self.params.credits_per_character)

    @property
    def lines_at_once(self) -> int:
        return self.runtime.requests_at_once

    @property
    def uses_neighbours(self) -> bool:
        return self.params.stitching and not self.params.is_v3

    @property
    def rates(self) -> tuple[float, float]:
        """The slowest and the fastest rate of the model itself; beyond them sound is stretched."""
        return (1.0, 1.0) if self.params.is_v3 else SPEEDS

    def voices(self, language: str) -> tuple[Voice, ...]:
        """The account's voices; first those known to speak the language, clones last.

        Raises
        ------
        EngineUnavailable, EngineRateLimited, EngineFailed
            The account cannot be asked.
        """
        tag = tag_of(language)
        if tag not in self.params.languages:
            return ()
        ours = [v for v in self._voices() if not str(v.name or "").startswith(CLONE_PREFIX)]
        return tuple(as_voice(v, tag) for v in sorted(ours, key=lambda v: preference(v, tag)))

    def speak(self, request: SpeechRequest) -> Speech:
        """See :class:`~onevoice.engines.base.Synthesizer`.

        The voice is an id of the account, or a name that only one voice there has. A rate beyond
        ``rates`` is reached by stretching the sound.

        Raises
        ------
        EngineRefused
            The language, the voice, the length or the text is not for this engine, or the
            service refuses it.
        EngineUnavailable, EngineRateLimited, EngineFailed, BudgetExceeded
            As :func:`onevoice.engines.boundary.request`.
        """
        asking.check_rate(request.rate)
        asking.check_language(self.info.name, tag_of(request.language), self.params.languages)
        text = asking.sayable(request, markup=_MARKUP)
        longest = self.params.longest
        if len(text) > longest:
            raise EngineRefused(
                f"{self.params.model} takes {longest} characters, the line {text[:40]!r}… has "
                f"{len(text)}",
                hint="split this line in two",
            )
        reference = asking.reference_of(self.info.name, request)
        voice = self._voice(request) if reference is None else self._clone(reference)
        samples, rate = self._say(voice, text, request)
        rest = request.rate / self._speed(request)
        if abs(rest - 1) > 0.001:
            samples = time_stretch(samples, rate, min(max(rest, _STRETCH[0]), _STRETCH[1]))
        return line.finish(samples, rate)

    # --- one line ---------------------------------------------------------------------------

    def _say(self, voice: str, text: str, request: SpeechRequest) -> tuple[Audio, int]:
        """Samples and their rate, at the speed that the service gets to."""
        rate = self.params.sample_rate
        body = self._body(text, request)
        expected = len(text) * self.params.credits_per_character

        def send(client: Any, options: Any) -> tuple[Audio, float]:
            raw = client.text_to_speech.with_raw_response
            with raw.convert(
                voice, output_format=f"pcm_{rate}", request_options=options, **body
            ) as answer:
                data = b"".join(answer.data)
                kind = answer.headers.get("content-type", "")
                if not kind.startswith("audio/"):
                    raise Garbled(f"{kind or 'something'} in place of sound")
                samples, _ = decoding.decode(data, pcm_rate=rate)
                return samples, _credits(answer.headers, expected)

        def used(answer: tuple[Audio, float]) -> Usage:
            _, credits = answer
            return self._account.usage(
                model=self.params.model,
                unit="credits",
                quantity=credits,
                usd=self._usd(credits),
            )

        samples, _ = self._account.ask(
            send, what=f"the line {text[:40]!r}", usd=self._usd(expected), used=used
        )
        return samples, rate

    def _body(self, text: str, request: SpeechRequest) -> dict[str, Any]:
        """The request's JSON: only what the model takes."""
        from elevenlabs.types.voice_settings import VoiceSettings

        params = self.params
        body: dict[str, Any] = {
            "text": text,
            "model_id": params.model,
            "apply_text_normalization": params.normalize,
        }
        # v3 knows three steps: creative, natural, robust.
        steady = round(params.stability * 2) / 2 if params.is_v3 else params.stability
        settings: dict[str, Any] = {"stability": steady}
        if not self.params.is_v3:
            settings |= {
                "similarity_boost": params.similarity,
                "style": params.style,
                "use_speaker_boost": params.speaker_boost,
                "speed": self._speed(request),
            }
        body["voice_settings"] = VoiceSettings(**settings)
        if params.seed is not None:
            body["seed"] = params.seed
        if params.model != "eleven_multilingual_v2":
            body["language_code"] = tag_of(request.language)
        if self.uses_neighbours:
            for name, beside in (("previous_text", request.before), ("next_text", request.after)):
                if said := asking.plain(beside, markup=_MARKUP):
                    body[name] = said
        return body

    def _speed(self, request: SpeechRequest) -> float:
        return round(min(max(request.rate, self.rates[0]), self.rates[1]), 3)

    def _usd(self, credits: float) -> float:
        given = self.params.usd_per_1000_credits
        return credits / 1000 * (USD_PER_1000_CREDITS if given is None else given)

    # --- voices -----------------------------------------------------------------------------

    def _voices(self) -> tuple[Any, ...]:
        """The account's voices, asked for once."""
        with self._listing:
            if self._listed is None:
                self._listed = self._account.ask(
                    lambda client, options: tuple(pages(client, options)),
                    what="the list of voices",
                    attempts=ATTEMPTS_TO_LIST,
                )
            return self._listed

    def _voice(self, request: SpeechRequest) -> str:
        there = self._voices()
        if any(v.voice_id == request.voice for v in there):
            return request.voice
        named = [v.voice_id for v in there if same_name(v.name, request.voice)]
        if len(named) == 1:
            return str(named[0])
        if named:
            raise EngineRefused(
                f"{len(named)} voices of the account are called {request.voice!r}",
                hint=f"give one of their ids: {', '.join(map(str, named))}",
            )
        ids = [voice.name for voice in self.voices(request.language)]
        raise asking.no_voice(self.info.name, request.voice, ids)

    def _clone(self, reference: Reference) -> str:
        """The account's voice for a reference: made once, found again ever after.

        Each attempt looks first: one whose answer was lost may have made it.
        """
        name = _clone_name(reference.digest)
        if self.params.clean_reference:
            name += _CLEAN

        def send(client: Any, options: Any) -> str:
            for voice in pages(client, options, search=name):
                if voice.name == name:
                    return str(voice.voice_id)
            made = client.voices.ivc.create(
                name=name,
                files=[("reference.wav", decoding.pcm_wav(reference.audio), "audio/wav")],
                description="Cloned by OneVoice",
                labels={"language": primary(reference.language)},
                remove_background_noise=self.params.clean_reference,
                request_options=options,
            )
            if not getattr(made, "voice_id", None):
                raise Garbled("no id of the new voice")
            if getattr(made, "requires_verification", False):
                raise EngineRefused(
                    f"ElevenLabs wants the cloned voice {name} to be verified first",
                    hint="verify it in the account's list of voices, or choose another voice",
                )
            return str(made.voice_id)

        with self._cloning:
            if name not in self._cloned:
                what = f"the clone of {reference.speaker}'s voice"
                self._cloned[name] = self._account.ask(send, what=what)
            return self._cloned[name]

    def forget(self, digest: str) -> bool:
        """Delete the account's copies of a reference's voice; False when there is none."""
        names = {_clone_name(digest), _clone_name(digest) + _CLEAN}

        def send(client: Any, options: Any) -> int:
            ours = [v for v in pages(client, options, _clone_name(digest)) if v.name in names]
            for voice in ours:
                client.voices.delete(voice.voice_id, request_options=options)
            return len(ours)

        with self._cloning:
            deleted = self._account.ask(send, what="deleting a cloned voice")
            for name in names:
                self._cloned.pop(name, None)
        return deleted > 0


def _clone_name(digest: str) -> str:
    return f"{CLONE_PREFIX}{digest[:32]}"


def _credits(headers: Any, expected: float) -> float:
    """What the answer says it cost; what it should cost where it does not say."""
    value = next((v for k, v in dict(headers).items() if k.lower() == "character-cost"), "")
    try:
        credits = float(value)
    except ValueError:
        return expected
    return credits if 0 <= credits < math.inf else expected
