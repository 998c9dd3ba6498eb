"""``dub`` and ``plan`` with a pipeline that only pretends: what is asked for, what is said."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onevoice.errors import (
    AssetMissing,
    Cancelled,
    MediaUnreadable,
    NothingToDub,
    OneVoiceError,
    QualityGateFailed,
)
from onevoice.pipeline import dubbing, planning
from onevoice.pipeline.events import StageFinished
from onevoice.pipeline.results import (
    Deliverable,
    DubFailure,
    DubOutcome,
    DubRequest,
    DubResult,
    Plan,
    PlannedStage,
    StageRecord,
)
from onevoice.types import Usage, Warning_

Run = Callable[..., Any]


class Pipeline:
    """Dubs nothing: makes up an outcome, and remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[DubRequest] = []
        self.refuse: dict[str, Exception] = {}
        self.fail: dict[str, OneVoiceError] = {}
        self.warnings: tuple[Warning_, ...] = ()
        self.together = False
        self.during: Callable[[Any], None] = lambda cancel: None

    def dub(self, request: DubRequest, *, observer: Any, cancel: Any, meter: Any) -> DubOutcome:
        self.requests.append(request)
        if request.input.name in self.refuse:
            raise self.refuse[request.input.name]
        sys.stdout.write("a chatty library\n")
        observer.on_event(StageFinished(stage="mix", language="es", cached=False, seconds=1.25))
        self.during(cancel)
        meter.record(
            Usage(engine="synthesis.x", model="m", unit="characters", quantity=100, usd=0.25)
        )
        path = request.input.resolve()
        results = tuple(
            self._result(path, language, request)
            for language in request.languages
            if language not in self.fail or isinstance(self.fail[language], QualityGateFailed)
        )
        failures = tuple(
            DubFailure(input=path, language=language, error=self.fail[language])
            for language in request.languages
            if language in self.fail
        )
        everything = Deliverable(
            kind="multitrack", language=None, path=path.with_name(f"{path.stem}.multi.mkv")
        )
        return DubOutcome(
            results=results,
            failures=failures,
            outputs=(everything,) if self.together else (),
        )

    def _result(self, path: Path, language: str, request: DubRequest) -> DubResult:
        folder = request.out or path.parent
        return DubResult(
            input=path,
            language=language,
            output=None if request.stop_after else folder / f"{path.stem}.{language}.mp4",
            subtitles=(folder / f"{path.stem}.{language}.srt",),
            project=folder / f"{path.stem}.onevoice",
            duration=42.12345,
            lines=7,
            stages=(StageRecord(name="extract", cached=True, seconds=0.00123),),
            warnings=self.warnings,
            outputs=(
                Deliverable(
                    kind="per-language",
                    language=language,
                    path=folder / f"{path.stem}.{language}.mp4",
                ),
            ),
        )


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    fake = Pipeline()
    monkeypatch.setattr(dubbing, "dub", fake.dub)
    return fake


@pytest.fixture
def talk(here: Path) -> Path:
    path = here / "talk.mp4"
    path.write_bytes(b"x")
    return path


# --- the request ----------------------------------------------------------------------------


def test_options_reach_the_pipeline(cli: Run, pipeline: Pipeline, talk: Path) -> None:
    Path("talk.ko.srt").write_text("1\n")
    Path("my.yaml").write_text("mix: {duck_db: -3}")
    answer = cli(
        *("dub", "talk.mp4", "--to", "Korean, es", "--to", "pt", "--from", "en", "--out", "res"),
        *("--config", "my.yaml", "--set", "mix.attack=0.3", "--voice", "S1=ef_dora"),
        *("--voice", "S2.Korean=hm_omega", "--speakers", "2", "--lines", "ko=talk.ko.srt"),
        *("--stop-after", "translate", "--force", "--salvage"),
        *("--deliver", "per-language,stems", "--deliver", "multitrack"),
        *("--burn-subtitles", "--audio-track", "1", "--retime", "video:1.05"),
    )
    assert answer.status == 0, answer.err
    (request,) = pipeline.requests
    assert request.input == Path("talk.mp4")
    assert request.languages == ("ko", "es", "pt")
    assert request.out == Path("res")
    assert request.lines == {"ko": Path("talk.ko.srt")}
    assert request.stop_after == "translate"
    assert request.force
    settings = request.settings
    assert (settings.mix.duck_db, settings.mix.attack) == (-3, 0.3)
    assert settings.source.language == "en"
    assert settings.source.salvage
    assert settings.output.deliver == ("per-language", "stems", "multitrack")
    assert settings.output.burn_subtitles
    assert settings.output.retime == 1.05
    assert settings.source.audio_track == 1
    assert settings.diarization.speakers == 2
    assert settings.voice_for("S1", "es") == "ef_dora"
    assert settings.voice_for("S2", "ko") == "hm_omega"


def test_languages_to_keep(cli: Run, pipeline: Pipeline, talk: Path) -> None:
    named = ("--keep-language", "French,pt-br", "--keep-language", "other")
    assert cli("dub", "talk.mp4", "--to", "es", *named).status == 0
    assert pipeline.requests[0].settings.keep.languages == ("fr", "pt-BR", "other")
    wrong = cli("dub", "talk.mp4", "--to", "es", "--keep-language", "Frnech")
    assert wrong.status == 2
    assert "did you mean fr" in " ".join(wrong.err.split())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "no target language"),
        (("--to", ""), "no language"),
        (("--to", "klingonian"), "klingonian"),
        (("--to", "es", "--from", "xx-nonsense"), "xx-nonsense"),
        (("--to", "es", "--voice", "ef_dora"), "SPEAKER=VOICE"),
        (("--to", "es", "--voice", "S1="), "SPEAKER=VOICE"),
        (("--to", "es", "--voice", "S1.=x"), "SPEAKER=VOICE"),
        (("--to", "es", "--lines", "talk.srt"), "LANG=FILE"),
        (("--to", "es", "--lines", "ko=talk.srt"), "not among the target languages"),
        (("--to", "es", "--stop-after", "translat"), "translat"),
        (("--to", "es", "--set", "mix.duckdb=1"), "mix.duckdb"),
        (("--to", "es", "--set", "synthesis.engine=kokroo"), "kokroo"),
        (("--to", "es", "--set", "synthesis.kokroo.speed=1"), "synthesis.kokroo"),
        (("--to", "es", "--set", "synthesis.kokoro.sped=1"), "synthesis.kokoro.sped"),
        (("--to", "es", "--set", "synthesis.engine=[]"), "synthesis.engine"),
        (("--to", "es", "--profile", "cloudy"), "cloudy"),
        (("--to", "es", "--config", "none.yaml"), "none.yaml"),
        (("--to", "es", "--speakers", "0"), "--speakers"),
        (("--to", "es", "--speakers", "two"), "--speakers"),
        (("--to", "es", "--quality", "best"), "translation.quality"),
        (("--to", "es", "--max-cost", "five"), "run.max_cost"),
        (("--to", "es", "--max-cost", "inf"), "run.max_cost"),
        (("--to", "es", "--max-cost", ""), "--max-cost names no sum"),
        (("--to", "es", "--glossary", "none.yaml"), "none.yaml"),
        (("--to", "es", "--deliver", "stem"), "output.deliver"),
        (("--to", "es", "--audio-track", "-1"), "--audio-track"),
        (("--to", "es", "--unknown"), "--unknown"),
    ],
)
@pytest.mark.parametrize("json", [False, True])
def test_what_is_typed_wrong_is_status_2_before_any_work(
    cli: Run, pipeline: Pipeline, talk: Path, options: tuple[str, ...], says: str, json: bool
) -> None:
    answer = cli("dub", "talk.mp4", *options, *(["--json"] if json else []))
    assert answer.status == 2
    assert says in answer.err
    assert answer.err.startswith("error: ")
    assert "\nhint: " in answer.err
    assert "Traceback" not in answer.err
    assert pipeline.requests == []
    if json:
        assert set(answer.json) == {"schema", "results", "errors"}
        assert says in answer.json["errors"][0]["message"]
    else:
        assert answer.out == ""


def test_near_misses_are_named(cli: Run, talk: Path) -> None:
    for option, near in [
        ("synthesis.kokroo.speed=1", "kokoro"),
        ("synthesis.kokoro.sped=1", "speed"),
        ("synthesis.engine=kokroo", "kokoro"),
    ]:
        assert f"did you mean {near}" in cli(
            "dub", "talk.mp4", "--to", "es", "--set", option
        ).err.replace("'", "")


def test_a_missing_subtitle_file_is_an_input_error(cli: Run, talk: Path) -> None:
    assert cli("dub", "talk.mp4", "--to", "ko", "--lines", "ko=none.srt").status == 3


def test_lines_are_for_one_input(cli: Run, talk: Path) -> None:
    Path("b.mp4").write_bytes(b"x")
    Path("x.srt").write_bytes(b"x")
    answer = cli("dub", "talk.mp4", "b.mp4", "--to", "ko", "--lines", "ko=x.srt")
    assert answer.status == 2


# --- the answer -----------------------------------------------------------------------------


def test_the_json_keys_are_pinned(cli: Run, pipeline: Pipeline, talk: Path) -> None:
    pipeline.warnings = (Warning_(code="line_too_fast", message="1.4x", line="3"),)
    pipeline.fail["ko"] = AssetMissing("no model", hint="pull it")
    pipeline.together = True
    answer = cli("dub", "talk.mp4", "--to", "es,ko", "--json")
    folder = talk.parent
    assert answer.json == {
        "schema": "onevoice.dub/1",
        "results": [
            {
                "input": "talk.mp4",
                "language": "es",
                "output": str(folder / "talk.es.mp4"),
                "subtitles": [str(folder / "talk.es.srt")],
                "outputs": [
                    {
                        "kind": "per-language",
                        "language": "es",
                        "path": str(folder / "talk.es.mp4"),
                    }
                ],
                "project": str(folder / "talk.onevoice"),
                "duration_s": 42.123,
                "lines": 7,
                "stages": [{"name": "extract", "cached": True, "seconds": 0.001, "usd": 0.0}],
                "warnings": [{"code": "line_too_fast", "message": "1.4x", "line": "3"}],
            }
        ],
        "outputs": [
            {
                "input": "talk.mp4",
                "kind": "multitrack",
                "language": None,
                "path": str(folder / "talk.multi.mkv"),
            }
        ],
        "usd": 0.25,
        "errors": [
            {
                "input": "talk.mp4",
                "code": "asset_missing",
                "message": "ko: no model",
                "hint": "pull it",
            }
        ],
    }
    assert answer.status == 6
    assert "chatty" in answer.err


def test_stopping_early_has_no_output(cli: Run, pipeline: Pipeline, talk: Path) -> None:
    answer = cli("dub", "talk.mp4", "--to", "es", "--stop-after", "translate", "--json")
    assert answer.json["results"][0]["output"] is None
    assert "(stopped before)" in cli(
        "dub", "talk.mp4", "--to", "es", "--stop-after", "translate"
    ).out.replace("\n", " ")


@pytest.mark.parametrize(
    ("options", "code"), [((), "usage"), (("none.mp4", "--to", "es"), "media_not_found")]
)
def test_failures_are_json_too(
    cli: Run, pipeline: Pipeline, options: tuple[str, ...], code: str
) -> None:
    answer = cli("dub", "--json", *options)
    assert answer.json["schema"] == "onevoice.dub/1"
    assert answer.json["results"] == []
    (error,) = answer.json["errors"]
    assert set(error) == {"input", "code", "message", "hint"}
    assert error["code"] == code
    assert error["hint"]


def test_the_summary_fits_80_columns_and_is_literal(
    cli: Run, pipeline: Pipeline, here: Path
) -> None:
    from rich.cells import cell_len

    name = "아주 긴 이름 [red]of[bold] a \n talk that goes on and on.mp4"
    Path(name).write_bytes(b"x")
    pipeline.warnings = (
        Warning_(code="translation_draft", message="translated by llama, a draft"),
        *(Warning_(code="line_too_fast", message=f"1.{n}x", line=f"s{n}") for n in range(6)),
        Warning_(code="line_missing", message="nothing here", line="s9"),
    )
    answer = cli("dub", name, "--to", "es,ko")
    assert answer.status == 0
    assert max(cell_len(line) for line in answer.out.splitlines()) <= 80
    assert "es: translated by llama, a draft" in answer.out
    assert "6 lines (s0, s1, s2, s3 and 2 more), such as: 1.0x" in answer.out
    assert "line s9: nothing here" in answer.out
    squeezed = "".join(answer.out.split())
    assert "[red]of[bold]" in squeezed
    assert r"\n" in squeezed


def test_quiet_prints_paths_only(cli: Run, pipeline: Pipeline, talk: Path) -> None:
    answer = cli("dub", "talk.mp4", "--to", "es,ko", "--quiet")
    assert answer.out == "talk.es.mp4\ntalk.ko.mp4\n"
    assert answer.err == "a chatty library\n"


def test_the_file_with_all_languages_is_told_of(cli: Run, pipeline: Pipeline, talk: Path) -> None:
    pipeline.together = True
    assert "All languages: talk.multi.mkv\n" in cli("dub", "talk.mp4", "--to", "es").out
    quiet = cli("dub", "talk.mp4", "--to", "es", "--quiet").out
    assert quiet == "talk.es.mp4\ntalk.multi.mkv\n"


@pytest.mark.parametrize(
    "option",
    [
        ("--deliver", "stems"),
        ("--burn-subtitles",),
        ("--retime", "video:1.05"),
        ("--audio-track", "0"),
    ],
)
def test_deliveries_that_the_server_does_not_make(
    cli: Run, pipeline: Pipeline, talk: Path, option: tuple[str, ...]
) -> None:
    answer = cli("dub", "talk.mp4", "--to", "es", "--queue", *option)
    assert answer.status == 2
    assert f"{option[0]} does not go with --queue" in answer.err


@pytest.mark.parametrize(
    ("retime", "says"),
    [("1.05", "--retime video:1.05"), ("audio:1.05", "only the picture"),
     ("video:", "only the picture"), ("video:1.5", "1.1"), ("video:0.9", "1"),
     ("video:slow", "number")],
)  # fmt: skip
def test_a_picture_cannot_be_slowed_like_that(
    cli: Run, pipeline: Pipeline, talk: Path, retime: str, says: str
) -> None:
    answer = cli("dub", "talk.mp4", "--to", "es", "--retime", retime)
    assert answer.status == 2
    assert says in answer.err
    assert not pipeline.requests


def test_not_in_a_terminal_each_stage_is_one_line(cli: Run, pipeline: Pipeline, talk: Path) -> None:
    assert "talk.mp4: mix (es): 1.2 s\n" in cli("dub", "talk.mp4", "--to", "es").err


# --- batches --------------------------------------------------------------------------------


@pytest.fixture
def three(here: Path) -> tuple[str, ...]:
    names = ("a.mp4", "b.mp4", "c.mp4")
    for name in names:
        Path(name).write_bytes(b"x")
    return names


def test_one_bad_file_does_not_stop_the_others(
    cli: Run, pipeline: Pipeline, three: tuple[str, ...]
) -> None:
    pipeline.refuse = {"a.mp4": MediaUnreadable("no media", hint="h"), "b.mp4": KeyError("a bug")}
    answer = cli("dub", "none.mp4", *three, "--to", "es", "--json")
    assert [r["input"] for r in answer.json["results"]] == ["c.mp4"]
    assert [e["input"] for e in answer.json["errors"]] == ["none.mp4", "a.mp4", "b.mp4"]
    assert answer.status == 6
    assert "error: a.mp4: no media\nhint: h\n" in answer.err
    assert "KeyError" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        ((NothingToDub("x"), NothingToDub("x"), NothingToDub("x")), 3),
        ((NothingToDub("x"), AssetMissing("x"), NothingToDub("x")), 6),
        ((AssetMissing("x"), AssetMissing("x"), None), 6),
        ((None, None, None), 0),
        ((KeyError("x"), KeyError("x"), KeyError("x")), 1),
    ],
)
def test_status_of_several_inputs(
    cli: Run,
    pipeline: Pipeline,
    three: tuple[str, ...],
    errors: tuple[Exception | None, ...],
    status: int,
) -> None:
    pipeline.refuse = {n: e for n, e in zip(three, errors, strict=True) if e is not None}
    assert cli("dub", *three, "--to", "es").status == status


@pytest.mark.parametrize(("languages", "status"), [("es", 5), ("es,ko", 6)])
def test_a_missed_quality_gate_keeps_its_result(
    cli: Run, pipeline: Pipeline, talk: Path, languages: str, status: int
) -> None:
    pipeline.fail["es"] = QualityGateFailed("too fast", hint="h")
    answer = cli("dub", "talk.mp4", "--to", languages, "--json")
    assert answer.status == status
    assert len(answer.json["results"]) == languages.count(",") + 1
    assert answer.json["errors"][0]["code"] == "quality_gate"


def test_being_stopped_ends_the_batch(cli: Run, pipeline: Pipeline, three: tuple[str, ...]) -> None:
    pipeline.during = lambda cancel: cancel.cancel()
    answer = cli("dub", *three, "--to", "es", "--json")
    assert answer.status == 130
    assert [r["input"] for r in answer.json["results"]] == ["a.mp4"]
    assert [e["code"] for e in answer.json["errors"]] == ["cancelled", "cancelled"]
    assert len(pipeline.requests) == 1


def test_what_breaks_while_stopping_is_a_stop(cli: Run, pipeline: Pipeline, talk: Path) -> None:
    def stop(cancel: Any) -> None:
        cancel.cancel()
        raise OneVoiceError("ffmpeg died of the signal")

    pipeline.during = stop
    answer = cli("dub", "talk.mp4", "--to", "es", "--json")
    assert answer.status == 130
    assert [e["code"] for e in answer.json["errors"]] == ["cancelled"]


def test_being_stopped_after_the_last_result_is_no_failure(
    cli: Run, pipeline: Pipeline, talk: Path
) -> None:
    pipeline.during = lambda cancel: cancel.cancel()
    assert cli("dub", "talk.mp4", "--to", "es").status == 0


def test_the_pipeline_may_raise_the_stop(cli: Run, pipeline: Pipeline, talk: Path) -> None:
    pipeline.refuse["talk.mp4"] = Cancelled("stopped", hint="again")
    assert cli("dub", "talk.mp4", "--to", "es").status == 130


# --- plan -----------------------------------------------------------------------------------


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> None:
    def plan(request: DubRequest) -> Plan:
        if request.input.name == "bad.mp4":
            raise MediaUnreadable("no media", hint="h")
        stages = (
            PlannedStage(name="extract", language=None, cached=True, why=""),
            PlannedStage(
                name="mix",
                language="es",
                cached=False,
                why="mix.attack",
                expected_seconds=61.0,
                expected_usd=0.125,
            ),
        )
        return Plan(
            input=request.input,
            duration=120.0,
            speech_seconds=None,
            stages=stages,
            expected_seconds=61.0,
            expected_usd=0.125,
            warnings=("b instead of a for synthesis: it is away",),
        )

    monkeypatch.setattr(planning, "plan", plan)


@pytest.mark.usefixtures("planned")
def test_plan_for_people(cli: Run, talk: Path) -> None:
    answer = cli("plan", "talk.mp4", "--to", "es")
    assert answer.status == 0
    assert "mix.attack" in answer.out
    assert "Speech: not known yet, of 2 min 00 s." in answer.out
    assert "To do: 1 stage, about 1 min 01 s." in answer.out
    assert "note: b instead of a" in answer.out
    assert "Cost: about $0.125 at list price." in answer.out


@pytest.mark.usefixtures("planned")
def test_plan_json_is_pinned(cli: Run, talk: Path) -> None:
    Path("bad.mp4").write_bytes(b"x")
    answer = cli("plan", "talk.mp4", "bad.mp4", "--to", "es", "--json")
    assert answer.status == 6
    assert answer.json == {
        "schema": "onevoice.plan/1",
        "plans": [
            {
                "input": "talk.mp4",
                "duration_s": 120.0,
                "speech_s": None,
                "expected_s": 61.0,
                "expected_usd": 0.125,
                "warnings": ["b instead of a for synthesis: it is away"],
                "stages": [
                    {
                        "name": "extract",
                        "language": None,
                        "cached": True,
                        "why": "",
                        "expected_s": None,
                        "expected_usd": None,
                    },
                    {
                        "name": "mix",
                        "language": "es",
                        "cached": False,
                        "why": "mix.attack",
                        "expected_s": 61.0,
                        "expected_usd": 0.125,
                    },
                ],
            }
        ],
        "errors": [
            {"input": "bad.mp4", "code": "media_unreadable", "message": "no media", "hint": "h"}
        ],
    }
