"""``onevoice serve``, ``worker``, ``db``, ``queue``: what they refuse, and what they say then."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from onevoice.cli.app import run
from onevoice.cli.exits import ExitStatus
from onevoice.server import commands
from onevoice.server.settings import PREFIX

HOSTED = {
    "ENVIRONMENT": "hosted",
    "S3_BUCKET": "media",
    "SQS_PREFIX": "onevoice",
    "SES_SENDER": "hello@example.com",
    "TOKEN_KEYS": "first:hunter2-" + "k" * 40,
}
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs a command: its status, what it printed, and its errors as one line."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(f"{PREFIX}DATA_DIR", str(tmp_path / "data"))

    def act(*arguments: str, **settings: str) -> tuple[int, str, str]:
        for name, value in settings.items():
            monkeypatch.setenv(PREFIX + name, value)
        status = run(list(arguments))
        out, err = capsys.readouterr()
        assert "hunter2" not in out + err
        return status, " ".join(out.split()), " ".join(err.split())

    return act


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What uvicorn was to serve, and in which environment."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(
        uvicorn,
        "run",
        lambda *_, **options: calls.append(
            options | {"url": os.environ.get(f"{PREFIX}PUBLIC_URL", "")}
        ),
    )
    monkeypatch.setenv(f"{PREFIX}PUBLIC_URL", "")  # so that it is put back
    monkeypatch.delenv(f"{PREFIX}PUBLIC_URL")
    return calls


def test_serve_migrates_its_own_database_and_finds_a_port(
    say: Say, served: list[dict[str, Any]], tmp_path: Path
) -> None:
    status, out, _ = say("serve", "--port", "0")
    assert status == ExitStatus.DONE
    (options,) = served
    assert options["port"] > 0 and options["url"] == f"http://127.0.0.1:{options['port']}"
    assert options["url"] in out and str(tmp_path / "data") in out
    assert options["timeout_graceful_shutdown"] == 60
    assert say("db", "check")[0] == ExitStatus.DONE


@pytest.mark.parametrize(("given", "most"), [("0", 1), ("0.5", 1), ("90", 90)])
def test_serve_never_waits_for_ever(
    say: Say, served: list[dict[str, Any]], given: str, most: int
) -> None:
    assert say("serve", "--port", "0", DRAIN_SECONDS=given)[0] == ExitStatus.DONE
    assert served[0]["timeout_graceful_shutdown"] == most


@pytest.mark.parametrize(
    ("host", "reached"),
    [("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("::1", "[::1]"), ("me.test", "me.test")],  # noqa: S104
)
def test_links_lead_to_this_server(host: str, reached: str) -> None:
    assert commands._reachable(host) == reached


def test_a_port_that_is_taken_is_told_before_anything_begins(
    say: Say, served: list[dict[str, Any]], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        status, _, err = say("serve", "--port", port)
    assert status == ExitStatus.USAGE
    assert f"127.0.0.1 port {port}" in err and "in use" in err and "--port" in err
    assert served == [] and not (tmp_path / "data").exists()


def test_several_processes_need_a_queue_they_share(say: Say, served: list[dict[str, Any]]) -> None:
    status, _, err = say("serve", "--workers", "2")
    assert status == ExitStatus.USAGE and f"{PREFIX}SQS_PREFIX" in err and served == []


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_no_tables_no_start(
    say: Say, served: list[dict[str, Any]], tmp_path: Path, command: str
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'some.sqlite3'}"
    options = ("--port", "0") if command == "serve" else ()
    status, _, err = say(command, *options, DATABASE_URL=url, **HOSTED)
    assert status == ExitStatus.USAGE and "run: onevoice db upgrade" in err and served == []
    assert say("db", "upgrade")[0] == ExitStatus.DONE
    if command == "serve":
        assert say("serve", "--port", "0")[0] == ExitStatus.DONE and len(served) == 1


def test_a_hosted_server_without_keys_does_not_start(
    say: Say, served: list[dict[str, Any]], tmp_path: Path
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'some.sqlite3'}"
    without = {name: value for name, value in HOSTED.items() if name != "TOKEN_KEYS"}
    status, _, err = say("serve", "--port", "0", DATABASE_URL=url, **without)
    assert status == ExitStatus.USAGE and f"{PREFIX}TOKEN_KEYS" in err and served == []


@pytest.mark.parametrize(
    "arguments",
    [("worker",), ("queue", "create"), ("queue", "status"), ("queue", "redrive", "cpu")],
)
def test_a_local_queue_is_nobody_elses(say: Say, arguments: tuple[str, ...]) -> None:
    status, _, err = say(*arguments)
    assert status == ExitStatus.USAGE and f"{PREFIX}SQS_PREFIX" in err


def test_a_queue_that_is_none(say: Say) -> None:
    status, _, err = say("worker", "--queue", "nope", SQS_PREFIX="onevoice")
    assert status == ExitStatus.USAGE and "nope" in err and "cpu-high" in err


@pytest.mark.parametrize("arguments", [("serve",), ("worker",), ("db", "current")])
def test_a_wrong_variable_is_named_and_not_repeated(say: Say, arguments: tuple[str, ...]) -> None:
    status, _, err = say(*arguments, PROXIES="hunter2")
    assert status == ExitStatus.USAGE and f"{PREFIX}PROXIES" in err


def test_a_database_that_does_not_answer(say: Say) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    url = f"postgresql://someone:hunter2@127.0.0.1:{port}/onevoice"
    status, _, err = say("db", "upgrade", DATABASE_URL=url)
    assert status == ExitStatus.FAILED
    assert f"{PREFIX}DATABASE_URL" in err and "inside OneVoice" not in err


def test_the_database_from_nothing_and_back(say: Say) -> None:
    status, out, _ = say("db", "current")
    assert status == 1 and "is at nothing" in out
    status, _, err = say("db", "check")
    assert status == ExitStatus.USAGE and "onevoice db upgrade" in err
    assert say("db", "upgrade")[0] == ExitStatus.DONE
    assert say("db", "current")[0] == ExitStatus.DONE
    assert "agree" in say("db", "check")[1]
    status, _, err = say("db", "upgrade", "nonsense")
    assert status == ExitStatus.USAGE and "nonsense" in err
    assert "nothing" in say("db", "downgrade", "base", "--yes")[1]


def test_tables_of_a_newer_version_will_do(
    say: Say, served: list[dict[str, Any]], tmp_path: Path
) -> None:
    """While it is rolled out, the old version goes on with them."""
    path = tmp_path / "some.sqlite3"
    assert say("db", "upgrade", DATABASE_URL=f"sqlite+aiosqlite:///{path}")[0] == ExitStatus.DONE
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    assert say("serve", "--port", "0", **HOSTED)[0] == ExitStatus.DONE and len(served) == 1


@pytest.mark.parametrize("command", ["serve", "worker", "db", "queue"])
def test_without_the_extra_a_command_says_what_to_install(command: str) -> None:
    """As after ``pip install onevoice``: none of the server's packages is there."""
    code = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {{"pydantic_settings", "sqlalchemy", "uvicorn", "fastapi"}}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
from onevoice.cli.app import run
assert run(["--help"]) == 0
sys.exit(run([{command!r}, "--help"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == ExitStatus.ENGINE, done.stderr
    assert "onevoice[server]" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("serve",), ("worker",), ("db",), ("db", "downgrade"), ("queue",), ("queue", "redrive")],
)
def test_help_fits_a_terminal(
    say: Say,
    arguments: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*arguments, "--help"]) == ExitStatus.DONE
    out = capsys.readouterr().out
    assert "--help" in out and max(map(len, out.splitlines())) <= 80
