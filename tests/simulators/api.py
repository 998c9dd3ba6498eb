"""OneVoice's own API, as far as its client goes, with faults: for tests of the client alone.

It keeps idempotency keys as the server does, so that what is sent twice is done once. ``state`` has
``videos``, ``jobs`` and ``parts``; ``names`` may say what results are called.
"""

from __future__ import annotations

import json
from typing import Any

from tests.simulators.base import Answer, Request, Routes, SimulatorServer, answer_json

PART = 1000


class ApiSimulator(SimulatorServer):
    """One account. Jobs end at once, with the status ``ends`` says for their languages."""

    def setup(self, **options: Any) -> None:
        self.state = {"videos": {}, "jobs": {}, "parts": {}, "keys": {}}
        self.ends: dict[str, str] = {}
        self.error_: dict[str, Any] = {"code": "engine_failed", "message": "no", "hint": "again"}
        self.names: list[str] = []
        self.languages: list[str] = []
        self.rejects: dict[str, Any] | None = None
        self.looks_until_ready = 0
        self.looks_until_done = 0
        self.storage_keys: list[str] = []
        self.events: list[bytes] = []

    def routes(self) -> Routes:
        return {
            ("POST", "/v1/videos"): self._create_video,
            ("GET", "/v1/videos/{video}"): self._get_video,
            ("POST", "/v1/videos/{video}/parts"): self._part_urls,
            ("PUT", "/storage/{video}/{number}"): self._put_part,
            ("POST", "/v1/videos/{video}/complete"): self._complete,
            ("POST", "/v1/jobs"): self._create_job,
            ("GET", "/v1/jobs/{job}"): self._get_job,
            ("POST", "/v1/jobs/{job}/retry"): self._retry,
            ("POST", "/v1/jobs/{job}/cancel"): self._cancel,
            ("GET", "/v1/jobs/{job}/events"): self._events,
            ("GET", "/v1/jobs/{job}/results"): self._results,
            ("GET", "/storage/{file}"): self._file,
        }

    def error(self, status: int, message: str, code: str = "") -> Answer:
        return answer_json({"detail": message, "code": code, "hint": "a hint"}, status=status)

    def authorized(self, request: Request) -> bool:
        if request.path.startswith("/storage/"):
            self.storage_keys += [v for n, v in request.headers.items() if n == self.key_header]
            return True
        return super().authorized(request)

    def _once(self, request: Request, status: int, made: Any) -> Answer:
        key = request.headers.get("idempotency-key")
        with self.lock:
            known = self.state["keys"].get(key)
            if known is not None:
                if known[0] != [request.path, request.body.decode()]:
                    return self.error(422, "another request", "idempotency_mismatch")
                return answer_json(known[1], status=known[2], Idempotent_Replay="true")
            answer = made()
            if key:
                body = json.loads(json.dumps(answer))
                self.state["keys"][key] = ([request.path, request.body.decode()], body, status)
            return answer_json(answer, status=status)

    def _create_video(self, request: Request) -> Answer:
        asked = request.json()

        def made() -> Any:
            video = {
                "id": f"vid_{len(self.state['videos'])}", "status": "uploading", "error": None,
                "looks": 0, **asked,
            }  # fmt: skip
            self.state["videos"][video["id"]] = video
            parts = -(-asked["size"] // PART)
            return {"video": video, "upload": {"part_size": PART, "parts": parts, "urls": []}}

        return self._once(request, 201, made)

    def _get_video(self, request: Request) -> Answer:
        video = self.state["videos"].get(request.params["video"])
        if video is None:
            return self.error(404, f"there is no video {request.params['video']}", "not_found")
        if video["status"] == "inspecting":
            video["looks"] += 1
            if video["looks"] > self.looks_until_ready:
                video["status"] = "rejected" if self.rejects else "ready"
                video["error"] = self.rejects
        return answer_json(video)

    def _part_urls(self, request: Request) -> Answer:
        video = request.params["video"]
        urls = [
            {"number": n, "url": f"{self.url}/storage/{video}/{n}?signature=s3cret"}
            for n in request.json()["numbers"]
        ]
        return answer_json({"urls": urls})

    def _put_part(self, request: Request) -> Answer:
        parts = self.state["parts"].setdefault(request.params["video"], {})
        parts[int(request.params["number"])] = request.body
        return Answer(headers={"ETag": f'"{len(request.body)}"'})

    def _complete(self, request: Request) -> Answer:
        video = self.state["videos"][request.params["video"]]
        parts = self.state["parts"][video["id"]]
        given = {p["number"]: p["etag"] for p in request.json()["parts"]}
        if given != {n: f'"{len(data)}"' for n, data in parts.items()}:
            return self.error(422, "the parts are not what was uploaded", "parts_invalid")
        video["status"] = "inspecting"
        return answer_json(video)

    def uploaded(self, video: str) -> bytes:
        parts = self.state["parts"][video]
        return b"".join(parts[n] for n in sorted(parts))

    def _create_job(self, request: Request) -> Answer:
        asked = request.json()

        def made() -> Any:
            job = {
                "id": f"job_{len(self.state['jobs'])}", "status": "queued", "round": 1, "looks": 0,
                "quote": {"minutes": 1.5}, "languages": [
                    {"language": x, "status": "queued", "progress": 0.0, "charged_seconds": 0}
                    for x in asked["languages"]
                ],
            }  # fmt: skip
            self.state["jobs"][job["id"]] = job
            return job

        return self._once(request, 201, made)

    def _get_job(self, request: Request) -> Answer:
        job = self.state["jobs"].get(request.params["job"])
        if job is None:
            return self.error(404, "there is no such job", "not_found")
        if job["status"] in ("queued", "running"):
            job["looks"] += 1
            job["status"] = "running"
            for row in job["languages"]:
                if row["status"] != "done":
                    row.update(status="running", progress=0.456)
            if job["looks"] > self.looks_until_done:
                self._end(job)
        return answer_json(job)

    def _end(self, job: Any) -> None:
        for row in job["languages"]:
            if row["status"] == "done":
                continue
            row["status"] = self.ends.get(row["language"], "done")
            row["progress"] = 1.0
            if row["status"] == "done":
                row["charged_seconds"] = 54
            else:
                row["error"] = self.error_ if row["status"] == "failed" else None
        found = {row["status"] for row in job["languages"]}
        job["status"] = found.pop() if len(found) == 1 else "partial"

    def _retry(self, request: Request) -> Answer:
        job = self.state["jobs"][request.params["job"]]

        def made() -> Any:
            job.update(round=job["round"] + 1, status="queued", looks=0)
            return job

        return self._once(request, 200, made)

    def _cancel(self, request: Request) -> Answer:
        job = self.state["jobs"][request.params["job"]]
        job["status"] = "cancelled"
        return answer_json(job)

    def _events(self, request: Request) -> Answer:
        seen = int(request.headers["last-event-id"])
        self._end(self.state["jobs"][request.params["job"]])
        return Answer(content_type="text/event-stream", chunks=self.events[seen:])

    def _results(self, request: Request) -> Answer:
        job = self.state["jobs"][request.params["job"]]
        done = [row["language"] for row in job["languages"] if row["status"] == "done"]
        return answer_json(
            {
                "files": [
                    {
                        "language": language,
                        "name": name or f"talk.{language}.{kind}",
                        "url": f"{self.url}/storage/{job['id']}.{language}.{kind}",
                    }
                    for language in self.languages or done
                    for kind, name in zip(("mp4", "srt"), self.names or ("", ""), strict=False)
                ]
            }
        )

    def _file(self, request: Request) -> Answer:
        return Answer(body=b"content of " + request.params["file"].encode() * 50)
