"""``qc`` with measurements that are made up: what is asked for, what is said, how it ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onevoice.pipeline import report as reports
from onevoice.pipeline.project import Project
from onevoice.pipeline.qc import dubbed
from onevoice.pipeline.qc.judge import judged
from onevoice.pipeline.qc.model import (
    LineReport,
    MediaReport,
    Report,
    SettingsReport,
    WarningReport,
)
from onevoice.pipeline.qc.thresholds import load_thresholds
from onevoice.types import Line, Segment, Speaker, Transcript

Run = Callable[..., Any]


class Measurements:
    """Measures nothing: makes up reports, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.values: dict[str, float | None] = {"cer": 0.4, "coverage": 0.9, "lines": 2.0}

    def report_dub(self, job: Any, project: Project, language: str, **given: Any) -> Report:
        self.asked.append({"language": language, "settings": job.settings, **given})
        return self._report(language)

    def report_pair(
        self, job: Any, original: Path, dub: Path, out: Path | None, **given: Any
    ) -> tuple[Report, Path]:
        self.asked.append({"original": original, "dub": dub, **given})
        language = given["language"] or "es"
        return self._report(language), (out or dub.parent) / f"{dub.stem}.report.{language}.json"

    def _report(self, language: str) -> Report:
        limits = load_thresholds()
        programme, verdict = judged(self.values, limits.programme)
        lines = tuple(
            LineReport(id=f"s{i}", window=(i, i + 1), cer=i / 10, overlap=0.5, start_offset=0.1,
                       flags=("cer", "overlap") if i == 4 else ("cer",) if i else ())
            for i in range(9)
        )  # fmt: skip
        return Report(
            version="1",
            verdict=verdict,
            source_language="en",
            language=language,
            original=MediaReport(name="talk.mp4", duration=9),
            dub=MediaReport(name=f"[red]talk.{language}.mp4", duration=9),
            settings=SettingsReport(),
            programme=programme,
            line_limits=limits.lines,
            lines=lines,
            warnings=(WarningReport(code="line_too_fast", message="1.3x", line="s1"),),
        )


@pytest.fixture
def measurements(monkeypatch: pytest.MonkeyPatch) -> Measurements:
    fake = Measurements()
    monkeypatch.setattr(reports, "report_dub", fake.report_dub)
    monkeypatch.setattr(reports, "report_pair", fake.report_pair)
    return fake


@pytest.fixture
def folder(here: Path) -> Path:
    """A project whose Spanish and Korean dubs are finished, and whose Portuguese is not."""
    path = here / "talk.onevoice"
    project = Project(path)
    segment = Segment(id="s1", start=1.0, end=2.0, speaker="S1", text="Hello.")
    line = Line(id="s1", start=1.0, end=2.0, speaker="S1", source="Hello.", text="Hola.", voice="v")
    transcript = Transcript(
        language="en", duration=6.0, speakers=(Speaker(id="S1"),), segments=(segment,)
    )
    with project.hold():
        project.sync_transcript(transcript)
        for language in ("es", "ko", "pt"):
            made, merged = project.sync_lines(language, (line,))
            project.write_lines(language, made, merged, voices={"S1": "v"}, by_hand={})
        for language in ("es", "ko"):
            (here / f"talk.{language}.mp4").touch()
            made_of = dubbed.Made(
                original=str(here / "talk.mp4"), output=str(here / f"talk.{language}.mp4"),
                track=0, profile="embedded", warnings=(),
            )  # fmt: skip
            dubbed.note(project, language, made_of)
    return path


def test_a_project_is_measured_in_all_its_finished_languages(
    cli: Run, folder: Path, measurements: Measurements
) -> None:
    answer = cli("qc", folder, "--json")
    assert answer.status == 0, answer.err
    assert [asked["language"] for asked in measurements.asked] == ["es", "ko"]
    assert all(asked["thorough"] and asked["output"] is None for asked in measurements.asked)
    assert list(answer.json) == ["schema", "reports", "errors"]
    assert answer.json["schema"] == "onevoice.qc/1"
    first = answer.json["reports"][0]
    assert list(first) == ["language", "verdict", "report", "page", "programme"]
    assert (first["language"], first["verdict"]) == ("es", "fail")
    assert first["report"] == str(folder / "report.es.json")
    assert first["page"] == str(folder / "report.es.html")
    assert first["programme"]["cer"] == {
        "value": 0.4, "unit": "", "threshold": {"min": None, "max": 0.15}, "verdict": "fail",
    }  # fmt: skip


def test_a_dubbed_file_finds_its_project(
    cli: Run, folder: Path, measurements: Measurements
) -> None:
    assert cli("qc", "talk.ko.mp4").status == 0
    assert [asked["language"] for asked in measurements.asked] == ["ko"]
    assert measurements.asked[0]["output"] == Path("talk.ko.mp4")


def test_a_pair_needs_no_project(cli: Run, here: Path, measurements: Measurements) -> None:
    answer = cli(
        "qc", "other.mp4", "--original", "talk.mp4", "--to", "Spanish", "--from", "en", "--json"
    )
    assert answer.status == 0, answer.err
    assert measurements.asked == [
        {
            "original": Path("talk.mp4"),
            "dub": Path("other.mp4"),
            "language": "es",
            "source_language": "en",
            "text": None,
        }
    ]
    assert answer.json["reports"][0]["report"] == "other.report.es.json"
    assert cli("qc", "other.mp4", "--original", "talk.mp4", "--text", "other.srt").status == 0
    assert measurements.asked[1]["text"] == Path("other.srt")


def test_the_table_fits_80_columns_and_shows_the_worst_lines_first(
    cli: Run, folder: Path, measurements: Measurements
) -> None:
    answer = cli("qc", folder, "--to", "es")
    lines = answer.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "[red]talk.es.mp4 (es): fail"
    (cer,) = [line for line in lines if line.startswith("cer ")]
    assert cer.split() == ["cer", "0.4", "at", "most", "0.15", "fail"]
    shown = [line.split()[0] for line in lines if line.startswith("s")]
    assert [name for name in shown if name[1:].isdigit()] == ["s4", "s8", "s7", "s6", "s5"]
    assert "talk.onevoice/report.es.html" in answer.out


@pytest.mark.parametrize(
    ("fail_on", "status"),
    [
        ("cer", 5),
        ("any", 5),
        ("coverage", 0),
        ("overlap", 5),  # named, and not known here
        ("line_too_fast", 5),
        ("line_empty,coverage", 0),
    ],
)
def test_fail_on_makes_the_status(
    cli: Run, folder: Path, measurements: Measurements, fail_on: str, status: int
) -> None:
    answer = cli("qc", folder, "--to", "es", "--fail-on", fail_on, "--json")
    assert answer.status == status
    assert [error["code"] for error in answer.json["errors"]] == ["quality_gate"] * (status == 5)
    assert len(answer.json["reports"]) == 1
    assert measurements.asked[0]["settings"].quality.fail_on == tuple(fail_on.split(","))


def test_options_reach_the_settings(cli: Run, folder: Path, measurements: Measurements) -> None:
    Path("mine.yaml").write_text("programme: {cer: {max: 0.5}}")
    answer = cli("qc", folder, "--thresholds", "mine.yaml", "--set", "quality.page=false", "-q")
    assert answer.status == 0, answer.err
    assert measurements.asked[0]["settings"].quality.thresholds == "mine.yaml"
    assert answer.out.split() == [
        "talk.onevoice/report.es.json",
        "talk.onevoice/report.ko.json",
    ]


@pytest.mark.parametrize(
    ("args", "status", "says"),
    [
        (("none.onevoice",), 3, "no such project: none.onevoice"),
        (("alone.mp4",), 3, "--original VIDEO"),
        (("talk.onevoice", "--to", "pt"), 3, "no finished dub in pt"),
        (("talk.onevoice", "--fail-on", "overlop"), 2, "did you mean overlap?"),
        (("talk.onevoice", "--thresholds", "no.yaml"), 2, "cannot be read"),
        (("talk.es.mp4", "--original", "talk.mp4", "--to", "es,ko"), 2, "speaks one language"),
        (("talk.onevoice", "--text", "talk.es.srt"), 2, "--original"),
        ((), 2, "missing argument"),
    ],
)
def test_mistakes(
    cli: Run,
    folder: Path,
    measurements: Measurements,
    args: tuple[str, ...],
    status: int,
    says: str,
) -> None:
    Path("alone.mp4").touch()
    answer = cli("qc", *args)
    assert answer.status == status, answer.err
    assert says in answer.err
    assert measurements.asked == []


def test_an_answer_that_could_not_begin_is_json_all_the_same(cli: Run) -> None:
    answer = cli("qc", "none.onevoice", "--json")
    assert answer.json["schema"] == "onevoice.qc/1"
    assert answer.json["reports"] == []
    assert answer.json["errors"][0]["code"] == "media_not_found"
