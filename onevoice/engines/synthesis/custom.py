"""Speech by any HTTP service: :mod:`.custom_params` describes it, with examples."""

from __future__ import annotations

import base64
import binascii
import json
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from onevoice.audio import time_stretch
from onevoice.engines import keys
from onevoice.engines.base import (
    EngineBase,
    EngineInfo,
    Params,
    Runtime,
    Speech,
    SpeechRequest,
    Voice,
)
from onevoice.engines.boundary import Garbled, Service, patience, request
from onevoice.engines.synthesis import asking, custom_template, downloads, line
from onevoice.engines.synthesis.custom_params import FASTEST, SLOWEST, CustomParams
from onevoice.engines.synthesis.decoding import decode, pcm_wav
from onevoice.engines.synthesis.voices import primary
from onevoice.errors import EngineUnavailable
from onevoice.types import Usage

if TYPE_CHECKING:
    import httpx

_ENGINE = "synthesis.custom"
_NAMELESS = "default"
_VERSION = 1


class Custom(EngineBase):
    """Whatever speaks over HTTP: a server in the next room, a service nobody has heard of."""

    info = EngineInfo(
        kind="synthesis",
        name="custom",
        summary="Any HTTP service, described in the settings",
        licence="that of the service",
        extra="cloud",
        hosted=True,
        price="what you set as usd_per_1k_characters",
        limits="answers up to max_bytes; keys in headers only",
        voices="those listed in the settings; clones where reference_as is set",
    )
    Params: ClassVar[type[Params]] = CustomParams
    params: CustomParams

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        self._lock = Lock()
        self._open: httpx.Client | None = None

    @property
    def clones(self) -> bool:
        return self.params.reference_as != "none"

    @property
    def rates(self) -> tuple[float, float]:
        """What the service itself speaks at; where it knows no speed, sound is stretched here."""
        speed = self.params.speed
        known = "speed" in self.params.used
        return (SLOWEST / speed, FASTEST / speed) if known else (1.0, 1.0)

    @property
    def lines_at_once(self) -> int:
        return self.runtime.requests_at_once

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        if find_spec("httpx") is None:
            raise EngineUnavailable("custom needs httpx", hint="pip install 'onevoice[cloud]'")

    def ready(self) -> None:
        """Raise EngineUnavailable unless it is known whom to ask, and with which keys."""
        self.check(self.runtime)
        if not self.params.url:
            raise EngineUnavailable(
                "custom does not know whom to ask", hint="set synthesis.custom.url"
            )
        self._headers()

    def identity(self) -> dict[str, Any]:
        params = self.params.model_dump(
            mode="json",
            exclude={
                "headers", "voices", "download_hosts", "max_bytes", "usd_per_1k_characters",
            },
        )  # fmt: skip
        plain = {n: v for n, v in self.params.headers.items() if not keys.variables(v)}
        return {
            "engine": self.info.name,
            "version": _VERSION,
            "params": {**params, "headers": plain},
        }

    def quote(self, amount: float) -> float:
        return amount * self.params.usd_per_1k_characters / 1000

    def close(self) -> None:
        with self._lock:
            if self._open is not None:
                self._open.close()
            self._open = None

    def voices(self, language: str) -> tuple[Voice, ...]:
        tag = primary(language)
        spoken = self._languages()
        if spoken and tag not in spoken:
            return ()
        if not self.params.voices:
            return (Voice(name=_NAMELESS, language=tag),)
        return tuple(
            Voice(name=voice.name, language=tag, sex=voice.sex, rate=voice.rate)
            for voice in self.params.voices
            if primary(voice.language) in ("", tag)
        )

    def speak(self, request_: SpeechRequest) -> Speech:
        """See :class:`~onevoice.engines.base.Synthesizer`."""
        params = self.params
        self.runtime.cancel.check()
        self.ready()
        asking.check_language("custom", request_.language, self._languages())
        asking.check_rate(request_.rate)
        # Many services read SSML; text is never a command to one.
        text = asking.sayable(request_, markup="<>")
        values = self._values(request_, text)
        what = f"the line {text[:40]!r}"
        usage = Usage(
            engine=_ENGINE,
            model=self._host(),
            unit="characters",
            quantity=len(text),
            usd=self.quote(len(text)),
        )
        answer = request(
            self._service(),
            lambda: self._found(self._ask(values)),
            runtime=self.runtime,
            what=what,
            usd=usage.usd,
            used=lambda _: [usage],
        )
        # A URL is fetched, and fetched again, by itself: asking for speech again would cost again.
        if isinstance(answer, str):
            url = answer
            answer = request(
                self._service(), lambda: self._fetch(url), runtime=self.runtime, what=what
            )
        samples, rate = answer
        if "speed" not in params.used:
            samples = time_stretch(samples, rate, self._speed(request_.rate))
        return line.finish(samples, rate)

    # What is sent.

    def _values(self, request_: SpeechRequest, text: str) -> dict[str, custom_template.Value]:
        reference = asking.reference_of("custom", request_) if self.clones else None
        names = [voice.name for voice in self.voices(request_.language)]
        if reference is None and request_.voice not in names:
            raise asking.no_voice("custom", request_.voice, names)
        codes = self.params.language_codes
        tag = request_.language
        values: dict[str, custom_template.Value] = {
            "text": text,
            "voice": request_.voice if reference is None else None,
            "language": codes.get(tag, codes.get(primary(tag), tag)),
            "speed": round(self._speed(request_.rate), 4),
            "reference": None,
            "reference_text": None,
        }
        if reference is not None:
            values["reference_text"] = reference.text
            if self.params.reference_as == "base64":
                values["reference"] = base64.b64encode(pcm_wav(reference.audio)).decode()
            else:
                values["reference"] = str(reference.audio.resolve())
        return values

    def _speed(self, rate: float) -> float:
        return float(np.clip(rate * self.params.speed, SLOWEST, FASTEST))

    def _headers(self) -> dict[str, str]:
        return {n: keys.expand(v, self._name()) for n, v in self.params.headers.items()}

    def _ask(self, values: dict[str, custom_template.Value]) -> bytes:
        params = self.params
        made = custom_template.fill(params.query, values)
        with self._client().stream(
            params.method,
            custom_template.fill_url(params.url, values),
            headers=self._headers(),
            params={name: str(value) for name, value in made.items()},
            json=None if params.body is None else custom_template.fill(params.body, values),
        ) as response:
            return downloads.read(response, params.max_bytes)

    # What comes back.

    def _found(self, data: bytes) -> tuple[Any, int] | str:
        """The samples in an answer, or the URL they are at."""
        how, _, path = self.params.answer.partition(":")
        if how == "audio":
            return self._decoded(data)
        try:
            value = custom_template.pick(json.loads(data), path)
        except LookupError as exc:
            raise Garbled(str(exc)) from exc
        if not isinstance(value, str):
            raise Garbled(f"{path!r} in the answer is no text")
        if how == "url":
            return value
        encoded = value.partition(",")[2] if value.startswith("data:") else value
        try:
            return self._decoded(base64.b64decode("".join(encoded.split()), validate=True))
        except (binascii.Error, ValueError) as exc:
            raise Garbled(f"{path!r} in the answer is no base64") from exc

    def _fetch(self, url: str) -> tuple[Any, int]:
        target = downloads.target_of(url, service=self.params.url, hosts=self.params.download_hosts)
        headers = self._headers() if target.own else target.headers
        with self._client().stream(
            "GET", target.url, headers=headers, extensions=target.extensions
        ) as response:
            return self._decoded(downloads.read(response, self.params.max_bytes))

    def _decoded(self, data: bytes) -> tuple[Any, int]:
        return decode(
            data, pcm_rate=self.params.sample_rate if self.params.format == "pcm" else None
        )

    # The service.

    def _languages(self) -> frozenset[str]:
        return frozenset(map(primary, self.params.languages))

    def _host(self) -> str:
        return self.params.url.partition("://")[2].partition("/")[0]

    def _name(self) -> str:
        return f"the service at {self._host()}"

    def _service(self) -> Service:
        import httpx

        named = [v for value in self.params.headers.values() for v in keys.variables(value)]
        return Service(
            name=self._name(),
            key=named[0] if named else "",
            broken=(httpx.TransportError, OSError),
            garbled=(json.JSONDecodeError, UnicodeDecodeError, RecursionError, httpx.DecodingError),
        )

    def _client(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._open is None:
                self._open = httpx.Client(timeout=patience(self.runtime), follow_redirects=False)
            return self._open
