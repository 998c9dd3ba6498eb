"""A client of the hosted API, for programs and for ``onevoice dub --queue``.

::

    with Client("https://api.example.com", key) as service:
        video = service.upload(Path("talk.mp4"))
        job = service.dub(video["id"], ["es", "ko"])
        for event in service.follow(job["id"]):
            print(event["kind"])
        for file in service.results(job["id"]):
            service.download(file, Path("dubs"))

Everything may be repeated: uploads and jobs carry an ``Idempotency-Key`` made of what they are
about, so that a script which was killed and starts again goes on instead of paying twice.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from onevoice import __version__
from onevoice.errors import (
    BudgetExceeded,
    ConfigError,
    MediaUnreadable,
    ServiceFailed,
    ServiceUnavailable,
)
from onevoice.media import whole_file

ENDED = frozenset({"done", "partial", "failed", "cancelled", "expired"})
ATTEMPTS = 6
_LOOK_S = 1.0
_BLOCK = 1 << 20

Tell = Callable[[int, int], None]
"""Told how many bytes of how many are over."""


class Client:
    """One account of one server. Answers are the API's own JSON; errors are OneVoice's.

    Parameters
    ----------
    url : where the server is; ``/v1`` is added.
    key : an API key (``ov_…``) or an access token.
    timeout : seconds a silent server is waited for.
    """

    def __init__(self, url: str, key: str, *, timeout: float = 60.0) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        self._http = httpx.Client(
            base_url=f"{self.url}/v1/",
            headers={"Authorization": f"Bearer {key}", "User-Agent": f"onevoice/{__version__}"},
            timeout=httpx.Timeout(timeout, connect=10.0),
        )
        # Signed addresses of a storage know who asks: the key is none of their business.
        self._storage = httpx.Client(timeout=httpx.Timeout(timeout, connect=10.0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()
        self._storage.close()

    # -- videos ------------------------------------------------------------------------------

    def upload(self, path: Path, *, name: str | None = None, tell: Tell | None = None) -> Any:
        """Upload a file, unless that was done already, and wait until it is ready.

        Raises
        ------
        MediaUnreadable
            The server found that it cannot be dubbed; the message says why.
        """
        size = path.stat().st_size
        body = {"name": name or path.name, "size": size}
        key = _digest("upload", file_digest(path), body)
        begun = self._post("videos", body, key=key)
        video = self.video(begun["video"]["id"])
        if video["status"] == "uploading":
            self._put_parts(path, size, begun, tell)
        return self._inspected(video["id"])

    def _put_parts(self, path: Path, size: int, begun: Any, tell: Tell | None) -> None:
        video, upload = begun["video"]["id"], begun["upload"]
        parts = []
        with path.open("rb") as file:
            for number in range(1, upload["parts"] + 1):
                data = file.read(upload["part_size"])
                parts.append({"number": number, "etag": self._put_part(video, number, data)})
                if tell is not None:
                    tell(file.tell(), size)
        self._post(f"videos/{video}/complete", {"parts": parts})

    def _put_part(self, video: str, number: int, data: bytes) -> str:
        """Each attempt gets an address of its own: an old one may have run out."""

        def send() -> httpx.Response:
            urls = self._post(f"videos/{video}/parts", {"numbers": [number]})["urls"]
            return self._storage.put(urls[0]["url"], content=data)

        etag: str = self._again(send).headers["etag"]
        return etag

    def _inspected(self, video_id: str) -> Any:
        while True:
            video = self.video(video_id)
            if video["status"] == "ready":
                return video
            if video["status"] == "rejected":
                error = video["error"]
                raise MediaUnreadable(
                    f"{video['name']}: {error['message']}", hint=error.get("hint", "")
                )
            time.sleep(_LOOK_S)

    def video(self, video_id: str) -> Any:
        return self._get(f"videos/{_part(video_id)}")

    # -- jobs --------------------------------------------------------------------------------

    def dub(
        self,
        video_id: str,
        languages: Sequence[str],
        *,
        profile: str | None = None,
        options: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Any:
        """Begin a job. The same one asked for again, with the same ``key``, is not begun twice.

        Without a key it is made of the video, the languages and the options.
        """
        body = {
            "video_id": video_id,
            "languages": list(languages),
            "profile": profile,
            "options": dict(options or {}),
            "confirm": True,
        }
        return self._post("jobs", body, key=key or _digest("dub", body))

    def job(self, job_id: str) -> Any:
        return self._get(f"jobs/{_part(job_id)}")

    def cancel(self, job_id: str) -> Any:
        return self._post(f"jobs/{_part(job_id)}/cancel", None)

    def follow(self, job_id: str) -> Iterator[Any]:
        """The events of a job until it has ended; a connection that breaks is made anew."""
        seen = 0
        failures = 0
        while failures < ATTEMPTS:
            try:
                with self._http.stream(
                    "GET", f"jobs/{_part(job_id)}/events", headers={"Last-Event-ID": str(seen)}
                ) as answer:
                    if answer.is_error:
                        answer.read()
                        raise _refused(answer)
                    for event in _events(answer.iter_lines()):
                        seen, failures = event["seq"], 0
                        yield event
                if self.job(job_id)["status"] in ENDED:
                    return
            except httpx.TransportError:
                failures += 1
                time.sleep(min(0.5 * 2**failures, 10.0))
        raise _silent(self.url)

    def results(self, job_id: str) -> list[Any]:
        """The files of a job, with addresses that need no login and run out."""
        files: list[Any] = self._get(f"jobs/{_part(job_id)}/results")["files"]
        return files

    def download(self, file: Mapping[str, Any], folder: Path, *, name: str | None = None) -> Path:
        """Fetch a result into a folder; written to another name first."""
        # The server's names are data: nothing but a file of this folder can come of one.
        target = folder / Path((name or str(file["name"])).replace("\\", "/")).name
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with whole_file(target) as new, self._storage.stream("GET", file["url"]) as answer:
                    if answer.is_error:
                        answer.read()
                        raise _refused(answer)
                    with new.open("wb") as out:
                        for block in answer.iter_bytes(_BLOCK):
                            out.write(block)
                return target
            except httpx.TransportError as exc:
                if attempt == ATTEMPTS:
                    raise _silent(self.url) from exc
                time.sleep(min(0.5 * 2**attempt, 10.0))
        raise AssertionError("an attempt returns or raises")

    # -- inner workings ----------------------------------------------------------------------

    def _get(self, path: str) -> Any:
        return self._again(lambda: self._http.get(path)).json()

    def _post(self, path: str, body: Any, *, key: str | None = None) -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        return self._again(lambda: self._http.post(path, json=body, headers=headers)).json()

    def _again(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        """Send until there is an answer that is worth having. Raises what the server refuses."""
        for attempt in range(1, ATTEMPTS + 1):
            wait = min(0.5 * 2**attempt, 10.0)
            try:
                answer = send()
            except httpx.TransportError as exc:
                if attempt == ATTEMPTS:
                    raise _silent(self.url) from exc
            else:
                if answer.is_success:
                    return answer
                passing = answer.status_code in (429, 500, 502, 503, 504)
                if not passing or attempt == ATTEMPTS:
                    raise _refused(answer)
                asked = answer.headers.get("retry-after", "")
                wait = min(float(asked), 60.0) if asked.isdecimal() else wait
            time.sleep(wait)
        raise AssertionError("an attempt returns or raises")


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _events(lines: Iterator[str]) -> Iterator[Any]:
    """The data of server-sent events. Each of ours is one line of JSON."""
    for line in lines:
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))


def _refused(answer: httpx.Response) -> Exception:
    """What a problem document says, as an error of ours."""
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    message = str(problem.get("detail") or f"the server answered {answer.status_code}")
    hint = str(problem.get("hint") or "")
    if answer.status_code == 402:
        return BudgetExceeded(message, hint=hint)
    if answer.status_code in (401, 403):
        return ConfigError(message, hint=hint or "check ONEVOICE_API_KEY")
    if answer.status_code in (429, 502, 503, 504):
        return ServiceUnavailable(message, hint=hint)
    return ServiceFailed(message, hint=hint)


def _silent(url: str) -> ServiceUnavailable:
    return ServiceUnavailable(
        f"the server {url} does not answer", hint="check ONEVOICE_API_URL, or try again later"
    )


def _part(name: str) -> str:
    return quote(name, safe="")


def _digest(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
