"""A Remote Settings server with translation models, as Mozilla's speaks it.

It serves what it is given: the catalogue under ``/v1/buckets/main/collections/…/records``, the
place of the files under ``/v1/``, and the files, zstd-packed, with ranges. ``cut_after`` breaks
the next downloads off, ``broken`` answers 503 that many times, ``requests`` is the log.
"""

from __future__ import annotations

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

COLLECTION = "/v1/buckets/main/collections/translations-models-v2/records"


def pack(data: bytes) -> bytes:
    """A zstd frame of raw blocks (RFC 8878, 3.1.1): valid, and not one byte smaller."""
    size = 128 << 10
    blocks = [data[i : i + size] for i in range(0, len(data), size)] or [b""]
    out = bytearray(b"\x28\xb5\x2f\xfd\xa0" + len(data).to_bytes(4, "little"))
    for number, block in enumerate(blocks):
        last = number == len(blocks) - 1
        out += (len(block) << 3 | last).to_bytes(3, "little") + block
    return bytes(out)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class RemoteSettings:
    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.cut_after: list[int] = []
        self.broken = 0
        self.url = ""

    def publish(
        self,
        pair: tuple[str, str],
        files: dict[str, bytes],
        *,
        version: str = "3.0",
        architecture: str = "tiny",
        **changes: Any,
    ) -> None:
        """Put a model into the catalogue: its files by type (model, lex, vocab, …)."""
        for kind, data in files.items():
            packed = pack(data)
            location = f"main-workspace/translations-models-v2/{sha(packed)[:20]}.zst"
            self.files[f"/files/{location}"] = packed
            record = {
                "name": f"../{kind}.{''.join(pair)}.bin",
                "fileType": kind,
                "sourceLanguage": pair[0],
                "targetLanguage": pair[1],
                "version": version,
                "architecture": architecture,
                "filter_expression": "",
                "decompressedHash": sha(data),
                "decompressedSize": len(data),
                "attachment": {"hash": sha(packed), "size": len(packed), "location": location},
            }
            self.records.append({**record, **changes})

    def answer(self, path: str) -> bytes | None:
        if path == "/v1/":
            where = {"attachments": {"base_url": f"{self.url}/files/"}}
            return json.dumps({"capabilities": where}).encode()
        if path == COLLECTION:
            return json.dumps({"data": self.records}).encode()
        return self.files.get(path)

    def downloads(self) -> list[str]:
        """The ranges asked for of files, in order; empty for a whole file."""
        return [asked for path, asked in self.requests if path.startswith("/files/")]

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(server: RemoteSettings) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            server.requests.append((self.path, asked))
            body = server.answer(self.path)
            if server.broken:
                server.broken -= 1
                return self._send(503, b"try later")
            if body is None:
                return self._send(404, b"{}")
            if asked:
                begin = int(asked.removeprefix("bytes=").rstrip("-"))
                return self._send(206, body[begin:], f"{begin}-{len(body) - 1}/{len(body)}")
            return self._send(200, body)

        def _send(self, status: int, body: bytes, part: str = "") -> None:
            self.send_response(status)
            if part:
                self.send_header("Content-Range", f"bytes {part}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.path.startswith("/files/") and server.cut_after:
                body = body[: server.cut_after.pop(0)]
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
