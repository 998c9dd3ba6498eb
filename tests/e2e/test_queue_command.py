"""``onevoice dub FOLDER --queue`` against a server of one's own, both in processes of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from onevoice import media
from tests.e2e.hosting import Site, local, until
from tests.integration.server.test_dub_process import (
    FAKES,
    SENTENCES,
    site,  # noqa: F401 (a fixture)
)
from tests.integration.server.test_dub_process import Site as Engines

pytestmark = pytest.mark.slow

LOGIN = {"email": "ada@example.com", "password": "stapler whale lantern sofa"}


@pytest.fixture
def server(tmp_path: Path, site: Engines) -> Iterator[Site]:  # noqa: F811
    site.play(seconds=0.05)
    fakes = {f"ONEVOICE_{kind.upper()}__ENGINE": x["engine"] for kind, x in FAKES.items()}
    with local(tmp_path / "server", PYTHONPATH=f"{site.folder}:{Path.cwd()}", **fakes) as running:
        yield running


@pytest.fixture
def clips(clip: Path) -> Path:
    """Two clips that differ, in a folder with something that is none."""
    (clip.parent / "second.mp4").write_bytes(clip.read_bytes() + b"\0" * 8)
    (clip.parent / "notes.txt").write_text("no video")
    return clip.parent


class Account:
    def __init__(self, server: Site) -> None:
        self.url = f"{server.url}/v1"
        httpx.post(f"{self.url}/auth/register", json=LOGIN).raise_for_status()
        tokens = httpx.post(f"{self.url}/auth/login", json=LOGIN).raise_for_status().json()
        self.headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        scopes = ["videos:read", "videos:write", "jobs:read", "jobs:write"]
        body = {"name": "batch", "scopes": scopes}
        made = httpx.post(f"{self.url}/auth/api-keys", json=body, headers=self.headers)
        self.key = str(made.raise_for_status().json()["key"])

    def get(self, path: str) -> Any:
        return httpx.get(f"{self.url}{path}", headers=self.headers).raise_for_status().json()

    def dub(self, server: Site, *arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "onevoice", "dub", *map(str, arguments), "--queue", "--json"],
            env=server.environment | {
                "ONEVOICE_API_URL": server.url, "ONEVOICE_API_KEY": self.key,
            },
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


def ended(process: subprocess.Popen[str], status: int) -> Any:
    out, err = process.communicate(timeout=180)
    assert process.returncode == status, err
    return json.loads(out)


def test_a_folder_is_dubbed_by_the_server(server: Site, site: Engines, clips: Path) -> None:  # noqa: F811
    ada = Account(server)
    # Killed while the server works, interrupted the second time: nothing is done or paid twice.
    killed = ada.dub(server, clips, "--to", "pt")
    until(lambda: ada.get("/jobs")["items"], 60, "a job is begun")
    killed.kill()
    killed.communicate()
    stopped = ada.dub(server, clips, "--to", "pt")
    until(lambda: len(ada.get("/jobs")["items"]) == 2, 60, "both jobs are begun")
    stopped.send_signal(signal.SIGINT)
    assert stopped.wait(60) in (0, 130)
    stopped.communicate()

    done = ended(ada.dub(server, clips, "--to", "pt"), 0)
    assert done["errors"] == []
    assert [(Path(j["input"]).name, j["status"]) for j in done["jobs"]] == [
        ("second.mp4", "done"), ("talk.mp4", "done"),
    ]  # fmt: skip
    assert sorted(p.name for p in clips.iterdir()) == [
        "notes.txt", "second.mp4", "second.onevoice", "second.pt.mp4", "second.pt.srt",
        "second.pt.vtt", "talk.mp4", "talk.onevoice", "talk.pt.mp4", "talk.pt.srt", "talk.pt.vtt",
    ]  # fmt: skip
    for name in ("talk.pt.mp4", "second.pt.mp4"):
        assert [a.language for a in media.probe(clips / name).audio] == ["por"]
        assert media.probe(clips / name).synthetic_voice
    assert all(text in (clips / "talk.pt.srt").read_text() for _, _, text in SENTENCES)

    assert len(ada.get("/videos")["items"]) == len(ada.get("/jobs")["items"]) == 2
    charged = {x["charged_seconds"] for j in ada.get("/jobs")["items"] for x in j["languages"]}
    assert charged == {8} or charged == {9}
    balance = ada.get("/billing/balance")
    assert (balance["held_seconds"], balance["spent_seconds"]) == (0, 2 * charged.pop())
    assert len(site.spoken) == 2 * len(SENTENCES), "no line was spoken twice"
    assert ended(ada.dub(server, clips, "--to", "pt"), 0) == done, "results are no inputs"
    assert ada.key not in str(server.logs())


def test_a_server_that_goes_away_and_comes_back(server: Site, site: Engines, clip: Path) -> None:  # noqa: F811
    ada = Account(server)
    site.play(seconds=1.0)
    waiting = ada.dub(server, clip, "--to", "pt")
    until(lambda: site.spoken, 90, "something is spoken")
    assert server.processes["serve"].stop() == 0
    port = server.url.rpartition(":")[2]
    site.play()
    server.wait_until_ready(server.start("serve", "onevoice", "serve", "--port", port))
    (job,) = ended(waiting, 0)["jobs"]
    assert job["status"] == "done"
    assert len(ada.get("/jobs")["items"]) == 1
    assert ada.get("/billing/balance")["held_seconds"] == 0
