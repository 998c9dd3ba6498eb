"""The profiles for hosted engines, on the sample, against simulators of the services."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from onevoice import media
from tests.conftest import REPOSITORY, SAMPLE
from tests.e2e.conftest import Finished

pytestmark = [pytest.mark.models, pytest.mark.slow]

KEYS = {
    "OPENAI_API_KEY": "sk-planted-Qm4v7RzX91aLk2",
    "ELEVENLABS_API_KEY": "xi-planted-T8wHf3NcB60dJs",
    "FISH_API_KEY": "fa-planted-Yp5gUe2KmV47or",
}


@dataclass
class Service:
    """A simulator as a process, which can be killed and brought back."""

    module: str
    key: str
    state: Path
    options: tuple[str | Path, ...] = ()
    port: int = 0
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def start(self) -> None:
        if not self.port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        command = [sys.executable, "-m", f"tests.simulators.{self.module}"]
        command += ["--port", str(self.port), "--state", str(self.state), "--key", self.key]
        self.process = subprocess.Popen(
            [*command, *map(str, self.options)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == self.url

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def told(self) -> dict[str, Any]:
        state: dict[str, Any] = httpx.get(f"{self.url}/_simulator/state", timeout=10).json()
        return state

    def plan(self, **fault: Any) -> None:
        httpx.post(f"{self.url}/_simulator/faults", json=[fault], timeout=10).raise_for_status()

    def billed(self) -> Counter[str]:
        """What it charged, by unit."""
        units: Counter[str] = Counter()
        for entry in self.told()["bill"]:
            units[entry["unit"]] += entry["quantity"]
        return units


@pytest.fixture
def openai(tmp_path: Path) -> Iterator[Service]:
    service = Service("openai", KEYS["OPENAI_API_KEY"], tmp_path / "openai.json")
    service.start()
    yield service
    service.kill()


@pytest.fixture
def elevenlabs(tmp_path: Path) -> Iterator[Service]:
    service = Service("elevenlabs", KEYS["ELEVENLABS_API_KEY"], tmp_path / "elevenlabs.json")
    service.start()
    yield service
    service.kill()


@pytest.fixture
def env(tmp_path: Path, cache: Path) -> dict[str, str]:
    """An environment with planted keys and a cache of its own that borrows the models."""
    own = tmp_path / "cache"
    own.mkdir()
    (cache / "models").mkdir(exist_ok=True)
    (own / "models").symlink_to(cache / "models")
    quiet = {k: v for k, v in os.environ.items() if not k.startswith("ONEVOICE_")}
    return {
        **quiet,
        **KEYS,
        "ONEVOICE_CACHE_DIR": str(own),
        "ONEVOICE_DATA_DIR": str(tmp_path / "data"),
    }


def cloud(openai: Service, elevenlabs: Service) -> list[str]:
    """The settings that lead ``configs/cloud.yaml`` to the simulators."""
    urls = {
        "separation.elevenlabs.base_url": elevenlabs.url,
        "recognition.elevenlabs.base_url": elevenlabs.url,
        "diarization.elevenlabs.base_url": elevenlabs.url,
        "synthesis.elevenlabs.base_url": elevenlabs.url,
        "translation.openai.base_url": f"{openai.url}/v1",
        "translation.openai.key_variable": "OPENAI_API_KEY",
        "translation.openai.usd_per_1m_input": "2.0",
        "translation.openai.usd_per_1m_output": "10.0",
    }
    sets = [f"{key}={value}" for key, value in urls.items()]
    return ["--profile", "cloud", *(part for each in sets for part in ("--set", each))]


def begin(out: Path, env: dict[str, str], *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "onevoice", "--debug", "dub", SAMPLE, "--out", out, "--json"]
    return subprocess.Popen(
        [*map(str, command), *options],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> Finished:
    out, err = process.communicate(timeout=900)
    return Finished(process.returncode, out, err)


def booked(out: Path) -> tuple[Counter[str], float]:
    """What the project says was used, by unit, and paid, in dollars."""
    units: Counter[str] = Counter()
    usd = 0.0
    for row in (out / "talk.onevoice" / "usage.jsonl").read_text(encoding="utf-8").splitlines():
        data = json.loads(row)
        units[data["unit"]] += data["quantity"]
        usd += data["usd"]
    return units, usd


def find_keys(*places: Path) -> list[str]:
    """Files below the places that hold one of the planted keys."""
    found = []
    for place in places:
        for path in place.rglob("*"):
            if path.is_file() and not path.is_symlink():
                data = path.read_bytes()
                found += [str(path) for key in KEYS.values() if key.encode() in data]
    return found


def same(a: Counter[str], b: Counter[str]) -> None:
    assert set(a) == set(b)
    for unit, quantity in a.items():
        assert quantity == pytest.approx(b[unit], rel=1e-3, abs=0.5), unit


def test_the_cloud_profile_dubs_the_sample_and_its_bill_adds_up(
    openai: Service, elevenlabs: Service, env: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ("--to", "es", *cloud(openai, elevenlabs))
    done = end(begin(out, env, *options))
    assert done.status == 0, done.stderr
    (result,) = done.json["results"]
    warned = {warning["code"] for warning in result["warnings"]}
    assert "engine_replaced" not in warned, result["warnings"]
    assert result["lines"] >= 8
    made = media.probe(Path(result["output"]))
    assert [a.language for a in made.audio] == ["spa"]
    # Two speakers were counted, and each has a voice of the account.
    lines = (out / "talk.onevoice" / "lines.es.yaml").read_text(encoding="utf-8")
    assert len(set(re.findall(r"speaker: (\w+)", lines))) == 2
    # The services' own bills are what the run wrote down, per request and in its answer.
    units, usd = booked(out)
    same(openai.billed() + elevenlabs.billed(), units)
    assert usd == pytest.approx(done.json["usd"], abs=1e-4)
    assert usd > 0
    # What was paid for is paid for.
    again = end(begin(out, env, *options))
    assert again.status == 0, again.stderr
    assert again.json["usd"] == 0
    same(openai.billed() + elevenlabs.billed(), units)
    # The keys are in no file, and in nothing that was said.
    said = done.stdout + done.stderr + again.stdout + again.stderr
    assert not [key for key in KEYS.values() if key in said]
    assert not find_keys(out, tmp_path / "cache" / "artifacts", tmp_path / "data")
    for service in (openai, elevenlabs):
        assert all(entry["key_right"] for entry in service.told()["log"])


SPEECH = "text-to-speech"


def until_three_are_spoken(process: subprocess.Popen[str], elevenlabs: Service) -> None:
    """Three lines are paid for; those that follow are under way and get no answer."""
    until = time.monotonic() + 300
    while sum(SPEECH in entry["path"] for entry in elevenlabs.told()["bill"]) < 3:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(3.0)  # the answers are read and kept


def each_line_was_spoken_once(openai: Service, elevenlabs: Service, out: Path) -> None:
    bodies = [
        json.dumps(entry["body"], sort_keys=True)
        for entry in elevenlabs.told()["log"]
        if SPEECH in entry["path"] and entry["status"] == 200
    ]
    assert len(bodies) == len(set(bodies)) > 3
    units, _ = booked(out)
    same(openai.billed() + elevenlabs.billed(), units)


def stall_after_three(elevenlabs: Service) -> None:
    elevenlabs.plan(kind="slow", seconds=0.4, path=SPEECH, times=3)
    elevenlabs.plan(kind="slow", seconds=60, path=SPEECH, times=20)


def test_a_service_that_dies_in_mid_run_is_paid_once_for_each_line(
    openai: Service, elevenlabs: Service, env: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    stall_after_three(elevenlabs)
    process = begin(out, env, "--to", "es", *cloud(openai, elevenlabs))
    until_three_are_spoken(process, elevenlabs)
    elevenlabs.kill()
    time.sleep(2.0)
    elevenlabs.start()
    done = end(process)
    assert done.status == 0, done.stderr
    each_line_was_spoken_once(openai, elevenlabs, out)


def test_a_run_that_is_killed_pays_for_nothing_twice(
    openai: Service, elevenlabs: Service, env: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ("--to", "es", *cloud(openai, elevenlabs))
    stall_after_three(elevenlabs)
    process = begin(out, env, *options)
    until_three_are_spoken(process, elevenlabs)
    process.kill()
    process.communicate()
    elevenlabs.kill()  # with what it was still thinking about
    elevenlabs.start()
    paid = openai.billed()
    done = end(begin(out, env, *options))
    assert done.status == 0, done.stderr
    assert openai.billed() == paid  # all was translated before the kill
    each_line_was_spoken_once(openai, elevenlabs, out)


def test_a_budget_stops_the_run_before_the_money_is_spent(
    openai: Service, elevenlabs: Service, env: dict[str, str], tmp_path: Path
) -> None:
    options = ("--to", "es", "--max-cost", "0.05usd", *cloud(openai, elevenlabs))
    done = end(begin(tmp_path / "out", env, *options))
    assert done.status == 7, done.stderr
    assert "--max-cost" in done.stderr
    assert done.json["errors"][0]["code"] == "budget"
    assert not elevenlabs.told()["bill"]
    assert not openai.told()["bill"]


def test_wrong_keys_are_told_by_name_and_never_shown(
    openai: Service, elevenlabs: Service, env: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    wrong = {name: f"wrong-{key[::-1]}" for name, key in KEYS.items()}
    options = [*cloud(openai, elevenlabs), "--set", "separation.engine=elevenlabs"]
    done = end(begin(out, {**env, **wrong}, "--to", "es", *options))
    assert done.status == 4
    assert "ELEVENLABS_API_KEY" in done.stderr
    assert not [key for key in wrong.values() if key in done.stdout + done.stderr]
    missing = {name: value for name, value in env.items() if name not in KEYS}
    done = end(begin(out, missing, "--to", "es", *options))
    assert done.status == 4
    assert "ELEVENLABS_API_KEY" in done.stderr


def test_the_local_profile_dubs_the_sample(
    openai: Service, env: dict[str, str], tmp_path: Path
) -> None:
    fish = Service("fish_server", "none", tmp_path / "fish.json")
    fish.start()
    try:
        sets = {
            "separation.engine": "deepfilter",  # demucs has its own tests, with torch
            "recognition.whisper.model": "base",  # larger ones come from the hub
            "translation.openai.base_url": f"{openai.url}/v1",
            "translation.openai.key_variable": "OPENAI_API_KEY",
            "synthesis.engine": "fish",
            "synthesis.fish.base_url": fish.url,
        }
        options = [part for item in sets.items() for part in ("--set", "=".join(item))]
        keyless = {name: value for name, value in env.items() if name not in KEYS}
        keyless["OPENAI_API_KEY"] = KEYS["OPENAI_API_KEY"]  # of the chat server
        out = tmp_path / "out"
        done = end(begin(out, keyless, "--to", "ko", "--profile", "local", *options))
        assert done.status == 0, done.stderr
        (result,) = done.json["results"]
        assert result["lines"] >= 8
        assert done.json["usd"] == 0
        lines = (out / "talk.onevoice" / "lines.ko.yaml").read_text(encoding="utf-8")
        assert re.search("[가-힣]", lines)
        assert len(fish.told()["log"]) >= result["lines"]
    finally:
        fish.kill()
