"""The services of AWS over HTTP on loopback (moto), and a proxy in front that makes them fail.

::

    with aws() as cloud:                        # needs the fixture aws_credentials
        settings = load_settings(**cloud.settings())
        with flaky(cloud.endpoint) as proxy:    # hand proxy.endpoint to the client instead
            proxy.fail(2, "slow_down", containing="PUT /")
            with proxy.outage(): ...

moto keeps its state in the process: names are made unique, and it is emptied when the last user is
gone. A worker in another process reaches it by the endpoint, with ``CREDENTIALS`` in its
environment.
"""

from __future__ import annotations

import http.client
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, cast
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.retries.standard import ExponentialBackoff
from moto.s3.exceptions import NoSuchUpload
from moto.s3.models import S3Backend
from moto.server import ThreadedMotoServer

REGION = "us-east-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}
_FOREIGN = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION")

Kind = Literal["drop", "cut", "lost", "delay", "slow_down", "error"]
"""drop: closed before anything was done. lost: done, and closed without an answer. cut: done, and
closed in the middle of the answer. delay: done, late. slow_down: 503, not done. error: 500, not
done."""


def _as_s3_says(method: Callable[..., Any]) -> Callable[..., Any]:
    """moto answers 500 for an upload that was aborted or never begun, S3 404 NoSuchUpload."""

    @wraps(method)
    def called(backend: Any, bucket_name: str, multipart_id: str, *rest: Any, **named: Any) -> Any:
        if multipart_id not in backend.get_bucket(bucket_name).multiparts:
            raise NoSuchUpload(upload_id=multipart_id)
        return method(backend, bucket_name, multipart_id, *rest, **named)

    return called


for _name in ("upload_part", "complete_multipart_upload"):
    setattr(S3Backend, _name, _as_s3_says(getattr(S3Backend, _name)))


@pytest.fixture
def aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that are worth nothing, and no other way for boto3 to find real ones."""
    for name in _FOREIGN:
        monkeypatch.delenv(name, raising=False)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 tries again as often as ever, and waits for nothing in between."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.0)


def aws_settings(endpoint: str, *, bucket: str = "onevoice", name: str = "test") -> dict[str, Any]:
    """Arguments of ``load_settings`` for a server on these services; it makes none of them."""
    return {
        "aws_endpoint_url": endpoint,
        "aws_region": REGION,
        "s3_bucket": bucket,
        "sqs_prefix": f"onevoice-{name}",
        "ses_sender": "OneVoice <hello@onevoice.example>",
        "sns_topic": f"arn:aws:sns:{REGION}:123456789012:onevoice-{name}",
    }


@dataclass(frozen=True, slots=True)
class Aws:
    """The running services."""

    endpoint: str
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A boto3 client with keys of its own, for looking at what the server did."""
        if service not in self._clients:
            self._clients[service] = self._connect(service)
        return self._clients[service]

    def _connect(self, service: str) -> Any:
        return boto3.client(
            cast(Any, service),
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def bucket(self, name: str = "") -> str:
        """Make a bucket; without a name one that nobody else has."""
        name = name or f"onevoice-{secrets.token_hex(6)}"
        self.client("s3").create_bucket(Bucket=name)
        return name

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def settings(self, endpoint: str = "", **more: Any) -> dict[str, Any]:
        """``aws_settings`` with an own bucket, topic and sender that exist. Queues: the server's.

        ``endpoint``: that of a proxy.
        """
        name = secrets.token_hex(6)
        given = aws_settings(endpoint or self.endpoint, bucket=self.bucket(), name=name)
        topics, mail = self.client("sns"), self.client("sesv2")
        given["sns_topic"] = topics.create_topic(Name=f"onevoice-{name}")["TopicArn"]
        if not mail.list_email_identities()["EmailIdentities"]:
            mail.create_email_identity(EmailIdentity="hello@onevoice.example")
        return given | more


_users = 0
_users_lock = threading.Lock()


@contextmanager
def aws() -> Iterator[Aws]:
    """Start the services on a free port of 127.0.0.1."""
    global _users
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with _users_lock:
        _users += 1
    server.start()
    host, port = server.get_host_and_port()
    running = Aws(endpoint=f"http://{host}:{port}")
    try:
        yield running
    finally:
        running.close()
        with _users_lock:
            _users -= 1
            if not _users:
                _reset(host, port)
        server.stop()
        if server._server is not None:  # stop() leaves the listening socket open
            server._server.server_close()


def _reset(host: str, port: int) -> None:
    connection = http.client.HTTPConnection(host, port, timeout=10)
    connection.request("POST", "/moto-api/reset")
    connection.getresponse().read()
    connection.close()


@dataclass(slots=True)
class _Fault:
    kind: Kind
    left: int
    containing: str
    seconds: float


class Flaky:
    """An HTTP proxy that forwards everything, except what it was told to spoil.

    ``log`` lists what came: the line and the fault it met ("" for none). A line reads
    ``PUT /bucket/key?partNumber=1`` for S3 and ``POST / AmazonSQS.SendMessage`` (target or action)
    for the services that have one address for everything.
    """

    def __init__(self, endpoint: str) -> None:
        self.upstream = urlsplit(endpoint).netloc
        self.log: list[tuple[str, str]] = []
        self._faults: list[_Fault] = []
        self._down = False
        self._lock = threading.Lock()
        flaky = self

        class Handler(_Handler):
            proxy = flaky

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def fail(self, times: int, kind: Kind, *, containing: str = "", seconds: float = 0.0) -> None:
        """Spoil the next ``times`` requests whose line contains the text."""
        with self._lock:
            self._faults.append(_Fault(kind, times, containing, seconds))

    def heal(self) -> None:
        """Forget the faults that have not happened yet."""
        with self._lock:
            self._faults.clear()

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Nothing is answered while this lasts."""
        self._down = True
        try:
            yield
        finally:
            self._down = False

    def count(self, containing: str = "", *, kind: str | None = None) -> int:
        """How many requests came whose line contains the text (and met this kind of fault)."""
        with self._lock:
            return sum(containing in line and kind in (None, met) for line, met in self.log)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def meet(self, line: str) -> tuple[Kind | Literal[""], float]:
        """What is to happen to a request; it is noted."""
        with self._lock:
            kind: Kind | Literal[""] = "drop" if self._down else ""
            seconds = 0.0
            for fault in self._faults if not kind else ():
                if fault.left > 0 and fault.containing in line:
                    fault.left -= 1
                    kind, seconds = fault.kind, fault.seconds
                    break
            self.log.append((line, kind))
            return kind, seconds


@contextmanager
def flaky(endpoint: str) -> Iterator[Flaky]:
    """A proxy in front of an endpoint."""
    proxy = Flaky(endpoint)
    try:
        yield proxy
    finally:
        proxy.close()


class _Handler(BaseHTTPRequestHandler):
    proxy: Flaky
    protocol_version = "HTTP/1.1"
    timeout = 30

    def _handle(self) -> None:
        body = self._body()
        target = self.headers.get("X-Amz-Target", "") or _action(self.headers, body)
        kind, seconds = self.proxy.meet(f"{self.command} {self.path} {target}".strip())
        if kind == "drop":
            self._hang_up()
            return
        if kind in ("slow_down", "error"):
            self._refuse(kind)
            return
        if kind == "delay":
            time.sleep(seconds)
        status, headers, answer = self._forward(body)
        if kind == "lost":
            self._hang_up()
            return
        self._answer(status, headers, answer, sent=len(answer) // 2 if kind == "cut" else None)
        if kind == "cut":
            self._hang_up()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _handle

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(parts)

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self.proxy.upstream, timeout=60)
        skipped = {"connection", "transfer-encoding", "content-length", "expect"}
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                if name.lower() not in skipped:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def _answer(
        self, status: int, headers: list[tuple[str, str]], body: bytes, *, sent: int | None = None
    ) -> None:
        """Answer; a cut one announces the length of the whole."""
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:sent])

    def _refuse(self, kind: str) -> None:
        code = "SlowDown" if kind == "slow_down" else "InternalError"
        text = "Please reduce your request rate." if kind == "slow_down" else "Try again."
        if "json" in self.headers.get("Content-Type", ""):
            media_type = "application/x-amz-json-1.0"
            body = f'{{"__type": "com.amazonaws#{code}", "message": "{text}"}}'
        else:
            media_type = "application/xml"
            body = (
                f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{text}</Message></Error>"
            )
        self._answer(
            503 if kind == "slow_down" else 500,
            [("Content-Type", media_type), ("Content-Length", str(len(body)))],
            body.encode(),
        )

    def _hang_up(self) -> None:
        self.close_connection = True
        try:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the client was faster

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: ``Flaky.log`` keeps what tests want to know."""


def _action(headers: Any, body: bytes) -> str:
    """The action of a query-protocol request (SNS), which is in its form."""
    if "x-www-form-urlencoded" not in headers.get("Content-Type", ""):
        return ""
    return parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0]
