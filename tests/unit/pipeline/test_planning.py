"""A plan says what runs, what does not, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from onevoice.pipeline.dubbing import dub
from onevoice.pipeline.planning import plan, why_rerun
from onevoice.pipeline.results import DubRequest
from onevoice.pipeline.store import LocalStore
from tests import fakes
from tests.conftest import fake_tree


@pytest.mark.parametrize(
    ("before", "now", "why"),
    [
        (None, {"a": 1}, "it has not run yet"),
        ({"a": 1}, {"a": 1}, "its result is no longer in the cache"),
        ({"params": {"duck_db": -6}}, {"params": {"duck_db": -9}}, "params.duck_db changed"),
        ({"inputs": {}}, {"inputs": {"x": "1"}}, "inputs.x changed"),
        ({"inputs": {"x": "1"}}, {"inputs": {}}, "inputs.x changed"),
    ],
)
def test_why(before, now, why: str) -> None:
    assert why_rerun(before, now) == why


def rows(made) -> dict[tuple[str, str | None], tuple[bool, str]]:
    return {(row.name, row.language): (row.cached, row.why) for row in made.stages}


def test_before_the_first_run_everything_runs(
    clip: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    request = DubRequest(input=clip, languages=("es",), settings=fake_tree())
    made = plan(request, store=store)
    assert made.speech_seconds is None
    assert rows(made)["extract", None] == (False, "it has not run yet")
    assert rows(made)["mix", "es"] == (False, "extract runs")
    assert not any(row.cached for row in made.stages)
    assert made.expected_seconds > 0
    assert not (clip.parent / "talk.onevoice").exists(), "a plan writes nothing beside the video"


def test_after_a_run_everything_is_cached_and_a_setting_says_why(
    clip: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    request = DubRequest(input=clip, languages=("es",), settings=fake_tree())
    dub(request, store=store)
    made = plan(request, store=store)
    assert all(row.cached for row in made.stages)
    assert made.speech_seconds == pytest.approx(5.0, abs=0.6)
    assert made.expected_seconds == 0
    louder = DubRequest(input=clip, languages=("es",), settings=fake_tree(mix={"duck_db": -12.0}))
    after = rows(plan(louder, store=store))
    assert after["fit", "es"] == (True, "")
    assert after["mix", "es"] == (False, "params.duck_db changed")
    assert after["mux", "es"] == (False, "mix runs")


def test_a_missing_result_is_named(clip: Path, scene: fakes.Scene, store: LocalStore) -> None:
    request = DubRequest(input=clip, languages=("es",), settings=fake_tree())
    dub(request, store=store)
    (clip.parent / "talk.es.mp4").unlink()
    assert rows(plan(request, store=store))["mux", "es"] == (False, "talk.es.mp4 is not there")
