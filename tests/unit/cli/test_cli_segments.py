"""``segments`` on a real project folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onevoice.pipeline.project import Project
from onevoice.types import Line, Segment, Speaker, Transcript

Run = Callable[..., Any]


def segment(number: int, text: str) -> Segment:
    return Segment(
        id=f"s{number}", start=number * 2.0, end=number * 2.0 + 1.5, speaker="S1", text=text
    )


@pytest.fixture
def folder(here: Path) -> Path:
    """A project with two sentences, in Spanish and Korean."""
    path = here / "talk.onevoice"
    project = Project(path)
    segments = (segment(1, "Hello there."), segment(2, "[red]Bye\x1b."))
    transcript = Transcript(
        language="en", duration=6.0, speakers=(Speaker(id="S1"),), segments=segments
    )
    texts = {"es": ("Hola.", "Adiós."), "ko": ("안녕하세요.", "안녕.")}
    with project.hold():
        project.sync_transcript(transcript)
        for language, spoken in texts.items():
            lines = tuple(
                Line(
                    id=s.id,
                    start=s.start,
                    end=s.end,
                    speaker="S1",
                    source=s.text,
                    text=text,
                    voice="v",
                )
                for s, text in zip(segments, spoken, strict=True)
            )
            made, merged = project.sync_lines(language, lines)
            project.write_lines(language, made, merged, voices={"S1": "v"}, by_hand={})
    return path


def test_show_what_was_heard(cli: Run, folder: Path) -> None:
    answer = cli("segments", "show", folder)
    assert answer.status == 0
    assert "Hello there." in answer.out
    assert r"[red]Bye\x1b." in answer.out
    assert "Also: --to es, --to ko" in answer.out


@pytest.mark.usefixtures("folder")
def test_the_video_stands_for_its_project(cli: Run) -> None:
    Path("talk.mp4").write_bytes(b"x")
    assert "안녕하세요." in cli("segments", "show", "talk.mp4", "--to", "Korean").out
    assert "Hola." in cli("segments", "show", "talk.mp4", "--to", "es").out


def test_show_json_is_pinned(cli: Run, folder: Path) -> None:
    answer = cli("segments", "show", folder, "--to", "es", "--json").json
    assert answer["schema"] == "onevoice.segments/1"
    assert answer["project"] == str(folder)
    assert (answer["language"], answer["languages"]) == ("es", ["es", "ko"])
    assert answer["segments"][0] == {
        "id": "s1",
        "start": 2.0,
        "end": 3.5,
        "speaker": "S1",
        "voice": "v",
        "keep": False,
        "lock": False,
        "source": "Hello there.",
        "text": "Hola.",
    }


def test_set_changes_one_line(cli: Run, folder: Path) -> None:
    answer = cli(
        *(
            "segments",
            "set",
            folder,
            "s1",
            "--to",
            "es",
            "--text",
            "¡Buenas!",
            "--voice",
            "em_alex",
        ),
        *("--start", "0:02.1", "--end", "3.4", "--speaker", "S2", "--keep", "--lock"),
    )
    assert answer.status == 0, answer.err
    assert "¡Buenas!" in answer.out
    first, second = Project.open(folder).lines("es")
    assert (first.text, first.voice, first.speaker) == ("¡Buenas!", "em_alex", "S2")
    assert (first.start, first.end, first.keep, first.lock) == (2.1, 3.4, True, True)
    assert second.text == "Adiós."
    assert Project.open(folder).lines("ko")[0].text == "안녕하세요."
    assert cli("segments", "set", folder, "s1", "--to", "es", "--no-keep", "--unlock").status == 0
    first = Project.open(folder).lines("es")[0]
    assert (first.keep, first.lock) == (False, False)


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("s1", "--to", "es"), 2, "nothing to change"),
        (("s1", "--text", "x"), 2, "which language"),
        (("s1", "--to", "fr", "--text", "x"), 2, "no lines in fr"),
        (("s1", "--to", "es", "--text", "  "), 2, "empty"),
        (("s1", "--to", "es", "--start", "soon"), 2, "'soon' is no time"),
        (("s9", "--to", "es", "--text", "x"), 3, "s9"),
        (("s1", "--to", "es", "--start", "9"), 3, "s1"),
    ],
)
def test_set_refuses(
    cli: Run, folder: Path, words: tuple[str, ...], status: int, says: str
) -> None:
    before = (folder / "lines.es.yaml").read_bytes()
    answer = cli("segments", "set", folder, *words)
    assert answer.status == status
    assert says in answer.err
    assert "hint: " in answer.err
    assert (folder / "lines.es.yaml").read_bytes() == before


@pytest.mark.parametrize("suffix", ["srt", "vtt"])
def test_export_and_import_come_round(cli: Run, folder: Path, suffix: str) -> None:
    file = Path(f"lines.{suffix}")
    assert cli("segments", "export", folder, file, "--to", "es").status == 0
    same = cli("segments", "import", folder, file, "--to", "es", "--json")
    assert same.json["changed"] == 0
    file.write_text(file.read_text(encoding="utf-8").replace("Hola.", "Qué tal."), encoding="utf-8")
    changed = cli("segments", "import", folder, file, "--to", "es")
    assert "1 line changed (es)" in changed.out
    assert Project.open(folder).lines("es")[0].text == "Qué tal."


def test_export_of_what_was_heard_replaces_only_by_force(cli: Run, folder: Path) -> None:
    assert cli("segments", "export", folder, "en.srt").status == 0
    assert "Hello there." in Path("en.srt").read_text(encoding="utf-8")
    assert cli("segments", "export", folder, "en.srt").status == 2
    assert cli("segments", "export", folder, "en.srt", "--force").status == 0


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("export", "talk.onevoice", "x.txt"), 2),
        (("import", "talk.onevoice", "x.txt", "--to", "es"), 2),
        (("import", "talk.onevoice", "none.srt", "--to", "es"), 3),
        (("show", "none.mp4"), 3),
        (("show", "."), 3),
        (("show", "talk.onevoice", "--to", "fr"), 3),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_is_not_there(cli: Run, words: tuple[str, ...], status: int) -> None:
    answer = cli("segments", *words)
    assert answer.status == status
    assert "hint: " in answer.err


def test_a_project_in_another_folder(cli: Run, folder: Path, here: Path) -> None:
    (here / "res").mkdir()
    folder.rename(here / "res" / folder.name)
    Path("talk.mp4").write_bytes(b"x")
    assert cli("segments", "show", "talk.mp4").status == 3
    assert cli("segments", "show", "talk.mp4", "--out", "res").status == 0
