"""Fish Audio's API, and a self-hosted Fish Speech server, as far as OneVoice uses them.

Wire format: msgpack on ``POST /v1/tts`` with the model in the header ``model``; audio streamed
back without a wrapper; voices on ``GET /model``; errors as ``{"status": …, "message": …}``.
"""

from __future__ import annotations

import hashlib
from typing import Any

import ormsgpack

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

MODELS = ("s1", "s2-pro", "speech-1.5", "speech-1.6", "s2.1-pro")
FORMATS = {"wav": "audio/wav", "mp3": "audio/mpeg", "pcm": "audio/pcm", "opus": "audio/ogg"}
CHUNK = 8192


def voice_id(title: str) -> str:
    return hashlib.md5(title.encode(), usedforsecurity=False).hexdigest()


def voice(
    title: str,
    languages: list[str],
    *,
    mine: bool = False,
    tags: tuple[str, ...] = (),
    uses: int = 0,
    state: str = "trained",
    kind: str = "tts",
) -> dict[str, Any]:
    """A voice model as the API describes one; ``mine`` is this simulator's own."""
    return {
        "_id": voice_id(title),
        "type": kind,
        "title": title,
        "description": "",
        "cover_image": "",
        "train_mode": "fast",
        "state": state,
        "tags": list(tags),
        "samples": [],
        "created_at": "2026-05-01T10:00:00.000000Z",
        "updated_at": "2026-05-01T10:00:00.000000Z",
        "languages": languages,
        "visibility": "private" if mine else "public",
        "lock_visibility": False,
        "like_count": 0,
        "mark_count": 0,
        "shared_count": 0,
        "task_count": uses,
        "liked": False,
        "marked": False,
        "author": {"_id": "me" if mine else "somebody", "nickname": "N", "avatar": ""},
    }


VOICES = (
    voice("My narrator", ["es", "en"], mine=True, tags=("Male",)),
    voice("Still training", ["es"], mine=True, state="training"),
    voice("A singer", ["es"], kind="svc", uses=999),
    voice("Clara", ["es"], tags=("female", "calm"), uses=50),
    voice("Bruno", ["es", "en"], tags=("male",), uses=70),
    voice("Somi", ["ko"], tags=("female",), uses=10),
)


class FishSimulator(SimulatorServer):
    """The cloud: voices, speech, one account."""

    def setup(self, **options: Any) -> None:
        self.state["voices"] = [*VOICES]

    def routes(self) -> Routes:
        return {
            ("GET", "/model"): self.list_voices,
            ("GET", "/model/{id}"): self.get_voice,
            ("POST", "/v1/tts"): self.speak,
        }

    def error(self, status: int, message: str, code: str = "") -> Answer:
        return answer_json({"status": status, "message": message}, status=status)

    def logged_body(self, request: Request) -> Any:
        if request.headers.get("content-type") != "application/msgpack":
            return super().logged_body(request)
        try:
            body = ormsgpack.unpackb(request.body)
        except ValueError:
            return {"bytes": len(request.body)}
        for sample in body.get("references") or []:
            data = sample["audio"]
            sample["audio"] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        return body

    def list_voices(self, request: Request) -> Answer:
        query = request.query
        found = [
            v
            for v in self.state["voices"]
            if (
                v["author"]["_id"] == "me"
                if query["self"] == "true"
                else v["visibility"] == "public"
            )
            and query.get("language", "") in ("", *v["languages"])
        ]
        if query["sort_by"] == "task_count":
            found.sort(key=lambda v: -v["task_count"])
        size, number = int(query["page_size"]), int(query["page_number"])
        page = found[(number - 1) * size : number * size]
        return answer_json({"total": len(found), "items": page})

    def get_voice(self, request: Request) -> Answer:
        for v in self.state["voices"]:
            if v["_id"] == request.params["id"]:
                return answer_json(v)
        return self.error(404, "Model not found")

    def speak(self, request: Request) -> Answer:
        if request.headers.get("content-type") != "application/msgpack":
            return self.error(415, "send msgpack")
        try:
            body = ormsgpack.unpackb(request.body)
        except ValueError:
            return self.error(400, "not msgpack")
        if problem := self.problem(request, body):
            return problem
        data = self.audio(body)
        charge = Charge("bytes", len(body["text"].encode()), request.headers.get("model", ""))
        return Answer(
            content_type=FORMATS[body["format"]],
            chunks=[data[at : at + CHUNK] for at in range(0, len(data), CHUNK)],
            charges=(charge,),
        )

    def problem(self, request: Request, body: dict[str, Any]) -> Answer | None:
        if request.headers.get("model") not in MODELS:
            return self.error(400, "unknown model")
        if body["format"] not in FORMATS or not body["text"]:
            return self.error(422, "text and a format are needed")
        if not 0.5 <= (body.get("prosody") or {"speed": 1.0})["speed"] <= 2.0:
            return self.error(422, "speed must be in 0.5..2.0")
        known = {v["_id"] for v in self.state["voices"]}
        if body.get("reference_id") not in (None, *known):
            return self.error(400, "Reference not found")
        if any(not r["audio"].startswith(b"RIFF") or not r["text"] for r in body["references"]):
            return self.error(422, "a reference needs audio and text")
        return None

    def audio(self, body: dict[str, Any]) -> bytes:
        samples = b"".join(reference["audio"] for reference in body["references"])
        who = hashlib.sha256(samples).hexdigest() if samples else body.get("reference_id") or ""
        rate = body.get("sample_rate") or 44_100
        speed = (body.get("prosody") or {"speed": 1.0})["speed"]
        return sound.encode(
            sound.spoken(body["text"], rate=rate, voice=who, speed=speed), rate, body["format"]
        )


class FishServerSimulator(FishSimulator):
    """A Fish Speech server: no account, stored references as voices, no speed, nothing billed.

    ``references`` are the ids of the stored ones; ``needs_key`` as started with ``--api-key``.
    """

    def setup(self, **options: Any) -> None:
        self.state["references"] = list(options.get("references", ("ana", "luis")))
        self.needs_key = bool(options.get("needs_key", False))

    def routes(self) -> Routes:
        return {
            ("GET", "/v1/health"): lambda request: answer_json({"status": "ok"}),
            ("GET", "/v1/references/list"): self.list_references,
            ("POST", "/v1/tts"): self.speak,
        }

    def authorized(self, request: Request) -> bool:
        return not self.needs_key or super().authorized(request)

    def list_references(self, request: Request) -> Answer:
        said = {"success": True, "reference_ids": self.state["references"], "message": "Success"}
        if request.query.get("format") != "json":
            return Answer(body=ormsgpack.packb(said), content_type="application/msgpack")
        return answer_json(said)

    def problem(self, request: Request, body: dict[str, Any]) -> Answer | None:
        if body.get("reference_id") not in (None, *self.state["references"]):
            return self.error(500, "Failed to generate speech")
        return None

    def audio(self, body: dict[str, Any]) -> bytes:
        return super().audio({**body, "prosody": None})


if __name__ == "__main__":
    main(FishSimulator)
