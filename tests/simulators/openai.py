"""OpenAI's audio endpoints as a small server; the chat endpoints are in :mod:`.openai_chat`.

``python -m tests.simulators.openai --port P --state FILE --script JSON --recording WAV``
"""

from __future__ import annotations

import base64
import importlib
import math
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from onevoice.languages import name as language_name
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
from tests.simulators.hearing import Hearing, Script, ScriptLine, spread_words

_NEW = {"ballad", "verse", "marin", "cedar"}
_FEW = {"alloy", "ash", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer"}
SPEECH_MODELS = {"tts-1": _FEW, "tts-1-hd": _FEW, "gpt-4o-mini-tts": _FEW | _NEW}
FORMATS = {
    "whisper-1": {"json", "text", "srt", "verbose_json", "vtt"},
    "gpt-transcribe": {"json", "text"},
    "gpt-4o-transcribe": {"json"},
    "gpt-4o-mini-transcribe": {"json"},
    "gpt-4o-mini-transcribe-2025-12-15": {"json"},
    "gpt-4o-transcribe-diarize": {"json", "text", "diarized_json"},
}
_MOST_BYTES = 25 * 1024 * 1024
RATE = 24_000
_TYPES = {"wav": "audio/wav", "pcm": "audio/pcm", "flac": "audio/flac", "mp3": "audio/mpeg"}


class Refused(Exception):
    """A request the service turns down: status, message, code, parameter."""


class OpenAISimulator(SimulatorServer):
    """``script`` and ``recording``: what there is to be heard, as a Script or as two files.

    ``quirks`` are used up one by each transcription: ``loop`` repeats a phrase, ``ghost`` hears
    one more phrase in the longest pause (and says that it thinks it is silence),
    ``timeless`` leaves all times out, ``puzzled`` can't tell the language; with ``timeless`` set
    no answer has times. For speech by chat, ``chatty`` adds a greeting, ``answers`` talks back and
    ``mute`` writes. ``language`` is what it hears when it is not told.
    """

    def setup(
        self,
        *,
        script: Script | Path | None = None,
        recording: Path | None = None,
        language: str = "en",
        timeless: bool = False,
        **_: Any,
    ) -> None:
        self.timeless = timeless
        self.script = Script.read(script, recording) if isinstance(script, Path) else script
        self.language = language
        self.quirks: list[str] = []

    def routes(self) -> Routes:
        own: Routes = {
            ("GET", "/v1/models"): self._models,
            ("POST", "/v1/audio/transcriptions"): self._refusing(self._transcribe),
            ("POST", "/v1/audio/speech"): self._refusing(self._speak),
        }
        if find_spec("tests.simulators.openai_chat") is None:
            return own
        chat: Routes = importlib.import_module("tests.simulators.openai_chat").routes(self)
        completions = ("POST", "/v1/chat/completions")
        chat[completions] = self._refusing(self._speaking(chat[completions]))
        return own | chat

    def error(self, status: int, message: str, code: str = "", param: str = "") -> Answer:
        if status == 401:
            message, code = "Incorrect API key provided: sk-wro***xyz.", "invalid_api_key"
        kinds = {429: "requests", 500: "server_error", 503: "server_error"}
        body = {
            "message": message,
            "type": kinds.get(status, "invalid_request_error"),
            "param": param or None,
            "code": code or None,
        }
        return answer_json({"error": body}, status=status, x_request_id="req_simulated")

    def _refusing(self, run: Callable[[Request], Answer]) -> Callable[[Request], Answer]:
        def handler(request: Request) -> Answer:
            try:
                return run(request)
            except Refused as exc:
                return self.error(*exc.args)

        return handler

    def _models(self, request: Request) -> Answer:
        names = [*SPEECH_MODELS, *FORMATS]
        models = [{"id": n, "object": "model", "created": 0, "owned_by": "system"} for n in names]
        return answer_json({"object": "list", "data": models})

    # --- speech -----------------------------------------------------------------------------

    def _speak(self, request: Request) -> Answer:
        try:
            asked = request.json()
        except ValueError as exc:
            raise Refused(400, "We could not parse the JSON body of your request.") from exc
        model = asked.get("model")
        text, voice = asked.get("input"), asked.get("voice")
        if model not in SPEECH_MODELS:
            raise Refused(404, f"The model `{model}` does not exist", "model_not_found", "model")
        if not isinstance(text, str) or not text:
            raise Refused(400, "input: should not be empty", "string_too_short", "input")
        if len(text) > 4096:
            raise Refused(400, "input: at most 4096 characters", "string_too_long", "input")
        own = voice.get("id") if isinstance(voice, dict) else None
        if own is None and voice not in SPEECH_MODELS[model]:
            raise Refused(
                400, f"Input should be one of {sorted(SPEECH_MODELS[model])}", "", "voice"
            )
        speed = asked.get("speed", 1.0)
        if not 0.25 <= speed <= 4.0:
            raise Refused(400, "speed: between 0.25 and 4.0", "", "speed")
        if "instructions" in asked and model.startswith("tts-1"):
            raise Refused(400, "instructions are not supported", "unsupported_parameter", "model")
        form = asked.get("response_format", "mp3")
        samples = sound.spoken(text, rate=RATE, voice=own or voice, speed=speed)
        if model.startswith("tts-1"):
            charge = Charge("characters", len(text), model)
        else:
            charge = Charge("seconds", round(len(samples) / RATE, 3), model)
        body = sound.encode(samples, RATE, form)
        return Answer(body=body, content_type=_TYPES[form], charges=(charge,))

    def _speaking(self, write: Callable[[Request], Answer]) -> Callable[[Request], Answer]:
        """Completions in writing, or in sound from a model that has a voice."""

        def complete(request: Request) -> Answer:
            try:
                body = request.json()
            except ValueError:
                return write(request)
            if not isinstance(body, dict) or "audio" not in body.get("modalities", []):
                return write(request)
            return self._chat(body)

        return complete

    def _chat(self, body: dict[str, Any]) -> Answer:
        model, asked = str(body.get("model")), body.get("audio") or {}
        if not model.startswith("gpt-audio"):
            raise Refused(404, f"The model `{model}` does not exist", "model_not_found", "model")
        voice = asked.get("voice")
        own = voice.get("id") if isinstance(voice, dict) else None
        if own is None and voice not in (_FEW | _NEW) - {"verse"}:
            raise Refused(400, "Invalid value for audio.voice", "invalid_value", "audio.voice")
        if asked.get("format") != "wav":
            raise Refused(400, "Invalid value for audio.format", "invalid_value", "audio.format")
        if "speed" in body or "instructions" in body:
            raise Refused(400, "Unknown parameter", "unknown_parameter")
        with self.lock:
            quirk = self.quirks.pop(0) if self.quirks else ""
        text = body["messages"][-1]["content"]
        said = {"chatty": f"Sure, here is your line: {text}", "answers": "I am fine, thank you."}
        text = said.get(quirk, text)
        samples = sound.spoken(text, rate=RATE, voice=str(own or voice))
        audio = {
            "id": "audio_1",
            "data": base64.b64encode(sound.encode(samples, RATE, "wav")).decode(),
            "transcript": text,
            "expires_at": 0,
        }
        message = {"role": "assistant", "content": None, "refusal": None, "audio": audio}
        if quirk == "mute":
            message |= {"content": text, "audio": None}
        prompt = sum(len(m["content"]) for m in body["messages"]) // 4 + 1
        spoken, written = round(20 * len(samples) / RATE), len(text) // 4 + 1
        details = {"audio_tokens": spoken, "text_tokens": written}
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": spoken + written,
            "total_tokens": prompt + spoken + written,
            "completion_tokens_details": details,
        }
        counts = {"input tokens": prompt, "output tokens": written, "audio tokens": spoken}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        answer = {"object": "chat.completion", "model": model, "choices": [choice], "usage": usage}
        return answer_json(answer, *(Charge(unit, n, model) for unit, n in counts.items()))

    # --- transcription ----------------------------------------------------------------------

    def _transcribe(self, request: Request) -> Answer:
        form = request.form
        model, upload = form.get("model"), form.file()
        kind = form.get("response_format", "json")
        if upload is None:
            raise Refused(400, "you must provide a file", "", "file")
        if len(upload.data) > _MOST_BYTES:
            raise Refused(413, "Maximum content size limit exceeded", "", "file")
        if model not in FORMATS:
            raise Refused(404, f"The model `{model}` does not exist", "model_not_found", "model")
        if kind not in FORMATS[model]:
            raise Refused(400, f"response_format '{kind}' is not compatible", "unsupported_value")
        try:
            heard = self.script.hear(upload.data) if self.script else Hearing(0.0, 0.0, ())
        except Exception as exc:
            message = "Audio file might be corrupted or unsupported"
            raise Refused(400, message, "invalid_value", "file") from exc
        if form.get("language") and len(form.get("language")) != 2:
            raise Refused(400, "Language parameter must be ISO-639-1", "", "language")
        with self.lock:
            quirk = self.quirks.pop(0) if self.quirks else ""
        if kind == "diarized_json":
            return self._diarized(request, heard)
        if kind == "json":
            return self._bare(request, heard, quirk)
        return self._verbose(request, heard, quirk)

    def _bare(self, request: Request, heard: Hearing, quirk: str) -> Answer:
        """A text and nothing else; gpt-transcribe adds the languages it heard."""
        form = request.form
        model = form.get("model")
        if form.all("timestamp_granularities") or form.all("known_speaker_names"):
            raise Refused(400, "not supported by this model", "unsupported_parameter", "")
        text = " ".join(line.text for line in heard.lines)
        if quirk == "loop":
            text = "and so it goes " * 8
        if model != "gpt-transcribe":
            if form.all("keywords") or form.all("languages"):
                raise Refused(400, "not supported by this model", "unsupported_parameter", "")
            counts = {
                "input_tokens": round(10 * heard.duration),
                "output_tokens": len(text) // 4 + 1,
            }
            usage = {"type": "tokens", **counts, "total_tokens": sum(counts.values())}
            charges = [Charge(n.replace("_", " "), count, model) for n, count in counts.items()]
            return answer_json({"text": text, "usage": usage}, *charges)
        if any(len(code) != 2 for code in form.all("languages")):
            raise Refused(400, "languages: unsupported value", "invalid_value", "languages")
        if form.get("temperature"):
            raise Refused(400, "temperature is not supported", "unsupported_parameter")
        seconds = round(heard.duration, 2)
        known = [self.language] if text and quirk != "puzzled" else []
        body = {
            "text": text,
            "languages": [{"code": code} for code in (form.all("languages") or known)],
            "usage": {"type": "duration", "seconds": seconds},
        }
        return answer_json(body, Charge("seconds", seconds, model))

    def _verbose(self, request: Request, heard: Hearing, quirk: str) -> Answer:
        form = request.form
        grains = form.all("timestamp_granularities") or ["segment"]
        lines = list(heard.lines)
        if quirk == "loop" and lines:
            first = lines[0]
            lines[0] = ScriptLine(first.start, first.end, "", "and so it goes " * 8)
        at = _longest_pause(lines)
        if quirk == "ghost":
            ghost = ScriptLine(lines[at].end, lines[at + 1].start, "", "Thanks for watching!")
            lines.insert(at + 1, ghost)
        segments = [_segment(i, line) for i, line in enumerate(lines)]
        if quirk == "ghost":
            segments[at + 1] |= {"avg_logprob": -1.4, "no_speech_prob": 0.93}
        words = [
            {"word": w.text.strip(".,?!;:\"'"), "start": round(w.start, 2), "end": round(w.end, 2)}
            for line in lines
            for w in spread_words(line)
        ]
        seconds = math.ceil(heard.duration)
        told = form.get("language")
        answer: dict[str, Any] = {
            "task": "transcribe",
            "language": language_name(told or self.language).lower(),
            "duration": round(heard.duration, 2),
            "text": "".join(segment["text"] for segment in segments).strip(),
            "usage": {"type": "duration", "seconds": seconds},
        }
        if quirk != "timeless" and not self.timeless:
            answer["segments"] = segments
            if "word" in grains:
                answer["words"] = words
        return answer_json(answer, Charge("seconds", seconds, form.get("model")))

    def _diarized(self, request: Request, heard: Hearing) -> Answer:
        form = request.form
        if form.get("prompt") or form.all("timestamp_granularities"):
            raise Refused(400, "not supported by this model", "unsupported_parameter", "prompt")
        if heard.duration > 30 and not form.get("chunking_strategy"):
            raise Refused(400, "chunking_strategy is required", "", "chunking_strategy")
        labels = self._labels(request, heard)
        segments = [
            {
                "type": "transcript.text.segment",
                "id": f"seg_{i}",
                "start": round(line.start, 2),
                "end": round(line.end, 2),
                "speaker": labels[line.speaker],
                "text": f" {line.text}",
            }
            for i, line in enumerate(heard.lines)
        ]
        text = "".join(str(segment["text"]) for segment in segments)
        counts = {"input_tokens": round(10 * heard.duration), "output_tokens": len(text) // 4 + 1}
        usage = {"type": "tokens", **counts, "total_tokens": sum(counts.values())}
        body = {
            "task": "transcribe",
            "duration": round(heard.duration, 2),
            "text": text.strip(),
            "segments": segments,
            "usage": usage,
        }
        model = form.get("model")
        charges = [Charge(n.replace("_", " "), count, model) for n, count in counts.items()]
        return answer_json(body, *charges)

    def _labels(self, request: Request, heard: Hearing) -> dict[str, str]:
        """What each speaker of the script is called in one answer: by their samples, else A, B."""
        names = request.form.all("known_speaker_names")
        samples = request.form.all("known_speaker_references")
        if len(names) != len(samples) or len(names) > 4:
            raise Refused(400, "one reference a known speaker", "", "known_speaker_references")
        labels: dict[str, str] = {}
        for name, sample in zip(names, samples, strict=True):
            assert self.script is not None
            said = self.script.hear(sound.from_data_url(sample))
            if not 2.0 <= said.duration <= 10.0:
                raise Refused(400, "references last 2 to 10 s", "", "known_speaker_references")
            if said.lines:
                labels[said.lines[0].speaker] = name
        letters = iter("ABCDEFGH")
        for line in heard.lines:
            if line.speaker not in labels:
                labels[line.speaker] = next(letters)
        return labels


def _longest_pause(lines: list[ScriptLine]) -> int:
    """Index of the line before it."""
    gaps = [right.start - left.end for left, right in pairwise(lines)]
    return gaps.index(max(gaps)) if gaps else 0


def _segment(index: int, line: ScriptLine) -> dict[str, Any]:
    return {
        "id": index,
        "seek": 0,
        "start": round(line.start, 2),
        "end": round(line.end, 2),
        "text": f" {line.text}",
        "tokens": [50364, 50864],
        "temperature": 0.0,
        "avg_logprob": -0.2,
        "compression_ratio": 3.1 if line.text.count("so it goes") > 3 else 1.4,
        "no_speech_prob": 0.02,
    }


if __name__ == "__main__":
    main(OpenAISimulator, "script", "recording")
