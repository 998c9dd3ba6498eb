"""A hosted server for tests of faults: PostgreSQL, AWS's services behind a wire, and processes.

The web tier runs in the test itself unless it is to be killed; workers are ``onevoice worker``,
told everything by their environment, each with a disk of its own like machines of a fleet.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from onevoice.server import migrate
from onevoice.server.auth.keys import SCOPES, new_key
from onevoice.server.auth.models import ApiKey, User
from onevoice.server.billing import ledger
from onevoice.server.db import Database, now
from onevoice.server.ids import new_id
from onevoice.server.queue.sqs import SqsQueue
from onevoice.server.settings import PREFIX, load_settings
from onevoice.server.tasks.models import Task
from onevoice.server.videos.keys import source_key
from onevoice.server.videos.models import Video
from onevoice.server.webhooks.models import WebhookEndpoint
from tests.cloud import CREDENTIALS, Aws
from tests.integration.server.accounts import Server, serving
from tests.integration.server.faults_wire import Wire
from tests.postgres import Postgres

REPOSITORY = Path(__file__).parents[3]
LEASE_S = 10
SECONDS = 5
"""Of the video, as far as books go: what a language of it costs."""
KINDS = ("separation", "recognition", "diarization", "translation", "synthesis")
CLASSES = ("Separator", "Recognizer", "Diarizer", "Translator", "Synthesizer")


@dataclass
class Worker:
    """A process of ``onevoice worker``, on a disk of its own."""

    process: subprocess.Popen[bytes]
    disk: Path
    log: Path
    name: str
    killed_at: float = 0.0

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def kill(self) -> None:
        """As ``kill -9`` does."""
        self.killed_at = time.monotonic()
        self.signal(signal.SIGKILL)

    @property
    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2500:]

    def said(self, text: str) -> bool:
        return text in self.log.read_text(errors="replace")


@dataclass
class Site:
    """Everything that is there, and what the tests do with it."""

    folder: Path
    aws: Aws
    wire: Wire
    postgres: Postgres
    clip: Path
    more: dict[str, Any] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    """Of the environment of workers that are started from now on, beside the server's settings."""

    def __post_init__(self) -> None:
        cloud = self.aws.settings(self.wire.endpoint)
        self.given: dict[str, Any] = (
            cloud
            | {
                "environment": "hosted",
                "database_url": self.postgres.create(),
                "token_keys": f"test:{secrets.token_hex(32)}",
                "visibility_seconds": LEASE_S,
                "log_format": "json",
                "max_attempts": 50,
            }
            | {name: value for name, value in self.more.items() if name != "cluster"}
        )
        self.site = self.folder / "site"
        info = self.site / "faults_engines-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faults-engines\nVersion: 1\n")
        module = "tests.integration.server.faults_engines"
        points = [f"{k}.fake = {module}:{c}" for k, c in zip(KINDS, CLASSES, strict=True)]
        (info / "entry_points.txt").write_text("\n".join(["[onevoice.engines]", *points]) + "\n")
        self.play()

    def play(self, *, slowness: float = 1.0, poison: str = "") -> None:
        """What engines do: so much slower, and die with their worker at lines with this word."""
        scene = json.dumps({"slowness": slowness, "poison": poison})
        fresh = self.site / "scene.new"
        fresh.write_text(scene, encoding="utf-8")
        fresh.replace(self.site / "scene.json")

    @property
    def trace(self) -> list[tuple[float, str, str, str]]:
        """When, begin or end, verb, and of what (language and text)."""
        path = self.site / "trace.txt"
        rows = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        fields = [row.split("\t") for row in rows]
        return [
            (float(at), point, verb, f"{tag} {text}") for at, _, point, verb, tag, text in fields
        ]

    def ends(self) -> dict[tuple[str, str], int]:
        """How often engines finished each thing."""
        counted: dict[tuple[str, str], int] = {}
        for _, point, verb, what in self.trace:
            if point == "end":
                counted[verb, what] = counted.get((verb, what), 0) + 1
        return counted

    def environ(self, disk: Path, **more: object) -> dict[str, str]:
        """The environment of a process: nothing of the test's own but where programs are."""
        own = {n: v for n, v in os.environ.items() if n in ("PATH", "HOME", "LANG", "TMPDIR")}
        given = self.given | {"data_dir": disk} | more
        return {
            **own,
            **CREDENTIALS,
            "PYTHONPATH": f"{self.site}{os.pathsep}{REPOSITORY}",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "ONEVOICE_CACHE_DIR": str(disk / "cache"),
            **{f"ONEVOICE_{kind.upper()}__ENGINE": "fake" for kind in KINDS},
            "ONEVOICE_KEEP__VOICES": "false",  # the clip is one tone: a voice in every pause
            **self.variables,
            **{PREFIX + name.upper(): str(value) for name, value in given.items()},
        }

    def worker(self, *queues: str, concurrency: int = 2, **more: object) -> Worker:
        """Start a worker: another machine."""
        number = len(self.workers)
        disk = self.folder / f"machine-{number}"
        names = [part for queue in queues or ("cpu",) for part in ("--queue", queue)]
        name = f"worker-{number}"
        command = ["worker", *names, "--concurrency", str(concurrency)]
        process = self.start(command, disk, name, **more)
        self.workers.append(Worker(process, disk, self.folder / f"{name}.log", name))
        return self.workers[-1]

    def start(
        self, command: list[str], disk: Path, name: str, **more: object
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "onevoice", *command],
                env=self.environ(disk, **more) | {"AWS_SDK_UA_APP_ID": name},
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def done_again(self) -> list[str]:
        """What engines began although it was in the storage, whole, before."""
        kept: dict[tuple[str, str], float] = {}
        for entry, at in self.wire.finished():
            verb = "speak" if entry.stage == "speech" else entry.stage
            known = (verb, entry.said or entry.video)
            kept[known] = min(at, kept.get(known, at))
        return [
            f"{verb} {what}"
            for at, point, verb, what in self.trace
            if point == "begin" and kept.get((verb, what.partition(" ")[2]), at) < at
        ]

    def processes(self) -> list[str]:
        """Processes of this site but for workers that are meant to run, as ``pid command``."""
        meant = {str(worker.pid) for worker in self.workers if worker.alive}
        mark, found = str(self.folder).encode(), []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if not entry.name.isdecimal() or entry.name in meant:
                    continue
                if mark in (entry / "environ").read_bytes():
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if command:  # an ended one that nobody has waited for has none
                        found.append(f"{entry.name} {command}")
        return found

    def close(self) -> None:
        for worker in self.workers:
            worker.signal(signal.SIGCONT)
            worker.signal(signal.SIGKILL)
            worker.process.wait(30)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[tuple[Server, Customer]]:
        """The web tier in this process, and somebody with credit."""
        settings = load_settings(**self.given, data_dir=self.folder / "web", log_level="ERROR")
        queue = SqsQueue(settings)
        await queue.create_queues()
        await queue.close()
        database = Database(settings)
        await migrate.upgrade(database)
        await database.close()
        async with serving(settings) as server:
            yield server, await _customer(self, server)


@dataclass
class Customer:
    """Somebody with an API key, credit, a webhook endpoint and videos."""

    site: Site
    server: Server
    id: str
    key: str
    videos: dict[str, str] = field(default_factory=dict)
    """The video of each job."""

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}", **more.pop("headers", {})}
        return await self.server.http.request(method, f"/v1{path}", headers=headers, **more)

    async def video(self) -> str:
        """A video that is ready to be dubbed."""
        video_id = new_id("vid")
        key = source_key(self.id, video_id)
        s3 = self.site.aws.client("s3")
        bucket = self.site.given["s3_bucket"]
        await asyncio.to_thread(s3.upload_file, str(self.site.clip), bucket, key)
        async with self.server.database() as session:
            session.add(
                Video(
                    id=video_id, user_id=self.id, name="talk.mp4", status="ready",
                    storage_key=key, size=1, duration_ms=SECONDS * 1000, ready_at=now(),
                )
            )  # fmt: skip
        return video_id

    async def submit(self, *languages: str, video: str = "", key: str = "") -> str:
        """A job; asked for again and again until there is an answer, as clients should."""
        video = video or await self.video()
        body = {"video_id": video, "languages": list(languages), "confirm": True}
        headers = {"Idempotency-Key": key or secrets.token_hex(8)}
        async with asyncio.timeout(120):
            while True:
                answer = await self.ask("POST", "/jobs", json=body, headers=headers)
                if answer.status_code < 500:
                    break
                await asyncio.sleep(0.2)
        assert answer.status_code == 201, answer.text
        job_id: str = answer.json()["id"]
        self.videos[job_id] = video
        return job_id

    async def job(self, job_id: str) -> dict[str, Any]:
        answer = await self.ask("GET", f"/jobs/{job_id}")
        found: dict[str, Any] = answer.json() if answer.is_success else {"status": ""}
        return found

    async def open(self, jobs: list[str]) -> list[str]:
        """Those that have not ended yet."""
        ended = ("done", "partial", "failed", "cancelled")
        return [job for job in jobs if (await self.job(job))["status"] not in ended]

    async def ended(self, *jobs: str, seconds: float = 180) -> None:
        async def over() -> bool:
            return not await self.open(list(jobs))

        await until(over, seconds, f"{len(jobs)} jobs have ended", self.site)

    async def tasks(self, kind: str = "dub") -> list[Task]:
        async with self.server.database() as session:
            found = await session.scalars(select(Task).where(Task.kind == kind).order_by(Task.id))
            return list(found)

    async def working(self, worker: Worker) -> list[Task]:
        """The dubs that a worker has claimed."""
        mark = f"-{worker.pid}-"
        return [t for t in await self.tasks() if t.state == "running" and mark in t.worker]


async def until(
    condition: Callable[[], Awaitable[object]], seconds: float, what: str, site: Site
) -> None:
    """Wait for it; what the workers said last is shown when it does not come."""
    end = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > end:
            logs = [worker.last_words for worker in site.workers[-3:]]
            raise AssertionError("\n".join([f"not within {seconds} s: {what}", *logs]))
        await asyncio.sleep(0.1)


async def _customer(site: Site, server: Server) -> Customer:
    user_id, key = new_id("user"), new_key()
    async with server.database() as session:
        session.add(
            User(
                id=user_id, email="ada@example.com", email_key="ada@example.com",
                password_hash="", plan="studio", verified_at=now(),
            )
        )  # fmt: skip
        await session.flush()
        session.add(
            ApiKey(
                id=key.id, user_id=user_id, name="test", last_four=key.text[-4:],
                secret_hash=key.secret_hash, scopes=list(SCOPES),
            )
        )  # fmt: skip
        session.add(
            WebhookEndpoint(
                id=new_id("whe"), user_id=user_id, url="https://hooks.example.com/",
                secret="whsec_test", events=["*"], enabled=True,
            )
        )  # fmt: skip
        await ledger.grant(session, user_id, 10_000, key=f"test:{user_id}")
    return Customer(site, server, user_id, key.text)
