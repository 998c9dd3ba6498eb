"""A finished dub looked at again: from what its project remembers, without running anything."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from onevoice.config import Settings
from onevoice.engines.base import CancelToken
from onevoice.errors import CacheError, QualityGateFailed
from onevoice.pipeline.dubbing import dub
from onevoice.pipeline.project import Project
from onevoice.pipeline.qc import dubbed
from onevoice.pipeline.qc.model import Report
from onevoice.pipeline.report import measuring, report_dub
from onevoice.pipeline.results import DubRequest, DubResult
from onevoice.pipeline.store import LocalStore
from tests import fakes
from tests.conftest import fake_tree

QUIET: dict[str, object] = {"page": False}


@pytest.fixture
def request_(clip: Path) -> DubRequest:
    return DubRequest(input=clip, languages=("es",), settings=fake_tree(quality=QUIET))


@pytest.fixture
def result(request_: DubRequest, scene: fakes.Scene, store: LocalStore) -> DubResult:
    outcome = dub(request_, store=store)
    assert not outcome.failures, outcome.failures[0].error.message
    return outcome.results[0]


def look(
    result: DubResult, store: LocalStore, settings: Settings, *, thorough: bool = False
) -> Report:
    project = Project.open(result.project)
    with project.hold(), measuring(settings, result.input, CancelToken(), store) as job:
        return report_dub(job, project, "es", thorough=thorough)


def test_a_second_look_finds_the_same_and_runs_nothing(
    result: DubResult, request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    written = (result.project / "report.es.json").read_text(encoding="utf-8")
    assert result.report == Report.model_validate_json(written)
    done = Counter(scene.calls)
    assert look(result, store, request_.settings) == result.report
    assert scene.calls == done
    # Settings of today do not matter for what was made yesterday.
    other = fake_tree(quality=QUIET, timing={"max_rate": 2.0}, mix={"duck_db": -3.0})
    assert look(result, store, other) == result.report


def test_a_thorough_look_listens_once(
    result: DubResult, request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    before = scene.calls["transcribe"]
    first = look(result, store, request_.settings, thorough=True)
    second = look(result, store, request_.settings, thorough=True)
    assert scene.calls["transcribe"] == before + 1
    assert first == second
    # The recogniser hears the English sentences; the dub was to say "es: …".
    assert first.programme["cer"].value == pytest.approx(2 / 24, abs=0.05)
    assert first.lines[0].heard == "The first sentence is here."
    assert first.lines[0].text == "es: The first sentence is here."


def test_the_report_knows_the_delivered_file(result: DubResult) -> None:
    assert result.report is not None
    assert [(s.kind, s.language) for s in result.report.streams][1:] == [
        ("audio", "spa"),
        ("subtitle", "spa"),
    ]
    assert result.report.programme["untagged_tracks"].value == 0
    assert result.report.settings.engines["synthesis"] == "fake"
    assert result.report.dub.name == "talk.es.mp4"


def test_a_moved_folder_is_still_measured(
    result: DubResult, request_: DubRequest, store: LocalStore, tmp_path: Path
) -> None:
    there = tmp_path / "elsewhere"
    shutil.move(result.input.parent, there)
    moved = replace(result, project=there / result.project.name)
    assert look(moved, store, request_.settings) == result.report


def test_what_the_cache_lost_is_said(
    result: DubResult, request_: DubRequest, store: LocalStore
) -> None:
    shutil.rmtree(store.root / "entries")
    with pytest.raises(CacheError, match="no longer in the cache"):
        look(result, store, request_.settings)


def test_languages_are_finished_once_they_are_delivered(
    result: DubResult, request_: DubRequest, store: LocalStore
) -> None:
    dub(replace(request_, languages=("pt",), stop_after="translate"), store=store)
    project = Project.open(result.project)
    assert project.languages() == ("es", "pt")
    assert dubbed.finished(project) == ("es",)


@pytest.mark.parametrize(("fail_on", "passes"), [(("cer",), False), (("duration_delta",), True)])
def test_dub_is_gated_by_measures(
    request_: DubRequest,
    scene: fakes.Scene,
    store: LocalStore,
    tmp_path: Path,
    fail_on: tuple[str, ...],
    passes: bool,
) -> None:
    limits = tmp_path / "mine.yaml"
    limits.write_text(json.dumps({"programme": {"cer": {"max": 0.0}}}), encoding="utf-8")
    quality = {**QUIET, "fail_on": fail_on, "thresholds": str(limits)}
    outcome = dub(replace(request_, settings=fake_tree(quality=quality)), store=store)
    assert outcome.results[0].output is not None
    assert (not outcome.failures) is passes
    if not passes:
        assert isinstance(outcome.failures[0].error, QualityGateFailed)
        assert "cer is" in outcome.failures[0].error.message
