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
about, so that a script which was killed and starts again goes on instead of paying twice. What the
server says is data: its names become no paths, its addresses get no key of ours.
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
from onevoice.client.transport import (
    ATTEMPTS,
    PASSING,
    again,
    checked_url,
    decoded,
    events,
    is_replay,
    pause,
    refusal,
    silent,
    storage_refusal,
)
from onevoice.errors import ConfigError, MediaUnreadable, ServiceFailed
from onevoice.media import whole_file
from onevoice.pipeline.fingerprint import file_digest

ENDED = frozenset({"done", "partial", "failed", "cancelled", "expired"})
LOOK_S = 1.0
_BLOCK = 1 << 20
_ANEW = 20
"""How often one file is uploaded anew, because the video of the time before is gone."""

Tell = Callable[[int, int], None]
"""Told how many bytes of how many are over."""


class Client:
    """One account of one server. Answers are the API's own JSON; errors are OneVoice's.

    Parameters
    ----------
    url : where the server is; ``/v1`` is added.
    key : an API key (``ov_…``) or an access token.
    timeout : seconds a silent server is waited for.

    Raises
    ------
    ConfigError
        No server can have such an address, or nobody such a key.
    """

    def __init__(self, url: str, key: str, *, timeout: float = 60.0) -> None:
        self.url = checked_url(url)
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise ConfigError(
                "the key of the OneVoice server is not one", hint="check ONEVOICE_API_KEY"
            )
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
            It cannot be read here, or the server found that it cannot be dubbed.
        """
        try:
            size, digest = path.stat().st_size, file_digest(path)
            shown = (name or path.name).encode(errors="replace").decode()
            begun, video = self._begin({"name": shown, "size": size}, digest)
            if video["status"] == "uploading":
                self._put_parts(path, size, begun, tell)
        except OSError as exc:
            raise MediaUnreadable(
                f"{path} cannot be read: {exc.strerror or exc}", hint="check its permissions"
            ) from exc
        return self._inspected(video["id"])

    def _begin(self, body: dict[str, Any], digest: str) -> tuple[Any, Any]:
        """The upload of this content, and its video as it is now.

        The server answers a known key as it did then; where that video was deleted or rejected
        since, the next key begins another.
        """
        for time_ in range(_ANEW):
            key = _digest("upload", digest, body, time_)
            answer = self._send("POST", "videos", body, key=key)
            begun = decoded(answer)
            if not is_replay(answer):
                return begun, begun["video"]
            try:
                video = self.video(begun["video"]["id"])
            except ServiceFailed:  # deleted
                continue
            if video["status"] != "rejected":
                return begun, video
        return begun, video

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

        answer = again(send, url=self.url, refused=storage_refusal)
        try:
            return str(answer.headers["etag"])
        except KeyError:
            raise storage_refusal(answer) from None

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
            time.sleep(LOOK_S)

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
        """Begin a job. The same one asked for again, with the same ``key``, is not begun twice:
        it comes back as it stands now.

        Without a key it is made of the video, the languages and the options.
        """
        body = {
            "video_id": video_id,
            "languages": list(languages),
            "profile": profile,
            "options": dict(options or {}),
            "confirm": True,
        }
        answer = self._send("POST", "jobs", body, key=key or _digest("dub", body))
        job = decoded(answer)
        return self.job(job["id"]) if is_replay(answer) else job

    def retry(self, job: Mapping[str, Any]) -> Any:
        """Try again what failed or was cancelled of a job that has ended."""
        path = f"jobs/{_part(job['id'])}/retry"
        return self._post(path, None, key=_digest("retry", job["id"], job["round"]))

    def job(self, job_id: str) -> Any:
        return self._get(f"jobs/{_part(job_id)}")

    def cancel(self, job_id: str) -> Any:
        return self._post(f"jobs/{_part(job_id)}/cancel", None)

    def follow(self, job_id: str) -> Iterator[Any]:
        """The events of a job until it has ended; a connection that breaks is made anew."""
        seen = 0
        failures = 0
        while True:
            try:
                for event in self._stream(job_id, seen):
                    seen, failures = event["seq"], 0
                    yield event
            except httpx.TransportError as exc:
                failures += 1
                if failures >= ATTEMPTS:
                    raise silent(self.url) from exc
                time.sleep(pause(failures))
            else:
                if self.job(job_id)["status"] in ENDED:
                    return
                time.sleep(LOOK_S)  # a server that stops closes its streams

    def _stream(self, job_id: str, seen: int) -> Iterator[Any]:
        path, headers = f"jobs/{_part(job_id)}/events", {"Last-Event-ID": str(seen)}
        with self._http.stream("GET", path, headers=headers) as answer:
            if answer.status_code in PASSING:
                raise httpx.RemoteProtocolError(f"answered {answer.status_code}")
            if not answer.is_success:
                answer.read()
                raise refusal(answer)
            yield from events(answer.iter_bytes())

    def results(self, job_id: str) -> list[Any]:
        """The files of a job, with addresses that need no login and run out."""
        files: list[Any] = self._get(f"jobs/{_part(job_id)}/results")["files"]
        return files

    def download(self, file: Mapping[str, Any], folder: Path, *, name: str | None = None) -> Path:
        """Fetch a result into a folder, by the server's name or yours; it is there whole or not.

        Raises
        ------
        ServiceFailed
            The server calls it what no file may be called, or it is not there.
        """
        target = folder / (name or plain_name(str(file["name"])))
        url = checked_url(str(file["url"]), whole=True)

        def fetch() -> httpx.Response:
            with self._storage.stream("GET", url) as answer:
                if not answer.is_success:
                    answer.read()
                    return answer
                with whole_file(target) as new, new.open("wb") as out:
                    for block in answer.iter_bytes(_BLOCK):
                        out.write(block)
                return answer

        again(fetch, url=self.url, refused=storage_refusal)
        return target

    # -- inner workings ----------------------------------------------------------------------

    def _get(self, path: str) -> Any:
        return decoded(again(lambda: self._http.get(path), url=self.url))

    def _post(self, path: str, body: Any, *, key: str | None = None) -> Any:
        return decoded(self._send("POST", path, body, key=key))

    def _send(self, method: str, path: str, body: Any, *, key: str | None) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return again(
            lambda: self._http.request(method, path, json=body, headers=headers), url=self.url
        )


def plain_name(name: str) -> str:
    """A name that is a file's of the very folder it is put into. Raises ServiceFailed."""
    last = name.replace("\\", "/").rpartition("/")[2]
    if not last.strip(".") or last.startswith(".") or not last.isprintable() or ":" in last:
        raise ServiceFailed(
            f"the server calls a result {name[:80]!r}, which is no name for a file",
            hint="is ONEVOICE_API_URL a OneVoice server?",
        )
    return last


def _part(name: str) -> str:
    return quote(name, safe="")


def _digest(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
