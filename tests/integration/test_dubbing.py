"""The whole pipeline on fake engines and real ffmpeg: caching, edits, failures, kills."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from onevoice import media
from onevoice.engines.base import CancelToken
from onevoice.errors import (
    Cancelled,
    ConfigError,
    EngineError,
    MediaNotFound,
    NothingToDub,
    OneVoiceError,
    OutputExists,
    ProjectBusy,
    ProjectInvalid,
    QualityGateFailed,
    SameLanguage,
)
from onevoice.pipeline.dubbing import dub
from onevoice.pipeline.events import (
    Event,
    LanguageFailed,
    LanguageFinished,
    StageFinished,
    StageProgress,
    StageStarted,
    Warned,
)
from onevoice.pipeline.project import Project
from onevoice.pipeline.results import DubRequest, DubResult
from onevoice.pipeline.store import LocalStore
from tests import fakes
from tests.conftest import fake_tree


@pytest.fixture
def request_(clip: Path) -> DubRequest:
    return DubRequest(input=clip, languages=("es",), settings=fake_tree())


def run(request: DubRequest, store: LocalStore) -> DubResult:
    outcome = dub(request, store=store)
    assert not outcome.failures, outcome.failures[0].error.message
    return outcome.results[0]


def fresh(result: DubResult) -> set[str]:
    """Names of the stages that really ran."""
    return {stage.name for stage in result.stages if not stage.cached}


def edit(path: Path, key: str, id_: str, **changes: object) -> None:
    """Change an entry of a project file as a person would, in an editor."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    next(r for r in data[key] if r["id"] == id_).update(changes)
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")


class Listener:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event) -> None:
        self.events.append(event)


def test_a_dub_from_end_to_end(request_: DubRequest, scene: fakes.Scene, store: LocalStore) -> None:
    listener = Listener()
    outcome = dub(request_, observer=listener, store=store)
    (result,) = outcome.results
    folder = request_.input.parent
    assert result.output == folder / "talk.es.mp4"
    assert result.subtitles == (folder / "talk.es.srt", folder / "talk.es.vtt")
    assert result.project == folder / "talk.onevoice"
    assert result.lines == 3
    info = media.probe(result.output)
    assert info.duration == pytest.approx(media.probe(request_.input).duration, abs=0.04)
    assert [a.language for a in info.audio] == ["spa"]
    assert [s.language for s in info.subtitles] == ["spa"]
    assert info.synthetic_voice
    assert "es: The first sentence is here." in result.subtitles[0].read_text(encoding="utf-8")
    finished = [e for e in listener.events if isinstance(e, StageFinished)]
    assert [e.stage for e in finished][-2:] == ["mux", "report"]
    lines = [e for e in listener.events if isinstance(e, StageProgress) and e.stage == "synthesize"]
    assert (lines[-1].done, lines[-1].total) == (3, 3)
    report = json.loads((result.project / "report.es.json").read_text(encoding="utf-8"))
    assert report["programme"]["overlapped_seconds"]["value"] == 0
    assert report["programme"]["trimmed_seconds"]["value"] == 0
    assert abs(report["programme"]["lufs_deviation"]["value"]) < 1


def test_a_second_run_is_cached_and_changes_nothing(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    first = run(request_, store)
    before = {
        p: (p.stat().st_mtime_ns, p.read_bytes())
        for p in request_.input.parent.glob("*.*")
        if p.is_file()
    }
    calls = scene.calls.copy()
    second = run(request_, store)
    assert fresh(second) == set()
    assert scene.calls == calls
    assert {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in before} == before
    assert first.lines == second.lines


def test_two_languages_share_the_analysis(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    outcome = dub(replace(request_, languages=("es", "ko", "es")), store=store)
    assert [r.language for r in outcome.results] == ["es", "ko"]
    assert scene.calls["transcribe"] == 1
    assert scene.calls["translate"] == 6


def test_a_language_is_told_of_when_it_has_ended(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    there: list[bool] = []

    class Looking(Listener):
        def on_event(self, event: Event) -> None:
            super().on_event(event)
            if isinstance(event, LanguageFinished) and event.result.output:
                report = event.result.project / f"report.{event.result.language}.json"
                there.append(event.result.output.exists() and report.exists())

    settings = fake_tree(run={"parallel_languages": 1})
    wanted = replace(request_, languages=("fr", "es", "en", "ko"), settings=settings)
    listener = Looking()
    outcome = dub(wanted, observer=listener, store=store)
    story = [
        (type(e), e.result.language if isinstance(e, LanguageFinished) else e.failure.language)
        for e in listener.events
        if isinstance(e, LanguageFinished | LanguageFailed)
    ]
    assert story == [
        (LanguageFailed, "fr"), (LanguageFinished, "es"),
        (LanguageFailed, "en"), (LanguageFinished, "ko"),
    ]  # fmt: skip
    assert there == [True, True]
    told = [e.result for e in listener.events if isinstance(e, LanguageFinished)]
    assert tuple(told) == outcome.results
    failed = [e.failure for e in listener.events if isinstance(e, LanguageFailed)]
    assert tuple(failed) == outcome.failures
    assert isinstance(failed[1].error, SameLanguage)
    assert isinstance(listener.events[0], LanguageFailed), "nobody speaks it: known at once"
    korean = next(e for e in listener.events if isinstance(e, StageStarted) and e.language == "ko")
    spanish = next(e for e in listener.events if isinstance(e, LanguageFinished))
    assert listener.events.index(spanish) < listener.events.index(korean)


def test_what_a_stopped_run_leaves_undone_has_not_failed(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    cancel = CancelToken()

    class Stopper(Listener):
        def on_event(self, event: Event) -> None:
            super().on_event(event)
            if isinstance(event, LanguageFinished):
                cancel.cancel()

    listener = Stopper()
    settings = fake_tree(run={"parallel_languages": 1})
    wanted = replace(request_, languages=("es", "ko"), settings=settings)
    with pytest.raises(Cancelled):
        dub(wanted, observer=listener, cancel=cancel, store=store)
    (done,) = [e.result for e in listener.events if isinstance(e, LanguageFinished)]
    assert done.language == "es" and done.output is not None and done.output.exists()
    assert not any(isinstance(e, LanguageFailed) for e in listener.events)


def test_editing_one_line_speaks_exactly_that_line(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    project = run(request_, store).project
    said = len(scene.spoken)
    edit(project / "lines.es.yaml", "lines", "s0002", text="Otra frase, la mía aquí.")
    result = run(request_, store)
    assert fresh(result) == {"synthesize", "fit", "mix", "mux"}
    assert [r.text for r in scene.spoken[said:]] == ["Otra frase, la mía aquí."]
    assert "Otra frase" in result.subtitles[0].read_text(encoding="utf-8")
    assert fresh(run(request_, store)) == set(), "the edit stays, and is cached"


def test_the_same_edit_through_the_project(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    folder = run(request_, store).project
    Project.open(folder).set_line("es", "s0001", text="Nueva.", voice="high")
    run(request_, store)
    assert (scene.spoken[-1].text, scene.spoken[-1].voice) == ("Nueva.", "high")
    with pytest.raises(ProjectInvalid, match="no line 's9999'"):
        Project.open(folder).set_line("es", "s9999", text="x")


def test_editing_the_transcript_translates_that_sentence_again(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    project = run(request_, store).project
    before = scene.calls["translate"]
    edit(project / "transcript.yaml", "segments", "s0003", text="A different ending.")
    result = run(request_, store)
    assert scene.calls["translate"] == before + 1
    assert "transcribe" not in fresh(result)
    assert scene.spoken[-1].text.endswith("A different ending.")


def test_a_voice_by_setting_and_by_hand(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    folder = run(request_, store).project
    default = scene.spoken[0].voice
    other = {"low": "high", "high": "low"}[default]
    run(replace(request_, settings=fake_tree(voices={"S1": other})), store)
    assert {r.voice for r in scene.spoken[3:]} == {other}
    run(request_, store)
    path = folder / "lines.es.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert data["voices"] == {"S1": default}
    data["voices"]["S1"] = other
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    run(request_, store)
    assert {line.voice for line in Project.open(folder).lines("es")} == {other}
    assert fresh(run(request_, store)) == set()


def test_a_kept_line_is_not_spoken_and_sounds_as_before(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    folder = run(request_, store).project
    edit(folder / "lines.es.yaml", "lines", "s0002", keep_original=True)
    result = run(request_, store)
    assert result.lines == 2
    assert "second" not in result.subtitles[0].read_text(encoding="utf-8")


def test_a_line_without_words_is_not_spoken_and_is_reported(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    folder = run(request_, store).project
    edit(folder / "lines.es.yaml", "lines", "s0001", text="")
    edit(folder / "lines.es.yaml", "lines", "s0002", text="♪ ♪")
    result = run(request_, store)
    assert [w.line for w in result.warnings if w.code == "line_empty"] == ["s0001", "s0002"]


def test_brought_subtitles_replace_translation(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore, tmp_path: Path
) -> None:
    srt = tmp_path / "talk.fr.srt"
    srt.write_text(
        "1\n00:00:00,500 --> 00:00:02,000\nUna frase.\n\n"
        "2\n00:00:02,500 --> 00:00:04,000\nDos frases.\n",
        encoding="utf-8",
    )
    result = run(replace(request_, lines={"es": srt}), store)
    assert scene.calls["translate"] == 0
    assert [r.text for r in scene.spoken] == ["Una frase.", "Dos frases."]
    assert [w.code for w in result.warnings] == ["line_missing"]
    srt.write_text(srt.read_text(encoding="utf-8").replace("Una", "Otra"), encoding="utf-8")
    run(replace(request_, lines={"es": srt}), store)
    assert scene.spoken[-1].text == "Otra frase."


@pytest.mark.parametrize("stage", ["extract", "segment", "translate", "fit", "mix"])
def test_stop_after(
    stage: str, request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    result = run(replace(request_, stop_after=stage), store)
    assert result.output is None
    assert result.stages[-1].name == stage
    assert not (request_.input.parent / "talk.es.mp4").exists()
    if stage == "translate":
        assert Project.open(result.project).lines("es")[0].text.startswith("es: ")
        assert not scene.spoken


def test_an_unknown_stage_is_named(request_: DubRequest, store: LocalStore) -> None:
    with pytest.raises(ConfigError, match="no stage called 'mixx'"):
        dub(replace(request_, stop_after="mixx"), store=store)


def test_long_lines_go_back_to_the_language_model(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    settings = fake_tree(
        translation={"engine": "fakemodel", "fakemodel": {"wordy": 3}},
    )
    result = run(replace(request_, settings=settings), store)
    assert scene.calls["summarize"] == 1
    assert scene.calls["shorten"] >= 1
    line = Project.open(result.project).lines("es")[0]
    assert line.full_text.startswith("The first sentence is here The first")
    assert len(line.text) < len(line.full_text)
    report = json.loads((result.project / "report.es.json").read_text(encoding="utf-8"))
    assert report["programme"]["too_fast"]["value"] == 0
    assert "shortened" in report["lines"][0]["flags"]
    shortened = [change for change in report["changes"] if change["kind"] == "shortened"]
    assert report["lines"][0]["id"] in {change["id"] for change in shortened}
    assert all(change["after"] < change["before"] for change in shortened)
    assert {change["round"] for change in report["changes"]} <= {1, 2, 3}
    assert "translation_draft" in {w.code for w in result.warnings}
    assert fresh(run(replace(request_, settings=settings), store)) == set()


def test_a_persons_words_are_not_shortened(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    settings = fake_tree(translation={"engine": "fakemodel"})
    request = replace(request_, settings=settings)
    folder = run(request, store).project
    mine = "This is my own text and it is certainly far too long for its own small window."
    edit(folder / "lines.es.yaml", "lines", "s0001", text=mine)
    result = run(request, store)
    assert Project.open(folder).lines("es")[0].text == mine
    assert {w.line for w in result.warnings if w.code.startswith("line_")} == {"s0001"}
    assert not Project.open(folder).lines("es")[0].lock, "the file says only what they wrote"


def test_an_existing_file_of_somebody_else_is_left_alone(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    foreign = request_.input.parent / "talk.es.mp4"
    foreign.write_bytes(b"precious")
    with pytest.raises(OutputExists, match=r"talk\.es\.mp4"):
        dub(request_, store=store)
    assert foreign.read_bytes() == b"precious"
    assert not scene.calls, "refused before any work"
    run(replace(request_, force=True), store)
    assert foreign.read_bytes() != b"precious"
    run(request_, store)  # now it is the project's own
    foreign.write_bytes(b"edited by hand")
    with pytest.raises(OutputExists):
        dub(request_, store=store)


def test_a_deleted_result_is_made_again_from_the_cache(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    result = run(request_, store)
    assert result.output is not None
    result.output.unlink()
    assert fresh(run(request_, store)) == {"mux"}


def test_nothing_to_dub(request_: DubRequest, scene: fakes.Scene, store: LocalStore) -> None:
    scene.sentences = []
    with pytest.raises(NothingToDub, match=r"talk\.mp4"):
        dub(request_, store=store)


def test_a_language_that_fails_does_not_stop_the_others(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    outcome = dub(replace(request_, languages=("en", "fr", "es")), store=store)
    assert [r.language for r in outcome.results] == ["es"]
    errors = {f.language: type(f.error) for f in outcome.failures}
    assert errors["en"] is SameLanguage
    assert issubclass(errors["fr"], EngineError)


def test_a_language_nobody_can_speak_is_known_before_any_work(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    outcome = dub(replace(request_, languages=("fr",)), store=store)
    assert outcome.results == ()
    assert "no voice for French" in outcome.failures[0].error.message
    assert not scene.calls


def test_finished_lines_survive_a_failure(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    scene.fail_on = "third"
    outcome = dub(request_, store=store)
    assert outcome.failures[0].error.code == "engine_failed"
    assert len(scene.spoken) == 2
    scene.fail_on = ""
    run(request_, store)
    assert len(scene.spoken) == 3, "only the line that failed was spoken again"


def test_a_damaged_cache_heals(request_: DubRequest, scene: fakes.Scene, store: LocalStore) -> None:
    first = run(request_, store)
    assert first.output is not None
    video = first.output.read_bytes()
    for path in (store.root / "objects").glob("??/*"):
        path.chmod(0o644)
        path.write_bytes(b"damaged")
    first.output.unlink()
    second = run(request_, store)
    assert second.output is not None
    assert second.output.read_bytes() == video, "the same result, bit for bit"


def test_the_quality_gate(request_: DubRequest, scene: fakes.Scene, store: LocalStore) -> None:
    scene.seconds_per_character = 0.25
    settings = fake_tree(timing={"max_rate": 3.0}, quality={"fail_on": ["line_too_fast"]})
    listener = Listener()
    outcome = dub(replace(request_, settings=settings), observer=listener, store=store)
    assert isinstance(outcome.failures[0].error, QualityGateFailed)
    assert listener.events[-1] == LanguageFailed(failure=outcome.failures[0])
    assert outcome.results[0].output is not None
    assert outcome.results[0].output.exists()


def test_an_uncertain_language_warns(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    scene.probability = 0.4
    listener = Listener()
    outcome = dub(request_, observer=listener, store=store)
    assert "language_uncertain" in {w.code for w in outcome.results[0].warnings}
    assert any(isinstance(e, Warned) for e in listener.events)
    certain = fake_tree(source={"language": "English"})
    outcome = dub(replace(request_, settings=certain), store=store)
    assert "language_uncertain" not in {w.code for w in outcome.results[0].warnings}


def test_two_runs_at_once(request_: DubRequest, scene: fakes.Scene, store: LocalStore) -> None:
    project = Project(request_.input.parent / "talk.onevoice")
    with project.hold(), pytest.raises(ProjectBusy, match="another run"):
        dub(request_, store=store)
    run(request_, store)


def test_a_broken_project_file_is_named_and_kept(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    folder = run(request_, store).project
    path = folder / "lines.es.yaml"
    for text, message in [
        ("lines: [", "cannot be read"),
        ("nothing: here", "no list called lines"),
        ("lines: [{id: s0001, start: 2, end: 1, speaker: S1}]", "ends .* before it starts"),
        ("lines: [{id: s0001, start: 0, end: 1, speaker: S1, txet: hi}]", "txet"),
        ("lines: [{id: a, start: 0, end: 1, speaker: S}, {id: a, start: 0, end: 1, speaker: S}]",
         "'a' twice"),
    ]:  # fmt: skip
        path.write_text(text, encoding="utf-8")
        outcome = dub(request_, store=store)
        error = outcome.failures[0].error
        assert isinstance(error, ProjectInvalid)
        assert re.search(message, error.message)
        assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(("name", "error"), [("missing.mp4", MediaNotFound), ("", MediaNotFound)])
def test_inputs_that_are_not_there(
    name: str, error: type[OneVoiceError], tmp_path: Path, store: LocalStore
) -> None:
    with pytest.raises(error):
        dub(DubRequest(input=tmp_path / name, languages=("es",)), store=store)


@pytest.mark.parametrize(
    "name",
    ["two words.mp4", 'it\'s "quoted".mp4', "new\nline.mp4", "강연.mp4", "-dash.mp4", "100%.mp4"],
)
def test_odd_names(name: str, request_: DubRequest, scene: fakes.Scene, store: LocalStore) -> None:
    path = request_.input.with_name(name)
    request_.input.rename(path)
    result = run(replace(request_, input=path), store)
    assert result.output == path.with_name(f"{path.stem}.es.mp4")
    assert result.output.exists()


@pytest.mark.parametrize(
    ("name", "arguments", "made"),
    [
        ("talk.mkv", ("-c", "copy"), "talk.es.mkv"),
        ("talk.webm", ("-c:v", "libvpx", "-c:a", "libopus"), "talk.es.webm"),
        ("talk.mov", ("-c", "copy"), "talk.es.mov"),
        ("talk.avi", ("-c:v", "mpeg4", "-c:a", "mp3"), "talk.es.mkv"),
        ("talk.wav", ("-vn",), "talk.es.wav"),
        ("talk.mp3", ("-vn",), "talk.es.mp3"),
        ("talk.m4a", ("-vn", "-c:a", "aac"), "talk.es.m4a"),
    ],
)
def test_containers_and_audio_only(
    name: str,
    arguments: tuple[str, ...],
    made: str,
    request_: DubRequest,
    scene: fakes.Scene,
    store: LocalStore,
    ffmpeg: Callable[..., None],
    tmp_path: Path,
) -> None:
    source = tmp_path / name
    ffmpeg("-i", request_.input, *arguments, source)
    result = run(replace(request_, input=source), store)
    assert result.output == tmp_path / made
    info, before = media.probe(result.output), media.probe(source)
    assert info.has_video == before.has_video
    assert info.duration == pytest.approx(before.duration, abs=0.06)
    assert len(info.audio) == 1
    assert bool(info.subtitles) == before.has_video


def test_the_original_can_be_kept_as_a_second_track(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    settings = fake_tree(output={"keep_original_audio": True, "subtitle_track": False})
    result = run(replace(request_, settings=settings), store)
    assert result.output is not None
    info = media.probe(result.output)
    assert [(a.language, a.default) for a in info.audio] == [("spa", True), ("eng", False)]
    assert info.subtitles == ()


def test_without_separation_the_original_is_ducked(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    settings = fake_tree(separation={"engine": "none"})
    result = run(replace(request_, settings=settings), store)
    assert result.output is not None
    assert media.probe(result.output).audio[0].channels == 2


def test_cancelling_between_lines_loses_none(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    scene.sentences = [(i + 0.1, i + 0.9, f"Line number {i}.") for i in range(7)]
    scene.seconds_per_character = 0.03
    cancel = CancelToken()

    class Stopper(Listener):
        def on_event(self, event: Event) -> None:
            if isinstance(event, StageProgress) and event.stage == "synthesize" and event.done == 2:
                cancel.cancel()

    with pytest.raises(Cancelled):
        dub(request_, observer=Stopper(), cancel=cancel, store=store)
    before = len(scene.spoken)
    assert 2 <= before < 7
    run(request_, store)
    assert len(scene.spoken) == 7, "no line was spoken twice"


@pytest.mark.slow
def test_kill_9_at_any_moment_loses_nothing_finished(clip: Path, tmp_path: Path) -> None:
    """A run is killed again and again, each time a little later, and still ends the same."""
    script = tmp_path / "dub.py"
    script.write_text(_KILLED, encoding="utf-8")
    repository = Path(__file__).parents[2]
    environ = {**os.environ, "PYTHONPATH": str(repository)}

    def start(out: Path, store: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(script), str(clip), str(out), str(store)]
        return subprocess.Popen(command, env=environ, cwd=repository)

    assert start(tmp_path / "whole", tmp_path / "store-a").wait(120) == 0
    kills = 0
    out, store = tmp_path / "killed", tmp_path / "store-b"
    for delay in (0.9, 1.3, 1.7, 2.1, 2.5, 2.9, 3.3, 3.7, 4.1):
        process = start(out, store)
        try:
            process.wait(delay)
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            time.sleep(0.05)
    assert start(out, store).wait(120) == 0
    assert kills >= 2
    for name in ("talk.es.mp4", "talk.es.srt", "talk.onevoice/lines.es.yaml"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    left = [p.name for p in out.iterdir() if p.name.startswith(".")]
    assert left == []


_KILLED = """
import sys, time
from pathlib import Path
from onevoice.engines import registry
from tests import fakes
from tests.conftest import fake_tree

real = registry.load
registry.load = lambda kind, name: fakes.ENGINES.get((kind, name)) or real(kind, name)
fakes.SCENE.sentences = [
    (0.5 + i * 0.7, 1.0 + i * 0.7, f"Sentence {i} is spoken.") for i in range(9)
]
speak = fakes.FakeSynthesizer.speak

def slowly(self, request):
    time.sleep(0.25)
    return speak(self, request)

fakes.FakeSynthesizer.speak = slowly
from onevoice.pipeline.dubbing import dub
from onevoice.pipeline.results import DubRequest
from onevoice.pipeline.store import LocalStore

source, out, store = map(Path, sys.argv[1:])
outcome = dub(
    DubRequest(input=source, languages=("es",), settings=fake_tree(), out=out),
    store=LocalStore(store),
)
sys.exit(1 if outcome.failures else 0)
"""


def test_a_voice_that_one_language_cannot_use_costs_the_other_nothing(
    clip: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    settings = fake_tree(voices={"S1": {"es": "nobody"}}, run={"parallel_languages": 1})
    request = DubRequest(input=clip, languages=("es", "ko"), settings=settings)
    outcome = dub(request, store=store)
    assert [(f.language, f.error.code) for f in outcome.failures] == [("es", "engine_refused")]
    assert [r.language for r in outcome.results] == ["ko"]
