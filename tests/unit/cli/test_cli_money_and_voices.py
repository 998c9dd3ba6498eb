"""``keys``, ``consent`` and ``summarize``."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.errors import NoKeyringError

from onevoice.pipeline import dubbing
from onevoice.pipeline.project import Project
from onevoice.types import Segment, Speaker, Summary, Transcript
from tests.unit.cli.conftest import Run

SECRET = "sk-0123456789abcdef"


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A keyring in memory."""
    kept: dict[str, str] = {}
    monkeypatch.setattr(keyring, "get_password", lambda service, name: kept.get(name))
    monkeypatch.setattr(keyring, "set_password", lambda service, n, v: kept.update({n: v}))
    monkeypatch.setattr(keyring, "delete_password", lambda service, name: kept.pop(name))
    return kept


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_key_goes_into_the_ring_and_out_again(
    cli: Run, ring: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, f"  {SECRET}\n")
    answer = cli("keys", "set", "OPENAI_API_KEY")
    assert answer.status == 0
    assert SECRET not in answer.out + answer.err
    assert ring == {"OPENAI_API_KEY": SECRET}
    answer = cli("keys", "list", "--json")
    rows = {row["variable"]: row for row in answer.json["keys"]}
    assert rows["OPENAI_API_KEY"]["found"] == "keyring"
    assert "synthesis.openai" in rows["OPENAI_API_KEY"]["engines"]
    assert rows["ELEVENLABS_API_KEY"]["found"] is None
    assert SECRET not in answer.out
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-outside")
    assert "environment" in cli("keys", "list").out
    assert cli("keys", "remove", "OPENAI_API_KEY").status == 0
    assert ring == {}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("set", "openai key"), "no name of a variable"),
        (("set", "OPENAI_API_KEY"), "no key was given"),
        (("remove", "OPENAI_API_KEY"), "not in the keyring"),
    ],
)
def test_keys_that_make_no_sense(
    cli: Run,
    ring: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    says: str,
) -> None:
    typed(monkeypatch, "\n")
    answer = cli("keys", *words)
    assert answer.status == 2
    assert says in answer.err
    assert "hint: " in answer.err


def test_a_machine_without_a_keyring_says_what_else_works(
    cli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise NoKeyringError("no backend")

    monkeypatch.setattr(keyring, "set_password", refuse)
    typed(monkeypatch, SECRET)
    answer = cli("keys", "set", "OPENAI_API_KEY")
    assert answer.status == 4
    assert "export OPENAI_API_KEY=" in answer.err
    assert SECRET not in answer.err


@pytest.fixture
def project(here: Path) -> Path:
    folder = here / "talk.onevoice"
    opened = Project(folder)
    with opened.hold():
        opened.sync_transcript(
            Transcript(
                language="en",
                duration=4.0,
                speakers=(Speaker(id="S1"), Speaker(id="S2")),
                segments=(Segment(id="s1", start=0, end=2, speaker="S1", text="Hello."),),
            )
        )
    return folder


def test_consent_is_recorded_listed_and_withdrawn(cli: Run, project: Path, here: Path) -> None:
    (here / "paper.pdf").write_bytes(b"signed")
    answer = cli("consent", "add", "S1", "--file", "paper.pdf", "--by", "Sam\x1b[31m")
    assert answer.status == 0, answer.err
    listed = cli("consent", "list")
    assert "S1" in listed.out
    assert "\x1b" not in listed.out
    (record,) = cli("consent", "list", "--project", project, "--json").json["consents"]
    assert record["speaker"] == "S1"
    assert (project / record["document"]).read_bytes() == b"signed"
    assert cli("consent", "remove", "S1").status == 0
    assert cli("consent", "list", "--json").json["consents"] == []
    assert not (project / record["document"]).exists()


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("add", "S9", "--file", "paper.pdf"), 2, "there are: S1, S2"),
        (("add", "S1", "--file", "none.pdf"), 2, "no file none.pdf"),
        (("add", "S1", "--file", "empty.pdf"), 2, "0 bytes"),
        (("add", "S1"), 2, "--file"),
        (("remove", "S1"), 2, "no consent of 'S1'"),
        (("list", "--project", "other.onevoice"), 3, "no such project"),
    ],
)
def test_consent_that_makes_no_sense(
    cli: Run, project: Path, here: Path, words: tuple[str, ...], status: int, says: str
) -> None:
    (here / "paper.pdf").write_bytes(b"signed")
    (here / "empty.pdf").touch()
    answer = cli("consent", *words)
    assert answer.status == status
    assert says in answer.err


def test_the_project_has_to_be_told_where_there_are_two(
    cli: Run, project: Path, here: Path
) -> None:
    (here / "other.onevoice").mkdir()
    answer = cli("consent", "list")
    assert answer.status == 2
    assert "several projects" in answer.err


def test_summarize_prints_and_points_to_the_file(
    cli: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = Summary(
        synopsis="Two people plan a trip.",
        register="informal",
        terms=("Busan", "KTX"),
        speakers={"S1": "in a hurry"},
    )
    asked: list[Any] = []

    def made(request: Any, **_: object) -> tuple[Project, Summary]:
        asked.append(request)
        return Project(here / "talk.onevoice"), summary

    monkeypatch.setattr(dubbing, "summarize_film", made)
    answer = cli("summarize", "talk.mp4", "--from", "Korean", "--max-cost", "2usd")
    assert answer.status == 0, answer.err
    assert asked[0].settings.source.language == "ko"
    assert asked[0].settings.run.max_cost == 2.0
    for text in ("Two people plan a trip.", "informal", "Busan, KTX", "S1: in a hurry"):
        assert text in answer.out
    assert str(Path("talk.onevoice") / "summary.yaml") in answer.out
    assert cli("summarize", "talk.mp4", "--json").json == {
        "schema": "onevoice.summary/1",
        "project": str(here / "talk.onevoice"),
        "synopsis": "Two people plan a trip.",
        "register": "informal",
        "terms": ["Busan", "KTX"],
        "speakers": {"S1": "in a hurry"},
    }
