"""Looking at the picture, in whole runs: marks, their edits, the cache, and doing without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from onevoice import timing, vision
from onevoice.errors import EngineUnavailable
from onevoice.pipeline.dubbing import dub
from onevoice.pipeline.planning import plan
from onevoice.pipeline.results import DubOutcome, DubRequest, DubResult
from onevoice.pipeline.store import LocalStore
from tests import fakes
from tests.conftest import fake_tree
from tests.unit.vision.pictures import BROWN, film, head, plain, write


@pytest.fixture
def talk(tmp_path: Path, ffmpeg: Callable[..., None]) -> Path:
    """Sentences at 0.5, 2.5 and 5 s: a head is seen until 4.5 s, then nobody."""
    silent, path = tmp_path / "silent.mp4", tmp_path / "talk.mp4"
    near, nobody = head(100), plain(BROWN)
    write(silent, film((4.5, lambda i: near), (3.5, lambda i: nobody)))
    tone = ("-f", "lavfi", "-i", "sine=frequency=300:sample_rate=48000:duration=8")
    ffmpeg("-i", silent, *tone, "-c:v", "copy", "-c:a", "aac", "-shortest", path)
    return path


@pytest.fixture
def request_(talk: Path) -> DubRequest:
    return DubRequest(input=talk, languages=("es",), settings=fake_tree())


def run(request: DubRequest, store: LocalStore) -> DubResult:
    outcome: DubOutcome = dub(request, store=store)
    assert not outcome.failures, outcome.failures[0].error.message
    return outcome.results[0]


def marks(folder: Path, name: str, key: str) -> list[bool]:
    data = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
    return [entry["on_screen"] for entry in data[key]]


def edit(path: Path, key: str, number: int, on_screen: bool | None) -> None:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    if on_screen is None:
        del data[key][number]["on_screen"]
    else:
        data[key][number]["on_screen"] = on_screen
    path.write_text(yaml.safe_dump(data), encoding="utf-8")


def fresh(result: DubResult) -> set[str]:
    return {stage.name for stage in result.stages if not stage.cached}


def test_lines_are_marked_and_the_second_look_is_cached(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    result = run(request_, store)
    assert marks(result.project, "transcript.yaml", "segments") == [True, True, False]
    assert marks(result.project, "lines.es.yaml", "lines") == [True, True, False]
    assert "look" in fresh(result)
    assert "look" not in fresh(run(request_, store))


def test_a_persons_mark_wins(request_: DubRequest, scene: fakes.Scene, store: LocalStore) -> None:
    folder = run(request_, store).project
    edit(folder / "transcript.yaml", "segments", 0, False)
    assert "look" not in fresh(run(request_, store))
    assert marks(folder, "lines.es.yaml", "lines") == [False, True, False]
    edit(folder / "lines.es.yaml", "lines", 2, True)
    assert "fit" in fresh(run(request_, store))
    assert marks(folder, "lines.es.yaml", "lines") == [False, True, True]
    assert marks(folder, "transcript.yaml", "segments") == [False, True, False]
    stricter = replace(request_, settings=fake_tree(vision={"min_face": 0.9}))
    run(stricter, store)
    assert marks(folder, "lines.es.yaml", "lines") == [False, False, True]


def test_a_mark_that_was_deleted_is_the_machines_again(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    folder = run(request_, store).project
    for name, key in (("transcript.yaml", "segments"), ("lines.es.yaml", "lines")):
        for number in (1, 2):
            edit(folder / name, key, number, None)
    run(request_, store)
    assert marks(folder, "transcript.yaml", "segments") == [True, True, False]
    assert marks(folder, "lines.es.yaml", "lines") == [True, True, False]


def test_switched_off_everything_counts_as_seen(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    off = replace(request_, settings=fake_tree(vision={"enabled": False}))
    result = run(off, store)
    assert "look" not in {stage.name for stage in result.stages}
    assert marks(result.project, "lines.es.yaml", "lines") == [True, True, True]
    assert "look" not in {row.name for row in plan(off, store=store).stages}
    run(request_, store)
    assert marks(result.project, "lines.es.yaml", "lines") == [True, True, False]


def test_without_opencv_it_is_done_without_and_said_once(
    request_: DubRequest,
    scene: fakes.Scene,
    store: LocalStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vision, "missing", lambda: "the package is not installed")
    result = run(request_, store)
    notes = [warning for warning in result.warnings if warning.code == "not_looked"]
    assert len(notes) == 1
    assert "look" not in {stage.name for stage in result.stages}
    wanted = replace(request_, settings=fake_tree(vision={"enabled": True}))
    with pytest.raises(EngineUnavailable, match="not installed"):
        dub(wanted, store=store)


def test_sound_alone_is_not_looked_at(
    request_: DubRequest,
    scene: fakes.Scene,
    store: LocalStore,
    tmp_path: Path,
    ffmpeg: Callable[..., None],
) -> None:
    sound = tmp_path / "song.m4a"
    ffmpeg("-i", request_.input, "-vn", "-c:a", "copy", sound)
    result = run(replace(request_, input=sound), store)
    assert "look" not in {stage.name for stage in result.stages}
    assert not any(warning.code == "not_looked" for warning in result.warnings)


def test_the_plan_knows_the_stage_and_a_run_may_stop_there(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    before = {row.name: row.why for row in plan(request_, store=store).stages}
    assert before["look"] == "it has not run yet"
    stopped = run(replace(request_, stop_after="look"), store)
    assert "look" in fresh(stopped)
    assert "translate" not in {stage.name for stage in stopped.stages}
    after = {row.name: row.cached for row in plan(request_, store=store).stages}
    assert after["look"]
    often = replace(request_, settings=fake_tree(vision={"per_second": 4}))
    assert not {row.name: row.cached for row in plan(often, store=store).stages}["look"]


def test_a_line_keeps_out_of_another_speakers_shot(
    scene: fakes.Scene, store: LocalStore, tmp_path: Path, ffmpeg, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first sentence becomes too long for its time: it runs on, but not over the cut."""
    silent, path = tmp_path / "silent.mp4", tmp_path / "two.mp4"
    here, there = head(100), head(100, ground=BROWN)
    write(silent, film((2.4, lambda i: here), (5.6, lambda i: there)))
    tone = ("-f", "lavfi", "-i", "sine=frequency=300:sample_rate=48000:duration=8")
    ffmpeg("-i", silent, *tone, "-c:v", "copy", "-c:a", "aac", "-shortest", path)
    scene.sentences = [
        (0.5, 2.0, "The first sentence is here, and long."),
        (4.0, 6.0, "And another one speaks."),
    ]
    scene.seconds_per_character = 0.06
    fits: list[timing.Fit] = []
    real = timing.fit

    def watched(*args, **kwargs) -> timing.Fit:
        fits.append(real(*args, **kwargs))
        return fits[-1]

    monkeypatch.setattr(timing, "fit", watched)
    tree = fake_tree(diarization={"speakers": 2})
    request = DubRequest(input=path, languages=("es",), settings=tree)
    folder = run(request, store).project
    assert fits[-1].placements[0].end <= 2.4 + 1e-3
    edit(folder / "lines.es.yaml", "lines", 1, False)
    run(request, store)
    assert fits[-1].placements[0].end > 2.45, "nobody is seen after the cut: it may run over it"
