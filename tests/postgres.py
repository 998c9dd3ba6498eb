"""A PostgreSQL of the tests' own: a cluster in a temporary folder, on a free port of loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Literal

import pytest

_NUMBERS = count(1)
_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "timezone": "UTC",
}
_HURRIED = {"fsync": "off", "full_page_writes": "off"}
"""Its data live as long as the tests. Commits wait for the log all the same: what was committed
survives ``stop("immediate")``, if not the machine's crash."""


class Postgres:
    """A cluster that can be stopped, started and asked for databases.

    ``durable``: it loses nothing when it crashes, as the one of a real server.
    """

    def __init__(self, programs: Path, *, durable: bool = False) -> None:
        self._programs = programs
        self._settings = _SETTINGS if durable else _SETTINGS | _HURRIED
        # Beneath /tmp and short: a socket's path has 107 bytes. Root cannot run PostgreSQL.
        self._folder = Path(tempfile.mkdtemp(prefix="ov-pg-"))
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(self._folder, account.pw_uid, account.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._call(
            "initdb", "--pgdata", str(self._folder / "data"), "--username=postgres",
            "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip

    def url(self, database: str) -> str:
        """The URL of a database for SQLAlchemy."""
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/{database}"

    def create(self) -> str:
        """A fresh, empty database: its URL."""
        self.start()  # a test before this one may have stopped it
        name = f"test_{next(_NUMBERS)}"
        self._call("createdb", "--host=127.0.0.1", f"--port={self.port}", "-Upostgres", name)
        return self.url(name)

    def start(self) -> None:
        """Start the server and wait until it answers; nothing if it runs."""
        if self._process is not None:
            return
        given = [f"--{name}={value}" for name, value in self._settings.items()]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._programs / "postgres", "-D", self._folder / "data", f"--port={self.port}",
                    f"--unix_socket_directories={self._folder}", *given,
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", user=self._user,
                start_new_session=True,  # Ctrl-C is for the tests, which then stop it in order
            )  # fmt: skip
        end = time.monotonic() + 60
        while time.monotonic() < end and self._process.poll() is None:
            if self._answers():
                return
            time.sleep(0.05)
        log_text = (self._folder / "server.log").read_text(errors="replace")[-2000:]
        self.stop("immediate")
        raise RuntimeError(f"PostgreSQL did not start:\n{log_text}")

    def stop(self, how: Literal["fast", "immediate"] = "fast") -> None:
        """Stop the server, cutting its connections; ``immediate`` as a crash would."""
        if self._process is None:
            return
        self._process.send_signal(_SIGNALS[how])
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def remove(self) -> None:
        """Stop the server and delete its data."""
        self.stop("immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        asked = subprocess.run(
            [self._programs / "pg_isready", "--quiet", "--host=127.0.0.1", f"--port={self.port}"],
            check=False,
        )
        return asked.returncode == 0

    def _call(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, cwd="/", user=self._user, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stderr.decode(errors='replace')}")


def find_programs() -> Path | None:
    """The folder of the newest PostgreSQL server that is installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(installed, key=lambda path: float(path.parent.parent.name), default=None)
    return newest.parent if newest else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The running cluster, one for all tests; who stops it in a test starts it again."""
    programs = find_programs()
    if programs is None:
        reason = "no PostgreSQL server is installed (Debian: apt-get install postgresql)"
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(reason)
        pytest.skip(reason)
    cluster = Postgres(programs)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database: a test runs on SQLite, and again on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'test.sqlite3'}"
    cluster: Postgres = request.getfixturevalue("postgres")
    return cluster.create()
