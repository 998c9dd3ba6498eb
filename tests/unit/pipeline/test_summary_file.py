"""What people and models write into ``summary.yaml``."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from onevoice.errors import ProjectInvalid
from onevoice.pipeline.memory import Memory
from onevoice.pipeline.summary_file import SummaryFile
from onevoice.types import Summary

FIRST = Summary(synopsis="A talk.", register="formal", terms=("KTX",), speakers={"S1": "dry"})
SECOND = Summary(synopsis="A long talk.", register="informal", terms=("KTX", "Busan"))


@pytest.fixture
def file(tmp_path: Path) -> SummaryFile:
    return SummaryFile(tmp_path / "summary.yaml", Memory(tmp_path / "state.json"))


def change(file: SummaryFile, **fields: object) -> None:
    data = yaml.safe_load(file.path.read_text(encoding="utf-8"))
    data = {k: v for k, v in {**data, **fields}.items() if v is not None}
    file.path.write_text(yaml.safe_dump(data), encoding="utf-8")


def test_an_untouched_file_follows_the_model(file: SummaryFile) -> None:
    assert file.sync(FIRST) == FIRST
    assert file.sync(SECOND) == SECOND
    assert file.preview(SECOND) == SECOND


def test_edits_stay_field_by_field(file: SummaryFile) -> None:
    file.sync(FIRST)
    change(file, synopsis="My words.", speakers={"S1": "an old man"})
    for _ in range(3):
        merged = file.sync(SECOND)
        assert merged.synopsis == "My words."
        assert merged.speakers == {"S1": "an old man"}
        assert merged.register == "informal"
        assert merged.terms == ("KTX", "Busan")


def test_a_field_that_was_taken_out_is_written_anew(file: SummaryFile) -> None:
    file.sync(FIRST)
    change(file, terms=None)
    assert file.sync(SECOND).terms == ("KTX", "Busan")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "file"),
        ("- 1", "file"),
        ("synopsys: x", "synopsys"),
        ("terms: {a: b}", "terms"),
        ("speakers: [S1]", "speakers"),
        ("synopsis: [", "summary"),
    ],
)
def test_what_is_no_summary_is_said(file: SummaryFile, text: str, says: str) -> None:
    file.path.write_text(text, encoding="utf-8")
    with pytest.raises(ProjectInvalid, match=says):
        file.preview(FIRST)
