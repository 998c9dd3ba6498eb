"""The service as its operators run it: real commands in processes of their own.

::

    with local(folder) as server: ...              # onevoice serve, with nothing set
    with hosted(folder, postgres, cloud) as site: ...   # PostgreSQL, S3, SQS, SES, SNS

Settings reach the processes by the environment alone. Every process writes a log file; they are
shown when a test fails. A process that does not end well after SIGTERM fails its test.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.cloud import CREDENTIALS, Aws, Flaky, flaky
from tests.conftest import REPOSITORY
from tests.postgres import Postgres

SECRETS = {
    "token key": "token-key-that-nobody-may-see-0123456789",
    "database password": "database-password-that-nobody-may-see",
    "AWS secret": "aws-secret-that-nobody-may-see",
    "Paddle key": "pdl_sdbx_apikey_that_nobody_may_see",
    "Paddle webhook secret": "pdl_ntfset_that_nobody_may_see",
    "metrics token": "metrics-token-that-nobody-may-see",
}
PREFIX = "ONEVOICE_SERVER_"
_KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "SSL_CERT_FILE",
)
"""Of the tests' environment; everything else is said here or by the test."""


@dataclass
class Process:
    """A command of the service that runs."""

    name: str
    running: subprocess.Popen[bytes]
    log: Path

    @property
    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self, *, number: int = signal.SIGTERM, seconds: float = 60) -> int:
        """Ask it to stop; its exit status. Uvicorn, once it is done, dies of the signal itself."""
        if self.running.poll() is None:
            self.running.send_signal(number)
        try:
            status = self.running.wait(seconds)
            finished = status == -number and "Finished server process" in self.text
            return 0 if finished else status
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop in {seconds:g} s") from None

    def kill(self) -> None:
        self.running.kill()
        self.running.wait()


@dataclass
class Site:
    """Where the service is, and the processes it is made of."""

    folder: Path
    url: str
    environment: dict[str, str]
    processes: dict[str, Process] = field(default_factory=dict)
    proxies: dict[str, Flaky] = field(default_factory=dict)
    """What each worker asks of the cloud goes through one of its own, which notes it."""
    bucket: str = ""
    database_url: str = ""
    topic: str = ""

    def command(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command of OneVoice to its end, in the site's environment."""
        return subprocess.run(
            [sys.executable, "-m", "onevoice", *map(str, arguments)],
            env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=600, check=False,
        )  # fmt: skip

    def start(self, name: str, *arguments: str | Path, **environment: str) -> Process:
        """Start a command (after ``python -m``) that goes on."""
        log = self.folder / "logs" / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("ab") as file:
            running = subprocess.Popen(
                [sys.executable, "-m", *map(str, arguments)],
                env={**self.environment, **environment}, cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip
        self.processes[name] = Process(name, running, log)
        return self.processes[name]

    def wait_until_ready(self, process: Process, seconds: float = 90) -> None:
        def ready() -> bool:
            assert process.running.poll() is None, f"{process.name} ended:\n{process.text}"
            try:
                return httpx.get(f"{self.url}/v1/health/ready", timeout=5).status_code == 200
            except httpx.TransportError:
                return False

        until(ready, seconds, f"{self.url} is ready")

    def close(self) -> None:
        """Stop everything; each must end well."""
        ended = {name: process.stop() for name, process in list(self.processes.items())[::-1]}
        assert set(ended.values()) <= {0}, ended

    def logs(self) -> dict[str, str]:
        return {name: process.text for name, process in self.processes.items()}

    def show_logs(self) -> None:
        for name, text in self.logs().items():
            sys.stderr.write(f"--- {name}, its last lines\n{text[-6000:]}\n")


def until(condition: Callable[[], Any], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.2)


@contextmanager
def local(folder: Path, *, cache: Path | None = None, **environment: str) -> Iterator[Site]:
    """``onevoice serve`` with nothing set but where this machine keeps its data."""
    port = free_port()
    given = base_environment(folder, cache) | environment
    site = Site(folder=folder, url=f"http://127.0.0.1:{port}", environment=given)
    with watched(site):
        server = site.start("serve", "onevoice", "serve", "--port", str(port))
        site.wait_until_ready(server)
        yield site


@contextmanager
def hosted(
    folder: Path,
    postgres: Postgres,
    cloud: Aws,
    *,
    workers: int = 2,
    cache: Path | None = None,
    **settings: str,
) -> Iterator[Site]:
    """A database, a bucket, queues, Gunicorn as it is deployed, and workers beside each other."""
    port = free_port()
    given = cloud.settings()
    name = urlsplit(postgres.create()).path.lstrip("/")
    database = f"postgresql://postgres:{SECRETS['database password']}@127.0.0.1:{postgres.port}"
    metrics = folder / "metrics"
    variables = {
        "ENVIRONMENT": "hosted",
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "DATA_DIR": str(folder / "web"),
        "DATABASE_URL": f"{database}/{name}",
        "TOKEN_KEYS": f"k1:{SECRETS['token key']}",
        "PADDLE_API_KEY": SECRETS["Paddle key"],
        "PADDLE_WEBHOOK_SECRETS": SECRETS["Paddle webhook secret"],
        "PADDLE_URL": "http://127.0.0.1:9",  # nobody: nothing is bought here
        "METRICS_TOKEN": SECRETS["metrics token"],
        **{name.upper(): str(value) for name, value in given.items()},
        **{name.upper(): value for name, value in settings.items()},
    }
    site = Site(
        folder=folder,
        url=variables["PUBLIC_URL"],
        environment={
            **base_environment(folder, cache),
            **{k: v for k, v in CREDENTIALS.items() if k != "AWS_SESSION_TOKEN"},
            "AWS_SECRET_ACCESS_KEY": SECRETS["AWS secret"],
            **{PREFIX + key: value for key, value in variables.items()},
        },
        bucket=given["s3_bucket"],
        database_url=f"postgresql+asyncpg://postgres@127.0.0.1:{postgres.port}/{name}",
        topic=given["sns_topic"],
    )
    with ExitStack() as stack:
        stack.enter_context(watched(site))
        for command in (("db", "upgrade"), ("queue", "create"), ("db", "current")):
            done = site.command(*command)
            assert done.returncode == 0, done.stdout + done.stderr
        web = site.start(
            "web", "gunicorn", "--config", REPOSITORY / "deploy" / "gunicorn.conf.py",
            PORT=str(port), WEB_CONCURRENCY="2", PROMETHEUS_MULTIPROC_DIR=str(metrics),
        )  # fmt: skip
        for number in range(1, workers + 1):
            proxy = stack.enter_context(flaky(cloud.endpoint))
            site.proxies[f"worker-{number}"] = proxy
            site.start(
                f"worker-{number}", "onevoice", "worker", "--queue", "tasks", "--queue", "cpu",
                **{
                    f"{PREFIX}DATA_DIR": str(folder / f"worker-{number}"),
                    f"{PREFIX}AWS_ENDPOINT_URL": proxy.endpoint,
                },
            )  # fmt: skip
        site.wait_until_ready(web)
        stack.callback(site.close)  # before the proxies go
        yield site


@contextmanager
def watched(site: Site) -> Iterator[None]:
    """Stop the site's processes at the end; show their logs if it was a bad one."""
    site.folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
        site.close()
    except BaseException:
        site.show_logs()
        raise
    finally:
        for process in site.processes.values():
            process.kill()


def base_environment(folder: Path, cache: Path | None) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(REPOSITORY), kept.get("PYTHONPATH")))),
        "ONEVOICE_CACHE_DIR": str(cache or folder / "cache"),
        "ONEVOICE_DATA_DIR": str(folder / "data"),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
