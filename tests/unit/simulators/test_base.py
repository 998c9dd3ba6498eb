"""The simulators themselves: what they log, bill, break and remember."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.simulators import sound
from tests.simulators.base import (
    KEY,
    Charge,
    Request,
    Routes,
    SimulatorServer,
    answer_json,
    parse_multipart,
)
from tests.simulators.hearing import Script, ScriptLine


class Echo(SimulatorServer):
    """Answers what it is asked, for a coin a time."""

    def routes(self) -> Routes:
        return {
            ("POST", "/things/{name}"): self._echo,
            ("POST", "/form"): lambda r: answer_json(
                {
                    "fields": r.form.fields,
                    "files": {n: len(f[0].data) for n, f in r.form.files.items()},
                }
            ),
        }

    def _echo(self, request: Request) -> Any:
        said = {"name": request.params["name"], "body": request.json(), "query": request.query}
        return answer_json(said, Charge("coins", 1))


@pytest.fixture
def sim() -> Iterator[Echo]:
    with Echo() as sim:
        yield sim


def ask(sim: SimulatorServer, key: str = KEY, **more: Any) -> httpx.Response:
    with httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=2.0) as client:
        return client.post(f"{sim.url}/things/a%20b?x=1", **{"json": {"q": 1}, **more})


def test_answers_bills_and_logs_without_the_key(sim: Echo) -> None:
    assert ask(sim).json() == {"name": "a b", "body": {"q": 1}, "query": {"x": "1"}}
    assert sim.bill.total("coins") == 1
    (entry,) = sim.log
    assert (entry.key_right, entry.status, entry.body) == (True, 200, {"q": 1})
    assert KEY not in str(entry)


def test_a_wrong_key_is_turned_away_and_uses_up_no_fault(sim: Echo) -> None:
    sim.faults.plan("status", status=500)
    assert ask(sim, key="wrong").status_code == 401
    assert (sim.log[0].key_right, sim.bill.count, sim.faults.left) == (False, 0, 1)
    assert "wrong" not in str(sim.log[0].headers)


def test_faults_come_in_order_and_are_billed_as_they_are_sent(sim: Echo) -> None:
    sim.faults.plan("status", status=429, retry_after=2.5, code="slow_down")
    sim.faults.plan("cut")
    sim.faults.plan("malformed")
    sim.faults.plan("body", body="<html>")
    sim.faults.plan("status", path="/elsewhere")
    limited = ask(sim)
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "2.5")
    assert sim.bill.count == 0
    with pytest.raises(httpx.RemoteProtocolError):
        ask(sim)
    with pytest.raises(json.JSONDecodeError):
        ask(sim).json()
    assert ask(sim).text == "<html>"
    assert ask(sim).status_code == 200
    assert (sim.bill.total("coins"), sim.bill.total("coins", delivered=False)) == (1, 4)
    assert sim.faults.left == 1


def test_a_slow_answer_nobody_waits_for_is_not_billed(sim: Echo) -> None:
    sim.faults.plan("slow", seconds=0.3, times=2)
    with pytest.raises(httpx.ReadTimeout):
        ask(sim, timeout=0.1)
    assert ask(sim).status_code == 200
    assert sim.bill.count == 1


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/things/a", 405), ("POST", "/x", 404)]
)
def test_unknown_paths_and_methods(sim: Echo, method: str, path: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    assert httpx.request(method, sim.url + path, headers=headers).status_code == status


def test_multipart_forms(sim: Echo) -> None:
    binary = bytes(range(256)) * 3 + b"\r\n--not the boundary\r\n"
    request = httpx.Request(
        "POST",
        f"{sim.url}/form",
        headers={"Authorization": f"Bearer {KEY}"},
        data={"name": "Zoë", "tags[]": ["a", "b"]},
        files={"file": ("x.flac", binary, "audio/flac")},
    )
    form = parse_multipart(request.headers["content-type"], request.read())
    assert form.get("name") == "Zoë"
    assert form.all("tags") == ["a", "b"]
    upload = form.file()
    assert upload is not None
    assert (upload.filename, upload.content_type, upload.data) == ("x.flac", "audio/flac", binary)
    with httpx.Client() as client:
        assert client.send(request).json()["files"] == {"file": len(binary)}
    assert sim.log[0].body["file"]["bytes"] == len(binary)


def test_state_outlives_the_server(tmp_path: Path) -> None:
    for turn in (1, 2, 3):
        with Echo(state_file=tmp_path / "state.json") as sim:
            ask(sim)
            assert sim.bill.total("coins") == len(sim.log) == turn


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_killed_process_goes_on_with_its_bill(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    command = [sys.executable, "-m", "tests.simulators.openai"]
    command += ["--state", str(state), "--port", str(free_port())]
    for turn in (1, 2):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
        ) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            try:
                answer = httpx.post(
                    f"{url}/v1/audio/speech",
                    headers={"Authorization": f"Bearer {KEY}"},
                    json={"model": "tts-1", "input": "Hello.", "voice": "nova"},
                )
                assert answer.status_code == 200
                seen = httpx.get(f"{url}/_simulator/state").json()
            finally:
                process.kill()
        assert [entry["quantity"] for entry in seen["bill"]] == [6] * turn
        assert json.loads(state.read_text())["bill"] == seen["bill"]


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "pcm"])
def test_sound_is_as_long_as_it_says(kind: str) -> None:
    samples = sound.spoken("Hello there.", rate=24_000, voice="nova", speed=1.5)
    seconds = 12 * sound.SECONDS_PER_CHARACTER / 1.5 + 2 * sound.EDGE_S
    assert len(samples) / 24_000 == pytest.approx(seconds, abs=1e-3)
    data = sound.encode(samples, 24_000, kind)
    if kind == "pcm":
        decoded = np.frombuffer(data, "<i2").astype(np.float32) / 32768
    else:
        decoded, rate = sound.decode(data)
        assert rate == 24_000
    assert len(decoded) == pytest.approx(len(samples), abs=2400)
    if kind in ("wav", "flac", "pcm"):
        np.testing.assert_allclose(decoded, samples, atol=1e-4)


def test_a_piece_of_a_recording_is_found_by_its_envelope(tmp_path: Path) -> None:
    rate = 16_000
    random = np.random.default_rng(4)
    beat = np.repeat(random.uniform(0.02, 0.3, 200), rate // 5)[: 40 * rate]
    samples = (beat * random.standard_normal(len(beat))).astype(np.float32)
    (tmp_path / "x.wav").write_bytes(sound.encode(samples, rate, "wav"))
    lines = [ScriptLine(3.0, 5.0, "A", "one two"), ScriptLine(20.0, 24.0, "B", "three four")]
    script = Script(lines, tmp_path / "x.wav")
    heard = script.hear(sound.encode(samples[19 * rate : 30 * rate] * 0.3, rate, "flac"))
    assert heard.duration == pytest.approx(11.0)
    assert heard.offset == pytest.approx(19.0, abs=0.021)
    (line,) = heard.lines
    assert (line.speaker, line.text) == ("B", "three four")
    assert (line.start, line.end) == pytest.approx((1.0, 5.0), abs=0.03)
