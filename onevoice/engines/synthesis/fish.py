"""Speech by Fish Audio: the cloud through its SDK, or a Fish Speech server of one's own.

Both take the same msgpack request on ``/v1/tts``. A Fish Speech server (github.com/fishaudio/
fish-speech, ``tools/api_server.py``) knows no speed, so its speech is stretched here; its voices
are the references stored on it.

Text is never a command: the marks that these models read as directions ([laugh], (excited),
<|speaker:1|>) become spaces.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from json import JSONDecodeError
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from pydantic import ValidationError

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
from onevoice.engines.boundary import ATTEMPTS_TO_LIST, Garbled, Service, patience, request
from onevoice.engines.synthesis import asking, line
from onevoice.engines.synthesis.answers import StatusError, raise_for_status
from onevoice.engines.synthesis.decoding import decode, pcm_wav
from onevoice.engines.synthesis.fish_models import (
    BYTES_PER_CHARACTER,
    FASTEST,
    KEY,
    S2_LANGUAGES,
    SERVER_KEY,
    SLOWEST,
    FishParams,
)
from onevoice.engines.synthesis.voices import Sex, primary
from onevoice.errors import EngineUnavailable
from onevoice.types import Usage

if TYPE_CHECKING:
    import httpx
    from fishaudio import FishAudio

T = TypeVar("T")

VENDOR = "Fish Audio"
_ENGINE = "synthesis.fish"
_CLOUD = "https://api.fish.audio"
_SAMPLE_RATE = 44_100
_OWN_VOICES = 100
_SERVERS_OWN = "default"
_VERSION = 1


class Fish(EngineBase):
    """Many voices and languages, and any voice from a few seconds of it."""

    info = EngineInfo(
        kind="synthesis",
        name="fish",
        summary="Fish Audio: S2 and S1 in the cloud, or a Fish Speech server of your own",
        licence="Fish Audio's terms; weights on your own server: Fish Audio Research License",
        languages=S2_LANGUAGES,
        extra="cloud",
        key=KEY,
        hosted=True,
        price="$15 per million UTF-8 bytes of text (July 2026); nothing on your own server",
        limits="5 requests at once until $100 were paid, then 15; speed 0.5 to 2",
        voices="your own and the most used public ones of each language; clones from a reference",
    )
    Params: ClassVar[type[Params]] = FishParams
    params: FishParams
    clones: ClassVar[bool] = True

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        self._lock = Lock()
        self._open: tuple[FishAudio, httpx.Client] | None = None
        self._listed: dict[str, tuple[Voice, ...]] = {}
        self._found: set[str] = set(params.voices)

    @property
    def lines_at_once(self) -> int:
        return self.runtime.requests_at_once

    @property
    def rates(self) -> tuple[float, float]:
        """What the model itself speaks at: a server of one's own knows one speed only."""
        speed = self.params.speed
        return (1.0, 1.0) if self.params.is_server else (SLOWEST / speed, FASTEST / speed)

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        _require_sdk()
        if keys.find(SERVER_KEY) is None:
            keys.require(KEY, VENDOR)

    def ready(self) -> None:
        """Raise EngineUnavailable unless the SDK and, for the cloud, the key are there."""
        _require_sdk()
        if not self.params.is_server:
            keys.require(KEY, VENDOR)

    def identity(self) -> dict[str, Any]:
        params = self.params.model_dump(
            mode="json", exclude={"voices", "public_voices", "usd_per_million_bytes"}
        )
        return {"engine": self.info.name, "version": _VERSION, "params": params}

    def quote(self, amount: float) -> float:
        return self.params.usd(amount * BYTES_PER_CHARACTER)

    def close(self) -> None:
        with self._lock:
            if self._open is not None:
                self._open[1].close()
            self._open = None

    def voices(self, language: str) -> tuple[Voice, ...]:
        """See :class:`~onevoice.engines.base.Synthesizer`; asks the service once a language.

        Raises what :func:`onevoice.engines.boundary.request` raises.
        """
        tag = primary(language)
        if tag not in self.params.languages:
            return ()
        if self.params.voices:
            return tuple(Voice(name=name, language=tag) for name in self.params.voices)
        if tag not in self._listed:
            found = self._server_voices(tag) if self.params.is_server else self._cloud_voices(tag)
            self._listed[tag] = found
            self._found.update(voice.name for voice in found)
        return self._listed[tag]

    def speak(self, request_: SpeechRequest) -> Speech:
        """See :class:`~onevoice.engines.base.Synthesizer`."""
        self.runtime.cancel.check()
        asking.check_language("fish", request_.language, self.params.languages)
        asking.check_rate(request_.rate)
        text = asking.sayable(request_, markup=self.params.markup)
        reference = asking.reference_of("fish", request_)
        if reference is None:
            self._require_voice(request_)
        speed = float(np.clip(request_.rate * self.params.speed, SLOWEST, FASTEST))
        arguments = self._arguments(text, speed)
        if reference is not None:
            from fishaudio.types import ReferenceAudio

            sample = ReferenceAudio(audio=pcm_wav(reference.audio), text=reference.text)
            arguments["references"] = [sample]
        elif request_.voice != _SERVERS_OWN:
            arguments["reference_id"] = request_.voice
        size = len(text.encode())
        usage = Usage(
            engine=_ENGINE,
            model=self.params.model,
            unit="bytes",
            quantity=size,
            usd=self.params.usd(size),
        )
        samples, rate = request(
            self._service(),
            lambda: decode(self._client().tts.convert(**arguments)),
            runtime=self.runtime,
            what=f"the line {text[:40]!r}",
            usd=usage.usd,
            used=lambda _: [usage],
        )
        if self.params.is_server:
            samples = time_stretch(samples, rate, speed)
        return line.finish(samples, rate)

    def _arguments(self, text: str, speed: float) -> dict[str, Any]:
        from fishaudio.types import Prosody, TTSConfig

        config = TTSConfig(
            format="wav",
            latency="normal",
            sample_rate=_SAMPLE_RATE,
            temperature=self.params.temperature,
            top_p=self.params.top_p,
            prosody=None if self.params.is_server else Prosody(speed=speed),
        )
        return {"text": text, "config": config, "model": self.params.model}

    # Voices.

    def _require_voice(self, request_: SpeechRequest) -> None:
        """Raise EngineRefused unless the service has the voice; any id of the cloud's will do."""
        names = [voice.name for voice in self.voices(request_.language)]
        if request_.voice in self._found:
            return
        missing = asking.no_voice("fish", request_.voice, names)
        # An id becomes a part of a path below.
        if self.params.is_server or not request_.voice.isalnum():
            raise missing

        def exists() -> bool:
            try:
                self._client().voices.get(request_.voice)
            except StatusError as exc:
                if exc.status_code in (400, 404):
                    return False
                raise
            return True

        if not self._asked(exists, f"the voice {request_.voice!r}"):
            raise missing
        self._found.add(request_.voice)

    def _cloud_voices(self, tag: str) -> tuple[Voice, ...]:
        own = self._asked(
            lambda: self._client().voices.list(
                self_only=True, page_size=_OWN_VOICES, sort_by="created_at"
            ),
            "the list of own voices",
        )
        found = [voice for voice in own.items if not voice.languages or tag in voice.languages]
        if count := self.params.public_voices:
            public = self._asked(
                lambda: self._client().voices.list(
                    language=tag, page_size=count, sort_by="task_count"
                ),
                f"the list of voices for {tag}",
            )
            found += public.items
        ready: dict[str, Any] = {}
        for voice in found:
            if voice.type == "tts" and voice.state == "trained":
                ready.setdefault(voice.id, voice)
        return tuple(
            Voice(
                name=voice.id,
                language=tag,
                sex=_sex(voice.tags),
                licence=self.info.licence.partition(";")[0],
                note=" ".join(voice.title.split())[:80],
            )
            for voice in ready.values()
        )

    def _server_voices(self, tag: str) -> tuple[Voice, ...]:
        def listed() -> list[str]:
            try:
                answer = self._connected()[1].get("/v1/references/list", params={"format": "json"})
            except StatusError as exc:
                if exc.status_code == 404:
                    return []  # servers before 1.5.1 list nothing
                raise
            said = answer.json()
            if not isinstance(said, dict) or not isinstance(said.get("reference_ids"), list):
                raise Garbled("no list of references")
            return [str(name) for name in said["reference_ids"]]

        names = sorted(self._asked(listed, "the list of references"))
        if not names:
            note = "the server's own: without a stored reference it may change from line to line"
            return (Voice(name=_SERVERS_OWN, language=tag, note=note),)
        return tuple(Voice(name=name, language=tag) for name in names)

    # The service.

    def _asked(self, send: Callable[[], T], what: str) -> T:
        """What costs nothing and comes before the work."""
        return request(
            self._service(), send, runtime=self.runtime, what=what, attempts=ATTEMPTS_TO_LIST
        )

    def _service(self) -> Service:
        _require_sdk()
        import httpx

        where = f"the Fish Speech server at {self.params.base_url}"
        return Service(
            name=where if self.params.is_server else VENDOR,
            key=SERVER_KEY if self.params.is_server else KEY,
            broken=(httpx.TransportError,),
            garbled=(JSONDecodeError, ValidationError, httpx.DecodingError),
        )

    def _client(self) -> FishAudio:
        return self._connected()[0]

    def _connected(self) -> tuple[FishAudio, httpx.Client]:
        """Asked for anew by each attempt: another thread may have closed the engine meanwhile."""
        import httpx
        from fishaudio import FishAudio

        with self._lock:
            if self._open is None:
                if self.params.is_server:
                    # The SDK insists on some key; without one here it would take the cloud's.
                    key = keys.require(SERVER_KEY, VENDOR) if keys.find(SERVER_KEY) else "none"
                else:
                    key = keys.require(KEY, VENDOR)
                http = httpx.Client(
                    base_url=self.params.base_url or _CLOUD,
                    timeout=patience(self.runtime),
                    headers={"Authorization": f"Bearer {key}"},
                    event_hooks={"response": [raise_for_status]},
                )
                self._open = FishAudio(api_key=key, httpx_client=http), http
            return self._open


def _require_sdk() -> None:
    if find_spec("fishaudio") is None:
        raise EngineUnavailable("fish needs fish-audio-sdk", hint="pip install 'onevoice[cloud]'")


def _sex(tags: list[str]) -> Sex:
    """What a public voice's tags say; people tag their voices as they like."""
    said = {tag.casefold() for tag in tags}
    if "female" in said:
        return "female"
    return "male" if "male" in said else "unknown"
