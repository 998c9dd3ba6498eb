"""A speech service of nobody's make, in the shapes that such services have.

``POST /tts``: JSON in, sound out. ``POST /voices/{voice}/say``: the sound in base64, deep in JSON.
``POST /linked``: a link to it. ``GET /api/tts``: a query in, sound out.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from pathlib import Path
from typing import Any

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

RATE = 22_050
VOICES = ("ada", "bo", "Émile/2")


class CustomSimulator(SimulatorServer):
    """``link`` is what ``/linked`` answers; ``{url}`` and ``{name}`` stand for its own file."""

    key_header = "x-service-key"
    key_prefix = ""

    def setup(self, **options: Any) -> None:
        self.files: dict[str, bytes] = {}
        self.link = str(options.get("link", "{url}/files/{name}"))

    def routes(self) -> Routes:
        return {
            ("POST", "/tts"): self.speak,
            ("POST", "/voices/{voice}/say"): self.say,
            ("POST", "/linked"): self.linked,
            ("GET", "/api/tts"): self.speak_query,
            ("GET", "/files/{name}"): self.file,
            ("POST", "/moved"): self.moved,
        }

    def error(self, status: int, message: str, code: str = "") -> Answer:
        return answer_json({"detail": message}, status=status)

    def speak(self, request: Request) -> Answer:
        return self.spoken(request.json())

    def speak_query(self, request: Request) -> Answer:
        return self.spoken(request.query)

    def say(self, request: Request) -> Answer:
        made = self.spoken({**request.json(), "voice": request.params["voice"]})
        if made.status != 200:
            return made
        encoded = "data:audio/wav;base64," + base64.encodebytes(made.body).decode()
        return answer_json({"data": [{"audio": {"content": encoded}}]}, *made.charges)

    def linked(self, request: Request) -> Answer:
        made = self.spoken(request.json())
        if made.status != 200:
            return made
        name = f"{uuid.uuid4().hex}.wav"
        self.files[name] = made.body
        link = self.link.format(url=self.url, name=name)
        return answer_json({"output": {"files": [{"url": link}]}}, *made.charges)

    def moved(self, request: Request) -> Answer:
        return Answer(status=307, headers={"Location": f"{self.url}/tts"})

    def file(self, request: Request) -> Answer:
        data = self.files.get(request.params["name"])
        if data is None:
            return self.error(404, "no such file")
        return Answer(body=data, content_type="audio/wav")

    def spoken(self, said: dict[str, Any]) -> Answer:
        text = said.get("text")
        if not isinstance(text, str) or not text:
            return self.error(422, "text is needed")
        who = said.get("voice", "default")
        if reference := said.get("reference"):
            stored = reference.startswith("/")
            data = Path(reference).read_bytes() if stored else base64.b64decode(reference)
            who = hashlib.sha256(data).hexdigest()
        elif who not in (*VOICES, "default"):
            return self.error(422, f"no voice {who}")
        kind = said.get("format", "wav")
        samples = sound.spoken(text, rate=RATE, voice=who, speed=float(said.get("speed", 1.0)))
        charge = Charge("characters", len(text))
        return Answer(
            body=sound.encode(samples, RATE, kind), content_type="audio/wav", charges=(charge,)
        )


if __name__ == "__main__":
    main(CustomSimulator)
