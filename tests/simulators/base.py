"""What every simulated service shares: routes, keys, faults, a bill, a log, a state file.

A service is a subclass of :class:`SimulatorServer` with ``routes()``; ``with Simulator() as sim``
runs it in a thread at ``sim.url``, and :func:`main` as a process of its own. Speech to answer
with is made in :mod:`tests.simulators.sound`.

In a process, ``GET /_simulator/state`` tells its bill and log, ``POST /_simulator/faults`` plans
faults with a JSON list of :class:`Fault` fields.
"""

from __future__ import annotations

import argparse
import email.parser
import email.policy
import hashlib
import json
import os
import re
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "sk-simulated-0123456789abcdef"


@dataclass(frozen=True)
class Upload:
    """A file of a multipart form."""

    filename: str
    content_type: str
    data: bytes


@dataclass(frozen=True)
class Form:
    """A parsed multipart form: every field and file may occur more than once."""

    fields: dict[str, list[str]]
    files: dict[str, list[Upload]]

    def get(self, name: str, default: str = "") -> str:
        """The first value of a field, also of ``name[]``."""
        return (self.fields.get(name) or self.fields.get(f"{name}[]") or [default])[0]

    def all(self, name: str) -> list[str]:
        """Every value of a field, also of ``name[]``."""
        return [*self.fields.get(name, []), *self.fields.get(f"{name}[]", [])]

    def file(self, name: str = "file") -> Upload | None:
        return (self.files.get(name) or [None])[0]


@dataclass(frozen=True)
class Request:
    """One request. Header names are lower case; ``params`` come from ``{name}`` in the route."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    params: dict[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The body; raises ValueError when it is no JSON."""
        return json.loads(self.body)

    @cached_property
    def form(self) -> Form:
        """The body as multipart/form-data; empty when it is none."""
        return parse_multipart(self.headers.get("content-type", ""), self.body)


@dataclass(frozen=True)
class Charge:
    """What an answer costs: it is booked when the body begins to be sent."""

    unit: str
    quantity: float
    model: str = ""


@dataclass(frozen=True)
class Answer:
    """An answer: ``body``, or ``chunks`` to be sent one by one (server-sent events, streams)."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    charges: tuple[Charge, ...] = ()
    chunks: Iterable[bytes] | None = None


Handler = Callable[[Request], Answer]
Routes = dict[tuple[str, str], Handler]
"""(method, path) -> handler; a path may hold ``{name}``, one segment each."""


def answer_json(value: Any, *charges: Charge, status: int = 200, **headers: str) -> Answer:
    body = json.dumps(value, ensure_ascii=False).encode()
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status=status, body=body, charges=charges, headers=names)


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a request.

    ``status``: an error of the vendor's shape (``code`` its error code), unbilled. ``slow``: the
    right answer after ``seconds``, unbilled if nobody waits for it any more. ``cut``: the
    connection ends in the middle of the body (billed, marked undelivered). ``malformed``: 200
    with half a JSON document (the same). ``body``: 200 with ``body`` as it stands (the same).
    """

    kind: Literal["status", "slow", "cut", "malformed", "body"]
    status: int = 500
    retry_after: float | None = None
    code: str = ""
    message: str = "simulated"
    seconds: float = 1.0
    body: str = ""
    path: str = ""
    """A part of the path it waits for; empty: any."""


class Faults:
    """The planned faults, used up in order, each by one authorised request."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []
        self._lock = threading.Lock()

    def plan(self, kind: str, *, times: int = 1, **values: Any) -> None:
        """``faults.plan("status", status=429, retry_after=0.01, times=2)``."""
        with self._lock:
            self._planned.extend([Fault(kind=kind, **values)] * times)

    def take(self, path: str) -> Fault | None:
        with self._lock:
            for index, fault in enumerate(self._planned):
                if fault.path in path:
                    return self._planned.pop(index)
        return None

    @property
    def left(self) -> int:
        return len(self._planned)


@dataclass(frozen=True)
class BillEntry:
    path: str
    unit: str
    quantity: float
    model: str = ""
    delivered: bool = True


class Bill:
    """What the service believes it delivered."""

    def __init__(self, entries: Iterable[BillEntry] = ()) -> None:
        self.entries: list[BillEntry] = list(entries)

    def total(self, unit: str, *, delivered: bool = True, model: str = "") -> float:
        """Sum of a unit; with ``delivered=False`` also of what was cut on its way."""
        return sum(
            entry.quantity
            for entry in self.entries
            if entry.unit == unit
            and (entry.delivered or not delivered)
            and model in ("", entry.model)
        )

    @property
    def count(self) -> int:
        return len(self.entries)


@dataclass(frozen=True)
class Logged:
    """A request as it came, without its key; ``key_right`` tells whether that was the account's."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    key_right: bool
    body: Any
    status: int = 0


class SimulatorServer:
    """A simulated service: subclass it, give ``routes()``, and ``error()`` in the vendor's shape.

    ``state`` is a JSON dictionary for whatever the service remembers (voices, jobs); it is written
    to the state file, with bill and log, before each body is sent. Hold ``lock`` to alter it.
    """

    key_header: ClassVar[str] = "authorization"
    key_prefix: ClassVar[str] = "Bearer "

    def __init__(
        self, *, key: str = KEY, port: int = 0, state_file: Path | None = None, **options: Any
    ) -> None:
        self.key = key
        self.faults = Faults()
        self.bill = Bill()
        self.log: list[Logged] = []
        self.state: dict[str, Any] = {}
        self.lock = threading.RLock()
        self.most_at_once = 0
        self._now = 0
        self._state_file = state_file
        self.options = options
        self.setup(**options)
        self._load()
        found = self.routes().items()
        self._routes = [(method, _pattern(path), run) for (method, path), run in found]
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self._thread: threading.Thread | None = None

    # For subclasses.

    def setup(self, **options: Any) -> None:
        """Fill ``state`` before the state file is read."""

    def routes(self) -> Routes:
        raise NotImplementedError("a simulator has routes")

    def error(self, status: int, message: str, code: str = "") -> Answer:
        """An error in the vendor's shape."""
        return answer_json({"error": {"message": message, "code": code or None}}, status=status)

    def authorized(self, request: Request) -> bool:
        return request.headers.get(self.key_header, "") == f"{self.key_prefix}{self.key}"

    def logged_body(self, request: Request) -> Any:
        """The body as the log keeps it."""
        kind = request.headers.get("content-type", "")
        if kind.startswith("multipart/form-data"):
            form = request.form
            fields = {name: v[0] if len(v) == 1 else v for name, v in form.fields.items()}
            files = {name: [_described(f) for f in files] for name, files in form.files.items()}
            return {**fields, **{n: f[0] if len(f) == 1 else f for n, f in files.items()}}
        with suppress(ValueError):
            return json.loads(request.body)
        return {"bytes": len(request.body)} if request.body else None

    # For tests.

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def requests(self, path: str = "") -> list[Logged]:
        """The requests whose path contains ``path``."""
        return [entry for entry in self.log if path in entry.path]

    def start(self) -> None:
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def run(self) -> None:
        """Serve in this thread until the process is ended."""
        try:
            self._server.serve_forever(poll_interval=0.05)
        finally:
            self._server.server_close()

    # What happens to a request.

    def handle(self, request: Request) -> tuple[Answer, Fault | None]:
        if request.path.startswith("/_simulator/"):
            return self._control(request), None
        right = self.authorized(request)
        with self.lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        fault: Fault | None = None
        try:
            if not right:
                answer = self.error(401, "invalid key", "invalid_api_key")
            else:
                fault = self.faults.take(request.path)
                answer = self._answer(request, fault)
        finally:
            with self.lock:
                self._now -= 1
        hidden = {self.key_header, "authorization"}
        entry = Logged(
            method=request.method,
            path=request.path,
            query=request.query,
            headers={name: v for name, v in request.headers.items() if name not in hidden},
            key_right=right,
            body=self.logged_body(request),
            status=answer.status,
        )
        with self.lock:
            self.log.append(entry)
        return answer, fault

    def _answer(self, request: Request, fault: Fault | None) -> Answer:
        if fault is not None and fault.kind == "status":
            answer = self.error(fault.status, fault.message, fault.code)
            if fault.retry_after is not None:
                answer.headers["Retry-After"] = f"{fault.retry_after:g}"
            return answer
        if fault is not None and fault.kind == "slow":
            time.sleep(fault.seconds)
        allowed = False
        for method, pattern, run in self._routes:
            if (match := pattern.fullmatch(request.path)) is None:
                continue
            allowed = True
            if method == request.method:
                params = {name: unquote(value) for name, value in match.groupdict().items()}
                return run(Request(**{**_shallow(request), "params": params}))
        if allowed:
            return self.error(405, f"{request.method} is not allowed here")
        return self.error(404, f"unknown path {request.path}")

    def book(self, request: Request, answer: Answer, *, delivered: bool) -> None:
        """Write the charges down; the state file has them before the client has a byte."""
        with self.lock:
            self.bill.entries.extend(
                BillEntry(request.path, c.unit, c.quantity, c.model, delivered)
                for c in answer.charges
            )
            self._save()

    def _control(self, request: Request) -> Answer:
        if request.path.endswith("/faults") and request.method == "POST":
            for values in request.json():
                self.faults.plan(**values)
            return answer_json({"planned": self.faults.left})
        return answer_json(self._snapshot() | {"most_at_once": self.most_at_once})

    def _snapshot(self) -> dict[str, Any]:
        with self.lock:
            return {
                "bill": [asdict(entry) for entry in self.bill.entries],
                "log": [asdict(entry) for entry in self.log],
                "state": self.state,
            }

    def _save(self) -> None:
        if self._state_file is None:
            return
        temporary = self._state_file.with_name(f"{self._state_file.name}.{os.getpid()}.tmp")
        temporary.write_text(json.dumps(self._snapshot(), ensure_ascii=False))
        temporary.replace(self._state_file)

    def _load(self) -> None:
        if self._state_file is None or not self._state_file.exists():
            return
        kept = json.loads(self._state_file.read_text())
        self.bill = Bill(BillEntry(**entry) for entry in kept["bill"])
        self.log = [Logged(**entry) for entry in kept["log"]]
        self.state.update(kept["state"])


def parse_multipart(content_type: str, body: bytes) -> Form:
    """A multipart/form-data body, by the standard library's MIME parser."""
    form = Form({}, {})
    if not content_type.startswith("multipart/form-data"):
        return form
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    for part in message.iter_parts():
        name = str(part.get_param("name", "", header="content-disposition"))
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        filename = part.get_filename()
        if filename is None:
            form.fields.setdefault(name, []).append(data.decode())
        else:
            upload = Upload(filename, part.get_content_type(), data)
            form.files.setdefault(name, []).append(upload)
    return form


def main(service: type[SimulatorServer], *files: str, **options: Any) -> None:
    """``python -m tests.simulators.<vendor> --port P --state FILE [--key KEY]``.

    ``files`` are further options whose values are paths: ``--script FILE`` for ``"script"``.
    """
    parser = argparse.ArgumentParser(description=service.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--key", default=KEY)
    for name in files:
        parser.add_argument(f"--{name}", type=Path)
    given = parser.parse_args()
    options |= {name: getattr(given, name) for name in files if getattr(given, name)}
    simulator = service(key=given.key, port=given.port, state_file=given.state, **options)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    sys.stdout.write(f"{simulator.url}\n")
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):
        simulator.run()


class _Server(ThreadingHTTPServer):
    """Closes the connections that clients keep open when it stops."""

    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is not worth a traceback; anything else is."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _handler(simulator: SimulatorServer) -> type[BaseHTTPRequestHandler]:
    class Connection(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Without this, an answer's body waits for the client's acknowledgement of its head.
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            request = self._read()
            answer, fault = simulator.handle(request)
            kind = fault.kind if fault is not None else ""
            if kind == "slow" and self._client_left():
                self.close_connection = True
                return
            delivered = kind not in ("cut", "malformed", "body") or answer.status >= 400
            simulator.book(request, answer, delivered=delivered)
            self._send(answer, fault)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

        def _read(self) -> Request:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            if headers.get("transfer-encoding", "").lower() == "chunked":
                body = b"".join(iter(self._chunk, b""))
            else:
                body = self.rfile.read(int(headers.get("content-length") or 0))
            query = {name: v[0] for name, v in parse_qs(parts.query).items()}
            return Request(self.command, parts.path, query, headers, body)

        def _chunk(self) -> bytes:
            data = self.rfile.read(int(self.rfile.readline().split(b";")[0], 16))
            self.rfile.readline()
            return data

        def _client_left(self) -> bool:
            readable, _, _ = select.select([self.connection], [], [], 0)
            try:
                return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
            except OSError:
                return True

        def _send(self, answer: Answer, fault: Fault | None) -> None:
            kind = fault.kind if fault is not None and answer.status < 400 else ""
            chunks = list(answer.chunks) if answer.chunks is not None else [answer.body]
            streamed = answer.chunks is not None and kind in ("", "slow", "cut")
            body = b"".join(chunks)
            if kind == "malformed":
                body = body[: len(body) // 2]
            elif fault is not None and kind == "body":
                body = fault.body.encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if streamed:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if streamed:
                for chunk in chunks[: len(chunks) // 2 if kind == "cut" else None]:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                if kind != "cut":
                    self.wfile.write(b"0\r\n\r\n")
            else:
                self.wfile.write(body[: len(body) // 2] if kind == "cut" else body)
            self.wfile.flush()
            if kind == "cut":
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are in the simulator's log, not on the terminal."""

    return Connection


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\})", path)
    return re.compile(
        "".join(f"(?P<{p[1:-1]}>[^/]+)" if p.startswith("{") else re.escape(p) for p in parts)
    )


def _shallow(request: Request) -> dict[str, Any]:
    return {name: getattr(request, name) for name in request.__dataclass_fields__}


def _described(upload: Upload) -> dict[str, Any]:
    return {
        "filename": upload.filename,
        "content_type": upload.content_type,
        "bytes": len(upload.data),
        "sha256": hashlib.sha256(upload.data).hexdigest(),
    }
