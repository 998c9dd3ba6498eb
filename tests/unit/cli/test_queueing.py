"""``dub --queue`` against a simulated server: what is sent, fetched, said, never overwritten."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onevoice.client import transport
from tests.simulators.api import ApiSimulator
from tests.simulators.base import KEY

Run = Callable[..., Any]
DUB = ("dub", "talk.mp4", "--to", "es", "--queue")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with ApiSimulator() as running:
        monkeypatch.setenv("ONEVOICE_API_URL", running.url)
        monkeypatch.setenv("ONEVOICE_API_KEY", KEY)
        yield running


@pytest.fixture
def talk(here: Path) -> Path:
    path = here / "talk.mp4"
    path.write_bytes(b"talk" * 400)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- what is asked and fetched --------------------------------------------------------------


def test_a_file_is_sent_and_its_dubs_lie_beside_it(
    cli: Run, api: ApiSimulator, talk: Path, here: Path
) -> None:
    (here / "terms.yaml").write_text("- {term: OneVoice, keep: true}\n")
    answer = cli(
        *("dub", "talk.mp4", "--to", "Spanish,ko", "--from", "en", "--speakers", "2"),
        *("--voice", "S1=ef_dora", "--glossary", "terms.yaml", "--profile", "fast", "--queue"),
    )
    assert answer.status == 0, answer.err
    assert names(here) == [
        "talk.es.mp4", "talk.es.srt", "talk.ko.mp4", "talk.ko.srt", "talk.mp4", "talk.onevoice",
        "terms.yaml",
    ]  # fmt: skip
    assert (here / "talk.es.mp4").read_bytes() == b"content of " + b"job_0.es.mp4" * 50
    (sent,) = [entry.body for entry in api.requests("/jobs") if entry.method == "POST"]
    assert sent == {
        "video_id": "vid_0",
        "languages": ["es", "ko"],
        "profile": "fast",
        "confirm": True,
        "options": {
            "source_language": "en",
            "speakers": 2,
            "voices": {"S1": "ef_dora"},
            "quality": "standard",
            "keep_original_audio": False,
            "deliverables": ["video", "srt", "vtt"],
            "glossary": [
                {
                    "term": "OneVoice",
                    "keep": True,
                    "translations": {},
                    "pronunciation": {},
                    "case_sensitive": False,
                    "note": "",
                }
            ],
        },
    }
    assert "talk.mp4: job_0, 1.5 min of credit" in answer.err
    assert KEY not in answer.out + answer.err


def test_the_answer_for_scripts_is_pinned(cli: Run, api: ApiSimulator, talk: Path) -> None:
    api.ends = {"ko": "failed"}
    answer = cli("dub", "talk.mp4", "gone.mp4", "--to", "es,ko", "--queue", "--json")
    assert answer.status == 6
    assert answer.json == {
        "schema": "onevoice.queue/1",
        "server": api.url,
        "jobs": [
            {
                "input": "talk.mp4",
                "job": "job_0",
                "status": "partial",
                "languages": [
                    {"language": "es", "status": "done", "charged_seconds": 54},
                    {"language": "ko", "status": "failed", "charged_seconds": 0},
                ],
                "outputs": ["talk.es.mp4", "talk.es.srt"],
            }
        ],
        "errors": [
            {
                "input": "gone.mp4",
                "code": "media_not_found",
                "message": "no such file: gone.mp4",
                "hint": answer.json["errors"][0]["hint"],
            },
            {"input": "talk.mp4", "code": "engine_failed", "message": "ko: no", "hint": "again"},
        ],
    }


def test_people_read_it_on_80_columns(cli: Run, api: ApiSimulator, here: Path) -> None:
    path = here / f"{'a very long name of a talk ' * 4}.mp4"
    path.write_bytes(b"x")
    answer = cli("dub", str(path), "--to", "es,ko", "--queue")
    assert answer.status == 0, answer.err
    assert max(len(line) for line in answer.out.splitlines()) <= 80
    for told in ("Input", "Charged", "job_0", "es", "ko", "done", "54 s"):
        assert told in answer.out
    assert f"4 files fetched from {api.url}." in answer.out
    quiet = cli("dub", str(path), "--to", "es", "--queue", "--quiet")
    assert quiet.err == "" and len(quiet.out.splitlines()) == 2


def test_progress_is_told_in_steps(cli: Run, api: ApiSimulator, talk: Path) -> None:
    api.looks_until_done = 5
    told = cli(*DUB).err
    assert told.count("talk.mp4: es 40 %") == 1
    assert "talk.mp4: es done" in told


# --- again ----------------------------------------------------------------------------------


def test_the_same_command_again_pays_once(
    cli: Run, api: ApiSimulator, talk: Path, here: Path
) -> None:
    first = cli("dub", ".", "--to", "es", "--queue", "--json")
    again = cli("dub", ".", "--to", "es", "--queue", "--json")
    assert (first.status, again.status) == (0, 0), again.err
    assert again.json == first.json, "results are no inputs"
    assert len(api.state["videos"]) == len(api.state["jobs"]) == 1
    assert len([e for e in api.requests("/storage/") if e.method == "PUT"]) == 2


def test_what_failed_is_tried_again(cli: Run, api: ApiSimulator, talk: Path) -> None:
    api.ends = {"ko": "failed"}
    assert cli("dub", "talk.mp4", "--to", "es,ko", "--queue").status == 6
    api.ends = {}
    done = cli("dub", "talk.mp4", "--to", "es,ko", "--queue", "--json")
    assert done.status == 0
    assert len(done.json["jobs"][0]["outputs"]) == 4
    assert len(api.state["jobs"]) == 1 and len(api.requests("/retry")) == 1


def test_it_goes_on_after_being_killed(here: Path, talk: Path) -> None:
    """A real process, killed while the server works."""
    with ApiSimulator() as api:
        api.looks_until_done = 10**9
        environment = {
            **os.environ, "ONEVOICE_API_URL": api.url, "ONEVOICE_API_KEY": KEY,
        }  # fmt: skip

        def start() -> subprocess.Popen[str]:
            return subprocess.Popen(
                [sys.executable, "-m", "onevoice", *DUB], env=environment, cwd=here,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip

        def wait_for_looks() -> None:
            end = time.monotonic() + 60
            before = len(api.requests("/jobs/job_0"))
            while len(api.requests("/jobs/job_0")) == before:
                assert time.monotonic() < end
                time.sleep(0.05)

        killed = start()
        wait_for_looks()
        killed.kill()
        killed.communicate()
        interrupted = start()
        wait_for_looks()
        interrupted.send_signal(signal.SIGINT)
        _, err = interrupted.communicate(timeout=30)
        assert interrupted.returncode == 130, err
        assert "the jobs go on" in err and "Traceback" not in err
        api.looks_until_done = 0
        done = start()
        _, err = done.communicate(timeout=60)
        assert done.returncode == 0, err
        assert len(api.state["videos"]) == len(api.state["jobs"]) == 1
        assert "talk.es.mp4" in names(here)


def test_ctrl_c_while_uploading(
    cli: Run, api: ApiSimulator, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.mp4", "b.mp4"):
        (here / name).write_bytes(name.encode())

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    api.looks_until_ready = 2
    monkeypatch.setattr("time.sleep", interrupt)
    answer = cli("dub", "a.mp4", "b.mp4", "--to", "es", "--queue", "--json")
    assert answer.status == 130
    assert [(e["input"], e["code"]) for e in answer.json["errors"]] == [
        ("a.mp4", "cancelled"), ("b.mp4", "cancelled"),
    ]  # fmt: skip


# --- what goes wrong ------------------------------------------------------------------------


def test_one_bad_input_does_not_stop_the_others(
    cli: Run, api: ApiSimulator, here: Path, talk: Path
) -> None:
    (here / "other.mp4").write_bytes(b"other")
    api.faults.plan("status", status=413, message="too large", path="/v1/videos")
    answer = cli("dub", "other.mp4", "talk.mp4", "--to", "es", "--queue", "--json")
    assert answer.status == 6
    assert [e["message"] for e in answer.json["errors"]] == ["too large"]
    assert [j["input"] for j in answer.json["jobs"]] == ["talk.mp4"]


@pytest.mark.parametrize(
    ("status", "exit_", "code"),
    [(402, 7, "budget"), (403, 2, "config"), (503, 1, "service_unavailable")],
)
def test_the_server_refuses(
    cli: Run, api: ApiSimulator, talk: Path, status: int, exit_: int, code: str
) -> None:
    times = transport.ATTEMPTS
    api.faults.plan("status", status=status, times=times, message="because", path="/v1/jobs")
    answer = cli(*DUB, "--json")
    assert answer.status == exit_
    (error,) = answer.json["errors"]
    assert (error["code"], error["message"]) == (code, "because")


def test_what_fails_there_exits_as_it_would_here(cli: Run, api: ApiSimulator, talk: Path) -> None:
    api.ends = {"es": "failed"}
    api.error_ = {"code": "media_nothing_to_dub", "message": "nobody speaks", "hint": ""}
    assert cli(*DUB).status == 3
    api.ends, api.error_ = {"ko": "cancelled"}, {}
    assert cli("dub", "talk.mp4", "--to", "ko", "--queue").status == 1


def test_a_wrong_key_and_none(
    cli: Run, api: ApiSimulator, talk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEVOICE_API_KEY", "ov_wrong_s3cret")
    wrong = cli(*DUB)
    assert wrong.status == 2
    assert "ONEVOICE_API_KEY" in wrong.err and "s3cret" not in wrong.err
    monkeypatch.delenv("ONEVOICE_API_KEY")
    missing = cli(*DUB)
    assert missing.status == 4 and "ONEVOICE_API_KEY" in missing.err


def test_no_server(
    cli: Run, api: ApiSimulator, talk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ONEVOICE_API_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
    away = cli(*DUB)
    assert away.status == 1 and "does not answer" in away.err
    monkeypatch.setenv("ONEVOICE_API_URL", "ftp://files.example")
    assert cli(*DUB).status == 2


@pytest.mark.parametrize(
    "options",
    [
        ("--set", "mix.duck_db=-9"), ("--max-cost", "1usd"), ("--series", "x"), ("--salvage",),
        ("--stop-after", "mix"), ("--config", "x.yaml"), ("--lines", "es=x.srt"),
        ("--keep-language", "fr"),
    ],
)  # fmt: skip
def test_options_of_this_machine_are_refused(
    cli: Run, api: ApiSimulator, talk: Path, options: tuple[str, ...]
) -> None:
    answer = cli(*DUB, *options)
    assert answer.status == 2
    assert f"{options[0]} does not go with --queue" in answer.err
    assert api.log == []


# --- files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["talk.es.mp4", "talk.es.srt"])
def test_somebody_elses_file_is_left_alone(
    cli: Run, api: ApiSimulator, talk: Path, here: Path, name: str
) -> None:
    (here / name).write_text("mine")
    answer = cli(*DUB)
    assert answer.status == 2 and f"{name} exists" in answer.err
    assert (here / name).read_text() == "mine"
    assert api.log == [], "nothing is paid for what cannot be fetched"
    assert cli(*DUB, "--force").status == 0
    assert (here / name).read_text() != "mine"
    assert cli(*DUB).status == 0, "ours now"
    (here / name).write_text("edited")
    assert cli(*DUB).status == 2


def test_another_folder(cli: Run, api: ApiSimulator, talk: Path, here: Path) -> None:
    assert cli(*DUB, "--out", "new/dubs").status == 0
    assert names(here / "new/dubs") == ["talk.es.mp4", "talk.es.srt", "talk.onevoice"]
    assert names(here) == ["new", "talk.mp4"]


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("mp4", ""),  # talk.mp4 itself
        ("../../es", "x.mp4"),
        ("/tmp/es", "x.mp4"),
        ("es\0", "x.mp4"),
        ("ko", "x.mp4"),
        ("es", "x"),
        ("es", "../../.bashrc"),
        ("es", "x.mp4\n"),
        ("es", "x./etc"),
    ],
)
def test_a_server_that_lies_about_names(
    cli: Run, api: ApiSimulator, talk: Path, here: Path, language: str, name: str
) -> None:
    api.languages, api.names = [language], [name or "x"]
    answer = cli(*DUB)
    assert answer.status != 0
    assert "nobody asked for" in answer.err
    assert talk.read_bytes() == b"talk" * 400
    assert [n for n in names(here) if n not in ("talk.mp4", "talk.onevoice")] == []


def test_the_note_of_what_was_fetched_may_be_damaged(
    cli: Run, api: ApiSimulator, talk: Path, here: Path
) -> None:
    assert cli(*DUB).status == 0
    note = here / "talk.onevoice" / "queue.json"
    assert set(json.loads(note.read_text())) == {"talk.es.mp4", "talk.es.srt"}
    note.write_text("[")
    assert cli(*DUB).status == 2
    assert cli(*DUB, "--force").status == 0
