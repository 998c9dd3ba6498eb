"""Where the server is measured: PostgreSQL that loses nothing, AWS's services on loopback, and the
server's processes, all of them started here and stopped at the end.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psutil
import yaml
from sqlalchemy import insert

from onevoice.server import migrate
from onevoice.server.auth.keys import SCOPES, new_key
from onevoice.server.auth.models import ApiKey, User
from onevoice.server.billing.models import Balance
from onevoice.server.billing.plans import BUILT_IN
from onevoice.server.db import Database, now
from onevoice.server.ids import new_id
from onevoice.server.queue.sqs import SqsQueue
from onevoice.server.settings import PREFIX, ServerSettings, load_settings
from onevoice.server.videos.models import Video
from tests.cloud import CREDENTIALS, REGION
from tests.postgres import Postgres, find_programs

SECONDS_OF_VIDEO = 60


@dataclass(frozen=True, slots=True)
class Person:
    """An account with credit, an API key and a video."""

    user_id: str
    key: str
    video_id: str


@dataclass(slots=True)
class Place:
    """What is there: see :func:`place`."""

    folder: Path
    postgres: Postgres
    aws: str
    database_url: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    _started: ExitStack = field(default_factory=ExitStack)

    @property
    def settings(self) -> ServerSettings:
        given = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in self.environ.items()
            if name.startswith(PREFIX)
        }
        return load_settings(**given)

    def fresh(self, *, sqs: bool = True, s3: bool = False) -> None:
        """An empty database, queues and bucket of their own, for what is measured next."""
        name = secrets.token_hex(4)
        self.database_url = self.postgres.create()
        given = {
            "DATABASE_URL": self.database_url,
            "DATA_DIR": str(self.folder / name),
            "TOKEN_KEYS": f"bench:{secrets.token_hex(32)}",
            "PLANS": str(_plans(self.folder / "plans.yaml")),
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.aws,
            "LOG_FORMAT": "json",
        }
        if sqs:
            given["SQS_PREFIX"] = f"bench-{name}"
        if s3:
            given["S3_BUCKET"] = f"bench-{name}"
            storage = boto3.client("s3", endpoint_url=self.aws, region_name=REGION)
            storage.create_bucket(Bucket=given["S3_BUCKET"])
        own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        self.environ = own | {PREFIX + key: value for key, value in given.items()}
        asyncio.run(self._prepare(sqs))

    async def _prepare(self, sqs: bool) -> None:
        async with self.database() as database:
            await migrate.upgrade(database)
        if sqs:
            queue = SqsQueue(self.settings)
            await queue.create_queues()
            await queue.close()

    def database(self) -> Any:
        from contextlib import asynccontextmanager

        @asynccontextmanager
        async def opened() -> Any:
            database = Database(self.settings)
            try:
                yield database
            finally:
                await database.close()

        return opened()

    def people(self, number: int) -> list[Person]:
        """Accounts that can submit."""
        return asyncio.run(self._people(number))

    async def _people(self, number: int) -> list[Person]:
        found, rows = [], tuple[list[dict[str, Any]], ...]([] for _ in range(4))
        for _ in range(number):
            user_id, video_id, key = new_id("user"), new_id("vid"), new_key()
            found.append(Person(user_id, key.text, video_id))
            address = f"{user_id}@example.com"
            rows[0].append(
                {"id": user_id, "email": address, "email_key": address, "password_hash": "",
                 "plan": "bench", "verified_at": now()}
            )  # fmt: skip
            rows[1].append(
                {"id": key.id, "user_id": user_id, "name": "bench", "last_four": key.text[-4:],
                 "secret_hash": key.secret_hash, "scopes": list(SCOPES)}
            )  # fmt: skip
            rows[2].append(
                {"id": video_id, "user_id": user_id, "name": "talk.mp4", "status": "ready",
                 "storage_key": f"accounts/{user_id}/videos/{video_id}/source",
                 "duration_ms": SECONDS_OF_VIDEO * 1000, "ready_at": now()}
            )  # fmt: skip
            rows[3].append({"user_id": user_id, "available_s": 10**9, "held_s": 0, "spent_s": 0})
        async with self.database() as database, database.transaction() as session:
            for table, values in zip((User, ApiKey, Video, Balance), rows, strict=True):
                await session.execute(insert(table), values)
        return found

    @contextmanager
    def server(self, *, workers: int = 1, **settings: str) -> Iterator[Process]:
        """``onevoice serve`` in processes of its own."""
        port = _free_port()
        arguments = ["-m", "onevoice", "serve", "--port", str(port), "--workers", str(workers)]
        with self._running("server", arguments, settings) as process:
            process.port = port
            process.answers("/v1/health/live")
            yield process

    @contextmanager
    def bare(self, *, workers: int, module: str = "bare") -> Iterator[Process]:
        """The application of ``bare.py`` or of another module beside it, served the same way."""
        port = _free_port()
        arguments = [
            "-m", "uvicorn", f"serving.{module}:app", "--port", str(port), "--no-access-log",
            "--workers", str(workers), "--log-level", "warning", "--no-server-header",
        ]  # fmt: skip
        url = self.database_url.replace("+asyncpg", "")
        with self._running(module, arguments, {}, {"BARE_DATABASE": url}) as process:
            process.port = port
            process.answers("/openapi.json")
            yield process

    @contextmanager
    def worker(self, *queues: str, concurrency: int = 1, **settings: str) -> Iterator[Process]:
        """``onevoice worker`` in a process of its own."""
        arguments = ["-m", "onevoice", "worker", "--concurrency", str(concurrency)]
        for queue in queues:
            arguments += ["--queue", queue]
        with self._running("worker", arguments, settings) as process:
            yield process

    @contextmanager
    def _running(
        self,
        name: str,
        arguments: Sequence[str],
        settings: Mapping[str, str],
        more: Mapping[str, str] | None = None,
    ) -> Iterator[Process]:
        environ = self.environ | {PREFIX + key.upper(): value for key, value in settings.items()}
        log = self.folder / f"{name}.log"
        with log.open("ab") as file:
            started = subprocess.Popen(
                [sys.executable, *arguments], env=environ | dict(more or {}),
                cwd=Path(__file__).parents[1], stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            )  # fmt: skip
        process = Process(psutil.Process(started.pid), log)
        try:
            yield process
        finally:
            started.terminate()
            try:
                started.wait(30)
            except subprocess.TimeoutExpired:
                for child in process.process.children(recursive=True):
                    child.kill()
                started.kill()
                started.wait()

    @property
    def postgres_process(self) -> psutil.Process:
        started: Any = self.postgres._process
        return psutil.Process(started.pid)


@dataclass(slots=True)
class Process:
    """A process with its children."""

    process: psutil.Process
    log: Path
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self, path: str, *, within: float = 60.0) -> None:
        """Wait until it does."""
        end = time.monotonic() + within
        while True:
            try:
                with urllib.request.urlopen(self.url + path, timeout=5) as answer:  # noqa: S310 (loopback)
                    answer.read()
                    return
            except (urllib.error.URLError, OSError) as exc:
                if time.monotonic() > end or not self.process.is_running():
                    log = self.log.read_text(errors="replace")[-3000:]
                    raise SystemExit(f"{self.url} does not answer: {exc}\n{log}") from exc
                time.sleep(0.1)

    @property
    def cpu(self) -> float:
        return cpu_of(self.process)

    @property
    def memory(self) -> int:
        """Bytes that only it has."""
        return sum(one.memory_full_info().uss for one in family(self.process))


def family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def cpu_of(process: psutil.Process) -> float:
    """Seconds of CPU of a process and its children, those that ended included."""
    total = 0.0
    for one in family(process):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


@contextmanager
def place() -> Iterator[Place]:
    """Start PostgreSQL and AWS's services."""
    programs = find_programs()
    if programs is None:
        raise SystemExit("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    os.environ.update(CREDENTIALS)
    with tempfile.TemporaryDirectory(prefix="ov-bench-") as folder, ExitStack() as stack:
        cluster = Postgres(programs, durable=True)
        stack.callback(cluster.remove)
        cluster.start()
        yield Place(Path(folder), cluster, stack.enter_context(_aws(Path(folder))))


@contextmanager
def _aws(folder: Path) -> Iterator[str]:
    port = _free_port()
    with (folder / "aws.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        moto = Process(psutil.Process(process.pid), folder / "aws.log", port)
        moto.answers("/moto-api/")
        yield moto.url
    finally:
        process.terminate()
        process.wait(30)


def _plans(path: Path) -> Path:
    """The built-in plans, and one without limits that would be measured."""
    plans = yaml.safe_load(BUILT_IN.read_text(encoding="utf-8"))
    greatest = plans["plans"][-1]
    plans["plans"].append(greatest | {"name": "bench", "jobs_at_once": 10**6})
    path.write_text(yaml.safe_dump(plans, allow_unicode=True), encoding="utf-8")
    return path


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
