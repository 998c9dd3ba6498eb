"""The records of consent themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from onevoice.errors import ConfigError, ConsentMissing, ProjectInvalid
from onevoice.pipeline import consent


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "my talk.onevoice"
    folder.mkdir()
    return folder


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    path = tmp_path / "paper.pdf"
    path.write_bytes(b"yes")
    return path


def documents(project: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in (project / "consent").iterdir())


def test_a_newer_paper_takes_the_place_of_the_old(project: Path, paper: Path) -> None:
    consent.add(project, "S1", paper)
    paper.write_bytes(b"yes, again")
    consent.add(project, "S1", paper)
    assert documents(project) == [b"yes, again"]
    consent.require(project, ["S1"])


def test_one_paper_of_two_stays_until_both_are_gone(project: Path, paper: Path) -> None:
    consent.add(project, "A B", paper)
    consent.add(project, "A/B", paper)  # the same name as a file
    assert consent.remove(project, "A B")
    consent.require(project, ["A/B"])
    assert consent.remove(project, "A/B")
    assert documents(project) == []


def test_what_it_says_to_type_can_be_typed(project: Path) -> None:
    with pytest.raises(ConsentMissing) as raised:
        consent.require(project, ["S1; rm x"])
    assert "consent add 'S1; rm x' --file PAPER --project '" in raised.value.hint


def test_a_withdrawal_that_was_killed_permits_nothing(
    project: Path, paper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    consent.add(project, "S1", paper)
    monkeypatch.setattr(consent, "_write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        consent.remove(project, "S1")
    monkeypatch.undo()
    with pytest.raises(ConsentMissing):
        consent.require(project, ["S1"])
    assert consent.remove(project, "S1")


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "consents: 5",
        "consents: [5]",
        "consents: [{speaker: S1}]",
        "consents: [{speaker: S1, document: 5, sha256: x, recorded: y}]",
        "consents: [",
        "\xff",
    ],
)
def test_records_that_are_none(project: Path, text: str) -> None:
    (project / "consent.yaml").write_bytes(text.encode("latin-1"))
    with pytest.raises(ProjectInvalid, match="no records of consent"):
        consent.read(project)


def test_a_document_outside_is_none_of_ours(project: Path, paper: Path) -> None:
    consent.add(project, "S1", paper)
    path = project / "consent.yaml"
    record = consent.read(project)["S1"]
    path.write_text(path.read_text().replace(record.document, "../../paper.pdf"))
    with pytest.raises(ConsentMissing):
        consent.require(project, ["S1"])
    assert consent.remove(project, "S1")
    assert paper.exists()


def test_no_document(project: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file"):
        consent.add(project, "S1", tmp_path)
