"""A simulated ElevenLabs: voices, speech, Scribe and the voice isolator, with one account.

Run as a process: ``python -m tests.simulators.elevenlabs --port P --state FILE``. It bills
credits for speech, and seconds for Scribe and for isolation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from onevoice.audio import resample
from tests.simulators import sound
from tests.simulators.base import (
    Answer,
    Charge,
    Request,
    Routes,
    SimulatorServer,
    answer_json,
    main,
)

MODELS = {
    "eleven_multilingual_v2": (1.0, 10_000),
    "eleven_v3": (1.0, 5_000),
    "eleven_flash_v2_5": (0.5, 40_000),
}
"""Credits for a character, and the most characters of a request."""
SCRIBES = ("scribe_v1", "scribe_v2")
ISOLATED_BELOW_HZ = 1_000.0
"""What this isolator takes for speech: in tests speech is low and music is high."""
ISOLATION_GAIN = 0.6
ISOLATION_DELAY = 1_105
"""Frames at 44.1 kHz by which its answer is late, as an MP3's are."""
SHORTEST_ISOLATED_S = 4.6

_STOCK = [
    ("EXAVITQu4vr4xnSDxMaL", "Sarah", "female", "american", "en", "premade"),
    ("JBFqnCBsd6RMkjVDRZzb", "George", "male", "british", "en", "premade"),
    ("XrExE9yKIg1WjnnlVkGX", "Matilda", "female", "american", "en", "premade"),
    ("nPczCjzI2devNBz1zQrb", "Brian", "male", "american", "en", "premade"),
    ("Lucia00000000000spain", "Lucía", "female", "peninsular", "es", "professional"),
    ("Minjun0000000000korea", "Minjun", "male", "seoul", "ko", "professional"),
    ("River0000000000000000", "River", "neutral", "american", "en", "premade"),
    ("MyOwnVoice00000000000", "Adam Owner", "male", "american", "es", "cloned"),
]


@dataclass(frozen=True)
class Said:
    """A sentence of the script."""

    start: float
    end: float
    speaker: str
    text: str


class ElevenLabs(SimulatorServer):
    """ElevenLabs.

    Options: ``script`` (what Scribe hears: :class:`Said`), ``recording`` (samples and rate of
    what the script is said in, so that a part of it is told), ``language`` (ISO 639-3),
    ``page`` (most voices on a page), ``credits`` (left on the account), ``slots`` (for clones).
    """

    key_header: ClassVar[str] = "xi-api-key"
    key_prefix: ClassVar[str] = ""

    def setup(
        self,
        *,
        script: Sequence[Said] = (),
        recording: tuple[NDArray[np.float32], int] | None = None,
        language: str = "eng",
        probability: float = 0.98,
        page: int = 3,
        credits: float = 1e6,
        slots: int = 10,
    ) -> None:
        self.script = tuple(script)
        self.language = language
        self.probability = probability
        self.page = page
        self.slots = slots
        self._envelope = None if recording is None else _envelope(*recording)
        self.credits = credits
        self.state = {"voices": [_voice(*row) for row in _STOCK]}

    def routes(self) -> Routes:
        return {
            ("GET", "/v2/voices"): self._voices,
            ("POST", "/v1/voices/add"): self._add_voice,
            ("DELETE", "/v1/voices/{voice_id}"): self._delete_voice,
            ("POST", "/v1/text-to-speech/{voice_id}"): self._speak,
            ("POST", "/v1/speech-to-text"): self._recognise,
            ("POST", "/v1/audio-isolation"): self._isolate,
            ("GET", "/v1/models"): lambda request: answer_json(
                [{"model_id": name, "name": name, "can_do_text_to_speech": True} for name in MODELS]
            ),
        }

    def error(self, status: int, message: str, code: str = "") -> Answer:
        if status == 422:
            detail: Any = [{"loc": ["body", code], "msg": message, "type": "value_error"}]
        else:
            detail = {"status": code or "error", "message": message}
        return answer_json({"detail": detail}, status=status)

    # --- voices -----------------------------------------------------------------------------

    def _voices(self, request: Request) -> Answer:
        wanted = request.query.get("search", "").casefold()
        found = [v for v in self.state["voices"] if wanted in v["name"].casefold()]
        size = min(int(request.query.get("page_size", 10)), self.page)
        first = int(request.query.get("next_page_token", 0))
        more = first + size < len(found)
        return answer_json(
            {
                "voices": found[first : first + size],
                "has_more": more,
                "total_count": len(found),
                "next_page_token": str(first + size) if more else None,
            }
        )

    def _add_voice(self, request: Request) -> Answer:
        name, samples = request.form.get("name"), request.form.files.get("files", [])
        if not name or not samples:
            return self.error(422, "Field required", "files" if name else "name")
        labels = json.loads(request.form.get("labels") or "null") or {}
        with self.lock:
            if sum(v["category"] == "cloned" for v in self.state["voices"]) >= self.slots:
                return self.error(400, "You have reached your voices limit", "voice_limit_reached")
            id_ = f"cloned{len(self.state['voices']):015d}"
            voice = _voice(id_, name, "", "", labels.get("language", ""), "cloned")
            self.state["voices"].append(voice)
        return answer_json({"voice_id": id_, "requires_verification": False})

    def _delete_voice(self, request: Request) -> Answer:
        id_ = request.params["voice_id"]
        with self.lock:
            found = [v for v in self.state["voices"] if v["voice_id"] == id_ and v["is_owner"]]
            if not found:
                return self.error(400, f"A voice with ID {id_} was not found.", "voice_not_found")
            self.state["voices"].remove(found[0])
        return answer_json({"status": "ok"})

    # --- speech -----------------------------------------------------------------------------

    def _speak(self, request: Request) -> Answer:
        try:
            body = request.json()
        except ValueError:
            return self.error(422, "JSON decode error", "json")
        model, text = body.get("model_id", "eleven_multilingual_v2"), body.get("text")
        if not isinstance(text, str) or not text:
            return self.error(422, "Field required", "text")
        if model not in MODELS:
            return self.error(400, f"A model with ID {model} does not exist", "model_not_found")
        per_character, most = MODELS[model]
        if len(text) > most:
            return self.error(400, f"at most {most} characters", "max_character_limit_exceeded")
        if model == "eleven_v3" and {"previous_text", "next_text"} & body.keys():
            message = "Providing previous_text or next_text is not yet supported with 'eleven_v3'"
            return self.error(400, message, "unsupported_model")
        if model == "eleven_multilingual_v2" and "language_code" in body:
            message = f"Model '{model}' does not support the language_code parameter"
            return self.error(400, message, "unsupported_language")
        settings = body.get("voice_settings") or {}
        speed = settings.get("speed", 1.0)
        if not 0.7 <= speed <= 1.2:
            return self.error(400, f"speed {speed} is not in [0.7, 1.2]", "invalid_voice_settings")
        if model == "eleven_v3" and settings.get("stability", 0.5) not in (0.0, 0.5, 1.0):
            message = "Invalid TTD stability value. Must be one of: [0.0, 0.5, 1.0]"
            return self.error(400, message, "invalid_ttd_stability")
        voice = request.params["voice_id"]
        if not any(v["voice_id"] == voice for v in self.state["voices"]):
            return self.error(
                404, f"A voice with voice_id {voice} was not found", "voice_not_found"
            )
        codec, _, rest = request.query.get("output_format", "mp3_44100_128").partition("_")
        rate = int(rest.partition("_")[0])
        cost = len(text) * per_character
        left = self.credits - self.bill.total("credits", delivered=False)
        if left < cost:
            message = (
                f"This request exceeds your quota of {self.credits:g}. You have {left:g} credits "
                f"remaining, while {cost:g} credits are required for this request."
            )
            return self.error(401, message, "quota_exceeded")
        seed = body.get("seed", 0)
        speech = sound.spoken(text, rate=rate, voice=f"{voice}{seed}", speed=speed)
        data = sound.encode(speech, rate, codec)
        return Answer(
            chunks=[data[i : i + 4096] for i in range(0, len(data), 4096)],
            content_type="audio/pcm" if codec == "pcm" else "audio/mpeg",
            headers={"character-cost": f"{cost:g}", "request-id": f"request{self.bill.count}"},
            charges=(Charge("credits", cost, model),),
        )

    # --- Scribe -----------------------------------------------------------------------------

    def _recognise(self, request: Request) -> Answer:
        form = request.form
        model, upload = form.get("model_id"), form.file()
        if model not in SCRIBES:
            return self.error(400, f"'{model}' is not a valid model_id", "invalid_model_id")
        if upload is None:
            return self.error(422, "Field required", "file")
        terms = form.all("keyterms")
        if any(len(t) > 50 or len(t.split()) > 5 or set(t) & set("<>{}[]\\") for t in terms):
            return self.error(400, "Invalid keyterm", "invalid_keyterms")
        if terms and model == "scribe_v1":
            return self.error(400, "keyterms are not supported by scribe_v1", "invalid_parameters")
        samples, rate = sound.decode(upload.data)
        length = len(samples) / rate
        diarize = form.get("diarize", "false") == "true"
        most = int(form.get("num_speakers", "32"))
        if form.get("num_speakers") and not diarize:
            return self.error(400, "num_speakers requires diarize", "invalid_parameters")
        words = self._words(self._place(samples, rate), length, diarize, most)
        body = {
            "language_code": self.language,
            "language_probability": self.probability,
            "text": "".join(word["text"] for word in words),
            "words": words,
            "transcription_id": f"transcript{self.bill.count}",
            "audio_duration_secs": length,
        }
        return answer_json(body, Charge("seconds", length, model))

    def _place(self, samples: NDArray[np.float32], rate: int) -> float:
        """Where in the recording an upload begins, in seconds: where their envelopes agree."""
        if self._envelope is None:
            return 0.0
        part = _envelope(samples, rate)
        return int(np.argmax(np.correlate(self._envelope, part, "full"))) * _STEP_S - (
            (len(part) - 1) * _STEP_S
        )

    def _words(
        self, offset: float, length: float, diarize: bool, most: int
    ) -> list[dict[str, Any]]:
        words: list[dict[str, Any]] = []
        names: dict[str, str] = {}
        for said in self.script:
            if said.start < offset - 0.3 or said.end > offset + length + 0.3:
                continue
            number = min(len(names), most - 1)
            speaker = names.setdefault(said.speaker, f"speaker_{number}")
            clock = said.start - offset
            parts = said.text.split()
            letters = sum(len(part) + 1 for part in parts)
            for part in parts:
                took = (said.end - said.start) * (len(part) + 1) / letters
                common = {"logprob": -0.05, **({"speaker_id": speaker} if diarize else {})}
                if words:
                    space = {"text": " ", "start": words[-1]["end"], "end": clock}
                    words.append({**space, "type": "spacing", **common})
                place = {"start": round(clock, 3), "end": round(clock + took, 3)}
                words.append({"text": part, **place, "type": "word", **common})
                clock += took
        return words

    # --- isolation --------------------------------------------------------------------------

    def _isolate(self, request: Request) -> Answer:
        upload = request.form.file("audio")
        if upload is None:
            return self.error(422, "Field required", "audio")
        samples, rate = sound.decode(upload.data)
        length = len(samples) / rate
        if length < SHORTEST_ISOLATED_S:
            return self.error(400, "The audio is too short", "audio_too_short")
        spectrum = np.fft.rfft(samples)
        spectrum[np.fft.rfftfreq(len(samples), 1 / rate) > ISOLATED_BELOW_HZ] = 0
        low = np.fft.irfft(spectrum, len(samples)).astype(np.float32) * ISOLATION_GAIN
        late = np.concatenate([np.zeros(ISOLATION_DELAY, np.float32), resample(low, rate, 44_100)])
        return Answer(
            body=sound.encode(late, 44_100, "mp3"),
            content_type="audio/mpeg",
            charges=(Charge("seconds", length, "audio-isolation"),),
        )


_STEP_S = 0.02


def _envelope(samples: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Level above -50 dB in steps of 20 ms, in decibels, mean taken off."""
    step = round(_STEP_S * rate)
    frames = samples[: len(samples) // step * step].reshape(-1, step).astype(np.float64)
    level = np.maximum(10 * np.log10(np.square(frames).mean(axis=1) + 1e-12), -50.0)
    return level - level.mean() if len(level) else level


def _voice(
    id_: str, name: str, gender: str, accent: str, language: str, category: str
) -> dict[str, Any]:
    labels = {"gender": gender, "accent": accent, "language": language, "age": "young"}
    verified = [{"language": language, "model_id": "eleven_multilingual_v2"}]
    return {
        "voice_id": id_,
        "name": name,
        "category": category,
        "labels": {key: value for key, value in labels.items() if value},
        "description": "",
        "preview_url": None,
        "verified_languages": verified if category == "professional" else None,
        "is_owner": category == "cloned",
    }


def sample_talk() -> dict[str, Any]:
    """Options for a simulator that knows the sample video: its script and its sound."""
    from tests.contract import sample

    script = [Said(s.start, s.end, s.speaker, s.text) for s in sample.truth()]
    with TemporaryDirectory() as folder:
        recording = sound.decode(sample.decode(Path(folder)).read_bytes())
    return {"script": script, "recording": recording}


if __name__ == "__main__":
    main(ElevenLabs, **sample_talk())
