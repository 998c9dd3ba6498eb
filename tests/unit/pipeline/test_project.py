"""The project folder: files a person edits, read back and checked."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from onevoice.errors import ProjectInvalid
from onevoice.pipeline.project import Project, project_folder
from onevoice.subtitles import Cue
from onevoice.types import Line, Pause, Segment, Speaker, Transcript


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "talk.onevoice")
    made.folder.mkdir()
    return made


TRANSCRIPT = Transcript(
    language="en",
    duration=10.0,
    speakers=(Speaker(id="S1", pitch_hz=120.0, seconds=5.0),),
    segments=(
        Segment(
            id="s0001",
            start=0.5,
            end=2.0,
            speaker="S1",
            text="Hello, world.",
            pauses=(Pause(start=1.0, end=1.5, offset=6),),
        ),
        Segment(id="s0002", start=3.0, end=4.0, speaker="S1", text="Bye."),
    ),
)
LINES = tuple(
    Line(id=s.id, start=s.start, end=s.end, speaker="S1", source=s.text, text=f"es {s.text}")
    for s in TRANSCRIPT.segments
)


def write_lines(project: Project, lines: tuple[Line, ...] = LINES) -> None:
    _, merged = project.sync_lines("es", lines)
    project.write_lines("es", lines, merged, voices={"S1": "low"}, by_hand={})


def test_where_it_lies() -> None:
    assert project_folder(Path("/a/talk.mp4"), None) == Path("/a/talk.onevoice")
    assert project_folder(Path("/a/talk.mp4"), Path("/out")) == Path("/out/talk.onevoice")


def test_a_transcript_goes_to_the_file_and_back(project: Project) -> None:
    made, merged = project.sync_transcript(TRANSCRIPT)
    assert made == TRANSCRIPT
    assert not merged.edited
    read = project.transcript()
    assert [s.text for s in read.segments] == ["Hello, world.", "Bye."]
    assert read.speakers == TRANSCRIPT.speakers
    assert "Edit text" in project.transcript_path.read_text(encoding="utf-8").splitlines()[0]


def test_an_edited_text_loses_its_pauses_but_edited_times_do_not(project: Project) -> None:
    project.sync_transcript(TRANSCRIPT)
    data = yaml.safe_load(project.transcript_path.read_text(encoding="utf-8"))
    data["segments"][0]["end"] = 2.25
    project.transcript_path.write_text(yaml.safe_dump(data), encoding="utf-8")
    assert project.sync_transcript(TRANSCRIPT)[0].segments[0].pauses
    data["segments"][0]["text"] = "Hi."
    project.transcript_path.write_text(yaml.safe_dump(data), encoding="utf-8")
    made, merged = project.sync_transcript(TRANSCRIPT)
    assert made.segments[0].pauses == ()
    assert merged.edited == {"s0001": frozenset({"text", "end"})}


def test_korean_and_quotes_survive(project: Project) -> None:
    text = "\"안녕하세요\": 그는 '말했다' — #1 {x}\n둘째 줄"
    write_lines(project, (Line(id="a", start=0, end=1, speaker="S1", source="", text=text),))
    assert project.lines("es")[0].text == text
    assert "안녕하세요" in project.lines_path("es").read_text(encoding="utf-8")


def test_set_line_changes_one_line_only(project: Project) -> None:
    write_lines(project)
    line = project.set_line("es", "s0002", text="Chao.", keep=True, start=3.1)
    assert (line.text, line.keep, line.start) == ("Chao.", True, 3.1)
    assert project.lines("es")[0] == LINES[0]
    with pytest.raises(ProjectInvalid, match="before it starts"):
        project.set_line("es", "s0002", end=1.0)
    assert project.lines("es")[1].end == 4.0


def test_a_changed_line_is_seen_as_a_persons(project: Project) -> None:
    write_lines(project)
    project.set_line("es", "s0002", text="Chao.")
    lines, merged = project.sync_lines("es", LINES)
    assert merged.edited == {"s0002": frozenset({"text"})}
    assert lines[1].lock
    assert not lines[0].lock


def test_a_locked_line_keeps_its_text(project: Project) -> None:
    write_lines(project)
    project.set_line("es", "s0001", lock=True)
    new = tuple(Line(**{**_fields(line), "text": "otro"}) for line in LINES)
    lines, _ = project.sync_lines("es", new)
    assert [line.text for line in lines] == ["es Hello, world.", "otro"]


def _fields(line: Line) -> dict[str, object]:
    return {name: getattr(line, name) for name in Line.__slots__}


def test_import_lines_by_time(project: Project) -> None:
    write_lines(project)
    cues = [
        Cue(start=0.6, end=1.2, text="Hola,"),
        Cue(start=1.2, end=2.0, text="mundo."),
        Cue(start=8.0, end=9.0, text="sin voz"),
    ]
    assert project.import_lines("es", cues) == 1
    assert project.lines("es")[0].text == "Hola, mundo."


def test_languages_and_errors(project: Project) -> None:
    with pytest.raises(ProjectInvalid, match="no OneVoice project"):
        Project.open(project.folder)
    project.sync_transcript(TRANSCRIPT)
    write_lines(project)
    assert Project.open(project.folder).languages() == ("es",)
    with pytest.raises(ProjectInvalid, match=r"no lines\.ko\.yaml"):
        project.lines("ko")


def test_what_it_remembers_survives_and_damage_is_forgotten(project: Project) -> None:
    project.remember("outputs", "a", [1, 2])
    again = Project(project.folder)
    again.load()
    assert again.recall("outputs", "a") == [1, 2]
    (project.folder / "state.json").write_text("{", encoding="utf-8")
    again.load()
    assert again.recall("outputs", "a") is None
